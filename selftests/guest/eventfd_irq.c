// SPDX-License-Identifier: GPL-2.0-or-later
/* Eventfds that raise interrupts, alone and together with those that ports signal. */
#include "eventfd.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

#define X2	"mov $0x1b, %ecx\n rdmsr\n or $0xc00, %eax\n wrmsr\n" \
		"mov $0x80f, %ecx\n mov $0x1ff, %eax\n xor %edx, %edx\n wrmsr\n"
#define EOI	"mov $0x80b, %ecx\n xor %eax, %eax\n xor %edx, %edx\n wrmsr\n"
/* R15 counts vector 0x40 by 1 and 0x41 by 0x100. */
#define HANDLERS \
	".balign 256\n inc %r15\n" EOI "iretq\n" \
	".balign 256\n add $0x100, %r15\n" EOI "iretq\n"

static void load(struct guest *g, const char *start, const char *end)
{
	size_t size = (size_t)(end - start) / 256 * 256;

	guest_load(g, G_LONG, start, end);
	guest_set_gate(g, G_LONG, 0x40, size - 256);
	guest_set_gate(g, G_LONG, 0x41, size);
}

/* ------------------------------------------------------------ step by step */

/* Each OUT to 0x80 is a moment for the test; what comes of it is reported. */
GUEST_CODE(steps_code, ".code64",
	X2 "sti\n 1: out %al, $0x80\n nop\n mov %r15d, %eax\n" REPORT "jmp 1b\n" HANDLERS);

/* Lets the guest take what is pending, up to its next pause; R15. */
static uint32_t step(struct guest *g)
{
	g->report_count = 0;
	check_equal(guest_run(g), MICA_EXIT_IO);
	check_equal(g->run->io.port, 0x80);
	return g->reports[0];
}

static void start_steps(struct guest *g)
{
	guest_init(g);
	load(g, steps_code, steps_code_end);
	check_equal(guest_run(g), MICA_EXIT_IO);
}

static void irq_signal(void)
{
	struct mica_irq_binding binding = { .address = MSI_TO_0, .data = 0x40,
					    .fd = eventfd_new() };
	struct mica_irq_binding gone = { .fd = binding.fd };
	struct guest g;

	start_steps(&g);
	check_equal(bind_irq(&g, binding), 0);
	check_equal(step(&g), 0);
	eventfd_add(binding.fd, 1);
	check_equal(step(&g), 1);
	/* Many before the guest looks are one interrupt; the counter is always read. */
	eventfd_add(binding.fd, 0xfffffffffffffffe);
	eventfd_add(binding.fd, 0xfffffffffffffffe);
	check_equal(step(&g), 2);
	check(!eventfd_is_set(binding.fd), "the counter was not read");
	check_equal(unbind_irq(&g, gone), 0);
	eventfd_add(binding.fd, 5);
	check_equal(step(&g), 2);
	check_equal(eventfd_take(binding.fd), 5);
	/* What was signalled before binding is delivered by it. */
	eventfd_add(binding.fd, 3);
	check_equal(bind_irq(&g, binding), 0);
	check_equal(step(&g), 3);
	check(!eventfd_is_set(binding.fd), "the counter was not read");
	guest_destroy(&g);
	close(binding.fd);
}

