// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A whole machine with all its threads, above a module that plays exits from a script.
 */
#include "core_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../vmm/chipset/chipset.h"
#include "../../../vmm/machine.h"
#include "fake_kernel.h"

#define COM1		0x3f8
#define PM1A_CNT	(PM_BASE + 4)
#define S5		(1u << 13 | PM_S5_SLEEP_TYPE << 10)
#define POWER_OFF_EXIT	FAKE_OUT(PM1A_CNT, 2, S5)

#define CODE		0x1000
#define DATA		0x2000

/* Stand-ins for vmm/boot: the first vCPU would start at once, at CODE, in flat 32-bit
 * protected mode without paging. */
static gboolean boot_fails;
static const char *code;		/* what is put at CODE, and its length */
static size_t code_length;

static void flat_state(struct mica_vcpu_state *state)
{
	const struct mica_segment flat = { .limit = 0xffffffff, .attr = 0xc093, .selector = 8 };

	state->events.mp_state = MICA_MP_RUNNABLE;
	state->events.sipi_vector = MICA_SIPI_NONE;
	state->gprs.rip = CODE;
	state->gprs.rflags = 2;
	state->crs.cr0 = 0x11;
	state->segs.ds = state->segs.es = state->segs.fs = state->segs.gs = state->segs.ss = flat;
	state->segs.cs = flat;
	state->segs.cs.attr = 0xc09b;
}

gboolean boot_load(const struct boot_config *config, struct guest_memory *memory,
		   struct boot_result *result, GError **error)
{
	(void)config;
	if (boot_fails)
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "no kernel");
	flat_state(&result->state);
	result->state.gprs.rsi = DATA;
	result->state.gprs.rcx = 6;
	result->state.gprs.rdx = COM1;
	if (code_length)
		guest_memory_write(memory, CODE, code, code_length);
	guest_memory_write(memory, DATA, "string", 6);
	return !boot_fails;
}

void boot_reset_state(struct mica_vcpu_state *state, unsigned int vcpu_id)
{
	memset(state, 0, sizeof(*state));
	state->events.mp_state = vcpu_id ? MICA_MP_WAIT_SIPI : MICA_MP_RUNNABLE;
}

void cpuid_policy(const struct mica_cpuid *host, const struct mica_info *info, unsigned int id,
		  unsigned int cpus, struct mica_cpuid *policy)
{
	(void)info;
	(void)id;
	(void)cpus;
	*policy = *host;
}

struct fixture {
	struct machine_config config;
	char *path;			/* of the console's file */
	int messages;			/* a file with what went to standard error */
	int stderr_before;
};

static int setup(void **state)
{
	struct fixture *fixture = g_new0(struct fixture, 1);

	close(g_file_open_tmp("mica-test-XXXXXX", &fixture->path, NULL));
	fixture->config.name = g_strdup("test");
	fixture->config.command_line = g_strdup("");
	fixture->config.modules = g_array_new(FALSE, FALSE, sizeof(struct boot_module));
	fixture->config.memory = 2 << 20;
	fixture->config.cpus = 1;
	fixture->config.console.kind = CONSOLE_FILE;
	fixture->config.console.path = fixture->path;
	fixture->messages = memfd_create("messages", MFD_CLOEXEC);
	fixture->stderr_before = dup(STDERR_FILENO);
	dup2(fixture->messages, STDERR_FILENO);
	boot_fails = FALSE;
	code_length = 0;
	fake_kernel_reset();
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	dup2(fixture->stderr_before, STDERR_FILENO);
	close(fixture->stderr_before);
	close(fixture->messages);
	unlink(fixture->path);
	g_free(fixture->path);
	g_free(fixture->config.name);
	g_free(fixture->config.command_line);
	g_array_unref(fixture->config.modules);
	g_free(fixture);
	return 0;
}

