// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bad input to every ioctl: an errno as mica.h documents it, and never more than that.  The
 * last test throws random bytes from two threads at everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

static int result_of(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? errno : 0;
}

#define expect(fd, cmd, arg, error) \
	({ int result_ = result_of(fd, cmd, arg); \
	   check(result_ == (error), #cmd ": %s instead of %s", strerror(result_), strerror(error)); })

/* ------------------------------------------------------------ sizes */

static const struct {
	unsigned long cmd;
	char kind;		/* which fd: device, vm, vcpu */
} commands[] = {
	{ MICA_GET_INFO, 'd' }, { MICA_GET_CPUID, 'd' }, { MICA_CREATE_VM, 'd' },
	{ MICA_VM_CREATE_VCPU, 'm' }, { MICA_VM_SET_MEMORY, 'm' }, { MICA_VM_SIGNAL_MSI, 'm' },
	{ MICA_VM_BIND_IO, 'm' }, { MICA_VM_UNBIND_IO, 'm' }, { MICA_VM_BIND_IRQ, 'm' },
	{ MICA_VM_UNBIND_IRQ, 'm' },
	{ MICA_VM_TRACK_DIRTY, 'm' }, { MICA_VM_TAKE_DIRTY, 'm' },
	{ MICA_VCPU_GET_STATE, 'c' }, { MICA_VCPU_SET_STATE, 'c' }, { MICA_VCPU_GET_XSAVE, 'c' },
	{ MICA_VCPU_SET_XSAVE, 'c' }, { MICA_VCPU_GET_APIC, 'c' }, { MICA_VCPU_SET_APIC, 'c' },
	{ MICA_VCPU_APIC_ACCESS, 'c' }, { MICA_VCPU_SET_CPUID, 'c' }, { MICA_VCPU_SET_PIN, 'c' },
	{ MICA_VCPU_GET_STATS, 'c' }, { MICA_VCPU_MOVE_TSC, 'c' },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int fd_of(const struct guest *g, char kind)
{
	return kind == 'd' ? g->dev : kind == 'm' ? g->vm : g->vcpu;
}

static unsigned long with_size(unsigned long cmd, unsigned int size)
{
	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size);
}

static void sizes(void)
{
	static uint8_t big[16384];
	struct guest g;
	unsigned int i;
	int fd, error;

	guest_init(&g);
	for (i = 0; i < COMMANDS; i++) {
		unsigned long cmd = commands[i].cmd;
		unsigned int size = _IOC_SIZE(cmd);

		fd = fd_of(&g, commands[i].kind);
		error = result_of(fd, with_size(cmd, 0), big);
		check(error == EINVAL, "0x%lx with no size: %s", cmd, strerror(error));
		error = result_of(fd, cmd, (void *)8);
		check(error == EFAULT, "0x%lx at address 8: %s", cmd, strerror(error));
		error = result_of(fd, cmd, (void *)0xffff800000000000ul);
		check(error == EFAULT, "0x%lx at a kernel address: %s", cmd, strerror(error));
		if (!(_IOC_DIR(cmd) & _IOC_WRITE))
			continue;
		memset(big, 0, sizeof(big));
		big[size + 3] = 1;
		error = result_of(fd, with_size(cmd, size + 8), big);
		check(error == E2BIG, "0x%lx with an unknown tail: %s", cmd, strerror(error));
	}
	guest_destroy(&g);
}

static void longer_and_shorter(void)
{
	struct { struct mica_info info; uint64_t tail[4]; } longer;
	struct { uint32_t api_version, guard; } shorter = { 0, 0x5555 };
	struct guest g;

	guest_init(&g);
	memset(&longer, 0xff, sizeof(longer));
	expect(g.dev, with_size(MICA_GET_INFO, sizeof(longer)), &longer, 0);
	check_equal(longer.info.api_version, MICA_API_VERSION);
	check_equal(longer.tail[0] | longer.tail[3], 0);
	expect(g.dev, with_size(MICA_GET_INFO, 4), &shorter, 0);
	check_equal(shorter.api_version, MICA_API_VERSION);
	check_equal(shorter.guard, 0x5555);
	guest_destroy(&g);
}

static bool is_known(char kind, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < COMMANDS; i++)
		if (commands[i].kind == kind && _IOC_NR(commands[i].cmd) == nr)
			return true;
	return kind == 'c' && nr == _IOC_NR(MICA_VCPU_RUN);
}

static void unknown(void)
{
	struct guest g;
	unsigned int nr;
	int fds[3], i;
	uint64_t arg[8] = { 0 };

	guest_init(&g);
	fds[0] = g.dev, fds[1] = g.vm, fds[2] = g.vcpu;
	for (i = 0; i < 3; i++)
		for (nr = 0; nr < 256; nr++) {
			int error = result_of(fds[i], _IOC(_IOC_WRITE | _IOC_READ, 0xb4, nr, 8), arg);

			check(error == ENOTTY, "type 0xb4, number %u: %s", nr, strerror(error));
			if (is_known("dmc"[i], nr))
				continue;
			error = result_of(fds[i], _IOC(_IOC_WRITE, MICA_IOC, nr, 8), arg);
			check(error == ENOTTY, "number %u: %s", nr, strerror(error));
		}
	guest_destroy(&g);
}

/* ------------------------------------------------------------ memory slots */

#define MIB (1ull << 20)

static void memory_slots(void)
{
	void *ram = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t hva = (uintptr_t)ram, top;
	struct guest g;
	unsigned int i;

	guest_init(&g);
	top = 1ull << g.info.phys_bits;
	/* G_RAM_SIZE is in slot 0 at 0. */
	const struct { struct mica_memory args; int error; } rows[] = {
		{ { .slot = 1, .gpa = 16 * MIB + 1, .size = MIB, .hva = hva }, EINVAL },
		{ { .slot = 1, .gpa = 16 * MIB, .size = MIB + 1, .hva = hva }, EINVAL },
		{ { .slot = 1, .gpa = 16 * MIB, .size = MIB, .hva = hva + 8 }, EINVAL },
		{ { .slot = 1, .flags = 2, .gpa = 16 * MIB, .size = MIB, .hva = hva }, EINVAL },
		{ { .slot = MICA_MAX_SLOTS, .gpa = 16 * MIB, .size = MIB, .hva = hva }, EINVAL },
		{ { .slot = ~0u, .gpa = 16 * MIB, .size = MIB, .hva = hva }, EINVAL },
		{ { .slot = 1, .gpa = -MIB, .size = 2 * MIB, .hva = hva }, EINVAL },
		{ { .slot = 1, .gpa = 16 * MIB, .size = -4096ull, .hva = hva }, EINVAL },
		{ { .slot = 1, .gpa = top - MIB, .size = 2 * MIB, .hva = hva }, EINVAL },
		{ { .slot = 1, .gpa = top, .size = MIB, .hva = hva }, EINVAL },
		{ { .slot = 1, .gpa = 16 * MIB, .size = MIB, .hva = -4096ull }, EINVAL },
		{ { .slot = 1, .gpa = 16 * MIB, .size = MIB, .hva = 0x8000000000000000 }, EFAULT },
		{ { .slot = 1, .gpa = 16 * MIB, .size = MIB, .hva = 0xffff888000000000 }, EFAULT },
		{ { .slot = 1, .gpa = 0, .size = MIB, .hva = hva }, EEXIST },
		{ { .slot = 1, .gpa = G_RAM_SIZE - 4096, .size = MIB, .hva = hva }, EEXIST },
		{ { .slot = 0, .gpa = 16 * MIB, .size = MIB, .hva = hva }, EEXIST },
		{ { .slot = 1, .gpa = 0xfee00000, .size = MIB, .hva = hva }, EEXIST },
		{ { .slot = 1, .gpa = 0xfed00000, .size = 4 * MIB, .hva = hva }, EEXIST },
		{ { .slot = 1 }, ENOENT },
		{ { .slot = 0, .gpa = 4096 }, EINVAL },
		{ { .slot = 0, .flags = MICA_MEM_READONLY }, EINVAL },
		{ { .slot = 0, .hva = hva }, EINVAL },
		{ { .slot = 1, .gpa = top - MIB, .size = MIB, .hva = hva }, 0 },
		{ { .slot = 2, .gpa = G_RAM_SIZE, .size = 4096, .hva = hva }, 0 },
		{ { .slot = 1 }, 0 },
		{ { .slot = 2 }, 0 },
	};

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mica_memory args = rows[i].args;
		int error = result_of(g.vm, MICA_VM_SET_MEMORY, &args);

		check(error == rows[i].error, "row %u: %s instead of %s", i, strerror(error),
		      strerror(rows[i].error));
	}
	guest_destroy(&g);
	munmap(ram, 4 * MIB);
}

/* ------------------------------------------------------------ objects */

static void objects(void)
{
	struct mica_create_vm vm = { .flags = 0x80000000 };
	struct mica_create_vcpu vcpu = { .id = 0 };
	struct mica_msi msi = { .address = 0xfed00000 };
	struct mica_pin pin = { .pin = 4 };
	struct mica_apic_access access = { .offset = 8 };
	struct guest g;

	guest_init(&g);
	expect(g.dev, MICA_CREATE_VM, &vm, EINVAL);
	vm = (struct mica_create_vm){ .halt_poll_us = 1 };
	expect(g.dev, MICA_CREATE_VM, &vm, EINVAL);
	vm = (struct mica_create_vm){ .flags = MICA_VM_HALT_POLL,
				      .halt_poll_us = MICA_HALT_POLL_MAX_US + 1 };
	expect(g.dev, MICA_CREATE_VM, &vm, EINVAL);
	expect(g.vm, MICA_VM_CREATE_VCPU, &vcpu, EEXIST);
	vcpu.id = MICA_MAX_VCPUS;
	expect(g.vm, MICA_VM_CREATE_VCPU, &vcpu, EINVAL);
	vcpu = (struct mica_create_vcpu){ .id = 1, .pad = 1 };
	expect(g.vm, MICA_VM_CREATE_VCPU, &vcpu, EINVAL);
	expect(g.vm, MICA_VM_SIGNAL_MSI, &msi, EINVAL);
	msi = (struct mica_msi){ .address = 0xfee00000, .data = 3 << 8 };
	expect(g.vm, MICA_VM_SIGNAL_MSI, &msi, EINVAL);
	msi = (struct mica_msi){ .address = 0x1fee00000 };
	expect(g.vm, MICA_VM_SIGNAL_MSI, &msi, EINVAL);
	expect(g.vcpu, MICA_VCPU_SET_PIN, &pin, EINVAL);
	pin = (struct mica_pin){ .level = 2 };
	expect(g.vcpu, MICA_VCPU_SET_PIN, &pin, EINVAL);
	expect(g.vcpu, MICA_VCPU_APIC_ACCESS, &access, EINVAL);
	access.offset = 0x400;
	expect(g.vcpu, MICA_VCPU_APIC_ACCESS, &access, EINVAL);
	access = (struct mica_apic_access){ .offset = 0x20, .write = 2 };
	expect(g.vcpu, MICA_VCPU_APIC_ACCESS, &access, EINVAL);
	guest_destroy(&g);
}

static void run_page(void)
{
	struct guest g;

	guest_init(&g);
	check(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, g.vcpu, 0) == MAP_FAILED, "private");
	check(mmap(NULL, 8192, PROT_READ, MAP_SHARED, g.vcpu, 0) == MAP_FAILED, "two pages");
	check(mmap(NULL, 4096, PROT_READ, MAP_SHARED, g.vcpu, 4096) == MAP_FAILED, "second page");
	check(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, g.vcpu, 0) == MAP_FAILED, "exec");
	check(mmap(NULL, 4096, PROT_READ, MAP_SHARED, g.vm, 0) == MAP_FAILED, "VM");
	guest_destroy(&g);
}

