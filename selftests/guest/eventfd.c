// SPDX-License-Identifier: GPL-2.0-or-later
/* Ports that the kernel answers: writes that signal an eventfd, and ports that are nobody's. */
#include "eventfd.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* An exit for an OUT of `size` bytes to `port`. */
static void expect_out(struct guest *g, unsigned int port, unsigned int size)
{
	check(guest_run(g) == MICA_EXIT_IO && g->run->io.flags == MICA_IO_WRITE &&
	      g->run->io.port == port && g->run->io.size == size,
	      "exit %s, port 0x%x, %u bytes, flags %u, instead of OUT to 0x%x, %u bytes",
	      guest_exit_name(g->run->exit_reason), g->run->io.port, g->run->io.size,
	      g->run->io.flags, port, size);
}

/* ------------------------------------------------------------ signals */

GUEST_CODE(signal_code, ".code64",
	"mov $0x1234, %dx\n mov $0x5a5a5a5a, %eax\n"
	"out %al, %dx\n out %ax, %dx\n out %eax, %dx\n"
	"in %dx, %al\n" DONE);

/* Writes of any width; the guest goes on, and a read is still user space's. */
static void port_signal(void)
{
	struct mica_io_binding binding = { .address = 0x1234, .length = 4, .fd = eventfd_new() };
	struct guest g;

	guest_init(&g);
	check_equal(bind_io(&g, binding), 0);
	guest_load(&g, G_LONG, signal_code, signal_code_end);
	check_equal(guest_run(&g), MICA_EXIT_IO);
	check_equal(g.run->io.flags, 0);
	check_equal(g.run->io.port, 0x1234);
	check_equal(eventfd_take(binding.fd), 3);
	check_equal(guest_stat(&g, "port_signals"), 3);
	check_equal(guest_stat(&g, "user_exits"), 1);
	g.run->io.data = 0x77;
	if (guest_finish(&g))
		check_equal(g.done, 0x5a5a5a77);
	guest_destroy(&g);
	close(binding.fd);
}

GUEST_CODE(data_code, ".code64",
	"mov $0x1000, %dx\n"
	"mov $0xffff0011, %eax\n out %ax, %dx\n"
	"mov $0x22, %eax\n out %ax, %dx\n out %ax, %dx\n"
	"mov $0x33, %eax\n out %ax, %dx\n"		/* nobody waits for this value */
	"mov $0x11, %eax\n out %al, %dx\n"		/* too short */
	"out %eax, %dx\n"				/* too long */
	"inc %edx\n out %al, %dx\n"			/* the second byte alone */
	"mov $0x0, %eax\n out %al, %dx\n" DONE);

static void port_data(void)
{
	struct mica_io_binding binding = {
		.address = 0x1000, .length = 2, .size = 2, .flags = MICA_BIND_DATA,
	};
	int one = eventfd_new(), two = eventfd_new();
	struct guest g;

	guest_init(&g);
	binding.fd = two, binding.data = 0x22;
	check_equal(bind_io(&g, binding), 0);
	binding.fd = one, binding.data = 0x11;
	check_equal(bind_io(&g, binding), 0);
	guest_load(&g, G_LONG, data_code, data_code_end);
	expect_out(&g, 0x1000, 2);
	check_equal(g.run->io.data, 0x33);
	expect_out(&g, 0x1000, 1);
	expect_out(&g, 0x1000, 4);
	expect_out(&g, 0x1001, 1);
	expect_out(&g, 0x1001, 1);
	guest_finish(&g);
	check_equal(eventfd_take(one), 1);
	check_equal(eventfd_take(two), 2);
	guest_destroy(&g);
	close(one);
	close(two);
}

GUEST_CODE(size_code, ".code64",
	"mov $0x1000, %dx\n out %al, %dx\n out %ax, %dx\n out %eax, %dx\n"
	"mov $0x1006, %dx\n out %ax, %dx\n inc %edx\n out %ax, %dx\n" DONE);