static void assert_message(struct fixture *fixture, const char *text)
{
	char messages[16384] = "";

	assert_true(pread(fixture->messages, messages, sizeof(messages) - 1, 0) >= 0);
	if (!strstr(messages, text))
		fail_msg("\"%s\" does not say \"%s\"", messages, text);
}

static void assert_no_message(struct fixture *fixture)
{
	assert_int_equal(lseek(fixture->messages, 0, SEEK_END), 0);
}

static void assert_console(struct fixture *fixture, const char *expected)
{
	g_autofree char *text = NULL;

	assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
	assert_string_equal(text, expected);
}

static enum machine_end run(struct fixture *fixture, uint32_t *value)
{
	g_autoptr(GError) error = NULL;
	struct machine *machine = machine_new(&fixture->config, &error);
	enum machine_end end;

	assert_non_null(machine);
	end = machine_run(machine, value);
	machine_free(machine);
	return end;
}

static enum machine_end play(struct fixture *fixture, const struct fake_exit *script,
			     size_t length, uint32_t *value)
{
	fake_kernel.script = script;
	fake_kernel.length = length;
	return run(fixture, value);
}

static void test_power_off(void **state)
{
	struct fixture *fixture = *state;
	const struct fake_exit script[] = {
		FAKE_OUT(COM1, 1, 'm'), FAKE_OUT(COM1, 1, 'i'), FAKE_OUT(COM1, 1, 'c'),
		FAKE_OUT(COM1, 1, 'a'), FAKE_OUT(COM1, 1, '\n'), POWER_OFF_EXIT,
	};
	uint32_t value;

	assert_int_equal(play(fixture, script, G_N_ELEMENTS(script), &value), MACHINE_OFF);
	assert_console(fixture, "mica\n");
	assert_no_message(fixture);
}

static void test_reset(void **state)
{
	const struct fake_exit script[] = { FAKE_OUT(RESET_PORT, 1, 6), POWER_OFF_EXIT };
	uint32_t value;

	assert_int_equal(play(*state, script, G_N_ELEMENTS(script), &value), MACHINE_RESET);
	assert_no_message(*state);
}

static void test_debug_exit(void **state)
{
	const struct fake_exit script[] = { FAKE_OUT(DEBUG_EXIT_PORT, 4, 0x2a) };
	uint32_t value;

	assert_int_equal(play(*state, script, G_N_ELEMENTS(script), &value), MACHINE_DEBUG_EXIT);
	assert_int_equal(value, 0x2a);
}

/* Nobody is at that port.  The answer is looked at when the vCPU runs again. */
static void test_in(void **state)
{
	const struct fake_exit script[] = {
		FAKE_IN(0x5678, 2),
		{ .reason = MICA_EXIT_INTERRUPTED, .number = EINTR },
		POWER_OFF_EXIT,
	};
	uint32_t value;

	assert_int_equal(play(*state, script, G_N_ELEMENTS(script), &value), MACHINE_OFF);
	assert_int_equal(fake_kernel.last_in, 0xffff);
}

/* Ends that the user is told about, each in words of its own. */
static void assert_end(void **state, struct fake_exit entry, enum machine_end expected,
		       const char *message)
{
	uint32_t value;

	assert_int_equal(play(*state, &entry, 1, &value), expected);
	assert_message(*state, message);
}

static void test_triple_fault(void **state)
{
	assert_end(state, (struct fake_exit){ .reason = MICA_EXIT_SHUTDOWN }, MACHINE_CRASH,
		   "mica: guest test, vCPU 0: crashed with a triple fault");
}

static void test_fail_entry(void **state)
{
	struct fake_exit entry = {
		.reason = MICA_EXIT_FAIL_ENTRY,
		.fail = { .name = "GUEST_CR0", .expected = 0x21, .found = 0x20 },
	};

	assert_end(state, entry, MACHINE_CRASH, "GUEST_CR0 is 0x20, expected 0x21");
	assert_message(*state, "  rip              0000000000001000");
	assert_message(*state, "  kernel_gs_base   ");
	assert_message(*state, "  ldtr             base 0000000000000000 limit ");
}