/* ------------------------------------------------------------ state */

/* A value that a check must refuse: nothing changes, and the field is named at RUN. */
static void refused(struct guest *g, uint64_t group, size_t offset, uint64_t value,
		    const char *name)
{
	struct mica_get_set_state args = { .groups = MICA_STATE_ALL };
	struct mica_vcpu_state before, after;

	guest_get(g, &before);
	args.state = before;
	memcpy((char *)&args.state + offset, &value, sizeof(value));
	args.state.gprs.r15 ^= 1;
	expect(g->vcpu, MICA_VCPU_SET_STATE, &args, EINVAL);
	guest_get(g, &after);
	check(before.gprs.r15 == after.gprs.r15, "%s: refused, and yet R15 changed", name);
	g->run->state = args.state;
	g->run->state_commit = group;
	g->run->immediate_exit = 1;
	expect(g->vcpu, MICA_VCPU_RUN, 0, EINVAL);
	check(!strcmp(g->run->fail.name, name), "the field is %s, the kernel says \"%s\"", name,
	      g->run->fail.name);
}

#define REFUSED(GROUP, group, field, value) \
	refused(&g, MICA_STATE_##GROUP, offsetof(struct mica_vcpu_state, group.field), value, #field)

static void state_values(void)
{
	struct mica_get_set_state args = { .groups = 0x40 };
	struct guest g;

	guest_init(&g);
	expect(g.vcpu, MICA_VCPU_GET_STATE, &args, EINVAL);
	expect(g.vcpu, MICA_VCPU_SET_STATE, &args, EINVAL);
	REFUSED(GPRS, gprs, rflags, 0);
	REFUSED(GPRS, gprs, rflags, 0x8002);
	REFUSED(CRS, crs, cr0, 0x80000000);
	REFUSED(CRS, crs, cr0, 0x20000010);
	REFUSED(CRS, crs, cr0, 1ull << 40);
	REFUSED(CRS, crs, cr4, 1ull << 13);
	REFUSED(CRS, crs, cr4, 1ull << 63);
	REFUSED(CRS, crs, cr8, 16);
	REFUSED(CRS, crs, xcr0, 0);
	REFUSED(CRS, crs, xcr0, 1ull << 62);
	REFUSED(CRS, crs, xcr0, 5);
	REFUSED(DRS, drs, dr6, 1ull << 32);
	REFUSED(DRS, drs, dr7, 1ull << 32);
	REFUSED(MSRS, msrs, pat, 2);
	REFUSED(MSRS, msrs, lstar, 1ull << 62);
	REFUSED(MSRS, msrs, efer, 2);
	REFUSED(MSRS, msrs, apic_base, 0xfee00400);
	REFUSED(EVENTS, events, mp_state, 4);
	REFUSED(EVENTS, events, exception, 14);
	REFUSED(EVENTS, events, exception, MICA_EVENT_VALID | MICA_EVENT_EXCEPTION | 32);
	REFUSED(EVENTS, events, injecting, MICA_EVENT_VALID | MICA_EVENT_NMI | 3);
	REFUSED(EVENTS, events, injecting_length, 16);
	REFUSED(EVENTS, events, nmi_pending, 3);
	REFUSED(EVENTS, events, sipi_vector, 0x101);
	guest_destroy(&g);
}

/* What was set is what is read back. */
static void state_round_trip(void)
{
	struct mica_vcpu_state before, after;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, "", "");
	guest_get(&g, &before);
	memset(&before.gprs, 0x5a, 16 * 8);
	before.crs.cr2 = 0x123456789abcdef0;
	before.crs.cr8 = 9;
	before.drs.dr0 = 0xffff880000001234;
	before.msrs.kernel_gs_base = 0xffff888000000000;
	before.msrs.lstar = 0xffffffff81000000;
	before.msrs.star = 0x0023001000000000;
	before.msrs.sfmask = 0x47700;
	before.segs.fs.base = 0x7f0000001000;
	before.events.interrupt_shadow = MICA_SHADOW_STI;
	guest_set(&g, MICA_STATE_ALL, &before);
	guest_get(&g, &after);
	after.msrs.tsc = before.msrs.tsc;
	after.msrs.tsc_adjust = before.msrs.tsc_adjust;
	check(!memcmp(&before.gprs, &after.gprs, sizeof(before.gprs)), "GPRS differ");
	check(!memcmp(&before.segs, &after.segs, sizeof(before.segs)), "SEGS differ");
	check(!memcmp(&before.crs, &after.crs, sizeof(before.crs)), "CRS differ");
	check(!memcmp(&before.drs, &after.drs, sizeof(before.drs)), "DRS differ");
	check(!memcmp(&before.msrs, &after.msrs, sizeof(before.msrs)), "MSRS differ");
	check(!memcmp(&before.events, &after.events, sizeof(before.events)), "EVENTS differ");
	guest_destroy(&g);
}