/* One width; every port of the range, but not across its end. */
static void port_size(void)
{
	struct mica_io_binding binding = {
		.address = 0x1000, .length = 8, .size = 2, .fd = eventfd_new(),
	};
	struct guest g;

	guest_init(&g);
	check_equal(bind_io(&g, binding), 0);
	guest_load(&g, G_LONG, size_code, size_code_end);
	expect_out(&g, 0x1000, 1);
	expect_out(&g, 0x1000, 4);
	expect_out(&g, 0x1007, 2);
	guest_finish(&g);
	check_equal(eventfd_take(binding.fd), 2);
	guest_destroy(&g);
	close(binding.fd);
}

/* The table is full: every second port from 0x2001 on; the guest walks over all of them. */
GUEST_CODE(walk_code, ".code64",
	"mov $0x2000, %dx\n mov $1024, %ecx\n 1: out %al, %dx\n inc %edx\n loop 1b\n" DONE);

static void port_many(void)
{
	struct mica_io_binding binding = { .length = 1, .fd = eventfd_new() };
	unsigned int i, exits = 0;
	struct guest g;

	guest_init(&g);
	/* In an order that inserts in front, behind and between: 5 has no divisor of 512. */
	for (i = 0; i < MICA_MAX_IO_BINDINGS; i++) {
		binding.address = 0x2001 + i * 5 % MICA_MAX_IO_BINDINGS * 2;
		if (!check(!bind_io(&g, binding), "binding %u", i))
			break;
	}
	binding.address = 0x9000;
	check_equal(bind_io(&g, binding), ENOSPC);
	guest_load(&g, G_LONG, walk_code, walk_code_end);
	while (guest_run(&g) == MICA_EXIT_IO && g.run->io.port != G_DONE) {
		check(!(g.run->io.port & 1), "port 0x%x is bound, and yet an exit", g.run->io.port);
		exits++;
	}
	check_equal(exits, 512);
	check_equal(eventfd_take(binding.fd), 512);
	for (i = 0; i < MICA_MAX_IO_BINDINGS; i++) {
		binding.address = 0x2001 + i * 3 % MICA_MAX_IO_BINDINGS * 2;
		if (!check(!unbind_io(&g, binding), "unbinding %u", i))
			break;
	}
	check_equal(unbind_io(&g, binding), ENOENT);
	guest_destroy(&g);
	close(binding.fd);
}

/* ------------------------------------------------------------ nobody's */

GUEST_CODE(ignore_code, ".code64",
	"mov $0x1122334455667788, %rbx\n"
	"out %al, $0x80\n"
	"mov %rbx, %rax\n in $0x80, %al\n mov $0x11223344556677ff, %rdi\n cmp %rdi, %rax\n jne 1f\n"
	"mov $0x300, %dx\n"
	"mov %rbx, %rax\n in %dx, %ax\n mov $0x112233445566ffff, %rdi\n cmp %rdi, %rax\n jne 1f\n"
	"mov %rbx, %rax\n in %dx, %eax\n mov $0xffffffff, %edi\n cmp %rdi, %rax\n jne 1f\n"
	"out %ax, $0x80\n"				/* also to 0x81, which is user space's */
	"in $0x80, %ax\n"
	"mov $1, %eax\n" DONE "1: mov $2, %eax\n" DONE);

static void port_ignore(void)
{
	struct mica_io_binding post = { .address = 0x80, .length = 1, .flags = MICA_BIND_IGNORE,
					.fd = -1 };
	struct mica_io_binding range = { .address = 0x2ff, .length = 0x11,
					 .flags = MICA_BIND_IGNORE, .fd = -1 };
	struct guest g;

	guest_init(&g);
	check_equal(bind_io(&g, post), 0);
	check_equal(bind_io(&g, range), 0);
	guest_load(&g, G_LONG, ignore_code, ignore_code_end);
	expect_out(&g, 0x80, 2);
	check_equal(guest_stat(&g, "port_ignored"), 4);
	check_equal(guest_run(&g), MICA_EXIT_IO);
	check_equal(g.run->io.flags, 0);
	check_equal(g.run->io.size, 2);
	if (guest_finish(&g))
		check_equal(g.done, 1);
	check_equal(unbind_io(&g, range), 0);
	check_equal(unbind_io(&g, range), ENOENT);
	guest_destroy(&g);
}