static void test_internal_error(void **state)
{
	struct fake_exit entry = {
		.reason = MICA_EXIT_INTERNAL_ERROR,
		.fail = { .name = "EXIT 99", .hw_reason = 99 },
	};

	assert_end(state, entry, MACHINE_CRASH, "EXIT 99 (reason 0x63");
}

static void test_host_state(void **state)
{
	struct fake_exit entry = {
		.reason = MICA_EXIT_HOST_STATE,
		.fail = { .name = "MSR_LSTAR", .expected = 1, .found = 2 },
	};

	assert_end(state, entry, MACHINE_ERROR, "the host's MSR_LSTAR was 0x1");
}

static void test_memory_fault(void **state)
{
	struct fake_exit entry = {
		.reason = MICA_EXIT_MEMORY_FAULT, .mmio = { .gpa = 0x1000, .error = -EHWPOISON },
	};

	assert_end(state, entry, MACHINE_ERROR, g_strerror(EHWPOISON));
}

static void test_unknown_exit(void **state)
{
	assert_end(state, (struct fake_exit){ .reason = MICA_EXIT_MEMORY_FAULT + 1 }, MACHINE_ERROR,
		   "the module says exit 11");
}

static void test_run_fails(void **state)
{
	assert_end(state, (struct fake_exit){ .number = EIO }, MACHINE_ERROR, "vCPU 0 cannot run");
}

static void test_bad_state(void **state)
{
	struct fake_exit entry = { .number = EINVAL, .fail = { .name = "cr4" } };

	assert_end(state, entry, MACHINE_ERROR, "refuses the field 'cr4'");
}

/* Plays `length` exits that need the instructions at `bytes`, then the power-off. */
#define MMIO_EXIT	{ .reason = MICA_EXIT_MMIO, .mmio = { .gpa = IOAPIC_BASE } }
#define play_code(state, bytes, script) \
	(code = (bytes), code_length = sizeof(bytes) - 1, \
	 play_with_power_off(state, script, G_N_ELEMENTS(script)))

static enum machine_end play_with_power_off(void **state, const struct fake_exit *script,
					    size_t length)
{
	const struct fake_exit off[] = {
		{ .reason = MICA_EXIT_INTERRUPTED, .number = EINTR }, POWER_OFF_EXIT,
	};
	struct fake_exit all[8];
	uint32_t value;

	assert_true(length + 2 <= G_N_ELEMENTS(all));
	memcpy(all, script, length * sizeof(*script));
	memcpy(all + length, off, sizeof(off));
	return play(*state, all, length + 2, &value);
}

/* mov dword [0xfec00000], 1; mov eax, [0xfec00010]: the IOAPIC's version register. */
static void test_mmio(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT, MMIO_EXIT };

	assert_int_equal(play_code(state, "\xc7\x05\x00\x00\xc0\xfe\x01\x00\x00\x00"
				   "\xa1\x10\x00\xc0\xfe", script), MACHINE_OFF);
	assert_int_equal(fake_kernel.state.gprs.rip, CODE + 15);
	assert_int_equal(fake_kernel.state.gprs.rax, 0x170020);
	assert_int_equal(fake_kernel.committed, MICA_STATE_GPRS);
}

/* mov eax, [0xd0000000] */
static void test_mmio_hole(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT };

	assert_int_equal(play_code(state, "\xa1\x00\x00\x00\xd0", script), MACHINE_OFF);
	assert_int_equal(fake_kernel.state.gprs.rax, 0xffffffff);
}

/* mov eax, [0xfee00030]; movzx ebx, byte [0xfee00032]; mov edi, [0xfee00034];
 * mov [0xfee000b0], eax */