/* By what was asked, and by the moment that the asking took; IA32_TSC_ADJUST does not tell. */
static void move_tsc(void)
{
	struct mica_move_tsc far = { .delta = 1ll << 50 }, back = { .delta = -(1ll << 50) };
	struct mica_vcpu_state before, after, again;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, "", "");
	guest_get(&g, &before);
	expect(g.vcpu, MICA_VCPU_MOVE_TSC, &far, 0);
	guest_get(&g, &after);
	expect(g.vcpu, MICA_VCPU_MOVE_TSC, &back, 0);
	guest_get(&g, &again);
	check(after.msrs.tsc - before.msrs.tsc - (1ull << 50) < 1ull << 40, "the TSC moved by 0x%lx",
	      (unsigned long)(after.msrs.tsc - before.msrs.tsc));
	check(again.msrs.tsc - before.msrs.tsc < 1ull << 40, "the TSC is 0x%lx ahead",
	      (unsigned long)(again.msrs.tsc - before.msrs.tsc));
	check_equal(after.msrs.tsc_adjust, before.msrs.tsc_adjust);
	guest_destroy(&g);
}

/* ------------------------------------------------------------ threads and processes */

/* With interrupts off and no exit of its own: the host must get its CPU back all the same. */
GUEST_CODE(spin_for_ever, ".code64", "1: jmp 1b");

