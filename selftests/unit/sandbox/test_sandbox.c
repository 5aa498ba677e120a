// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Confinement: each kind of thread, in a child, may do what it must and dies with a message of
 * what it may not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <mica.h>
#include <pthread.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "console_tty.h"
#include "exit_status.h"
#include "sandbox/landlock.h"
#include "sandbox/rules.h"
#include "sandbox/sandbox.h"
#include "signals.h"

#define VCPU_CALLS_MAX	30
#define FINE		42

/* ---------------------------------------------------------------- the table */

static void rules_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sandbox_rule_count; i++) {
		const struct sandbox_rule *rule = &sandbox_rules[i];

		assert_int_equal(seccomp_syscall_resolve_name(rule->name), rule->call);
		assert_true(*rule->why);
		assert_true(!rule->unmet || *rule->unmet);
		assert_true(rule->kinds != 0);
		assert_true(rule->argument < 6);
		assert_int_equal(rule->check == SANDBOX_ANY, !rule->detail);
		if (rule->check == SANDBOX_MASKED)
			assert_int_equal(rule->value & ~rule->mask, 0);
	}
}

static void vcpus_have_few_calls(void **state)
{
	bool seen[1024] = { false };
	unsigned int count = 0;

	(void)state;
	for (size_t i = 0; i < sandbox_rule_count; i++) {
		if (!(sandbox_rules[i].kinds & SANDBOX_VCPU) || seen[sandbox_rules[i].call])
			continue;
		seen[sandbox_rules[i].call] = true;
		count++;
	}
	assert_in_range(count, 1, VCPU_CALLS_MAX);
}

/* Two rows for one thread and one call, the first of which takes all, hide the second. */
static void rules_differ(void **state)
{
	(void)state;
	for (size_t i = 0; i < sandbox_rule_count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct sandbox_rule *a = &sandbox_rules[i], *b = &sandbox_rules[j];

			if (a->call == b->call && (a->kinds & b->kinds))
				assert_true(a->check != SANDBOX_ANY && b->check != SANDBOX_ANY &&
					    a->value != b->value);
		}
}

/* ---------------------------------------------------------------- children */

/* The child's, if it has one; -1: none. */
static int terminal = -1;

/* A reset starts the child's guest anew. */
static gboolean restart;

struct attempt {
	enum thread_kind kind;
	void (*act)(void);
};

static void *attempt_thread(void *opaque)
{
	const struct attempt *attempt = opaque;

	thread_confine(attempt->kind);
	attempt->act();
	return NULL;
}

static void attempt_in_child(const struct attempt *attempt)
{
	const struct sandbox_config config = { .restart = restart };
	pthread_t thread;

	signals_prepare_kick();
	if (!sandbox_prepare(&config, NULL))
		_exit(1);
	thread_confine(THREAD_MAIN);
	if (terminal >= 0 && !console_tty_enter(terminal))
		_exit(1);
	if (attempt->kind == THREAD_MAIN)
		attempt->act();
	else if (!pthread_create(&thread, NULL, attempt_thread, (void *)attempt))
		pthread_join(thread, NULL);
	_exit(FINE);
}

/* Returns the exit status, 128 and more for signals; what was said is in `said`. */
static int try(enum thread_kind kind, void (*act)(void), char *said, size_t size)
{
	const struct attempt attempt = { kind, act };
	int ends[2], status;
	ssize_t count;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		attempt_in_child(&attempt);
	}
	close(ends[1]);
	count = read(ends[0], said, size - 1);
	said[MAX(count, 0)] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void try_execve(void)
{
	char *const arguments[] = { "/bin/true", NULL };

	execv(arguments[0], arguments);
}

static void try_openat(void)
{
	open("/etc/passwd", O_RDWR | O_CLOEXEC);
}

static void try_socket(void)
{
	socket(AF_INET, SOCK_STREAM, 0);
}

