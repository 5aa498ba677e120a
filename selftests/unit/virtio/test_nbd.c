// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks of an NBD server, which may go away at any moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "nbd_disk.h"

/* Of the sanitizer's run time; GCC has no header for it. */
size_t __sanitizer_get_current_allocated_bytes(void);

/* Longer than one NBD command, in one buffer and in three. */
static void transfers(void **unused)
{
	const size_t length = 2500 * 1024;
	g_autofree uint8_t *data = g_malloc(length);
	g_autofree uint8_t *got = g_malloc(length);
	struct server server = { 0 };
	struct block *block;

	(void)unused;
	server_start(&server, SERVER_ALL);
	block = open_disk(&server, false);
	assert_int_equal(block->size, SERVER_DISK);
	for (int split = 0; split < 2; split++) {
		for (size_t i = 0; i < length; i++)
			data[i] = i * 7 / 3 + split;
		memset(got, 0xee, length);
		assert_int_equal(transfer(block, BLOCK_WRITE, 512 * 3, data, length, split), 0);
		assert_int_equal(transfer(block, BLOCK_READ, 512 * 3, got, length, !split), 0);
		assert_memory_equal(got, data, length);
		assert_memory_equal(server.disk + 512 * 3, data, length);
	}
	block_close(block);
	server_stop(&server);
	assert_string_equal(server.log->str, "wwwrrrwwwrrr");
	server_free(&server);
}

/* The same bytes of a small guest, named by many requests, none of them in one piece. */
static void many_bounces(void **unused)
{
	enum { COUNT = 24, MIB = 1 << 20 };
	g_autofree struct task *tasks = g_new0(struct task, COUNT);
	g_autofree uint8_t *data = g_malloc0(2 * MIB);
	struct server server = { 0 };
	struct block *block;
	size_t before;

	(void)unused;
	server_start(&server, SERVER_ALL);
	block = open_disk(&server, false);
	memset(data, 0x5a, 2 * MIB);
	before = __sanitizer_get_current_allocated_bytes();
	for (unsigned int i = 0; i < COUNT; i++) {
		tasks[i].request.op = i % 2 ? BLOCK_READ : BLOCK_WRITE;
		tasks[i].request.offset = i % 2 * 2 * MIB;
		fill_iov(&tasks[i], data, 2 * MIB, true);
		tasks[i].iov[0].iov_len -= MIB / 2;
		tasks[i].iov[1] = (struct iovec){ data + MIB / 2, MIB / 2 + 24 };
		begin(block, &tasks[i]);
		assert_true(__sanitizer_get_current_allocated_bytes() < before + 18 * MIB);
	}
	for (unsigned int i = 0; i < COUNT; i++) {
		wait_for(block, &tasks[i]);
		assert_int_equal(tasks[i].error, 0);
	}
	assert_true(__sanitizer_get_current_allocated_bytes() < before + MIB);
	block_close(block);
	server_stop(&server);
	server_free(&server);
}

static void several_at_once(void **unused)
{
	enum { COUNT = 32 };
	g_autofree uint8_t *got = g_malloc(COUNT * 512);
	g_autofree struct task *tasks = g_new0(struct task, COUNT);
	struct server server = { 0 };
	struct block *block;

	(void)unused;
	server_start(&server, SERVER_ALL);
	for (unsigned int i = 0; i < COUNT; i++)
		memset(server.disk + 512 * i, i + 1, 512);
	block = open_disk(&server, false);
	for (unsigned int i = 0; i < COUNT; i++) {
		tasks[i].request.op = BLOCK_READ;
		tasks[i].request.offset = 512 * i;
		fill_iov(&tasks[i], got + 512 * i, 512, false);
		begin(block, &tasks[i]);
	}
	block_drain(block);
	for (unsigned int i = 0; i < COUNT; i++) {
		assert_true(tasks[i].done);
		assert_int_equal(tasks[i].error, 0);
		assert_int_equal(got[512 * i + 511], i + 1);
	}
	block_close(block);
	server_stop(&server);
	server_free(&server);
}

