// SPDX-License-Identifier: GPL-2.0-or-later
#include "port_open.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "../error.h"
#include "../kept.h"
#include "unix_socket.h"

/* ---------------------------------------------------------------- sockets */

/* unix(7): a socket whose owner has gone refuses; so does any other file. */
static bool is_left_behind(const struct sockaddr_un *address)
{
	struct stat st;
	bool left;
	int fd;

	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	left = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	       errno == ECONNREFUSED;
	close(fd);
	return left;
}

/* The mode of the socket before bind() is that of its file. */
static int bind_socket(int fd, const struct sockaddr_un *address)
{
	if (fchmod(fd, 0600) < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -1;
	if (!is_left_behind(address) || unlink(address->sun_path) < 0) {
		errno = EADDRINUSE;
		return -1;
	}
	return bind(fd, (const struct sockaddr *)address, sizeof(*address));
}

int port_listen(const char *path, GError **error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!*path || strlen(path) >= sizeof(address.sun_path)) {
		error_set(error, "a socket's path has 1 to %zu bytes",
			  sizeof(address.sun_path) - 1);
		return -1;
	}
	fd = kept_again(path);
	if (fd >= 0)
		return fd;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind_socket(fd, &address) == 0 && listen(fd, 1) == 0) {
		kept_put(path, fd);
		kept_remove_at_end(path);
		return fd;
	}
	unix_socket_listen_error(path, errno, error);
	if (fd >= 0)
		close(fd);
	return -1;
}

bool port_hung_up(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLRDHUP };

	return poll(&poll_fd, 1, 0) == 1;
}

/* ---------------------------------------------------------------- files */

/* fifo(7): a pipe that is open for both is one that has a reader always. */
int port_open_file(const char *path, GError **error)
{
	struct stat st;
	bool again = kept_has(path);
	bool fifo = !again && stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
	int fd;

	fd = kept_open(path, (fifo ? O_RDWR : O_WRONLY | O_CREAT) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		       0666);
	if (fd < 0)
		error_set_errno(error, errno, "cannot write '%s'", path);
	else if (!kept_claim(fd))
		error_set(error, "'%s' is in use: a disk, a console or a port of this guest or another "
			  "has it open", path);
	else if (ftruncate(fd, 0) == 0 || errno == EINVAL)
		return fd;
	else
		error_set_errno(error, errno, "cannot empty '%s'", path);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---------------------------------------------------------------- pseudo-terminals */

static int pty_again(const char *master, const char *slave, int *slave_fd, char **path)
{
	int fd = kept_again(master);
	char name[64];

	if (fd < 0)
		return -1;
	*slave_fd = kept_again(slave);
	if (ptsname_r(fd, name, sizeof(name)) == 0)
		*path = g_strdup(name);
	return fd;
}

int port_open_pty(const char *port, int *slave_fd, char **path, GError **error)
{
	g_autofree char *master = g_strdup_printf("master of %s", port);
	g_autofree char *slave = g_strdup_printf("slave of %s", port);
	int fd = pty_again(master, slave, slave_fd, path);
	struct termios modes;
	char name[64];

	if (fd >= 0)
		return fd;
	fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0 &&
	    ptsname_r(fd, name, sizeof(name)) == 0) {
		*slave_fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (*slave_fd >= 0 && tcgetattr(*slave_fd, &modes) == 0) {
			cfmakeraw(&modes);
			tcsetattr(*slave_fd, TCSANOW, &modes);
			*path = g_strdup(name);
			kept_put(master, fd);
			kept_put(slave, *slave_fd);
			return fd;
		}
	}
	error_set_errno(error, errno, "cannot make a pseudo-terminal");
	if (fd >= 0)
		close(fd);
	return -1;
}
