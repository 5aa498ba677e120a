// SPDX-License-Identifier: GPL-2.0-or-later
/* Dirty tracking of a guest that runs meanwhile: no write is lost; a small migration. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dirty.h"

#define STOP_WORD	G_DATA

/* Counts in two pages until it is told to stop. */
GUEST_CODE(count_code, ".code32",
	"1: incl 0x40000008\n incl 0x40001008\n cmpl $0, 0x100000\n je 1b\n" DONE);

struct running {
	struct tracked t;
	bool ended;			/* the guest has, as it was told or not */
};

static bool has_ended(struct running *r)
{
	return __atomic_load_n(&r->ended, __ATOMIC_ACQUIRE);
}

static void tell_to_stop(struct running *r)
{
	__atomic_store_n((uint32_t *)guest_at(&r->t.g, STOP_WORD), 1, __ATOMIC_RELEASE);
}

/* Runs the guest, and `thread` beside it, until both have ended. */
static void run_beside(struct running *r, void *(*thread_function)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_function, r))
		bail("pthread_create");
	tracked_finish(&r->t.g);
	__atomic_store_n(&r->ended, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

/* Until the counter in this page has changed. */
static void wait_for(struct running *r, unsigned int page)
{
	const uint32_t *counter = (const uint32_t *)(r->t.ram + page * PAGE + 8);
	uint32_t before = __atomic_load_n(counter, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) == before && !has_ended(r))
		sched_yield();
}

/*
 * What is written after a bitmap was taken is in the next one: also by a CPU that was in the
 * guest all the time and could write to the page before, and by one that was about to get
 * the second page because it had just written to the first.
 */
static void *watch_thread(void *arg)
{
	struct running *r = arg;
	unsigned int round;

	for (round = 0; round < 200 && !has_ended(r); round++) {
		wait_for(r, 0);
		tracked_take(&r->t);
		wait_for(r, 0);
		wait_for(r, 1);
		expect_dirty(&r->t, 0, 1);
	}
	tell_to_stop(r);
	return NULL;
}

static void flush(void)
{
	static struct running running;
	struct tracked *t = &running.t;

	running.ended = false;
	tracked_init(t, 64, MADV_NOHUGEPAGE);
	guest_load(&t->g, G_PROT32, count_code, count_code_end);
	check_equal(track_slot(t, SLOT, 1), 0);
	run_beside(&running, watch_thread);
	tracked_destroy(t);
}

/* ------------------------------------------------------------ a small migration */

#define RACE_PAGES	(2 * LARGE_PAGES)
#define SEED		12345u
#define COUNT_WORD	(G_DATA + 4)	/* how many numbers the guest has written */

/* Writes pseudo-random numbers all over the slot until it is told to stop; reports how many. */
GUEST_CODE(race_code, ".code32",
	"mov $12345, %eax\n xor %ecx, %ecx\n"
	"1: imul $1103515245, %eax, %eax\n add $12345, %eax\n"
	"mov %eax, %ebx\n shr $10, %ebx\n and $0x3ffffc, %ebx\n"
	"mov %eax, 0x40000000(%ebx)\n inc %ecx\n mov %ecx, 0x100004\n cmpl $0, 0x100000\n je 1b\n"
	"mov %ecx, %eax\n" DONE);

static uint32_t next_number(uint32_t number)
{
	return number * 1103515245u + 12345u;
}

static uint32_t offset_of(uint32_t number)
{
	return number >> 10 & 0x3ffffc;
}

struct race {
	struct running running;		/* the first: what run_beside() gives the thread */
	uint8_t *copy;			/* the other side of the migration */
	uint64_t all[WORDS(RACE_PAGES)];	/* pages that were ever dirty */
	uint64_t copied;		/* pages, with repetitions */
	bool restarts;			/* tracking stops and starts now and then */
};

static void copy_dirty(struct race *race)
{
	struct tracked *t = &race->running.t;
	uint64_t page;

	tracked_take(t);
	for (page = 0; page < RACE_PAGES; page++) {
		if (!is_set(t->bitmap, page))
			continue;
		memcpy(race->copy + page * PAGE, t->ram + page * PAGE, PAGE);
		race->all[page / 64] |= 1ull << page % 64;
		race->copied++;
	}
}

