// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Binding and unbinding ports (kmod/ports.c): what waits for a grace period is counted here, as
 * are the references of eventfds, and memory can run out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ports.h"
#include "vcpu.h"

#define EVENTFDS	4

struct eventfd_ctx {
	int references;
	int signals;
};

static struct eventfd_ctx eventfds[EVENTFDS];	/* the index is the descriptor */
static struct rcu_head *callbacks;		/* of the next grace period */
static void *garbage[2048];			/* likewise */
static unsigned int garbage_count, waits;
static bool no_memory;

/* ------------------------------------------------------------ the kernel */

void *kmalloc(size_t size, gfp_t gfp)
{
	return no_memory ? NULL : malloc(size);
}

void *kvmalloc(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp);
}

void kfree(const void *p)
{
	free((void *)p);
}

void kvfree(const void *p)
{
	free((void *)p);
}

void stub_kvfree_rcu(void *p)
{
	assert_true(garbage_count < ARRAY_SIZE(garbage));
	garbage[garbage_count++] = p;
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	head->next = callbacks;
	callbacks = head;
}

static void grace_period(void)
{
	struct rcu_head *head;

	while ((head = callbacks)) {
		callbacks = head->next;
		head->func(head);
	}
	while (garbage_count)
		free(garbage[--garbage_count]);
}

void rcu_barrier(void)
{
	grace_period();
}

void synchronize_rcu_expedited(void)
{
	waits++;
	grace_period();
}

struct eventfd_ctx *eventfd_ctx_fdget(int fd)
{
	if (fd < 0 || fd >= EVENTFDS)
		return (void *)(long)-EBADF;
	eventfds[fd].references++;
	return &eventfds[fd];
}

void eventfd_ctx_put(struct eventfd_ctx *eventfd)
{
	assert_true(eventfd->references > 0);
	eventfd->references--;
}

void mica_eventfd_signal(struct eventfd_ctx *eventfd)
{
	assert_true(eventfd->references > 0);
	eventfd->signals++;
}

/* ------------------------------------------------------------ a VM */

static struct mica_vm vm;
static struct mica_vcpu vcpu = { .vm = &vm };

static struct mica_io_binding doorbell(u16 port, int fd)
{
	return (struct mica_io_binding){ .address = port, .length = 2, .size = 2, .fd = fd };
}

static int bind(u16 port, int fd)
{
	struct mica_io_binding args = doorbell(port, fd);

	return mica_ports_bind(&vm, &args);
}

static int unbind(u16 port)
{
	struct mica_io_binding args = doorbell(port, -1);

	return mica_ports_unbind(&vm, &args);
}

static int end(void **state)
{
	no_memory = false;
	mica_ports_destroy(&vm);
	mica_ports_exit();
	for (unsigned int i = 0; i < EVENTFDS; i++)
		assert_int_equal(eventfds[i].references, 0);
	memset(eventfds, 0, sizeof(eventfds));
	waits = 0;
	return 0;
}

/* ------------------------------------------------------------ tests */

/* A guest has it done as often as it likes: no CPU of the host may be disturbed by that. */
static void unbinds_without_waiting(void **state)
{
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(bind(0x1000, 0), 0);
		assert_int_equal(bind(0x1002, 1), 0);
		assert_true(mica_ports_write(&vcpu, 0x1000, 2, 0));
		assert_int_equal(unbind(0x1000), 0);
		assert_false(mica_ports_write(&vcpu, 0x1000, 2, 0));
		assert_true(mica_ports_write(&vcpu, 0x1002, 2, 0));
		assert_int_equal(unbind(0x1002), 0);
		assert_false(mica_ports_write(&vcpu, 0x1002, 2, 0));
	}
	assert_int_equal(waits, 0);
	assert_int_equal(eventfds[0].signals, 100);
	assert_int_equal(eventfds[1].signals, 100);
}

/* A vCPU that has found the eventfd may signal it until the grace period is over. */
static void held_until_the_grace_period(void **state)
{
	assert_int_equal(bind(0x1000, 0), 0);
	assert_int_equal(unbind(0x1000), 0);
	assert_int_equal(eventfds[0].references, 1);
	grace_period();
	assert_int_equal(eventfds[0].references, 0);
}

/* What is taken away is gone: for the next binding at the same port, and for the limit. */
static void bound_again(void **state)
{
	assert_int_equal(bind(0x1000, 0), 0);
	assert_int_equal(bind(0x1000, 1), -EEXIST);
	assert_int_equal(unbind(0x1000), 0);
	assert_int_equal(unbind(0x1000), -ENOENT);
	assert_int_equal(bind(0x1001, 1), 0);
	assert_int_equal(bind(0x1000, 0), -EEXIST);
	assert_true(mica_ports_write(&vcpu, 0x1001, 2, 0));
	assert_int_equal(unbind(0x1001), 0);
	for (unsigned int i = 0; i < MICA_MAX_IO_BINDINGS; i++)
		assert_int_equal(bind(0x2000 + 2 * i, i % EVENTFDS), 0);
	assert_int_equal(bind(0x1000, 0), -ENOSPC);
	assert_int_equal(unbind(0x2000 + 2 * 77), 0);
	assert_int_equal(bind(0x1000, 2), 0);
	for (unsigned int i = 0; i < MICA_MAX_IO_BINDINGS; i++)
		assert_int_equal(mica_ports_write(&vcpu, 0x2000 + 2 * i, 2, 0), i != 77);
	assert_true(mica_ports_write(&vcpu, 0x1000, 2, 0));
}

/* User space forgets what it unbinds: that must not fail. */
static void unbinds_without_memory(void **state)
{
	assert_int_equal(bind(0x1000, 0), 0);
	assert_int_equal(bind(0x1002, 1), 0);
	no_memory = true;
	assert_int_equal(bind(0x1004, 2), -ENOMEM);
	assert_int_equal(unbind(0x1000), 0);
	assert_false(mica_ports_write(&vcpu, 0x1000, 2, 0));
	assert_int_equal(unbind(0x1002), 0);
	no_memory = false;
	assert_int_equal(bind(0x1000, 2), 0);
	assert_true(mica_ports_write(&vcpu, 0x1000, 2, 0));
	assert_int_equal(eventfds[2].signals, 1);
}

/* Ports that are nobody's share the table. */
static void nobody(void **state)
{
	struct mica_io_binding ignore = {
		.address = 0x80, .length = 1, .flags = MICA_BIND_IGNORE, .fd = -1,
	};
	struct mica_io_binding signal = { .address = 0x80, .length = 1, .fd = -1 };

	assert_int_equal(mica_ports_bind(&vm, &ignore), 0);
	assert_true(mica_ports_ignore_read(&vcpu, 0x80, 1));
	assert_true(mica_ports_write(&vcpu, 0x80, 1, 7));
	assert_int_equal(mica_ports_unbind(&vm, &signal), -ENOENT);
	assert_int_equal(mica_ports_unbind(&vm, &ignore), 0);
	assert_false(mica_ports_ignore_read(&vcpu, 0x80, 1));
	assert_false(mica_ports_write(&vcpu, 0x80, 1, 7));
	assert_int_equal(mica_ports_unbind(&vm, &ignore), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(unbinds_without_waiting, end),
		cmocka_unit_test_teardown(held_until_the_grace_period, end),
		cmocka_unit_test_teardown(bound_again, end),
		cmocka_unit_test_teardown(unbinds_without_memory, end),
		cmocka_unit_test_teardown(nobody, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