/* Each read and write of a bound port goes on in the mode that the guest is in. */
GUEST_CODE(real_code, ".code16",
	"mov $0x1234, %dx\n out %al, %dx\n in $0x80, %al\n movzx %al, %eax\n" DONE);

static void port_real_mode(void)
{
	struct mica_io_binding post = { .address = 0x80, .length = 1, .flags = MICA_BIND_IGNORE,
					.fd = -1 };
	struct mica_io_binding binding = { .address = 0x1234, .length = 1, .fd = eventfd_new() };
	struct guest g;

	guest_init(&g);
	check_equal(bind_io(&g, post), 0);
	check_equal(bind_io(&g, binding), 0);
	guest_load(&g, G_REAL, real_code, real_code_end);
	if (guest_finish(&g))
		check_equal(g.done, 0xff);
	check_equal(eventfd_take(binding.fd), 1);
	guest_destroy(&g);
	close(binding.fd);
}

GUEST_CODE(string_code, ".code64",
	"mov $0x100000, %esi\n mov $0x1234, %dx\n outsb\n"
	"mov $0x100000, %edi\n mov $0x80, %dx\n insb\n" DONE);

static void skip_string(struct guest *g, unsigned int port)
{
	check_equal(guest_run(g), MICA_EXIT_IO);
	check_equal(g->run->io.port, port);
	if (!check(g->run->io.flags & MICA_IO_STRING, "flags %u", g->run->io.flags))
		return;
	g->run->state.gprs.rip++;
	g->run->state_commit = MICA_STATE_GPRS;
}

/* The kernel does not decode: INS and OUTS are user space's, on bound ports as well. */
static void port_string(void)
{
	struct mica_io_binding post = { .address = 0x80, .length = 1, .flags = MICA_BIND_IGNORE,
					.fd = -1 };
	struct mica_io_binding binding = { .address = 0x1234, .length = 1, .fd = eventfd_new() };
	struct guest g;

	guest_init(&g);
	check_equal(bind_io(&g, post), 0);
	check_equal(bind_io(&g, binding), 0);
	guest_load(&g, G_LONG, string_code, string_code_end);
	skip_string(&g, 0x1234);
	skip_string(&g, 0x80);
	guest_finish(&g);
	check_equal(eventfd_take(binding.fd), 0);
	guest_destroy(&g);
	close(binding.fd);
}

/* ------------------------------------------------------------ while the guest runs */

/* Until the flag at 0x100000 is set. */
GUEST_CODE(hammer_code, ".code64",
	"mov $0x1234, %dx\n 1: out %al, %dx\n cmpl $0, 0x100000\n je 1b\n" DONE);

struct hammer {
	struct guest g;
	pthread_t thread;
	int exited;			/* an eventfd: the OUT came to user space */
};

static void *hammer_thread(void *arg)
{
	struct hammer *h = arg;

	while (guest_run(&h->g) == MICA_EXIT_IO && h->g.run->io.port == 0x1234)
		eventfd_add(h->exited, 1);
	return NULL;
}

static void hammer_start(struct hammer *h)
{
	guest_init(&h->g);
	h->exited = eventfd_new();
	guest_load(&h->g, G_LONG, hammer_code, hammer_code_end);
	if (pthread_create(&h->thread, NULL, hammer_thread, h))
		bail("pthread_create");
}

static void hammer_stop(struct hammer *h)
{
	*(volatile uint32_t *)guest_at(&h->g, G_DATA) = 1;
	pthread_join(h->thread, NULL);
	check_equal(h->g.run->io.port, G_DONE);
	guest_destroy(&h->g);
	close(h->exited);
}

/* Bound, the writes signal; unbound, they come to user space, and none behind the one that was
 * under way signals. */
