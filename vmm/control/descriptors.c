// SPDX-License-Identifier: GPL-2.0-or-later
#include "descriptors.h"

#include <fcntl.h>
#include <unistd.h>

static void closed(uv_handle_t *handle)
{
	g_free(handle);
}

/* libuv gives a descriptor only as a handle of its own, which is closed with it. */
static int receive_one(uv_pipe_t *pipe)
{
	uv_pipe_t *handle = g_new0(uv_pipe_t, 1);
	uv_os_fd_t given;
	int fd = -1;

	uv_pipe_init(pipe->loop, handle, 0);
	if (uv_accept((uv_stream_t *)pipe, (uv_stream_t *)handle) == 0 &&
	    uv_fileno((uv_handle_t *)handle, &given) == 0)
		fd = fcntl(given, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	uv_close((uv_handle_t *)handle, closed);
	return fd;
}

bool descriptors_receive(struct descriptors *descriptors, uv_pipe_t *pipe)
{
	bool good = true;
	int fd;

	for (int left = uv_pipe_pending_count(pipe); left > 0; left--) {
		fd = receive_one(pipe);
		if (fd >= 0 && descriptors->count < CONTROL_DESCRIPTORS_MAX) {
			descriptors->fds[descriptors->count++] = fd;
			continue;
		}
		good = false;
		if (fd >= 0)
			close(fd);
	}
	return good;
}

void descriptors_close(struct descriptors *descriptors)
{
	while (descriptors->count)
		close(descriptors->fds[--descriptors->count]);
}