static void irq_update(void)
{
	struct mica_irq_binding binding = { .flags = MICA_BIND_MASKED, .fd = eventfd_new() };
	struct guest g;

	start_steps(&g);
	check_equal(bind_irq(&g, binding), 0);
	eventfd_add(binding.fd, 2);
	check_equal(step(&g), 0);
	check(eventfd_is_set(binding.fd), "masked: the signal is lost");
	/* The mask goes: it is delivered, once, by the new message. */
	binding = (struct mica_irq_binding){ .address = MSI_TO_0, .data = 0x40,
					     .flags = MICA_BIND_UPDATE, .fd = binding.fd };
	check_equal(bind_irq(&g, binding), 0);
	check(!eventfd_is_set(binding.fd), "the counter was not read");
	check_equal(step(&g), 1);
	binding.data = 0x41;
	check_equal(bind_irq(&g, binding), 0);
	check_equal(step(&g), 1);
	eventfd_add(binding.fd, 1);
	check_equal(step(&g), 0x101);
	binding.flags |= MICA_BIND_MASKED;
	check_equal(bind_irq(&g, binding), 0);
	eventfd_add(binding.fd, 1);
	check_equal(step(&g), 0x101);
	binding.data = 0x40;
	check_equal(bind_irq(&g, binding), 0);
	check_equal(step(&g), 0x101);
	binding.flags = MICA_BIND_UPDATE;
	check_equal(bind_irq(&g, binding), 0);
	check_equal(step(&g), 0x102);
	guest_destroy(&g);
	close(binding.fd);
}

/* A writer that waits for room in a masked eventfd goes on when the mask does. */
struct writer {
	int fd;
	atomic_int tid;
	bool written;
};

static void *write_most(void *arg)
{
	uint64_t most = 0xfffffffffffffffe;
	struct writer *writer = arg;

	atomic_store(&writer->tid, gettid());
	writer->written = write(writer->fd, &most, sizeof(most)) == sizeof(most);
	return NULL;
}

/* The thread's state in proc(5), third field of stat; its name has no blanks. */
static bool sleeps(struct writer *writer)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&writer->tid));
	file = fopen(path, "re");
	if (!file || fscanf(file, "%*s %*s %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state == 'S';
}

static void irq_unmask_wakes_writer(void)
{
	struct mica_irq_binding binding = { .flags = MICA_BIND_MASKED, .fd = eventfd(0, 0) };
	struct writer writer = { .fd = binding.fd };
	pthread_t thread;
	struct guest g;

	start_steps(&g);
	check_equal(bind_irq(&g, binding), 0);
	eventfd_add(binding.fd, 1);
	if (pthread_create(&thread, NULL, write_most, &writer))
		bail("pthread_create");
	while (!atomic_load(&writer.tid) || !sleeps(&writer))
		sched_yield();
	binding = (struct mica_irq_binding){ .address = MSI_TO_0, .data = 0x40,
					     .flags = MICA_BIND_UPDATE, .fd = binding.fd };
	check_equal(bind_irq(&g, binding), 0);
	pthread_join(thread, NULL);
	check(writer.written, "the write failed");
	check_equal(step(&g), 1);
	guest_destroy(&g);
	close(binding.fd);
}

/* ------------------------------------------------------------ a vCPU of its own thread */

/* Halts; each interrupt 0x40 is counted in R15 and writes to port 0x1234; 0x41 ends it. */
GUEST_CODE(echo_code, ".code64",
	X2 "1: sti\n hlt\n cli\n test %r14d, %r14d\n jz 1b\n mov %r15d, %eax\n" DONE
	".balign 256\n inc %r15\n mov $0x1234, %dx\n out %al, %dx\n" EOI "iretq\n"
	".balign 256\n inc %r14\n" EOI "iretq\n");

struct echo {
	struct guest g;
	pthread_t thread;
	int ask, answer;
};

static void *echo_thread(void *arg)
{
	struct echo *e = arg;

	guest_finish(&e->g);
	return NULL;
}

/* Returns when the guest sleeps in HLT. */
static void echo_start(struct echo *e)
{
	struct mica_irq_binding irq = { .address = MSI_TO_0, .data = 0x40 };
	struct mica_io_binding port = { .address = 0x1234, .length = 1 };

	guest_init(&e->g);
	load(&e->g, echo_code, echo_code_end);
	irq.fd = e->ask = eventfd_new();
	port.fd = e->answer = eventfd_new();
	check_equal(bind_irq(&e->g, irq), 0);
	check_equal(bind_io(&e->g, port), 0);
	if (pthread_create(&e->thread, NULL, echo_thread, e))
		bail("pthread_create");
	while (!guest_stat(&e->g, "halts"))
		sched_yield();
}

static void echo_stop(struct echo *e)
{
	struct mica_msi end = { .address = MSI_TO_0, .data = 0x41 };

	check(!ioctl(e->g.vm, MICA_VM_SIGNAL_MSI, &end), "MICA_VM_SIGNAL_MSI: %s", strerror(errno));
	pthread_join(e->thread, NULL);
	close(e->ask);
	close(e->answer);
	guest_destroy(&e->g);
}

static void irq_halted(void)
{
	struct echo e;

	echo_start(&e);
	eventfd_add(e.ask, 1);
	check_equal(eventfd_wait(e.answer), 1);
	echo_stop(&e);
	check_equal(e.g.done, 1);
}

/* There and back a thousand times: nothing is lost, nothing doubled, user space not asked. */
static void irq_ping_pong(void)
{
	unsigned int i;
	struct echo e;

	echo_start(&e);
	for (i = 0; i < 1000; i++) {
		eventfd_add(e.ask, 1);
		if (!check(eventfd_wait(e.answer) == 1, "round %u", i))
			break;
	}
	check_equal(guest_stat(&e.g, "user_exits"), 0);
	echo_stop(&e);
	check_equal(e.g.done, 1000);
}

#define STORM 3000

static void *storm_thread(void *arg)
{
	struct echo *e = arg;
	unsigned int i;

	for (i = 0; i < STORM; i++)
		eventfd_add(e->ask, 1);
	return NULL;
}

/* Interrupts may merge; the last one does not get lost, and message and mask change meanwhile. */
static void irq_storm(void)
{
	struct mica_irq_binding binding = { .address = MSI_TO_0, .data = 0x40 };
	pthread_t threads[2];
	unsigned int i;
	struct echo e;

	echo_start(&e);
	binding.fd = e.ask;
	for (i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, storm_thread, &e))
			bail("pthread_create");
	for (i = 0; i < 500; i++) {
		binding.flags = MICA_BIND_UPDATE | (i % 2 ? 0 : MICA_BIND_MASKED);
		check_equal(bind_irq(&e.g, binding), 0);
	}
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	check(eventfd_wait(e.answer), "no interrupt at all");
	check(!eventfd_is_set(e.ask), "a signal was not taken");
	echo_stop(&e);
	check(e.g.done && e.g.done <= 2 * STORM, "%u interrupts", e.g.done);
}

