// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Clocks and interrupts of busy guests, seen from their host.
 *
 *	steady guest				in the guest: keeps all its CPUs busy, and answers each
 *						line on its console with "!", then "clock NS TICKS
 *						BARRIERS" as it was just before
 *	steady host SECONDS WINDOW COMMAND...	in the host: starts each COMMAND (by the shell) whose
 *						console is such a guest, waits, asks, judges; TAP
 *
 * The guest's numbers: CLOCK_MONOTONIC; expirations of the timers of 10 ms that each CPU has; how
 * often each CPU was made to answer an interrupt from another, by membarrier(), which waits for
 * the answer for ever.  So an interrupt that is lost shows as a number that stands still.
 *
 * The host asks at the start and at the end of the last WINDOW seconds, many times.  The guest's
 * clock was read between question and answer, which bounds its distance from the host's on both
 * sides; the narrowest bounds count, and half of what they leave open is the error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S	1000000000ll
#define TICK_NS		10000000		/* of a guest's timers */
#define GUESTS_MAX	4
#define QUESTIONS	200			/* asked for one answer */
#define PPM_MAX		50
#define EXACT_NS	(60 * NS_PER_S)		/* of a window in which PPM_MAX / 2 must be known */

static void __attribute__((format(printf, 1, 2))) __attribute__((noreturn)) die(const char *what, ...)
{
	va_list args;

	va_start(args, what);
	vprintf(what, args);
	va_end(args);
	printf(": %s\nBail out!\n", strerror(errno));
	exit(1);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

/* ------------------------------------------------------------ in the guest */

static atomic_ulong ticks, barriers;

static void on_cpu(long cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("CPU %ld", cpu);
}

static void *compute(void *cpu)
{
	volatile uint64_t sum = 0;

	on_cpu((long)cpu);
	nice(19);
	for (;;)
		sum = sum * 6364136223846793005ull + 1;
	return NULL;
}

static void *count_ticks(void *cpu)
{
	struct itimerspec period = { { 0, TICK_NS }, { 0, TICK_NS } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t expired;

	on_cpu((long)cpu);
	if (timerfd_settime(fd, 0, &period, NULL))
		die("timerfd");
	while (read(fd, &expired, sizeof(expired)) == sizeof(expired))
		ticks += expired;
	die("timerfd");
}

/* The others must run threads of this process to be interrupted: those that compute. */
static void *interrupt_others(void *cpu)
{
	on_cpu((long)cpu);
	for (;;) {
		if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
			die("membarrier");
		barriers++;
		usleep(1000);
	}
	return NULL;
}

static void start(void *(*run)(void *), long cpu)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, (void *)cpu))
		die("a thread");
}

static void raw_console(void)
{
	struct termios mode;

	if (tcgetattr(0, &mode))
		return;
	mode.c_lflag &= ~(ECHO | ECHOE | ECHOK);
	tcsetattr(0, TCSANOW, &mode);
}

static int be_guest(void)
{
	struct sched_param first = { .sched_priority = 1 };
	char line[64];
	int64_t time;
	long cpu;

	raw_console();
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		die("membarrier");
	for (cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		start(compute, cpu);
		start(count_ticks, cpu);
		start(interrupt_others, cpu);
	}
	sched_setscheduler(0, SCHED_FIFO, &first);
	printf("clocks: ");
	fflush(stdout);
	if (system("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"))
		die("clocksource");
	printf("steady\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		time = now();
		printf("!\n");
		fflush(stdout);
		printf("clock %lld %lu %lu\n", (long long)time, ticks, barriers);
		fflush(stdout);
	}
	return 0;
}

/* ------------------------------------------------------------ in the host */

struct answer {
	int64_t host;			/* ns, when it was asked for */
	int64_t least, most;		/* ns, the guest's clock before the host's */
	unsigned long ticks, barriers;
};

struct guest {
	int number;
	pid_t pid;
	FILE *in, *out;
	struct answer before, after;
};

static int failed;

static void __attribute__((format(printf, 3, 4)))
result(bool passed, const struct guest *guest, const char *what, ...)
{
	static int number;
	va_list args;

	failed += !passed;
	printf("%sok %d - guest %d: ", passed ? "" : "not ", ++number, guest->number);
	va_start(args, what);
	vprintf(what, args);
	va_end(args);
	printf("\n");
}