static void test_lapic(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT, MMIO_EXIT, MMIO_EXIT, MMIO_EXIT };

	assert_int_equal(play_code(state, "\xa1\x30\x00\xe0\xfe"
				   "\x0f\xb6\x1d\x32\x00\xe0\xfe"
				   "\x8b\x3d\x34\x00\xe0\xfe"
				   "\xa3\xb0\x00\xe0\xfe", script), MACHINE_OFF);
	assert_int_equal(fake_kernel.state.gprs.rax, 0xaabb0030);
	assert_int_equal(fake_kernel.state.gprs.rbx, 0xbb);
	assert_int_equal(fake_kernel.state.gprs.rdi, 0);
	assert_int_equal(fake_kernel.access.offset, 0xb0);
	assert_int_equal(fake_kernel.access.write, 1);
	assert_int_equal(fake_kernel.access.value, 0xaabb0030);
}

/* rep outsb */
static void test_string_output(void **state)
{
	const struct fake_exit script[] = {
		{ .reason = MICA_EXIT_IO,
		  .io = { .port = COM1, .size = 1, .flags = MICA_IO_WRITE | MICA_IO_STRING } },
	};

	assert_int_equal(play_code(state, "\xf3\x6e", script), MACHINE_OFF);
	assert_console(*state, "string");
	assert_int_equal(fake_kernel.state.gprs.rcx, 0);
	assert_int_equal(fake_kernel.state.gprs.rip, CODE + 2);
}

/* What is no instruction is #UD for the guest. */
static void test_no_instruction(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT };

	assert_int_equal(play_code(state, "\xff\xff\xff\xff", script), MACHINE_OFF);
	assert_int_equal(fake_kernel.state.events.exception,
			 MICA_EVENT_VALID | MICA_EVENT_EXCEPTION | 6);
	assert_int_equal(fake_kernel.state.gprs.rip, CODE);
}

/* fld dword [0xfec00000] */
static void test_unsupported_instruction(void **state)
{
	const struct fake_exit script[] = { MMIO_EXIT };

	assert_int_equal(play_code(state, "\xd9\x05\x00\x00\xc0\xfe", script), MACHINE_CRASH);
	assert_message(*state, "cannot do in place of the CPU: d9 05 00 00 c0 fe (fld) at 0x1000, "
		       "accessing guest-physical address 0xfec00000");
	assert_message(*state, "  rip              0000000000001000");
}

/* Without an interrupt pending the PIC answers with its spurious one. */
static void test_extint(void **state)
{
	const struct fake_exit script[] = { { .reason = MICA_EXIT_EXTINT }, POWER_OFF_EXIT };
	uint32_t value;

	assert_int_equal(play(*state, script, G_N_ELEMENTS(script), &value), MACHINE_OFF);
	assert_int_equal(fake_kernel.extint_vector & 0x107, MICA_EXTINT_VALID | 7);
}

static void test_virtual_wire(void **state)
{
	const struct fake_exit script[] = { POWER_OFF_EXIT };
	uint32_t value;

	play(*state, script, G_N_ELEMENTS(script), &value);
	assert_int_equal(fake_kernel.apic.regs[0x0f], 0x1ff);
	assert_int_equal(fake_kernel.apic.regs[0x35], 0x700);
	assert_int_equal(fake_kernel.apic.regs[0x36], 0x400);
}

/* A console whose reader decides when it reads: a FIFO that holds next to nothing. */
static int open_fifo(struct fixture *fixture)
{
	int fd;

	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	fd = open(fixture->path, O_RDWR | O_CLOEXEC);
	assert_true(fcntl(fd, F_SETPIPE_SZ, 4096) >= 4096);
	return fd;
}

struct reader {
	struct machine *machine;
	int fd;
	size_t expected;
	bool late;			/* begins when the guest has ended; else when it waits */
};

/* Returns when it has read as much as is expected: a byte that is lost is a test that hangs. */
static void *read_console(void *opaque)
{
	struct reader *reader = opaque;
	size_t count = 0;
	uint8_t bytes[512];
	ssize_t got;

	while (!atomic_load(&reader->machine->stopping) &&
	       (reader->late || thread_state("vcpu0/test") != 'S'))
		sched_yield();
	while (count < reader->expected) {
		got = read(reader->fd, bytes, sizeof(bytes));
		assert_true(got > 0);
		count += got;
	}
	return NULL;
}

