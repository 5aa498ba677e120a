// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs the lab's script inside the host and tells the lab about it.
 *
 * The way out is the parallel port: an emulated printer takes a byte as soon as it is
 * strobed, where an emulated UART makes us wait for its baud rate, and every emulator has one.
 * What goes out is frames: 0xa5, a type, a length (2 bytes, little endian), and the payload.
 *
 *	H	the host is up; the script starts after this
 *	O	output of the script
 *	S	exit status of the script, one byte
 *	L	part of the kernel's log
 *	F	the host could not be prepared; the payload says why
 *	E	the end: nothing follows
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LPT_DATA	0x378
#define LPT_CONTROL	0x37a
#define LPT_STROBE	0x01
#define LPT_READY	0x0c		/* not in reset, selected */

#define FRAME_MARK	0xa5
#define FRAME_MAX	4096

#define PIPE_BYTES	65536

#define ARGV_MAX	256
#define ARGV_BYTES	65536
#define KLOG_BYTES	(4 << 20)
#define KLOG_READ_ALL	3

static void send_byte(unsigned char byte)
{
	outb(byte, LPT_DATA);
	outb(LPT_READY | LPT_STROBE, LPT_CONTROL);
	outb(LPT_READY, LPT_CONTROL);
}

static void send_frame(char type, const void *data, size_t length)
{
	const unsigned char *bytes = data;
	size_t i;

	send_byte(FRAME_MARK);
	send_byte(type);
	send_byte(length & 0xff);
	send_byte(length >> 8);
	for (i = 0; i < length; i++)
		send_byte(bytes[i]);
}

static void send_all(char type, const char *data, size_t length)
{
	size_t part;

	while (length) {
		part = length < FRAME_MAX ? length : FRAME_MAX;
		send_frame(type, data, part);
		data += part;
		length -= part;
	}
}

static int fail(const char *text)
{
	send_all('F', text, strlen(text));
	return 1;
}

static int fail_errno(const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(errno));
	return fail(text);
}

static void send_kernel_log(void)
{
	char *text = malloc(KLOG_BYTES);
	int length;

	if (!text)
		return;
	length = klogctl(KLOG_READ_ALL, text, KLOG_BYTES);
	if (length > 0)
		send_all('L', text, length);
	free(text);
}

/* The arguments, each ended by a NUL, as the lab packed them. */
static int read_argv(const char *path, char *buffer, char **argv)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length, at;
	int argc = 0;

	if (fd < 0)
		return -1;
	length = read(fd, buffer, ARGV_BYTES - 1);
	close(fd);
	if (length <= 0)
		return -1;
	buffer[length] = '\0';
	for (at = 0; at < length && argc < ARGV_MAX - 1; at += strlen(buffer + at) + 1)
		argv[argc++] = buffer + at;
	argv[argc] = NULL;
	return argc;
}

static pid_t start_script(char **argv, int output)
{
	pid_t pid = fork();
	int null;

	if (pid)
		return pid;
	/* Port access was given to us only; a script with it could break the channel. */
	iopl(0);
	setsid();
	null = open("/dev/null", O_RDONLY);
	dup2(null, 0);
	dup2(output, 1);
	dup2(output, 2);
	close(null);
	execv(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Send what there is now; false if there was nothing. */
static int forward(int fd)
{
	char buffer[FRAME_MAX];
	ssize_t length = read(fd, buffer, sizeof(buffer));

	if (length > 0)
		send_frame('O', buffer, length);
	return length > 0;
}

static int wait_for_script(pid_t pid, int output)
{
	struct pollfd fds[2] = {
		{ .fd = output, .events = POLLIN },
		{ .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN },
	};
	int status, rest;

	if (fds[1].fd < 0)
		return -1;
	while (!(fds[1].revents & POLLIN)) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -1;
		/* All writers are gone and all is read: poll would not wait for it any more. */
		if (!forward(output) && (fds[0].revents & POLLHUP))
			fds[0].fd = -1;
	}
	/* What the script wrote last; not more than a pipe holds, for it may have left a child. */
	for (rest = PIPE_BYTES; rest > 0 && forward(output); rest -= FRAME_MAX)
		;
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * Come before the script whenever it has written something, so that what it said last before
 * the host crashed is known. Its processes get ordinary priority.
 */
static int come_first(void)
{
	struct sched_param param = { .sched_priority = 1 };

	return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
}

static int run(const char *path)
{
	static char buffer[ARGV_BYTES];
	static char *argv[ARGV_MAX];
	unsigned char code;
	int pipes[2], status;
	pid_t pid;

	if (read_argv(path, buffer, argv) < 1)
		return fail_errno(path);
	if (pipe2(pipes, O_CLOEXEC) || fcntl(pipes[0], F_SETFL, O_NONBLOCK))
		return fail_errno("pipe");
	if (come_first())
		return fail_errno("sched_setscheduler");
	send_frame('H', NULL, 0);
	pid = start_script(argv, pipes[1]);
	if (pid < 0)
		return fail_errno("fork");
	close(pipes[1]);
	status = wait_for_script(pid, pipes[0]);
	if (status < 0)
		return fail_errno("wait");
	code = status;
	send_frame('S', &code, 1);
	return 0;
}

int main(int argc, char **argv)
{
	int status;

	if (iopl(3)) {
		perror("labrun: iopl");
		return 1;
	}
	if (argc == 3 && !strcmp(argv[1], "run")) {
		status = run(argv[2]);
	} else if (argc == 3 && !strcmp(argv[1], "fail")) {
		status = fail(argv[2]);
	} else {
		fprintf(stderr, "usage: labrun run ARGV-FILE | labrun fail TEXT\n");
		return 2;
	}
	send_kernel_log();
	send_frame('E', NULL, 0);
	return status;
}
