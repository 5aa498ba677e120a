// SPDX-License-Identifier: GPL-2.0-or-later
/* How a machine is made, comes to its end, and what it leaves behind. */
#include "machine_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
	pthread_t thread;
	uint32_t value;

	script[0].repeat = count;
	fake_kernel.script = script;
	fake_kernel.length = G_N_ELEMENTS(script);
	reader.machine = make_machine(fixture);
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
	run_with_reader(*state, 1000000, false);
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
	struct machine *machine;
	pthread_t thread;
	uint32_t value;

	script[0].repeat = UINT32_MAX;
	fake_kernel.script = script;
	fake_kernel.length = G_N_ELEMENTS(script);
	machine = make_machine(fixture);
	pthread_create(&thread, NULL, end_when_stuck, machine);
	assert_int_equal(machine_run(machine, &value), MACHINE_SIGNAL);
	pthread_join(thread, NULL);
	machine_free(machine);
	close(fifo);
}

static void test_first_end_wins(void **state)
{
	struct fixture *fixture = *state;
	struct machine *machine = make_machine(fixture);
	uint32_t value;

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
		struct machine *machine;

		fake_kernel_reset();
		/* The machine first: it blocks the signals for the threads that follow. */
		machine = make_machine(fixture);
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
	struct machine *machine;
	pthread_t thread;
	uint32_t value;

	signal(SIGHUP, SIG_IGN);
	machine = make_machine(fixture);
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

	assert_true(g_file_set_contents(fixture->path, "precious", -1, NULL));
	fixture->boot_fails = TRUE;
	assert_null(machine_new(&fixture->config, &error));
	assert_error_says(&error, "no kernel");
	assert_console(fixture, "precious");
}

/* What ended a process that makes the machine; `number` is sent to it, unless it is 0, when a
 * message has come. */
static int die_making(struct fixture *fixture, int number)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		alarm(60);
		machine_new(&fixture->config, NULL);
		_exit(0);
	}
	while (number && !lseek(fixture->messages, 0, SEEK_END))
		sched_yield();
	if (number)
		kill(pid, number);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* A pipe may stay without a writer, or a reader, for ever. */
static void test_signal_while_waiting(void **state)
{
	struct fixture *fixture = *state;

	fixture->boot_signal = SIGTERM;
	assert_int_equal(die_making(fixture, 0), SIGTERM);
	fixture->boot_signal = 0;
	assert_int_equal(die_making(fixture, 0), 0);

	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	assert_int_equal(die_making(fixture, SIGINT), SIGINT);
	assert_message(fixture, "is a pipe: waiting for somebody to read it");
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
	assert_not_made(fixture, "(40 bits): at most 1023G");
	/* The hole below 4 GiB is in the way, too. */
	fixture->config.memory = (1ull << 40) - (512ull << 20);
	assert_not_made(fixture, "(40 bits)");
	fixture->config.memory = (1ull << 40) - (1ull << 30);
	assert_not_made(fixture, "more than this host has");
	fixture->config.memory = 2 << 20;

	fixture->config.console.path = (char *)"/nowhere/to/be/found";
	assert_not_made(fixture, "cannot write the console's file '/nowhere/to/be/found'");
}

/* This module offers no feature at all.  There is no VM yet: two ioctls ask what there is. */
static void test_missing_features(void **state)
{
	struct fixture *fixture = *state;

	assert_true(cpu_model_parse(&fixture->config.cpu, "v1,+aes", NULL));
	fake_kernel.ioctls = 0;
	assert_not_made(fixture, "--cpu v1,+aes: this host cannot give a guest fpu, de, ");
	assert_not_made(fixture, ", lm: its CPU, its kernel or mica.ko lacks it");
	assert_int_equal(fake_kernel.ioctls, 2 * 2);
	cpu_model_clear(&fixture->config.cpu);
}

/* For the module vCPUs go by their APIC ids, of which three cores leave one free. */
static void test_apic_ids(void **state)
{
	static const uint64_t wait = MICA_MP_WAIT_SIPI;
	static const uint64_t expected[] = { MICA_MP_RUNNABLE, wait, wait, 0, wait, wait, wait, 0 };
	struct fixture *fixture = *state;
	struct machine *machine;

	fixture->config.cpus = 6;
	fixture->config.topology = (struct cpu_topology){ .sockets = 2, .cores = 3, .threads = 1 };
	memset(fake_kernel.mp_state, 0, sizeof(fake_kernel.mp_state));
	machine = make_machine(fixture);
	assert_memory_equal(fake_kernel.mp_state, expected, sizeof(expected));
	machine_free(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(test_flood),
		MACHINE_TEST(test_drain),
		MACHINE_TEST(test_stuck_console),
		MACHINE_TEST(test_first_end_wins),
		MACHINE_TEST(test_signals),
		MACHINE_TEST(test_ignored_signal),
		MACHINE_TEST(test_half_made),
		MACHINE_TEST(test_no_kernel),
		MACHINE_TEST(test_signal_while_waiting),
		MACHINE_TEST(test_refusals),
		MACHINE_TEST(test_missing_features),
		MACHINE_TEST(test_apic_ids),
	};

	/* Below nohup(1) it is ignored, which the machine would respect. */
	signal(SIGHUP, SIG_DFL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
