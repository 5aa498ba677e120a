// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sandbox-trace REPORT PROGRAM ARGUMENT...: runs a `mica run` and notes in REPORT which rules of
 * its confinement its threads meet, and which calls meet none; ends as the program does, or
 * goes into the background.
 * sandbox-trace --check REPORT: says which rules nobody has met, though they do not say why, and
 * which calls had none; fails if there are any.
 *
 * It is a tracer (ptrace(2)), so the program is the one that users get.  The rules are the
 * program's table.  vCPUs are stopped at all of their first calls only, if sandbox-vcpu.c is in
 * its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../vmm/sandbox/rules.h"

#define SYSCALL_STOP	(SIGTRAP | 0x80)
#define PRELOAD		"/selftests/vcpu.so"
#define FIRST_CALLS	2000u		/* of a vCPU, at each of which it is stopped */

struct thread {
	pid_t process;
	enum thread_kind kind;
	bool confined;
	bool filtered;			/* by sandbox-vcpu.c */
	unsigned int calls;
};

static const char *const kind_names[] = {
	[THREAD_MAIN] = "main", [THREAD_VCPU] = "vcpu", [THREAD_IO] = "io",
};

static GHashTable *threads;		/* by thread id */
static GHashTable *noted;		/* lines that are in the report already */
static int report = -1;
static pid_t first;
static volatile pid_t forward_to;

static void die(const char *what)
{
	fprintf(stderr, "sandbox-trace: %s: %s\n", what, strerror(errno));
	exit(99);
}

/* ---------------------------------------------------------------- the report */

static void note(char *line)
{
	if (!g_hash_table_add(noted, line))
		return;
	if (write(report, line, strlen(line)) < 0)
		die("the report");
}

static bool matches(const struct sandbox_rule *rule, const struct thread *thread,
		    const struct __ptrace_syscall_info *info)
{
	const struct sandbox_host host = { .pid = thread->process };
	uint64_t mask, value;

	sandbox_rule_match(rule, &host, &mask, &value);
	return rule->call == (int)info->entry.nr &&
	       (info->entry.args[rule->argument] & mask) == value;
}

static const struct sandbox_rule *find(const struct thread *thread, unsigned int kinds,
				       const struct __ptrace_syscall_info *info)
{
	for (size_t i = 0; i < sandbox_rule_count; i++)
		if ((sandbox_rules[i].kinds & kinds) && matches(&sandbox_rules[i], thread, info))
			return &sandbox_rules[i];
	return NULL;
}

/* "used RULE KIND", "inherited RULE main" or "forbidden KIND CALL ARGUMENTS". */
static void note_call(const struct thread *thread, const struct __ptrace_syscall_info *info)
{
	const char *kind = kind_names[thread->kind];
	unsigned int own = 1u << thread->kind;
	const struct sandbox_rule *rule;

	if (thread->kind == THREAD_MAIN)
		own |= SANDBOX_RESTART;
	if (thread->kind != THREAD_VCPU)
		own |= SANDBOX_CONNECTS;
	rule = find(thread, own, info);
	if (rule)
		note(g_strdup_printf("used %zu %s\n", rule - sandbox_rules, kind));
	else if (thread->kind == THREAD_MAIN && (rule = find(thread, SANDBOX_ALL, info)))
		note(g_strdup_printf("inherited %s %s %s\n", rule->name,
				     rule->detail ? rule->detail : "-", kind));
	else
		note(g_strdup_printf("forbidden %s call %d (0x%x, 0x%x)\n", kind,
				     (int)info->entry.nr, (unsigned int)info->entry.args[0],
				     (unsigned int)info->entry.args[1]));
}

/* ---------------------------------------------------------------- threads */