static void start_over(struct race *race)
{
	check_equal(track_slot(&race->running.t, SLOT, 0), 0);
	check_equal(track_slot(&race->running.t, SLOT, 1), 0);
	memcpy(race->copy, race->running.t.ram, RACE_PAGES * PAGE);
}

#define RACE_ROUNDS	200
#define RACE_COPIES	3000
#define RACE_MOST	10000	/* the guest does not get on */

static void wait_for_writes(struct running *r)
{
	const uint32_t *count = guest_at(&r->t.g, COUNT_WORD);
	uint32_t before = __atomic_load_n(count, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(count, __ATOMIC_ACQUIRE) == before && !has_ended(r))
		sched_yield();
}

/* As long as it takes to copy many pages by many bitmaps. */
static void *copy_thread(void *arg)
{
	struct race *race = arg;
	unsigned int round;

	for (round = 0; round < RACE_ROUNDS || race->copied < RACE_COPIES; round++) {
		if (round == RACE_MOST || has_ended(&race->running)) {
			check(false, "only %llu pages in %u rounds",
			      (unsigned long long)race->copied, round);
			break;
		}
		copy_dirty(race);
		if (race->restarts && round % 64 == 63)
			start_over(race);
		wait_for_writes(&race->running);
	}
	tell_to_stop(&race->running);
	return NULL;
}

/* What the guest's memory must be after `count` writes. */
static void check_memory(struct race *race, uint32_t count)
{
	uint8_t *expected = calloc(RACE_PAGES, PAGE), *ram = race->running.t.ram;
	uint32_t number = SEED, i;
	uint64_t page;

	for (i = 0; i < count; i++) {
		number = next_number(number);
		memcpy(expected + offset_of(number), &number, 4);
	}
	for (page = 0; page < RACE_PAGES; page++) {
		check(!memcmp(ram + page * PAGE, expected + page * PAGE, PAGE),
		      "page %llu is not what the guest wrote", (unsigned long long)page);
		check(!memcmp(ram + page * PAGE, race->copy + page * PAGE, PAGE),
		      "the copy of page %llu is old", (unsigned long long)page);
	}
	free(expected);
}

static void check_union(struct race *race, uint32_t count)
{
	uint64_t written[WORDS(RACE_PAGES)] = { 0 };
	uint32_t number = SEED, i, page;

	for (i = 0; i < count; i++) {
		number = next_number(number);
		page = offset_of(number) / PAGE;
		written[page / 64] |= 1ull << page % 64;
	}
	/* What is written between a stop and a start is not in a bitmap. */
	for (page = 0; page < RACE_PAGES; page++) {
		check(is_set(written, page) || !is_set(race->all, page),
		      "page %u was dirty, but not written", page);
		check(!is_set(written, page) || is_set(race->all, page) || race->restarts,
		      "page %u was written, but never dirty", page);
	}
}

static void migrate(int advice, bool restarts)
{
	static struct race race;
	struct tracked *t = &race.running.t;

	memset(&race, 0, sizeof(race));
	tracked_init(t, RACE_PAGES, advice);
	race.restarts = restarts;
	race.copy = calloc(RACE_PAGES, PAGE);
	memset(t->ram, 0, RACE_PAGES * PAGE);
	guest_load(&t->g, G_PROT32, race_code, race_code_end);
	check_equal(track_slot(t, SLOT, 1), 0);
	run_beside(&race.running, copy_thread);
	copy_dirty(&race);
	check_memory(&race, t->g.done);
	check_union(&race, t->g.done);
	expect_clean(t);
	free(race.copy);
	tracked_destroy(t);
}

static void migrate_small(void)
{
	migrate(MADV_NOHUGEPAGE, false);
}

static void migrate_large(void)
{
	migrate(MADV_HUGEPAGE, false);
}

static void migrate_restart(void)
{
	migrate(MADV_HUGEPAGE, true);
}

TESTS(dirty_run_tests) = {
	{ "dirty-flush", flush },
	{ "dirty-migrate-small", migrate_small },
	{ "dirty-migrate-large", migrate_large },
	{ "dirty-migrate-restart", migrate_restart },
	{ }
};
