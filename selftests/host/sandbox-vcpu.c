// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD, below sandbox-trace: a vCPU's thread gets one more filter before its own, by
 * which the tracer hears of all its calls but three, of which there are too many to stop at each.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mica.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static long call(long number, const long *a)
{
	register long r10 asm("r10") = a[3];
	register long r8 asm("r8") = a[4];
	register long r9 asm("r9") = a[5];
	long result;

	asm volatile("syscall" : "=a"(result)
		     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	if (result > -4096 && result < 0) {
		errno = -result;
		return -1;
	}
	return result;
}

static void take(long *arguments, unsigned int count, va_list list)
{
	for (unsigned int i = 0; i < count; i++)
		arguments[i] = va_arg(list, long);
}

static void tell_tracer(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MICA_VCPU_RUN, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MICA_VCPU_APIC_ACCESS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	const long arguments[6] = { SECCOMP_SET_MODE_FILTER, 0, (long)&program };

	call(SYS_seccomp, arguments);
}

static _Thread_local bool is_vcpu;

/* Threads name themselves. */
int prctl(int option, ...)
{
	long arguments[6] = { option };
	va_list list;

	va_start(list, option);
	take(arguments + 1, 4, list);
	va_end(list);
	is_vcpu |= option == PR_SET_NAME && !strncmp((const char *)arguments[1], "vcpu", 4);
	return call(SYS_prctl, arguments);
}

long syscall(long number, ...)
{
	long arguments[6];
	va_list list;

	va_start(list, number);
	take(arguments, 6, list);
	va_end(list);
	if (number == SYS_seccomp && arguments[0] == SECCOMP_SET_MODE_FILTER && arguments[2] &&
	    is_vcpu)
		tell_tracer();
	return call(number, arguments);
}