static long status_number(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

/* A thread that a confined one has made is confined. */
static struct thread *thread_of(pid_t tid)
{
	struct thread *thread = g_hash_table_lookup(threads, GINT_TO_POINTER(tid));
	g_autofree char *path = g_strdup_printf("/proc/%d/status", tid);
	g_autofree char *status = NULL;

	if (thread)
		return thread;
	thread = g_new0(struct thread, 1);
	if (g_file_get_contents(path, &status, NULL, NULL)) {
		thread->process = status_number(status, "\nTgid:");
		thread->confined = status_number(status, "\nSeccomp:") == SECCOMP_MODE_FILTER;
	}
	g_hash_table_insert(threads, GINT_TO_POINTER(tid), thread);
	return thread;
}

static enum thread_kind kind_of(const struct thread *thread, pid_t tid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/comm", tid);
	g_autofree char *name = NULL;

	if (tid == thread->process)
		return THREAD_MAIN;
	g_file_get_contents(path, &name, NULL, NULL);
	return name && g_str_has_prefix(name, "vcpu") ? THREAD_VCPU : THREAD_IO;
}

/* Its filter keeps libuv from making a ring, and it is gone when others are confined. */
static bool makes_loop(pid_t tid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/comm", tid);
	g_autofree char *name = NULL;

	return g_file_get_contents(path, &name, NULL, NULL) && !strcmp(name, LOOP_THREAD "\n");
}

/* A vCPU's first filter is that of sandbox-vcpu.c, if it is there. */
static void filtered(struct thread *thread, pid_t tid)
{
	enum thread_kind kind = kind_of(thread, tid);

	if (makes_loop(tid))
		return;
	if (kind == THREAD_VCPU && !thread->filtered && !access(PRELOAD, R_OK)) {
		thread->filtered = true;
		return;
	}
	thread->confined = true;
	thread->kind = kind;
}

/* It has made all its frequent calls, and those that are left are told by its filter. */
static bool runs(const struct thread *thread)
{
	return thread->filtered && thread->calls > FIRST_CALLS;
}

/* Both kinds of stops have the call and its arguments in the same place. */
G_STATIC_ASSERT(offsetof(struct __ptrace_syscall_info, entry.args) ==
		offsetof(struct __ptrace_syscall_info, seccomp.args));

static void at_call(pid_t tid)
{
	struct thread *thread = thread_of(tid);
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0 ||
	    (info.op != PTRACE_SYSCALL_INFO_ENTRY && info.op != PTRACE_SYSCALL_INFO_SECCOMP))
		return;
	/* The same call's second stop, after which the thread may be confined already. */
	if (info.op == PTRACE_SYSCALL_INFO_SECCOMP && !runs(thread))
		return;
	if (thread->confined)
		note_call(thread, &info);
	/* libseccomp tries what the kernel knows, without a filter. */
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_seccomp &&
	    info.entry.args[0] == SECCOMP_SET_MODE_FILTER && info.entry.args[2])
		filtered(thread, tid);
	thread->calls++;
}

/* Where there was no stop at the call. */
static void at_forbidden(pid_t tid)
{
	const struct thread *thread = thread_of(tid);
	siginfo_t info;

	if (runs(thread) && ptrace(PTRACE_GETSIGINFO, tid, 0, &info) == 0)
		note(g_strdup_printf("forbidden %s call %d\n", kind_names[thread->kind],
				     info.si_syscall));
}

static void go_on(pid_t tid, int number)
{
	ptrace(runs(thread_of(tid)) ? PTRACE_CONT : PTRACE_SYSCALL, tid, 0, number);
}

static bool stops(int number)
{
	return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* Other programs are let go. */
static void at_stop(pid_t tid, int status)
{
	int number = WSTOPSIG(status), event = status >> 16;
	static bool started;

	if (number == SYSCALL_STOP || event == PTRACE_EVENT_SECCOMP) {
		at_call(tid);
		go_on(tid, 0);
	} else if (event == PTRACE_EVENT_STOP && stops(number)) {
		ptrace(PTRACE_LISTEN, tid, 0, 0);
	} else if (event == PTRACE_EVENT_EXEC && started) {
		g_hash_table_remove(threads, GINT_TO_POINTER(tid));
		ptrace(PTRACE_DETACH, tid, 0, 0);
	} else if (event) {
		started |= event == PTRACE_EVENT_EXEC;
		go_on(tid, 0);
	} else {
		if (number == SIGSYS)
			at_forbidden(tid);
		go_on(tid, number);
	}
}

struct change {
	pid_t tid;
	int status;
};

static void at_change(const struct change *change, int result)
{
	if (WIFSTOPPED(change->status)) {
		at_stop(change->tid, change->status);
		return;
	}
	g_hash_table_remove(threads, GINT_TO_POINTER(change->tid));
	if (change->tid == first && write(result, &change->status, sizeof(change->status)) < 0)
		die("the result");
}

/* waitpid() has favourites: all that have stopped get their turn before anybody goes on.  Else one
 * that waits for another by sched_yield() waits for ever where there is one CPU. */
static bool take_changes(GArray *changes)
{
	struct change change;
	int options = __WALL;

	g_array_set_size(changes, 0);
	while ((change.tid = waitpid(-1, &change.status, options)) > 0) {
		g_array_append_val(changes, change);
		options = __WALL | WNOHANG;
	}
	return changes->len || errno == EINTR;
}

/* Until nobody is left. */
static void trace(int result)
{
	g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(struct change));

	while (take_changes(changes))
		for (guint i = 0; i < changes->len; i++)
			at_change(&g_array_index(changes, struct change, i), result);
}

/* ---------------------------------------------------------------- starting */

/* The program ends by them as if it were called without a tracer, which outlives it. */
static const int handed_on[] = { SIGINT, SIGTERM };

static void hand_on(struct sigaction *before)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < G_N_ELEMENTS(handed_on); i++)
		sigaction(handed_on[i], &ignore, &before[i]);
}

static void take_back(const struct sigaction *before)
{
	for (size_t i = 0; i < G_N_ELEMENTS(handed_on); i++)
		sigaction(handed_on[i], &before[i], NULL);
}