/* A guest that prints `count` bytes and powers off. */
static void run_with_reader(struct fixture *fixture, uint32_t count, bool late)
{
	struct fake_exit script[] = { FAKE_OUT(COM1, 1, 'x'), POWER_OFF_EXIT };
	struct reader reader = { .fd = open_fifo(fixture), .expected = count, .late = late };
	g_autoptr(GError) error = NULL;
	pthread_t thread;
	uint32_t value;

	script[0].repeat = count;
	fake_kernel.script = script;
	fake_kernel.length = G_N_ELEMENTS(script);
	reader.machine = machine_new(&fixture->config, &error);
	assert_non_null(reader.machine);
	pthread_create(&thread, NULL, read_console, &reader);
	assert_int_equal(machine_run(reader.machine, &value), MACHINE_OFF);
	pthread_join(thread, NULL);
	machine_free(reader.machine);
	close(reader.fd);
	assert_no_message(fixture);
}

/* More than the console's ring holds: the vCPU waits, and all of it arrives. */
static void test_flood(void **state)
{
	run_with_reader(*state, 300000, false);
}

/* When the guest powers off, most of what it printed is still with us; the reader comes
 * when the vCPU has ended. */
static void test_drain(void **state)
{
	run_with_reader(*state, 20000, true);
}

static void *end_when_stuck(void *opaque)
{
	struct machine *machine = opaque;

	/* With nobody reading it stays full: the vCPU waits for room, or will very soon. */
	while (!console_put(machine->console, (const uint8_t *)"y", 1))
		;
	kill(getpid(), SIGTERM);
	return NULL;
}

/* Nobody reads the console at all: a signal ends the guest nevertheless. */
static void test_stuck_console(void **state)
{
	struct fixture *fixture = *state;
	struct fake_exit script[] = { FAKE_OUT(COM1, 1, 'x') };
	int fifo = open_fifo(fixture);
	g_autoptr(GError) error = NULL;
	struct machine *machine;
	pthread_t thread;
	uint32_t value;

	script[0].repeat = UINT32_MAX;
	fake_kernel.script = script;
	fake_kernel.length = G_N_ELEMENTS(script);
	machine = machine_new(&fixture->config, &error);
	assert_non_null(machine);
	pthread_create(&thread, NULL, end_when_stuck, machine);
	assert_int_equal(machine_run(machine, &value), MACHINE_SIGNAL);
	pthread_join(thread, NULL);
	machine_free(machine);
	close(fifo);
}

static void test_first_end_wins(void **state)
{
	struct fixture *fixture = *state;
	g_autoptr(GError) error = NULL;
	struct machine *machine = machine_new(&fixture->config, &error);
	uint32_t value;

	assert_non_null(machine);
	pthread_mutex_lock(&machine->lock);
	assert_true(machine_request_end(machine, MACHINE_DEBUG_EXIT, 1));
	assert_false(machine_request_end(machine, MACHINE_CRASH, 2));
	pthread_mutex_unlock(&machine->lock);
	assert_int_equal(machine_run(machine, &value), MACHINE_DEBUG_EXIT);
	assert_int_equal(value, 1);
	machine_free(machine);
}

static void *send_signal(void *opaque)
{
	eventfd_t count;

	eventfd_read(fake_kernel.running, &count);
	kill(getpid(), GPOINTER_TO_INT(opaque));
	return NULL;
}