/* EBUSY: another thread is in an ioctl on the vCPU just now. */
static void *run_vcpu(void *arg)
{
	struct guest *g = arg;
	int result;

	do {
		result = guest_enter(g->vcpu, g->run);
	} while (result == EBUSY);
	return (void *)(intptr_t)result;
}

static void busy(void)
{
	struct mica_get_set_state args = { .groups = MICA_STATE_GPRS };
	pthread_t thread;
	struct guest g;
	void *result;
	int error;

	guest_init(&g);
	guest_load(&g, G_LONG, spin_for_ever, spin_for_ever_end);
	pthread_create(&thread, NULL, run_vcpu, &g);
	do {
		error = result_of(g.vcpu, MICA_VCPU_GET_STATE, &args);
	} while (!error);
	check_equal(error, EBUSY);
	expect(g.vcpu, MICA_VCPU_RUN, 0, EBUSY);
	g.run->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, &result);
	check_equal((intptr_t)result, EINTR);
	guest_destroy(&g);
}

static void other_process(void)
{
	struct mica_create_vcpu vcpu = { .id = 1 };
	struct guest g;
	int status = 0;
	pid_t child;

	guest_init(&g);
	child = fork();
	if (!child)
		_exit(result_of(g.vcpu, MICA_VCPU_RUN, 0) == EIO &&
		      result_of(g.vm, MICA_VM_CREATE_VCPU, &vcpu) == EIO ? 0 : 1);
	waitpid(child, &status, 0);
	check(WIFEXITED(status) && !WEXITSTATUS(status), "the child was not refused: 0x%x", status);
	guest_destroy(&g);
}

