// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NBD servers that do what they should not: each request ends, with an error, in a bounded time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "nbd_disk.h"

#define LONG		(2500u * 1024)	/* bytes: three NBD commands */
#define BOUND_S		9.0		/* patience is 4 s here, and the machine may be busy */
#define KINDS		8u

/* A request of each kind; `buffer` has LONG bytes. */
static void make_task(struct task *task, unsigned int kind, uint8_t *buffer)
{
	static const enum block_op ops[KINDS] = {
		BLOCK_READ, BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE, BLOCK_WRITE, BLOCK_FLUSH,
		BLOCK_DISCARD, BLOCK_WRITE_ZEROES,
	};

	memset(task, 0, sizeof(*task));
	fill_iov(task, buffer, kind % 2 ? LONG : 1024, kind == 3);
	task->request.op = ops[kind];
	task->request.durable = kind == 4 || kind == 7;
}

/* Whoever comes now gets an error, and need not wait for it. */
static void is_gone(struct block *block, uint8_t *buffer)
{
	struct task task;

	for (unsigned int kind = 0; kind < KINDS; kind++) {
		make_task(&task, kind, buffer);
		begin(block, &task);
		assert_true(task.done);
		assert_int_equal(task.error, -EIO);
	}
	block_drain(block);
}

/* The first part of the request may be answered yet. */
static void ends_at(enum server_mood mood, unsigned int kind, bool drain)
{
	g_autofree uint8_t *buffer = g_malloc0(LONG);
	g_autoptr(GTimer) timer = NULL;
	struct server server = { 0 };
	struct block *block;
	struct task task;

	server_start(&server, SERVER_ALL);
	block = open_disk(&server, false);
	assert_int_equal(transfer(block, BLOCK_READ, 0, buffer, 512, false), 0);
	if (kind == 1 || kind == 3)
		atomic_store(&server.good, 1);
	atomic_store(&server.mood, mood);
	make_task(&task, kind, buffer);
	timer = g_timer_new();
	begin(block, &task);
	if (drain)
		block_drain(block);
	else
		wait_for(block, &task);
	assert_true(task.done);
	assert_true(task.error < 0);
	assert_true(g_timer_elapsed(timer, NULL) < BOUND_S);
	is_gone(block, buffer);
	block_close(block);
	server_stop(&server);
	server_free(&server);
}

static void connection_lost(void **unused)
{
	static const enum server_mood moods[] = {
		SERVER_LEAVES, SERVER_BREAKS_OFF, SERVER_RAVES, SERVER_CONFUSES,
	};

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(moods); i++)
		for (unsigned int kind = 0; kind < KINDS; kind++)
			ends_at(moods[i], kind, kind % 3 == 0);
}

/* In the middle of a read's data, and of an answer's head. */
static void falls_silent(void **unused)
{
	(void)unused;
	ends_at(SERVER_PAUSES, 0, false);
	ends_at(SERVER_PAUSES, 5, true);
}

static void all_wait_in_vain(void **unused)
{
	g_autofree uint8_t *buffer = g_malloc0(LONG);
	struct server server = { 0 };
	struct task tasks[KINDS];
	struct block *block;

	(void)unused;
	server_start(&server, SERVER_ALL);
	block = open_disk(&server, false);
	atomic_store(&server.mood, SERVER_IS_SILENT);
	for (unsigned int kind = 0; kind < KINDS; kind++) {
		make_task(&tasks[kind], kind, buffer);
		begin(block, &tasks[kind]);
	}
	for (unsigned int kind = 0; kind < KINDS; kind++) {
		wait_for(block, &tasks[kind]);
		assert_true(tasks[kind].error < 0);
	}
	is_gone(block, buffer);
	block_close(block);
	server_stop(&server);
	server_free(&server);
}

