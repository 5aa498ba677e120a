// SPDX-License-Identifier: GPL-2.0-or-later
/* The main loop among vCPUs that want nothing but the machine's lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>

#include "../../../vmm/loop_lock.h"

#define VCPUS	2
#define ROUNDS	51

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_ulong taken;		/* how often vCPUs had the lock */
static atomic_bool stop;

static void *vcpu(void *unused)
{
	gint64 end;

	(void)unused;
	while (!atomic_load(&stop)) {
		vcpu_lock(&lock);
		atomic_fetch_add(&taken, 1);
		for (end = g_get_monotonic_time() + 20; g_get_monotonic_time() < end;)
			;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	unsigned long left = *(const unsigned long *)a, right = *(const unsigned long *)b;

	return left < right ? -1 : left > right;
}

/* The host may stop any thread at any place for a while, so single rounds can be long. */
static void comes_first(void **unused)
{
	unsigned long passed[ROUNDS];
	pthread_t threads[VCPUS];

	(void)unused;
	for (unsigned int i = 0; i < VCPUS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, vcpu, NULL), 0);
	while (atomic_load(&taken) < 100)
		g_usleep(1000);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		g_usleep(1000);
		passed[i] = atomic_load(&taken);
		loop_lock(&lock);
		passed[i] = atomic_load(&taken) - passed[i];
		pthread_mutex_unlock(&lock);
	}
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < VCPUS; i++)
		pthread_join(threads[i], NULL);
	qsort(passed, ROUNDS, sizeof(passed[0]), compare);
	assert_true(passed[ROUNDS / 2] <= 2 * VCPUS);
	assert_int_equal(atomic_load(&loop_lock_waiting), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