/* Everything is closed while the vCPU runs; the thread ends with a signal, the VM with it. */
static void closed_while_running(void)
{
	pthread_t thread;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, spin_for_ever, spin_for_ever_end);
	pthread_create(&thread, NULL, run_vcpu, &g);
	close(g.vm);
	close(g.dev);
	munmap(g.ram, G_RAM_SIZE);
	close(g.vcpu);
	g.run->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	munmap(g.run, MICA_RUN_SIZE);
}

/* ------------------------------------------------------------ random bytes */

#define FUZZ_CALLS 4000

struct fuzzer {
	struct guest *g;
	unsigned int seed;
};

static void fill(uint8_t *bytes, size_t size, unsigned int *seed)
{
	size_t i;

	for (i = 0; i < size; i++)
		bytes[i] = rand_r(seed) & 7 ? 0 : rand_r(seed);
}

static void *fuzz_thread(void *arg)
{
	struct fuzzer *fuzzer = arg;
	struct guest *g = fuzzer->g;
	uint8_t bytes[16384];
	unsigned int i;

	for (i = 0; i < FUZZ_CALLS; i++) {
		unsigned int which = rand_r(&fuzzer->seed) % (COMMANDS + 1);
		int fd = which == COMMANDS ? g->vcpu : fd_of(g, commands[which].kind);
		unsigned long cmd = which == COMMANDS ? MICA_VCPU_RUN : commands[which].cmd;
		int result;

		fill(bytes, sizeof(bytes), &fuzzer->seed);
		if (!(rand_r(&fuzzer->seed) & 7))
			cmd = with_size(cmd, rand_r(&fuzzer->seed) & 0x3fff);
		if (cmd == MICA_VCPU_RUN) {
			fill((uint8_t *)g->run, 1024, &fuzzer->seed);
			g->run->immediate_exit = 1;
		}
		result = ioctl(fd, cmd, bytes);
		if (result > 2 && (cmd == MICA_CREATE_VM || cmd == MICA_VM_CREATE_VCPU))
			close(result);
	}
	return NULL;
}