/* ------------------------------------------------------------ both at once */

GUEST_CODE(both_code, ".code64",
	X2 "sti\n out %al, $0x90\n nop\n mov %r15d, %eax\n" DONE HANDLERS);

/* One eventfd: the guest's write comes back as an interrupt before the next instruction ends. */
static void irq_from_port(void)
{
	struct mica_irq_binding irq = { .address = MSI_TO_0, .data = 0x40, .fd = eventfd_new() };
	struct mica_io_binding port = { .address = 0x90, .length = 1, .fd = irq.fd };
	struct guest g;

	guest_init(&g);
	load(&g, both_code, both_code_end);
	check_equal(bind_irq(&g, irq), 0);
	check_equal(bind_io(&g, port), 0);
	if (guest_finish(&g))
		check_equal(g.done, 1);
	check_equal(guest_stat(&g, "user_exits"), 1);
	guest_destroy(&g);
	close(irq.fd);
}

/* One eventfd in two VMs: both get it. */
static void irq_two_vms(void)
{
	struct mica_irq_binding binding = { .address = MSI_TO_0, .data = 0x40,
					    .fd = eventfd_new() };
	struct guest a, b;

	start_steps(&a);
	start_steps(&b);
	check_equal(bind_irq(&a, binding), 0);
	check_equal(bind_irq(&b, binding), 0);
	eventfd_add(binding.fd, 1);
	check_equal(step(&a), 1);
	check_equal(step(&b), 1);
	guest_destroy(&a);
	eventfd_add(binding.fd, 1);
	check_equal(step(&b), 2);
	guest_destroy(&b);
	close(binding.fd);
}