static void launch(struct guest *guest, const char *command)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		die("pipes");
	guest->pid = fork();
	if (!guest->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	guest->in = fdopen(in[1], "w");
	guest->out = fdopen(out[0], "r");
}

/* The next line that begins with the word; what comes before it is shown. */
static void wait_for(const struct guest *guest, const char *word, char *line, size_t size)
{
	while (fgets(line, size, guest->out)) {
		if (!strncmp(line, word, strlen(word)))
			return;
		printf("# %d: %s", guest->number, line);
	}
	die("guest %d ended without '%s'", guest->number, word);
}

static void ask(const struct guest *guest, struct answer *answer)
{
	int64_t answered;
	char line[256];
	long long clock;

	answer->host = now();
	fputs("?\n", guest->in);
	fflush(guest->in);
	wait_for(guest, "!", line, sizeof(line));
	answered = now();
	wait_for(guest, "clock ", line, sizeof(line));
	if (sscanf(line, "clock %lld %lu %lu", &clock, &answer->ticks, &answer->barriers) != 3)
		die("'%s'", line);
	answer->most = clock - answer->host;
	answer->least = clock - answered;
}

static void ask_well(const struct guest *guest, struct answer *first)
{
	struct answer answer;
	int i;

	ask(guest, first);
	for (i = 1; i < QUESTIONS; i++) {
		ask(guest, &answer);
		if (answer.least > first->least)
			first->least = answer.least;
		if (answer.most < first->most)
			first->most = answer.most;
	}
}

static void judge(const struct guest *guest)
{
	const struct answer *before = &guest->before, *after = &guest->after;
	double host = after->host - before->host;
	double moved = (after->least + after->most - before->least - before->most) / 2.0;
	double open = (after->most - after->least + before->most - before->least) / 2.0;
	double ppm = moved / host * 1e6, error = open / host * 1e6;
	double expected = 2 * (host + moved) / TICK_NS;		/* two CPUs */
	double found = after->ticks - before->ticks;

	/* A short look cannot tell so exactly. */
	result(error >= 0 && fabs(ppm) <= PPM_MAX + error &&
	       (error <= PPM_MAX / 2 || host < EXACT_NS), guest,
	       "clock: %+.1f ppm in %.1f s, known to %.1f ppm", ppm, host / NS_PER_S, error);
	/* Those that have expired but are not counted yet are few. */
	result(found >= expected * 0.99 && found <= expected * 1.01 + 2, guest,
	       "timers: %.0f expirations of %.0f", found, expected);
	result(after->barriers > before->barriers, guest, "interrupts between CPUs: %lu answered",
	       after->barriers - before->barriers);
}

static int be_host(long seconds, long window, int count, char **commands)
{
	struct guest guests[GUESTS_MAX] = {};
	char line[256];
	int i;

	if (count > GUESTS_MAX || seconds < window || window < 1)
		die("at most %d guests, and WINDOW within SECONDS", GUESTS_MAX);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < count; i++) {
		guests[i].number = i + 1;
		launch(&guests[i], commands[i]);
	}
	for (i = 0; i < count; i++)
		wait_for(&guests[i], "steady", line, sizeof(line));
	printf("# %d guests are busy, for %ld seconds\n", count, seconds);
	sleep(seconds - window);
	for (i = 0; i < count; i++)
		ask_well(&guests[i], &guests[i].before);
	sleep(window);
	for (i = 0; i < count; i++)
		ask_well(&guests[i], &guests[i].after);
	for (i = 0; i < count; i++)
		judge(&guests[i]);
	for (i = 0; i < count; i++)
		kill(guests[i].pid, SIGKILL);
	printf("1..%d\n", 3 * count);
	return failed != 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "guest"))
		return be_guest();
	if (argc > 4 && !strcmp(argv[1], "host"))
		return be_host(atol(argv[2]), atol(argv[3]), argc - 4, argv + 4);
	fprintf(stderr, "usage: steady guest | steady host SECONDS WINDOW COMMAND...\n");
	return 2;
}
