// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two threads send to a vCPU while it takes and ends interrupts: no message, trigger mode or
 * request is lost.  With -Db_sanitize=thread it also finds accesses that are not atomic.
 */
#include <pthread.h>
#include <sched.h>

#include "apic_test.h"

#define SENDERS		2
#define PASSES		20000
#define WAIT_LIMIT	1000000	/* yields until a message counts as lost */

/* Of each vector: messages sent, and what the vCPU knew of when it took one.  Vectors belong
 * to one sender each, alternating; every third is level-triggered.  The next message with a
 * vector waits until the one before was seen, so one that is lost stays lost. */
static unsigned int sent[256], seen[256];
static unsigned int senders_running;
static struct mica_vcpu *target;

static bool is_level(unsigned int vector)
{
	return vector % 3 == 0;
}

/* One message for each vector of this sender that has none under way. */
static unsigned int send_pass(unsigned int first)
{
	struct mica_irq irq = { .dest = 0, .assert = true };
	unsigned int vector, count = 0;

	for (vector = first; vector < 256; vector += SENDERS) {
		if (__atomic_load_n(&seen[vector], __ATOMIC_SEQ_CST) != sent[vector])
			continue;
		__atomic_add_fetch(&sent[vector], 1, __ATOMIC_SEQ_CST);
		irq.vector = vector;
		irq.level = is_level(vector);
		assert(mica_apic_deliver(&machine.vm, NULL, &irq) == 1);
		count++;
	}
	return count;
}

static void *sender(void *opaque)
{
	unsigned int first = *(unsigned int *)opaque, pass;

	for (pass = 0; pass < PASSES; pass++)
		if (!send_pass(first))
			sched_yield();
	__atomic_sub_fetch(&senders_running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* One message at a time: if its request is lost, no other comes to the rescue. */
static void *lone_sender(void *opaque)
{
	struct mica_irq irq = { .dest = 0, .vector = *(unsigned int *)opaque, .assert = true };
	unsigned int i, waited = 0;

	for (i = 0; i < PASSES && waited < WAIT_LIMIT; i++) {
		sent[irq.vector]++;
		assert(mica_apic_deliver(&machine.vm, NULL, &irq) == 1);
		waited = 0;
		while (__atomic_load_n(&seen[irq.vector], __ATOMIC_SEQ_CST) != sent[irq.vector] &&
		       ++waited < WAIT_LIMIT)
			sched_yield();
	}
	__atomic_sub_fetch(&senders_running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void take_all(void)
{
	int vector;

	while ((vector = take(target)) >= 0) {
		assert_int_equal(test_bit(mica_apic_bit(vector),
					  mica_apic_bits(&target->apic, APIC_TMR)),
				 is_level(vector));
		wr(target, APIC_EOI, 0);
		__atomic_store_n(&seen[vector], __atomic_load_n(&sent[vector], __ATOMIC_SEQ_CST),
				 __ATOMIC_SEQ_CST);
	}
}

static void run(void **state, unsigned int senders, void *(*function)(void *))
{
	unsigned int ids[SENDERS], i;
	pthread_t threads[SENDERS];
	bool running;

	target = *state;
	machine.yield = true;
	memset(sent, 0, sizeof(sent));
	memset(seen, 0, sizeof(seen));
	senders_running = senders;
	for (i = 0; i < senders; i++) {
		ids[i] = 16 + i;
		assert_int_equal(pthread_create(&threads[i], NULL, function, &ids[i]), 0);
	}
	do {
		running = __atomic_load_n(&senders_running, __ATOMIC_SEQ_CST);
		if (machine_take_request(target, MICA_REQ_EVENT))
			take_all();
		else
			sched_yield();
	} while (running || test_bit(MICA_REQ_EVENT, &target->requests));
	for (i = 0; i < senders; i++)
		pthread_join(threads[i], NULL);
	check_invariants(target);
}

static void test_nothing_is_lost(void **state)
{
	unsigned int i;

	run(state, SENDERS, sender);
	for (i = 16; i < 256; i++) {
		assert_true(sent[i] > 0);
		assert_int_equal(seen[i], sent[i]);
		assert_false(in_irr(target, i));
	}
	for (i = 0; mica_apic_take_eoi(&target->apic) >= 0; i++)
		;
	assert_int_equal(i, 80);
}

static void test_no_request_is_lost(void **state)
{
	run(state, 1, lone_sender);
	assert_int_equal(sent[16], PASSES);
	assert_int_equal(seen[16], PASSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_lost, machine_setup,
						machine_teardown),
		cmocka_unit_test_setup_teardown(test_no_request_is_lost, machine_setup,
						machine_teardown),
	};

	return cmocka_run_group_tests_name("apic concurrency", tests, NULL, NULL);
}