static void fuzz(void)
{
	struct fuzzer one, two;
	pthread_t thread;
	struct guest g;

	guest_init(&g);
	one = (struct fuzzer){ .g = &g, .seed = 1 };
	two = (struct fuzzer){ .g = &g, .seed = 2 };
	alarm(0);
	pthread_create(&thread, NULL, fuzz_thread, &one);
	fuzz_thread(&two);
	pthread_join(thread, NULL);
	guest_destroy(&g);
	guest_init(&g);
	guest_load(&g, G_LONG, spin_for_ever, spin_for_ever_end);
	g.run->immediate_exit = 1;
	check_equal(guest_run(&g), MICA_EXIT_INTERRUPTED);
	guest_destroy(&g);
}

TESTS(ioctl_tests) = {
	{ "ioctl-sizes", sizes },
	{ "ioctl-longer-and-shorter", longer_and_shorter },
	{ "ioctl-unknown", unknown },
	{ "ioctl-memory-slots", memory_slots },
	{ "ioctl-objects", objects },
	{ "ioctl-run-page", run_page },
	{ "ioctl-state-values", state_values },
	{ "ioctl-state-round-trip", state_round_trip },
	{ "ioctl-move-tsc", move_tsc },
	{ "ioctl-busy", busy },
	{ "ioctl-other-process", other_process },
	{ "ioctl-closed-while-running", closed_while_running },
	{ "ioctl-fuzz", fuzz },
	{ }
};