/* The guest sleeps, with several vCPUs; each of the signals ends it. */
static void test_signals(void **state)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct fixture *fixture = *state;
	pthread_t thread;
	uint32_t value;

	fixture->config.cpus = 4;
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
		g_autoptr(GError) error = NULL;
		struct machine *machine;

		fake_kernel_reset();
		/* The machine first: it blocks the signals for the threads that follow. */
		machine = machine_new(&fixture->config, &error);
		assert_non_null(machine);
		assert_int_equal(fake_kernel.mp_state[0], MICA_MP_RUNNABLE);
		assert_int_equal(fake_kernel.mp_state[1], MICA_MP_WAIT_SIPI);
		assert_int_equal(fake_kernel.mp_state[3], MICA_MP_WAIT_SIPI);
		pthread_create(&thread, NULL, send_signal, GINT_TO_POINTER(numbers[i]));
		assert_int_equal(machine_run(machine, &value), MACHINE_SIGNAL);
		assert_int_equal(value, numbers[i]);
		pthread_join(thread, NULL);
		machine_free(machine);
	}
}

static void test_ignored_signal(void **state)
{
	struct fixture *fixture = *state;
	g_autoptr(GError) error = NULL;
	struct machine *machine;
	pthread_t thread;
	uint32_t value;

	signal(SIGHUP, SIG_IGN);
	machine = machine_new(&fixture->config, &error);
	assert_non_null(machine);
	kill(getpid(), SIGHUP);
	pthread_create(&thread, NULL, send_signal, GINT_TO_POINTER(SIGTERM));
	assert_int_equal(machine_run(machine, &value), MACHINE_SIGNAL);
	assert_int_equal(value, SIGTERM);
	pthread_join(thread, NULL);
	machine_free(machine);
	signal(SIGHUP, SIG_DFL);
}

static unsigned int open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

/* Each ioctl in turn fails: an error in words, nothing left open. */
static void test_half_made(void **state)
{
	struct fixture *fixture = *state;
	GError *error = NULL;
	struct machine *machine;
	unsigned int fail_at = 0;
	unsigned int before;

	fixture->config.cpus = 2;
	for (;;) {
		fake_kernel_reset();
		fake_kernel.fail_at = ++fail_at;
		before = open_descriptors();
		machine = machine_new(&fixture->config, &error);
		if (machine)
			break;
		assert_error_says(&error, g_strerror(ENOMEM));
		/* The fake keeps its vCPUs' pages, but no descriptors. */
		assert_int_equal(open_descriptors(), before);
	}
	assert_int_equal(fail_at, fake_kernel.ioctls + 1);
	assert_true(fail_at > 10);
	machine_free(machine);
	assert_int_equal(open_descriptors(), before);
}

static void test_no_kernel(void **state)
{
	struct fixture *fixture = *state;
	GError *error = NULL;

	boot_fails = TRUE;
	assert_null(machine_new(&fixture->config, &error));
	assert_error_says(&error, "no kernel");
}

static void assert_not_made(struct fixture *fixture, const char *message)
{
	GError *error = NULL;

	assert_null(machine_new(&fixture->config, &error));
	assert_error_says(&error, message);
}

static void test_refusals(void **state)
{
	struct fixture *fixture = *state;

	fake_kernel.api_version = MICA_API_VERSION + 1;
	assert_not_made(fixture, "install both from one release");
	fake_kernel.api_version = MICA_API_VERSION;

	fake_kernel.max_vcpus = 2;
	fixture->config.cpus = 3;
	assert_not_made(fixture, "--cpus 3: the loaded module has at most 2");
	fixture->config.cpus = 1;

	fixture->config.memory = 1ull << 40;
	assert_not_made(fixture, "(40 bits)");
	fixture->config.memory = (1ull << 40) - (1ull << 30);
	assert_not_made(fixture, "more than this host has");
	fixture->config.memory = 2 << 20;

	fixture->config.console.path = (char *)"/nowhere/to/be/found";
	assert_not_made(fixture, "cannot write the console's file '/nowhere/to/be/found'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_power_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_debug_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_triple_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fail_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_internal_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_run_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mmio, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mmio_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lapic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_string_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_instruction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unsupported_instruction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_extint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_virtual_wire, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stuck_console, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_end_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ignored_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