/* What the server is asked, by what it can. */
static void asks_what_it_can(void **unused)
{
	static const struct {
		uint16_t flags;
		const char *log;
	} cases[] = {
		{ SERVER_ALL, "fw!tz!.z" },
		{ SERVER_FLUSH | SERVER_TRIM, "fwftwwfww" },
		{ SERVER_FLUSH | SERVER_ZEROES, "fwfz.fz" },
		{ 0, "wwwww" },
	};
	uint8_t data[512] = { 1 };

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct task flush = { .request = { .op = BLOCK_FLUSH } };
		struct task write = { .request = { .op = BLOCK_WRITE, .durable = true } };
		struct task discard = { .request = { .op = BLOCK_DISCARD, .length = 4096 } };
		struct task zero = { .request = { .op = BLOCK_WRITE_ZEROES, .durable = true,
						  .offset = 1 << 20, .length = 2 << 20 } };
		struct task unmap = { .request = { .op = BLOCK_WRITE_ZEROES, .may_unmap = true,
						   .offset = 1 << 20, .length = 2 << 20 } };
		struct server server = { 0 };
		struct block *block;

		server_start(&server, cases[i].flags);
		memset(server.disk, 0x55, SERVER_DISK);
		block = open_disk(&server, false);
		fill_iov(&write, data, 512, false);
		assert_int_equal(run(block, &flush), 0);
		assert_int_equal(run(block, &write), 0);
		assert_int_equal(run(block, &discard), 0);
		assert_int_equal(run(block, &zero), 0);
		assert_int_equal(run(block, &unmap), 0);
		block_close(block);
		server_stop(&server);
		assert_string_equal(server.log->str, cases[i].log);
		assert_int_equal(server.disk[(1 << 20) - 1], 0x55);
		assert_int_equal(server.disk[1 << 20], 0);
		assert_int_equal(server.disk[(3 << 20) - 1], 0);
		assert_int_equal(server.disk[3 << 20], 0x55);
		server_free(&server);
	}
}

/* Once a flush has failed no later promise is made. */
static void fails(void **unused)
{
	struct task flush = { .request = { .op = BLOCK_FLUSH } };
	struct server server = { 0 };
	uint8_t data[512] = { 1 };
	struct block *block;

	(void)unused;
	server_start(&server, SERVER_ALL);
	block = open_disk(&server, false);
	atomic_store(&server.mood, SERVER_REFUSES);
	assert_int_equal(transfer(block, BLOCK_READ, 0, data, 512, false), -EIO);
	assert_int_equal(run(block, &flush), -EIO);
	atomic_store(&server.mood, SERVER_ANSWERS);
	assert_int_equal(transfer(block, BLOCK_WRITE, 0, data, 512, false), 0);
	assert_int_equal(run(block, &flush), -EIO);
	block_close(block);
	server_stop(&server);
	server_free(&server);
}

/* Everything that it had fails, and everything later, at once. */
static void server_goes(void **unused)
{
	struct task flush = { .request = { .op = BLOCK_FLUSH } };
	struct task tasks[4] = { 0 };
	struct server server = { 0 };
	uint8_t data[4][512];
	struct block *block;

	(void)unused;
	server_start(&server, SERVER_ALL);
	block = open_disk(&server, false);
	assert_int_equal(transfer(block, BLOCK_READ, 0, data[0], 512, false), 0);
	atomic_store(&server.mood, SERVER_LEAVES);
	for (unsigned int i = 0; i < 4; i++) {
		tasks[i].request.op = i % 2 ? BLOCK_WRITE : BLOCK_READ;
		fill_iov(&tasks[i], data[i], 512, false);
		begin(block, &tasks[i]);
	}
	for (unsigned int i = 0; i < 4; i++) {
		wait_for(block, &tasks[i]);
		assert_true(tasks[i].error < 0);
	}
	begin(block, &flush);
	assert_true(flush.done);
	assert_int_equal(flush.error, -EIO);
	assert_int_equal(transfer(block, BLOCK_READ, 0, data[0], 512, true), -EIO);
	block_drain(block);
	block_close(block);
	server_stop(&server);
	server_free(&server);
}

/* Who must wait for what is under way does not wait for ever. */
static void server_is_silent(void **unused)
{
	struct task task = { .request = { .op = BLOCK_READ } };
	struct server server = { 0 };
	uint8_t data[2048];
	struct block *block;

	(void)unused;
	server_start(&server, SERVER_ALL);
	block = open_disk(&server, false);
	atomic_store(&server.mood, SERVER_IS_SILENT);
	fill_iov(&task, data, 2048, true);
	begin(block, &task);
	block_drain(block);
	assert_true(task.done);
	assert_int_equal(task.error, -EIO);
	block_close(block);
	server_stop(&server);
	server_free(&server);
}

static void refusals(void **unused)
{
	g_autoptr(GError) missing = NULL;
	g_autoptr(GError) read_only = NULL;
	struct server server = { 0 };

	(void)unused;
	assert_null(block_nbd_open("nbd:unix:/nowhere/socket", false, &missing));
	assert_non_null(strstr(missing->message, "disk nbd:unix:/nowhere/socket: "));
	server_start(&server, SERVER_ALL | SERVER_READ_ONLY);
	assert_null(block_nbd_open(server.name, false, &read_only));
	assert_non_null(strstr(read_only->message, "use it with `ro`"));
	server_stop(&server);
	server_free(&server);
	memset(&server, 0, sizeof(server));
	server_start(&server, SERVER_ALL | SERVER_READ_ONLY);
	block_close(open_disk(&server, true));
	server_stop(&server);
	server_free(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfers), cmocka_unit_test(several_at_once),
		cmocka_unit_test(asks_what_it_can), cmocka_unit_test(fails),
		cmocka_unit_test(server_goes), cmocka_unit_test(server_is_silent),
		cmocka_unit_test(refusals), cmocka_unit_test(many_bounces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
