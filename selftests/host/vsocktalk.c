// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest's program on AF_VSOCK, or a host's on UNIX sockets, for scripts:
 *
 *	vsocktalk connect CID PORT	standard input goes to the peer, what it says to standard output
 *	vsocktalk listen PORT		the same with the first that connects
 *	vsocktalk dial SOCKET PORT	"CONNECT PORT" at a UNIX socket; says "OK", then the same
 *	vsocktalk serve SOCKET		waits at a UNIX socket for one, then the same
 *
 * Ends when both directions have ended.
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int check(int status, const char *what)
{
	if (status >= 0)
		return status;
	fprintf(stderr, "vsocktalk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_vm vm_address(unsigned int cid, const char *port)
{
	return (struct sockaddr_vm){
		.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = strtoul(port, NULL, 10),
	};
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int accept_one(int fd, const void *address, socklen_t size)
{
	check(bind(fd, address, size), "bind");
	check(listen(fd, 1), "listen");
	return check(accept(fd, NULL, NULL), "accept");
}

static int connect_vm(const char *cid, const char *port)
{
	struct sockaddr_vm address = vm_address(strtoul(cid, NULL, 10), port);
	int fd = check(socket(AF_VSOCK, SOCK_STREAM, 0), "socket");

	check(connect(fd, (void *)&address, sizeof(address)), "connect");
	return fd;
}

static int listen_vm(const char *port)
{
	struct sockaddr_vm address = vm_address(VMADDR_CID_ANY, port);

	return accept_one(check(socket(AF_VSOCK, SOCK_STREAM, 0), "socket"), &address,
			  sizeof(address));
}

static int dial(const char *path, const char *port)
{
	struct sockaddr_un address = unix_address(path);
	int fd = check(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	char c = 0;

	check(connect(fd, (void *)&address, sizeof(address)), "connect");
	dprintf(fd, "CONNECT %s\n", port);
	while (c != '\n') {
		if (read(fd, &c, 1) != 1)
			check(-1, "no OK");
	}
	return fd;
}

static int serve(const char *path)
{
	struct sockaddr_un address = unix_address(path);

	return accept_one(check(socket(AF_UNIX, SOCK_STREAM, 0), "socket"), &address,
			  sizeof(address));
}

/* False at the end. */
static bool pass(int from, int to)
{
	char bytes[65536];
	ssize_t count = check(read(from, bytes, sizeof(bytes)), "read"), done = 0;

	while (done < count)
		done += check(write(to, bytes + done, count - done), "write");
	return count > 0;
}

/* A process for each direction: one alone would wait to write while its peer does the same. */
static void talk(int fd)
{
	pid_t sender = check(fork(), "fork");
	int status;

	if (!sender) {
		while (pass(STDIN_FILENO, fd))
			;
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	while (pass(fd, STDOUT_FILENO))
		;
	check(waitpid(sender, &status, 0), "waitpid");
	if (status)
		exit(1);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	if (!strcmp(verb, "connect") && argc == 4)
		talk(connect_vm(argv[2], argv[3]));
	else if (!strcmp(verb, "listen") && argc == 3)
		talk(listen_vm(argv[2]));
	else if (!strcmp(verb, "dial") && argc == 4)
		talk(dial(argv[2], argv[3]));
	else if (!strcmp(verb, "serve") && argc == 3)
		talk(serve(argv[2]));
	else
		return 2;
	return 0;
}