/* ------------------------------------------------------------ ends */

static void irq_closed(void)
{
	struct mica_irq_binding binding = { .address = MSI_TO_0, .data = 0x40,
					    .fd = eventfd_new() };
	struct guest g;
	int other;

	start_steps(&g);
	check_equal(bind_irq(&g, binding), 0);
	other = dup(binding.fd);
	close(binding.fd);
	eventfd_add(other, 1);
	check_equal(step(&g), 1);
	close(other);
	check_equal(step(&g), 1);
	guest_destroy(&g);
}

/* As many as may be; when the descriptors are closed there is room again. */
static void irq_many(void)
{
	struct rlimit files = { .rlim_cur = MICA_MAX_IRQ_BINDINGS + 64,
				.rlim_max = MICA_MAX_IRQ_BINDINGS + 64 };
	struct mica_irq_binding binding = { .address = MSI_TO_0, .data = 0x40 };
	static int fds[MICA_MAX_IRQ_BINDINGS];
	unsigned int i, round;
	struct guest g;

	if (setrlimit(RLIMIT_NOFILE, &files))
		bail("setrlimit: %s", strerror(errno));
	start_steps(&g);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < MICA_MAX_IRQ_BINDINGS; i++) {
			binding.fd = fds[i] = eventfd_new();
			if (!check(!bind_irq(&g, binding), "binding %u", i))
				break;
		}
		binding.fd = eventfd_new();
		check_equal(bind_irq(&g, binding), ENOSPC);
		close(binding.fd);
		for (i = 0; i < MICA_MAX_IRQ_BINDINGS; i++)
			close(fds[i]);
	}
	guest_destroy(&g);
}

static atomic_bool stop_signals;

static void *signal_thread(void *arg)
{
	uint64_t one = 1;

	while (!atomic_load(&stop_signals))
		if (write(*(int *)arg, &one, sizeof(one)) < 0 && errno != EAGAIN)
			return NULL;
	return arg;
}

/* VMs come and go while somebody signals their eventfd. */
static void irq_destroyed(void)
{
	struct mica_irq_binding binding = { .address = MSI_TO_0, .data = 0x40,
					    .fd = eventfd_new() };
	struct mica_io_binding port = { .address = 0x1234, .length = 1, .fd = binding.fd };
	pthread_t thread;
	struct guest g;
	unsigned int i;
	void *good;

	atomic_store(&stop_signals, false);
	if (pthread_create(&thread, NULL, signal_thread, &binding.fd))
		bail("pthread_create");
	for (i = 0; i < 20; i++) {
		guest_init(&g);
		check_equal(bind_irq(&g, binding), 0);
		check_equal(bind_io(&g, port), 0);
		sched_yield();
		guest_destroy(&g);
	}
	atomic_store(&stop_signals, true);
	pthread_join(thread, &good);
	check(good, "write to the eventfd failed");
	close(binding.fd);
}

/* The last descriptors of VM and eventfd go in either order, or with the process. */
static void irq_closed_around(void)
{
	struct mica_irq_binding binding = { .address = MSI_TO_0, .data = 0x40 };
	struct guest g;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		guest_init(&g);
		binding.fd = eventfd_new();
		check_equal(bind_irq(&g, binding), 0);
		if (i & 1)
			close(binding.fd);
		guest_destroy(&g);
		if (!(i & 1))
			close(binding.fd);
	}
}

/* ------------------------------------------------------------ bad arguments */

