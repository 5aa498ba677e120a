// SPDX-License-Identifier: GPL-2.0-or-later
#include "report.h"

#include <glib.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "../console_tty.h"
#include "../exit_status.h"
#include "../message.h"

/* SYS_SECCOMP of the kernel's <asm-generic/siginfo.h>, which does not go with libc's. */
#define CODE_SECCOMP	1

/* By make-tables.c. */
static const char *const call_names[] = {
#include "sandbox-calls.inc"
};

/* File scope, because a signal's handler must find it. */
static _Thread_local enum thread_kind thread_kind;

/* snprintf() is not async-signal-safe. */
struct text {
	char bytes[512];
	size_t length;
};

static void add(struct text *text, const char *words)
{
	size_t count = MIN(strlen(words), sizeof(text->bytes) - 1 - text->length);

	memcpy(text->bytes + text->length, words, count);
	text->length += count;
}

static void add_number(struct text *text, uint64_t value, unsigned int base)
{
	char digits[65];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	add(text, digits + at);
}

static void add_call(struct text *text, unsigned int call, const greg_t *registers)
{
	add(text, "system call ");
	add_number(text, call, 10);
	add(text, " (");
	add(text, call < G_N_ELEMENTS(call_names) && call_names[call] ? call_names[call] : "unknown");
	if (call == SYS_ioctl || call == SYS_fcntl) {
		add(text, " 0x");
		add_number(text, (uint32_t)registers[REG_RSI], 16);
	}
	add(text, ")");
}

static void add_arguments(struct text *text, const greg_t *registers)
{
	static const int order[] = { REG_RDI, REG_RSI, REG_RDX };

	for (unsigned int i = 0; i < G_N_ELEMENTS(order); i++) {
		add(text, i ? ", 0x" : " (arguments 0x");
		add_number(text, registers[order[i]], 16);
	}
	add(text, ")");
}

static void add_forbidden(struct text *text, const siginfo_t *info, const greg_t *registers)
{
	static const char *const kinds[] = {
		[THREAD_MAIN] = "main", [THREAD_VCPU] = "vCPU", [THREAD_IO] = "I/O",
	};

	add(text, "forbidden ");
	if (info->si_arch == AUDIT_ARCH_X86_64)
		add_call(text, info->si_syscall, registers);
	else
		add(text, "system call of a 32-bit program");
	add(text, " in the ");
	add(text, kinds[thread_kind]);
	add(text, " thread");
	add_arguments(text, registers);
	add(text, ": the guest is ended. Either it attacks mica, or mica has a bug: please "
	    "report it; --no-sandbox runs the guest without confinement\n");
}

static void add_sender(struct text *text, const siginfo_t *info)
{
	add(text, "process ");
	add_number(text, info->si_pid, 10);
	add(text, " has sent SIGSYS: the guest is ended\n");
}

static void arrived(int number, siginfo_t *info, void *opaque)
{
	const bool ours = info->si_code == CODE_SECCOMP;
	const ucontext_t *context = opaque;
	struct text text = { 0 };

	(void)number;
	add(&text, "mica: confinement: ");
	if (ours)
		add_forbidden(&text, info, context->uc_mcontext.gregs);
	else
		add_sender(&text, info);
	text.bytes[text.length] = '\0';
	message_text(text.bytes);
	console_tty_restore();
	_exit(ours ? EXIT_STATUS_FORBIDDEN : EXIT_STATUS_ERROR);
}

void report_prepare(void)
{
	struct sigaction action = { .sa_sigaction = arrived, .sa_flags = SA_SIGINFO };

	sigfillset(&action.sa_mask);
	sigaction(SIGSYS, &action, NULL);
}

void report_thread(enum thread_kind kind)
{
	sigset_t set;

	thread_kind = kind;
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