static void try_fork(void)
{
	syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void try_executable(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void try_mprotect(void)
{
	mprotect((void *)((uintptr_t)try_mprotect & ~4095ul), 4096, PROT_READ | PROT_EXEC);
}

static void try_ioctl(void)
{
	syscall(SYS_ioctl, 0, TIOCSTI, "x");
}

static void try_other_process(void)
{
	syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static void try_kill(void)
{
	syscall(SYS_tgkill, 1, 1, SIGTERM);
}

static void try_ptrace(void)
{
	syscall(SYS_ptrace, 0, 0, 0, 0);
}

/* getpid() of i386. */
static void try_gate(void)
{
	long number = 20;

	asm volatile("int $0x80" : "+a"(number) : : "memory");
}

static void try_x32(void)
{
	syscall(0x40000000 | SYS_getpid);
}

static const struct {
	const char *call;
	void (*act)(void);
} forbidden[] = {
	{ "(execve)", try_execve },
	{ "(openat)", try_openat },
	{ "(socket)", try_socket },
	{ "(clone)", try_fork },
	{ "(mmap)", try_executable },
	{ "(mprotect)", try_mprotect },
	{ "(ioctl 0x5412)", try_ioctl },
	{ "(getppid)", try_other_process },
	{ "(tgkill)", try_kill },
	{ "(ptrace)", try_ptrace },
	{ "of a 32-bit program", try_gate },
	{ "(unknown)", try_x32 },
};

static void forbidden_calls_end_the_process(void **state)
{
	static const char *const names[] = {
		[THREAD_MAIN] = " in the main thread", [THREAD_VCPU] = " in the vCPU thread",
		[THREAD_IO] = " in the I/O thread",
	};
	char said[1024];

	(void)state;
	for (enum thread_kind kind = 0; kind < THREAD_KINDS; kind++)
		for (size_t i = 0; i < G_N_ELEMENTS(forbidden); i++) {
			int status = try(kind, forbidden[i].act, said, sizeof(said));

			if (status != EXIT_STATUS_FORBIDDEN || !strstr(said, forbidden[i].call) ||
			    !strstr(said, names[kind]))
				fail_msg("%s%s: status %d, \"%s\"", forbidden[i].call, names[kind],
					 status, said);
		}
}

static bool is_cooked(int fd)
{
	struct termios modes;

	return !tcgetattr(fd, &modes) && (modes.c_lflag & ICANON);
}

/* Whichever thread ends the process, by a forbidden call or by a failed assertion. */
static void the_terminal_is_given_back(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char said[1024];

	(void)state;
	assert_int_equal(unlockpt(master), 0);
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(is_cooked(terminal));
	for (enum thread_kind kind = 0; kind < THREAD_KINDS; kind++) {
		assert_int_equal(try(kind, try_execve, said, sizeof(said)), EXIT_STATUS_FORBIDDEN);
		assert_true(is_cooked(terminal));
		assert_int_equal(try(kind, abort, said, sizeof(said)), 128 + SIGABRT);
		assert_true(is_cooked(terminal));
	}
	close(terminal);
	close(master);
	terminal = -1;
}

static void act_sent(void)
{
	raise(SIGSYS);
}

static void signals_of_others_are_told_apart(void **state)
{
	char said[1024];

	(void)state;
	assert_int_equal(try(THREAD_MAIN, act_sent, said, sizeof(said)), EXIT_STATUS_ERROR);
	assert_non_null(strstr(said, "has sent SIGSYS"));
	assert_null(strstr(said, "forbidden"));
}

static void act_critical(void)
{
	g_critical("a mistake");
}

static void act_assert(void)
{
	g_assert(getpid() == 0);
}

/* GLib's messages come, and what they are about happens. */
static void own_mistakes_are_told(void **state)
{
	char said[1024];

	(void)state;
	for (enum thread_kind kind = 0; kind < THREAD_KINDS; kind++) {
		assert_int_equal(try(kind, act_critical, said, sizeof(said)), FINE);
		assert_string_equal(said, "mica: a mistake\n");
		assert_int_equal(try(kind, act_assert, said, sizeof(said)), 128 + SIGABRT);
		assert_non_null(strstr(said, "assertion failed"));
	}
}

/* What a kind of thread has and another has not. */
static void act_seccomp(void)
{
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL);
}

/* The main thread hears that the host has none. */
static void act_ring(void)
{
	struct io_uring_params params = { 0 };

	if (syscall(SYS_io_uring_setup, 1, &params) >= 0 || errno != ENOSYS)
		_exit(1);
}

/* Nor is there a file in reserve for it, which libuv asks for. */
static void act_reserve(void)
{
	if (open("/", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		_exit(1);
}

static void act_writev(void)
{
	struct iovec part = { "", 0 };

	syscall(SYS_writev, STDERR_FILENO, &part, 1);
}

static void kinds_differ(void **state)
{
	char said[1024];

	(void)state;
	assert_int_equal(try(THREAD_MAIN, act_ring, said, sizeof(said)), FINE);
	assert_int_equal(try(THREAD_VCPU, act_ring, said, sizeof(said)), EXIT_STATUS_FORBIDDEN);
	assert_int_equal(try(THREAD_IO, act_ring, said, sizeof(said)), EXIT_STATUS_FORBIDDEN);
	assert_int_equal(try(THREAD_MAIN, act_reserve, said, sizeof(said)), FINE);
	assert_int_equal(try(THREAD_VCPU, act_reserve, said, sizeof(said)),
			 EXIT_STATUS_FORBIDDEN);
	assert_int_equal(try(THREAD_MAIN, act_seccomp, said, sizeof(said)), FINE);
	assert_int_equal(try(THREAD_VCPU, act_seccomp, said, sizeof(said)),
			 EXIT_STATUS_FORBIDDEN);
	assert_int_equal(try(THREAD_IO, act_writev, said, sizeof(said)), FINE);
	assert_int_equal(try(THREAD_VCPU, act_writev, said, sizeof(said)),
			 EXIT_STATUS_FORBIDDEN);
}

/* Another hypervisor may have taken the CPU. */
static void act_access(void)
{
	if (access("/", F_OK) >= 0 || errno != EACCES)
		_exit(1);
}

static void the_next_life_differs(void **state)
{
	char said[1024];

	(void)state;
	assert_int_equal(try(THREAD_MAIN, act_access, said, sizeof(said)), EXIT_STATUS_FORBIDDEN);
	restart = TRUE;
	assert_int_equal(try(THREAD_MAIN, act_access, said, sizeof(said)), FINE);
	restart = FALSE;
}

/* ---------------------------------------------------------------- what must work */

/* TCGETS2 and TCSETS2, whose header does not go with <termios.h>: glibc's from 2.42 on. */
static void use_new_modes(void)
{
	syscall(SYS_ioctl, -1, _IOC(_IOC_READ, 'T', 0x2a, 44), NULL);
	syscall(SYS_ioctl, -1, _IOC(_IOC_WRITE, 'T', 0x2b, 44), NULL);
}

static void allocate(void)
{
	void *blocks[64];

	for (unsigned int i = 0; i < G_N_ELEMENTS(blocks); i++)
		blocks[i] = memset(g_malloc(i << 12), i, i << 12);
	for (unsigned int i = 0; i < G_N_ELEMENTS(blocks); i++)
		g_free(blocks[i]);
}

static int compare(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

static void sort(void)
{
	char many[4096];

	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = i * 7;
	qsort(many, sizeof(many), 1, compare);
}

static void use_libraries(void)
{
	g_autofree char *text = NULL;
	struct timespec until;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t wake = PTHREAD_COND_INITIALIZER;

	allocate();
	sort();
	use_new_modes();
	for (int number = 1; number < 40; number++) {
		g_free(text);
		text = g_strdup_printf("%s %s", g_strerror(number), strerror(number));
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec = 0;
	pthread_mutex_lock(&lock);
	pthread_cond_timedwait(&wake, &lock, &until);
	pthread_mutex_unlock(&lock);
	signals_accept_kick();
	pthread_kill(pthread_self(), SIGNAL_KICK);
	g_random_int();
}

static void *allocate_thread(void *opaque)
{
	thread_confine(THREAD_IO);
	allocate();
	return opaque;
}

/* More threads than there are arenas. */
static void make_threads(void)
{
	pthread_t threads[16];

	for (unsigned int i = 0; i < G_N_ELEMENTS(threads); i++)
		if (pthread_create(&threads[i], NULL, allocate_thread, NULL))
			_exit(1);
	for (unsigned int i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	use_libraries();
}

static void libraries_work(void **state)
{
	char said[1024];

	(void)state;
	for (enum thread_kind kind = 0; kind < THREAD_KINDS; kind++) {
		int status = try(kind, use_libraries, said, sizeof(said));

		if (status != FINE)
			fail_msg("kind %d: status %d, \"%s\"", kind, status, said);
	}
	if (try(THREAD_MAIN, make_threads, said, sizeof(said)) != FINE)
		fail_msg("threads: \"%s\"", said);
}

/* Also of a thread that is older than the main thread's confinement. */
static pthread_barrier_t barrier;

static void *check_rights(void *opaque)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/status", getpid(), gettid());
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[4096] = "";

	(void)opaque;
	pthread_barrier_wait(&barrier);
	thread_confine(THREAD_VCPU);
	if (read(fd, text, sizeof(text) - 1) <= 0 || !strstr(text, "\nCapEff:\t0000000000000000") ||
	    !strstr(text, "\nCapPrm:\t0000000000000000") ||
	    !strstr(text, "\nCapInh:\t0000000000000000") || !strstr(text, "\nNoNewPrivs:\t1") ||
	    !strstr(text, "\nSeccomp:\t2"))
		_exit(1);
	return NULL;
}

static void older_threads_give_up_the_same(void **state)
{
	const struct sandbox_config config = { .restart = FALSE };
	pthread_t thread;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		pthread_barrier_init(&barrier, NULL, 2);
		if (!sandbox_prepare(&config, NULL) ||
		    pthread_create(&thread, NULL, check_rights, NULL))
			_exit(2);
		thread_confine(THREAD_MAIN);
		pthread_barrier_wait(&barrier);
		pthread_join(thread, NULL);
		_exit(FINE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FINE);
}

/* ---------------------------------------------------------------- the shell's terminal */

static int on_own_terminal(void)
{
	const struct sandbox_config config = { .restart = FALSE };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int slave = -1;

	if (setsid() >= 0 && unlockpt(master) == 0)
		slave = open(ptsname(master), O_RDWR | O_CLOEXEC);
	if (slave < 0 || tcgetpgrp(slave) != getpgrp())
		return 1;
	console_tty_prepare();
	if (!sandbox_prepare(&config, NULL))
		return 2;
	thread_confine(THREAD_MAIN);
	for (unsigned int i = 0; i < 2; i++) {
		if (!console_tty_enter(slave))
			return 3;
		console_tty_leave();
	}
	return FINE;
}

static void the_controlling_terminal_is_used(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(on_own_terminal());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FINE);
}

/* ---------------------------------------------------------------- Landlock */

static int landlocked(const char *folder)
{
	g_autofree char *in = g_build_filename(folder, "socket", NULL);
	g_autoptr(GPtrArray) folders = g_ptr_array_new();
	int ruleset;

	g_ptr_array_add(folders, (char *)folder);
	ruleset = landlock_prepare(folders);

	if (ruleset < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || landlock_restrict(ruleset))
		return 1;
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
		return 2;
	if (open(in, O_RDWR) >= 0 || errno != EACCES)
		return 3;
	return unlink(in) ? 4 : FINE;
}

static void landlock_leaves_one_thing(void **state)
{
	g_autofree char *folder = g_dir_make_tmp("mica-test-XXXXXX", NULL);
	g_autofree char *in = g_build_filename(folder, "socket", NULL);
	int status;
	pid_t pid;

	(void)state;
	if (!landlock_version()) {
		rmdir(folder);
		skip();
	}
	assert_true(g_file_set_contents(in, "", 0, NULL));
	pid = fork();
	if (pid == 0)
		_exit(landlocked(folder));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(in);
	rmdir(folder);
	assert_int_equal(WEXITSTATUS(status), FINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_named),
		cmocka_unit_test(vcpus_have_few_calls),
		cmocka_unit_test(rules_differ),
		cmocka_unit_test(forbidden_calls_end_the_process),
		cmocka_unit_test(the_terminal_is_given_back),
		cmocka_unit_test(signals_of_others_are_told_apart),
		cmocka_unit_test(own_mistakes_are_told),
		cmocka_unit_test(kinds_differ),
		cmocka_unit_test(the_next_life_differs),
		cmocka_unit_test(libraries_work),
		cmocka_unit_test(older_threads_give_up_the_same),
		cmocka_unit_test(the_controlling_terminal_is_used),
		cmocka_unit_test(landlock_leaves_one_thing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