static void irq_bad(void)
{
	int fd = eventfd_new(), other = eventfd_new();
	struct guest g;
	unsigned int i;

	guest_init(&g);
	const struct { struct mica_irq_binding args; int error; } rows[] = {
		{ { .address = 0xfed00000, .data = 0x40, .fd = fd }, EINVAL },
		{ { .address = 0x1fee00000, .data = 0x40, .fd = fd }, EINVAL },
		{ { .address = MSI_TO_0, .data = 3 << 8, .fd = fd }, EINVAL },
		{ { .address = MSI_TO_0, .data = 7 << 8, .fd = fd }, EINVAL },
		{ { .fd = fd }, EINVAL },
		{ { .address = 1, .flags = MICA_BIND_MASKED, .fd = fd }, EINVAL },
		{ { .address = MSI_TO_0, .data = 0x40, .fd = fd, .pad = 1 }, EINVAL },
		{ { .address = MSI_TO_0, .data = 0x40, .fd = -1 }, EBADF },
		{ { .address = MSI_TO_0, .data = 0x40, .fd = g.vm }, EINVAL },
		{ { .address = MSI_TO_0, .data = 0x40, .fd = fd, .flags = MICA_BIND_UPDATE },
		  ENOENT },
		{ { .address = 0xfee3f000, .data = 0x40, .fd = fd }, 0 },
		{ { .address = MSI_TO_0, .data = 0x40, .fd = fd }, EEXIST },
		{ { .address = MSI_TO_0, .data = 0x40, .fd = fd, .flags = MICA_BIND_UPDATE }, 0 },
		{ { .address = MSI_TO_0, .data = 3 << 8, .fd = fd, .flags = MICA_BIND_UPDATE },
		  EINVAL },
		{ { .address = MSI_TO_0, .data = 0x40, .fd = other, .flags = MICA_BIND_UPDATE },
		  ENOENT },
	};
	const struct { struct mica_irq_binding args; int error; } unbind_rows[] = {
		{ { .fd = fd, .address = MSI_TO_0 }, EINVAL },
		{ { .fd = fd, .data = 1 }, EINVAL },
		{ { .fd = fd, .flags = MICA_BIND_UPDATE }, EINVAL },
		{ { .fd = fd, .pad = 1 }, EINVAL },
		{ { .fd = -1 }, EBADF },
		{ { .fd = g.vm }, EINVAL },
		{ { .fd = other }, ENOENT },
		{ { .fd = fd }, 0 },
		{ { .fd = fd }, ENOENT },
	};
	struct mica_irq_binding reserved = { .address = MSI_TO_0, .data = 0x40, .fd = fd };

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int error = bind_irq(&g, rows[i].args);

		check(error == rows[i].error, "row %u: %s instead of %s", i, strerror(error),
		      strerror(rows[i].error));
	}
	for (i = 0; i < sizeof(unbind_rows) / sizeof(unbind_rows[0]); i++) {
		int error = unbind_irq(&g, unbind_rows[i].args);

		check(error == unbind_rows[i].error, "unbinding, row %u: %s instead of %s", i,
		      strerror(error), strerror(unbind_rows[i].error));
	}
	for (i = 2; i < 32; i++) {
		reserved.flags = 1u << i;
		check(bind_irq(&g, reserved) == EINVAL, "reserved flag %u", i);
	}
	guest_destroy(&g);
	close(fd);
	close(other);
}

TESTS(eventfd_irq_tests) = {
	{ "eventfd-irq-signal", irq_signal },
	{ "eventfd-irq-update", irq_update },
	{ "eventfd-irq-unmask-wakes-writer", irq_unmask_wakes_writer },
	{ "eventfd-irq-halted", irq_halted },
	{ "eventfd-irq-ping-pong", irq_ping_pong },
	{ "eventfd-irq-storm", irq_storm },
	{ "eventfd-irq-from-port", irq_from_port },
	{ "eventfd-irq-two-vms", irq_two_vms },
	{ "eventfd-irq-closed", irq_closed },
	{ "eventfd-irq-many", irq_many },
	{ "eventfd-irq-destroyed", irq_destroyed },
	{ "eventfd-irq-closed-around", irq_closed_around },
	{ "eventfd-irq-bad", irq_bad },
	{ }
};
