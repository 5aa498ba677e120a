// SPDX-License-Identifier: GPL-2.0-or-later
/* mica-guest-tests: runs all guest tests, or those named, and reports in TAP. */
#include "guest.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tables.h"

/* A guest that never exits is interrupted, which the case then reports as its exit. */
#define CASE_SECONDS 20

volatile bool guest_test_timed_out;
static bool case_failed;
static bool all_run;
static char case_skipped[160];

bool check_(bool good, const char *file, int line, const char *format, ...)
{
	va_list args;

	if (good)
		return true;
	case_failed = true;
	printf("# %s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	return false;
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(case_skipped, sizeof(case_skipped), format, args);
	va_end(args);
}

bool test_runs_all(void)
{
	return all_run;
}

void bail(const char *format, ...)
{
	va_list args;

	printf("Bail out! ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(2);
}

static bool chosen(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strncmp(name, argv[i], strlen(argv[i])))
			return true;
	return argc == 1;
}

static bool run_case(const struct test *test, unsigned int number)
{
	case_failed = false;
	case_skipped[0] = 0;
	guest_test_timed_out = false;
	alarm(CASE_SECONDS);
	test->run();
	alarm(0);
	printf("%sok %u - %s%s%s\n", case_failed ? "not " : "", number, test->name,
	       case_skipped[0] ? " # SKIP " : "", case_skipped);
	fflush(stdout);
	return !case_failed;
}

static void wake_up(int signal)
{
	if (signal == SIGALRM)
		guest_test_timed_out = true;
}

int main(int argc, char **argv)
{
	/* SIGUSR1 gets a vCPU's thread out of MICA_VCPU_RUN; without SA_RESTART. */
	struct sigaction wake = { .sa_handler = wake_up };
	unsigned int i, number = 0, failed = 0;
	const struct test *test;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		printf("usage: mica-guest-tests [PREFIX]...\n"
		       "Runs the guest tests whose names begin with a PREFIX (default: all).\n");
		return 0;
	}
	all_run = argc == 1;
	sigaction(SIGUSR1, &wake, NULL);
	sigaction(SIGALRM, &wake, NULL);
	for (i = 0; i < TABLE_COUNT; i++)
		for (test = tables[i]; test->name; test++)
			if (chosen(test->name, argc, argv) && !run_case(test, ++number))
				failed++;
	printf("1..%u\n", number);
	return failed ? 1 : 0;
}
