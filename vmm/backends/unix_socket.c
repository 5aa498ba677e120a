// SPDX-License-Identifier: GPL-2.0-or-later
#include "unix_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../error.h"

#define BACKLOG	64

static bool make_address(const char *path, struct sockaddr_un *address)
{
	size_t length = strlen(path);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!length || length > UNIX_SOCKET_PATH_MAX)
		return false;
	memcpy(address->sun_path, path, length);
	return true;
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int unix_socket_connect(const char *path)
{
	struct sockaddr_un address;
	int number, fd;

	if (!make_address(path, &address))
		return -ENAMETOOLONG;
	fd = new_socket();
	if (fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	number = errno;
	if (fd >= 0)
		close(fd);
	return -number;
}

/* Removes what a program left that did not end by itself.  A file that is no socket stays. */
static void remove_stale(const char *path)
{
	struct stat status;
	int fd;

	if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return;
	fd = unix_socket_connect(path);
	if (fd == -ECONNREFUSED)
		unlink(path);
	else if (fd >= 0)
		close(fd);
}

gboolean unix_socket_listen_error(const char *path, int number, GError **error)
{
	struct stat status;

	if (number != EADDRINUSE || lstat(path, &status) < 0)
		return error_set_errno(error, number, "cannot listen at '%s'", path);
	if (!S_ISSOCK(status.st_mode))
		return error_set(error, "cannot listen at '%s': it is there and is not a socket", path);
	return error_set(error, "cannot listen at '%s': another guest or program does", path);
}

int unix_socket_listen(const char *path, GError **error)
{
	struct sockaddr_un address;
	int number, fd;

	if (!make_address(path, &address)) {
		error_set(error, "the path of a socket has 1 to %u bytes: '%s'",
			  UNIX_SOCKET_PATH_MAX, path);
		return -1;
	}
	remove_stale(path);
	fd = new_socket();
	if (fd >= 0 && !bind(fd, (const struct sockaddr *)&address, sizeof(address)) &&
	    !listen(fd, BACKLOG))
		return fd;
	number = errno;
	if (fd >= 0)
		close(fd);
	unix_socket_listen_error(path, number, error);
	return -1;
}
