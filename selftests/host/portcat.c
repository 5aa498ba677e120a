// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * portcat PATH NUMBERb|NUMBERl [SECONDS]: connects to the UNIX socket, waiting for it to be there,
 * sends standard input and prints what comes, until that many bytes or lines have come; status 1
 * if the other end closes before.  With SECONDS it reads nothing for as long as that.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (;;) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (fd < 0)
			return -1;
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		close(fd);
		if (errno != ENOENT && errno != ECONNREFUSED)
			return -1;
		usleep(100000);
	}
}

static bool send_all(int fd, const char *bytes, ssize_t count)
{
	ssize_t sent;

	for (; count > 0; count -= sent, bytes += sent) {
		sent = write(fd, bytes, count);
		if (sent < 0)
			return false;
	}
	return true;
}

/* What counts of these bytes: all, or the ends of lines. */
static long counted(const char *bytes, ssize_t count, bool lines)
{
	long found = 0;

	for (ssize_t i = 0; lines && i < count; i++)
		found += bytes[i] == '\n';
	return lines ? found : count;
}

/* Standard input goes from a process of its own: whoever sends must not have to wait for who
 * reads. */
static void send_input(int fd)
{
	static char bytes[65536];
	ssize_t count;

	if (fork())
		return;
	while ((count = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
		if (!send_all(fd, bytes, count))
			_exit(1);
	_exit(0);
}

int main(int argc, char **argv)
{
	static char bytes[65536];
	long left = argc > 2 ? atol(argv[2]) : 0;
	bool lines = argc > 2 && argv[2][strlen(argv[2]) - 1] == 'l';
	ssize_t count;
	int fd;

	fd = argc > 2 ? connect_to(argv[1]) : -1;
	if (fd < 0) {
		fprintf(stderr, "portcat: %s\n", argc > 2 ? strerror(errno) : "PATH NUMBERb|NUMBERl");
		return 2;
	}
	send_input(fd);
	if (argc > 3)
		sleep(atoi(argv[3]));
	while (left > 0) {
		count = read(fd, bytes, sizeof(bytes));
		if (count <= 0 || !send_all(STDOUT_FILENO, bytes, count))
			return 1;
		left -= counted(bytes, count, lines);
	}
	return 0;
}