static void port_unbind_running(void)
{
	struct mica_io_binding binding = { .address = 0x1234, .length = 1, .fd = eventfd_new() };
	struct hammer h;
	unsigned int i;

	hammer_start(&h);
	for (i = 0; i < 50; i++) {
		if (!check(eventfd_wait(h.exited), "round %u: no exit", i))
			break;
		check_equal(bind_io(&h.g, binding), 0);
		if (!check(eventfd_wait(binding.fd), "round %u: no signal", i))
			break;
		check_equal(unbind_io(&h.g, binding), 0);
		eventfd_take(h.exited);
		if (!check(eventfd_wait(h.exited), "round %u: no exit after it", i))
			break;
		eventfd_take(binding.fd);
		eventfd_take(h.exited);
		if (!check(eventfd_wait(h.exited), "round %u: no second exit", i))
			break;
		check(!eventfd_is_set(binding.fd), "round %u: a signal after unbinding", i);
	}
	hammer_stop(&h);
	close(binding.fd);
}

/* The binding does not need the descriptor, and goes with the VM. */
static void port_closed_first(void)
{
	struct mica_io_binding binding = { .address = 0x1234, .length = 1, .fd = eventfd_new() };
	struct hammer h;
	int other = dup(binding.fd);

	hammer_start(&h);
	check_equal(bind_io(&h.g, binding), 0);
	close(binding.fd);
	check(eventfd_wait(other), "no signal through the other descriptor");
	close(other);
	binding.address = 0x4321;
	binding.fd = eventfd_new();
	check_equal(bind_io(&h.g, binding), 0);
	hammer_stop(&h);
	eventfd_add(binding.fd, 1);
	check_equal(eventfd_take(binding.fd), 1);
	close(binding.fd);
}

/* ------------------------------------------------------------ bad arguments */

static void port_bad(void)
{
	int fd = eventfd_new();
	struct guest g;
	unsigned int i;

	guest_init(&g);
	const struct { struct mica_io_binding args; int error; } rows[] = {
		{ { .address = 0x100, .length = 4, .fd = fd }, 0 },
		{ { .address = 0x100, .length = 4, .fd = fd }, EEXIST },
		{ { .address = 0x100, .length = 4, .size = 4, .fd = fd }, EEXIST },
		{ { .address = 0x103, .length = 4, .fd = fd }, EEXIST },
		{ { .address = 0xfd, .length = 4, .fd = fd }, EEXIST },
		{ { .address = 0, .length = 0x10000, .fd = fd }, EEXIST },
		{ { .address = 0x101, .length = 1, .fd = -1, .flags = MICA_BIND_IGNORE }, EEXIST },
		{ { .address = 0x102, .length = 2, .size = 2, .flags = MICA_BIND_DATA, .fd = fd },
		  EEXIST },
		{ { .address = 0xffff, .length = 1, .fd = fd }, 0 },
		{ { .address = 0xfffe, .length = 3, .fd = fd }, EINVAL },
		{ { .address = 0x10000, .length = 1, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 0, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = -1ull, .fd = fd }, EINVAL },
		{ { .address = -1ull, .length = 2, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 1ull << 32, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 8, .size = 3, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 8, .size = 8, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 2, .size = 4, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 2, .data = 1, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 2, .flags = MICA_BIND_DATA, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 4, .size = 2, .flags = MICA_BIND_DATA, .fd = fd },
		  EINVAL },
		{ { .address = 0x200, .length = 2, .size = 2, .flags = MICA_BIND_DATA,
		    .data = 0x10000, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 4, .size = 4, .flags = MICA_BIND_DATA,
		    .data = 1ull << 32, .fd = fd }, EINVAL },
		{ { .address = 0x200, .length = 4, .size = 4, .flags = MICA_BIND_DATA,
		    .data = 0xffffffff, .fd = fd }, 0 },
		{ { .address = 0x200, .length = 4, .size = 4, .flags = MICA_BIND_DATA,
		    .data = 0xffffffff, .fd = fd }, EEXIST },
		{ { .address = 0x200, .length = 4, .size = 4, .fd = fd }, EEXIST },
		{ { .address = 0x200, .length = 2, .size = 2, .flags = MICA_BIND_DATA, .fd = fd },
		  EEXIST },
		{ { .address = 0x300, .length = 1, .flags = MICA_BIND_IGNORE, .fd = fd }, EINVAL },
		{ { .address = 0x300, .length = 1, .flags = MICA_BIND_IGNORE, .fd = -1, .size = 1 },
		  EINVAL },
		{ { .address = 0x300, .length = 1, .flags = MICA_BIND_IGNORE, .fd = -1, .data = 1 },
		  EINVAL },
		{ { .address = 0x300, .length = 1, .size = 1, .fd = -1,
		    .flags = MICA_BIND_IGNORE | MICA_BIND_DATA }, EINVAL },
		{ { .address = 0x300, .length = 4, .flags = MICA_BIND_MMIO, .fd = fd },
		  EOPNOTSUPP },
		{ { .address = 0xfeb00000, .length = 4, .flags = MICA_BIND_MMIO, .fd = fd },
		  EOPNOTSUPP },
		{ { .address = 0x300, .length = 1, .fd = fd, .pad = 1 }, EINVAL },
		{ { .address = 0x300, .length = 1, .fd = -1 }, EBADF },
		{ { .address = 0x300, .length = 1, .fd = 1 << 20 }, EBADF },
		{ { .address = 0x300, .length = 1, .fd = g.vm }, EINVAL },
	};
	struct mica_io_binding reserved = { .address = 0x300, .length = 1, .fd = fd };

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int error = bind_io(&g, rows[i].args);

		check(error == rows[i].error, "row %u: %s instead of %s", i, strerror(error),
		      strerror(rows[i].error));
	}
	for (i = 3; i < 32; i++) {
		reserved.flags = 1u << i;
		check(bind_io(&g, reserved) == EINVAL, "reserved flag %u", i);
		check(unbind_io(&g, reserved) == EINVAL, "unbinding with reserved flag %u", i);
	}
	guest_destroy(&g);
	close(fd);
}