/* It answers the whole time, but a drain does not wait the 16 seconds. */
static void slow_drain(void **unused)
{
	g_autofree uint8_t *buffer = g_malloc0(LONG);
	g_autofree struct task *tasks = g_new0(struct task, 32);
	g_autoptr(GTimer) timer = NULL;
	struct server server = { 0 };
	unsigned int good = 0;
	struct block *block;

	(void)unused;
	server_start(&server, SERVER_ALL);
	block = open_disk(&server, false);
	atomic_store(&server.mood, SERVER_IS_SLOW);
	for (unsigned int i = 0; i < 32; i++) {
		make_task(&tasks[i], 0, buffer);
		begin(block, &tasks[i]);
	}
	timer = g_timer_new();
	block_drain(block);
	assert_true(g_timer_elapsed(timer, NULL) < BOUND_S);
	for (unsigned int i = 0; i < 32; i++) {
		assert_true(tasks[i].done);
		good += !tasks[i].error;
	}
	assert_true(good > 0 && good < 32);
	block_close(block);
	server_stop(&server);
	server_free(&server);
}

/* The guest learns which error it was, and of no part behind it. */
static void errors_arrive(void **unused)
{
	g_autofree uint8_t *buffer = g_malloc0(LONG);
	struct server server = { .error = ENOSPC };
	struct task task = { .request = { .op = BLOCK_FLUSH } };
	struct block *block;

	(void)unused;
	server_start(&server, SERVER_ALL);
	block = open_disk(&server, false);
	atomic_store(&server.good, 1);
	atomic_store(&server.mood, SERVER_REFUSES);
	assert_int_equal(transfer(block, BLOCK_WRITE, 0, buffer, LONG, true), -ENOSPC);
	atomic_store(&server.mood, SERVER_ANSWERS);
	/* That write was no promise: others can be made. */
	assert_int_equal(run(block, &task), 0);
	block_close(block);
	server_stop(&server);
	assert_string_equal(server.log->str, "wwf");
	server_free(&server);
}

/* A durable request whose flush fails has broken a promise, although its write succeeded. */
static void durable_flush_fails(void **unused)
{
	g_autofree uint8_t *buffer = g_malloc0(LONG);
	struct server server = { 0 };
	struct block *block;
	struct task task;

	(void)unused;
	server_start(&server, SERVER_FLUSH);
	block = open_disk(&server, false);
	atomic_store(&server.good, 1);
	atomic_store(&server.mood, SERVER_REFUSES);
	make_task(&task, 4, buffer);
	assert_int_equal(run(block, &task), -EIO);
	atomic_store(&server.mood, SERVER_ANSWERS);
	assert_int_equal(transfer(block, BLOCK_WRITE, 0, buffer, 512, false), 0);
	for (unsigned int kind = 4; kind <= 7; kind++) {
		make_task(&task, kind, buffer);
		assert_int_equal(run(block, &task), kind == 6 ? 0 : -EIO);
	}
	block_close(block);
	server_stop(&server);
	assert_string_equal(server.log->str, "wfw");
	server_free(&server);
}

/* ---------------------------------------------------------------- opening */

static void greetings(void **unused)
{
	static const struct {
		enum server_greeting greeting;
		const char *word;
	} cases[] = {
		{ SERVER_IS_MUTE, "does not answer" },
		{ SERVER_HANGS_UP, "" },
		{ SERVER_MUMBLES, "" },
		{ SERVER_IGNORES_OPTIONS, "does not answer" },
		{ SERVER_HAS_NO_DISK, "" },
		{ SERVER_IS_EMPTY, "smaller than a sector" },
		{ SERVER_WANTS_PAGES, "no requests of less than 4096 bytes" },
	};

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct server server = { .greeting = cases[i].greeting };
		g_autoptr(GTimer) timer = g_timer_new();
		g_autoptr(GError) error = NULL;

		server_start(&server, SERVER_ALL);
		assert_null(block_nbd_open(server.name, false, &error));
		assert_true(g_timer_elapsed(timer, NULL) < BOUND_S);
		assert_non_null(error);
		assert_true(g_str_has_prefix(error->message, "disk nbd:unix:"));
		assert_non_null(strstr(error->message, cases[i].word));
		server_stop(&server);
		server_free(&server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_lost), cmocka_unit_test(falls_silent),
		cmocka_unit_test(all_wait_in_vain), cmocka_unit_test(slow_drain),
		cmocka_unit_test(errors_arrive), cmocka_unit_test(durable_flush_fails),
		cmocka_unit_test(greetings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