/* None is lost that comes before it is known whom to hand it on to. */
static void hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < G_N_ELEMENTS(handed_on); i++)
		sigaddset(&set, handed_on[i]);
	sigprocmask(how, &set, NULL);
}

static void preload(void)
{
	const char *others = getenv("LD_PRELOAD");
	g_autofree char *all = g_strjoin(":", PRELOAD, others, NULL);

	if (!access(PRELOAD, R_OK))
		setenv("LD_PRELOAD", all, 1);
}

static void run_tracer(char **arguments, int result)
{
	const unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
		PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
		PTRACE_O_TRACESECCOMP;
	struct sigaction before[G_N_ELEMENTS(handed_on)];
	int go[2];
	char byte;

	hand_on(before);
	hold_signals(SIG_UNBLOCK);
	if (pipe2(go, O_CLOEXEC) < 0)
		die("a pipe");
	first = fork();
	if (first == 0) {
		if (read(go[0], &byte, 1) != 1)
			_exit(99);
		take_back(before);
		preload();
		execv(arguments[0], arguments);
		_exit(99);
	}
	if (ptrace(PTRACE_SEIZE, first, 0, options) < 0)
		die("cannot trace");
	if (write(result, &first, sizeof(first)) < 0 || write(go[1], "", 1) != 1)
		die("a pipe");
	for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++)
		dup2(open("/dev/null", O_RDWR), fd);
	trace(result);
}

static void forward(int number)
{
	if (forward_to > 0)
		kill(forward_to, number);
}

/* What the caller waits for: the end of the program that it called. */
static int follow(int result)
{
	int status, number = 0;
	ssize_t count;
	pid_t pid;

	if (read(result, &pid, sizeof(pid)) != sizeof(pid))
		return 99;
	forward_to = pid;
	hold_signals(SIG_UNBLOCK);
	while ((count = read(result, &status, sizeof(status))) < 0 && errno == EINTR)
		;
	if (count != sizeof(status))
		return 99;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	number = WTERMSIG(status);
	signal(number, SIG_DFL);
	raise(number);
	return 128 + number;
}

static int run(char **arguments)
{
	int result[2];

	if (pipe2(result, O_CLOEXEC) < 0)
		die("a pipe");
	hold_signals(SIG_BLOCK);
	if (fork() == 0) {
		close(result[0]);
		threads = g_hash_table_new_full(NULL, NULL, NULL, g_free);
		noted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		run_tracer(arguments, result[1]);
		return 0;
	}
	close(result[1]);
	for (size_t i = 0; i < G_N_ELEMENTS(handed_on); i++)
		signal(handed_on[i], forward);
	return follow(result[0]);
}

/* ---------------------------------------------------------------- the verdict */

static bool is_used(char **lines, size_t rule, enum thread_kind kind)
{
	g_autofree char *line = g_strdup_printf("used %zu %s", rule, kind_names[kind]);

	return g_strv_contains((const char *const *)lines, line);
}

static bool is_due(const struct sandbox_rule *rule, enum thread_kind kind)
{
	return (rule->kinds & 1u << kind) ||
	       (kind == THREAD_MAIN && (rule->kinds & SANDBOX_RESTART)) ||
	       (kind == THREAD_IO && (rule->kinds & SANDBOX_CONNECTS));
}

static unsigned int check_rule(char **lines, size_t index, enum thread_kind kind)
{
	const struct sandbox_rule *rule = &sandbox_rules[index];

	if (!is_due(rule, kind))
		return 0;
	if (is_used(lines, index, kind)) {
		if (rule->unmet)
			printf("met after all: %s %s of %s\n", rule->name,
			       rule->detail ? rule->detail : "", kind_names[kind]);
		return 0;
	}
	if (rule->unmet)
		return 0;
	printf("unused: %s %s of %s\n", rule->name, rule->detail ? rule->detail : "",
	       kind_names[kind]);
	return 1;
}

static int check(const char *path)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	unsigned int unused = 0, forbidden = 0;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		die(path);
	lines = g_strsplit(text, "\n", -1);
	for (size_t i = 0; i < sandbox_rule_count; i++)
		for (enum thread_kind kind = 0; kind < THREAD_KINDS; kind++)
			unused += check_rule(lines, i, kind);
	for (size_t i = 0; lines[i]; i++) {
		if (!g_str_has_prefix(lines[i], "used") && *lines[i])
			printf("%s\n", lines[i]);
		forbidden += g_str_has_prefix(lines[i], "forbidden");
	}
	printf("%zu rules, %u unused, %u calls without a rule\n", sandbox_rule_count, unused,
	       forbidden);
	return unused || forbidden;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--check"))
		return check(argv[2]);
	if (argc < 3)
		return 99;
	report = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (report < 0)
		die(argv[1]);
	fchmod(report, 0666);
	return run(argv + 2);
}