static void port_bad_unbind(void)
{
	struct mica_io_binding bound = { .address = 0x100, .length = 4, .size = 4,
					 .flags = MICA_BIND_DATA, .data = 7, .fd = eventfd_new() };
	struct mica_io_binding other;
	struct guest g;

	guest_init(&g);
	check_equal(unbind_io(&g, bound), ENOENT);
	check_equal(bind_io(&g, bound), 0);
	check(ioctl(g.vm, MICA_VM_UNBIND_IO, &bound) && errno == EINVAL, "with a descriptor: %s",
	      strerror(errno));
	other = bound, other.address = 0x101;
	check_equal(unbind_io(&g, other), ENOENT);
	other = bound, other.data = 8;
	check_equal(unbind_io(&g, other), ENOENT);
	other = bound, other.length = other.size = 2;
	check_equal(unbind_io(&g, other), ENOENT);
	other = bound, other.flags = 0, other.data = 0;
	check_equal(unbind_io(&g, other), ENOENT);
	other = bound, other.flags = MICA_BIND_IGNORE, other.data = other.size = 0;
	check_equal(unbind_io(&g, other), ENOENT);
	other = bound, other.length = 0;
	check_equal(unbind_io(&g, other), EINVAL);
	check_equal(unbind_io(&g, bound), 0);
	check_equal(unbind_io(&g, bound), ENOENT);
	check_equal(bind_io(&g, bound), 0);
	guest_destroy(&g);
	close(bound.fd);
}

TESTS(eventfd_tests) = {
	{ "eventfd-port-signal", port_signal },
	{ "eventfd-port-data", port_data },
	{ "eventfd-port-size", port_size },
	{ "eventfd-port-many", port_many },
	{ "eventfd-port-ignore", port_ignore },
	{ "eventfd-port-real-mode", port_real_mode },
	{ "eventfd-port-string", port_string },
	{ "eventfd-port-unbind-running", port_unbind_running },
	{ "eventfd-port-closed-first", port_closed_first },
	{ "eventfd-port-bad", port_bad },
	{ "eventfd-port-bad-unbind", port_bad_unbind },
	{ }
};
