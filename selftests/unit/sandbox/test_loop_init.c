// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A main loop is made where there can be no ring, and its thread is as free as before.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "loop_init.h"

static int filters;			/* prctl(2), PR_GET_SECCOMP */
static int ring_error;

/* In the place of libuv's, as the linker has it. */
int __wrap_uv_loop_init(uv_loop_t *loop);
int __real_uv_loop_init(uv_loop_t *loop);

/* As libuv from 1.45 on does. */
int __wrap_uv_loop_init(uv_loop_t *loop)
{
	struct io_uring_params params = { 0 };

	filters = prctl(PR_GET_SECCOMP);
	ring_error = syscall(SYS_io_uring_setup, 1, &params) < 0 ? errno : 0;
	return __real_uv_loop_init(loop);
}

static void woken(uv_async_t *async)
{
	uv_close((uv_handle_t *)async, NULL);
}

static void no_ring_is_made(void **state)
{
	int before = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	uv_async_t async;
	uv_loop_t loop;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(ring_error, ENOSYS);
	assert_int_equal(filters, 2);
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), before);
	assert_int_equal(uv_async_init(&loop, &async, woken), 0);
	uv_async_send(&async);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_ring_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
