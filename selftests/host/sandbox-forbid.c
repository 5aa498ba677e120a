// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD: makes a thread of mica do what it may not, as code that a guest has taken
 * over would.  FORBID is the kind of thread (main, vcpu, io, output), a colon and the call (execve,
 * openat, socket, ptrace, mprotect, io_uring_setup, tgkill), or `abort', which a failed assertion
 * calls.  It happens when the thread waits: all do that only after they were set up.  `output' is the
 * I/O thread of the console's output when the guest has begun to print: the terminal is raw by then.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <mica.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void attack(const char *call)
{
	static char *const arguments[] = { "/bin/sh", NULL };

	if (!strcmp(call, "execve"))
		syscall(SYS_execve, arguments[0], arguments, NULL);
	else if (!strcmp(call, "openat"))
		syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
	else if (!strcmp(call, "socket"))
		syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	else if (!strcmp(call, "ptrace"))
		syscall(SYS_ptrace, PTRACE_ATTACH, 1, 0, 0);
	else if (!strcmp(call, "mprotect"))
		syscall(SYS_mprotect, (long)&attack & ~4095l, 4096, PROT_READ | PROT_EXEC);
	else if (!strcmp(call, "tgkill"))
		syscall(SYS_tgkill, 1, 1, SIGTERM);
	else if (!strcmp(call, "io_uring_setup"))
		syscall(SYS_io_uring_setup, 1, NULL);
	else if (!strcmp(call, "abort"))
		abort();
}

static void now_in(const char *kind)
{
	const char *wish = getenv("FORBID");
	size_t length = strlen(kind);

	if (wish && !strncmp(wish, kind, length) && wish[length] == ':')
		attack(wish + length + 1);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, request);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (request == MICA_VCPU_RUN)
		now_in("vcpu");
	return syscall(SYS_ioctl, fd, request, argument);
}

/* The threads of devices and of the console wait by it; vCPUs only while paused. */
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock)
{
	int (*wait)(pthread_cond_t *condition, pthread_mutex_t *lock) =
		dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2");

	if (gettid() != getpid())
		now_in("io");
	return wait(condition, lock);
}

/* It waits for a while for more bytes. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock,
			   const struct timespec *until)
{
	int (*wait)(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until) =
		dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");

	if (gettid() != getpid())
		now_in("output");
	return wait(condition, lock, until);
}

int epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout,
		const sigset_t *mask)
{
	if (gettid() == getpid() && timeout)
		now_in("main");
	return syscall(SYS_epoll_pwait, epoll, events, count, timeout, mask, 8);
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
	if (gettid() == getpid() && timeout)
		now_in("main");
	return syscall(SYS_epoll_wait, epoll, events, count, timeout);
}
