// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device: what it offers, and its thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../../backends/unix_socket.h"
#include "../../error.h"
#include "../../kept.h"
#include "internal.h"

#define QUEUES		3u
#define QUEUE_SIZE	128u
#define F_STREAM	0		/* VIRTIO_VSOCK_F_STREAM of "Feature bits" */

static struct vsock *vsock_of(struct virtio_device *device)
{
	return (struct vsock *)device;
}

static void work(void *opaque)
{
	struct vsock *vsock = opaque;
	bool more;

	do {
		more = vsock_give_event(vsock);
		more |= vsock_host_events(vsock);
		vsock_expire(vsock);
		more |= vsock_take_packets(vsock);
		more |= vsock_fill_guest(vsock);
		more |= vsock->acceptable && vsock->connections.length < VSOCK_CONNECTIONS_MAX;
	} while (more && !iothread_pausing(vsock->thread));
}

/* ---------------------------------------------------------------- life */

static void vsock_activate(struct virtio_device *device)
{
	iothread_resume(vsock_of(device)->thread);
}

/* Programs that connect from now on wait for the guest's next driver. */
static void vsock_reset(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	iothread_pause(vsock->thread);
	vsock_forget_all(vsock);
	vsock->reset_event = false;
}

static void vsock_notify(struct virtio_device *device, unsigned int queue)
{
	(void)queue;
	iothread_kick(vsock_of(device)->thread);
}

static int vsock_notify_fd(struct virtio_device *device, unsigned int queue)
{
	(void)queue;
	return iothread_kick_fd(vsock_of(device)->thread);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Also on what is half made. */
static void vsock_free(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	iothread_free(vsock->thread);
	if (vsock->bound && !kept_has(vsock->path))
		unlink(vsock->path);
	close_fd(vsock->listener);
	close_fd(vsock->timer);
	close_fd(vsock->epoll);
	g_hash_table_unref(vsock->table);
	virtio_device_clear(device);
	g_free(vsock->path);
	g_free(vsock);
}

static const struct virtio_device_ops vsock_ops = {
	.activate = vsock_activate,
	.reset = vsock_reset,
	.notify = vsock_notify,
	.notify_fd = vsock_notify_fd,
	.free = vsock_free,
	.quiesce = vsock_quiesce,
	.go_on = vsock_go_on,
	.state = &vsock_state_ops,
};

static bool watch(struct vsock *vsock, int *fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = fd };

	return *fd >= 0 && epoll_ctl(vsock->epoll, EPOLL_CTL_ADD, *fd, &event) == 0;
}

/* The guest's next life has the same socket: programs may wait there. */
static int listen_again(const char *path, GError **error)
{
	int fd = kept_again(path);

	if (fd >= 0)
		return fd;
	fd = unix_socket_listen(path, error);
	if (fd >= 0) {
		kept_put(path, fd);
		kept_remove_at_end(path);
	}
	return fd;
}

static gboolean open_host(struct vsock *vsock, const char *name, GError **error)
{
	vsock->epoll = epoll_create1(EPOLL_CLOEXEC);
	vsock->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (vsock->epoll < 0 || !watch(vsock, &vsock->timer, EPOLLIN))
		return error_set_errno(error, errno, "%s: cannot make a timer", name);
	vsock->listener = listen_again(vsock->path, error);
	if (vsock->listener < 0)
		return FALSE;
	vsock->bound = true;
	if (!watch(vsock, &vsock->listener, EPOLLIN | EPOLLET))
		return error_set_errno(error, errno, "%s: cannot watch '%s'", name, vsock->path);
	vsock->thread = iothread_new(name, work, vsock, error);
	return vsock->thread && iothread_watch(vsock->thread, vsock->epoll, NULL, error);
}

static void init_virtio(struct vsock *vsock, const char *name, const struct virtio_memory *memory)
{
	struct virtio_device *virtio = &vsock->virtio;

	virtio->ops = &vsock_ops;
	virtio->name = name;
	virtio->type = VIRTIO_ID_VSOCK;
	virtio->queue_count = QUEUES;
	virtio->queue_size = QUEUE_SIZE;
	virtio->offered = VIRTIO_BIT(F_STREAM);
	virtio->config = &vsock->config;
	virtio->config_size = sizeof(vsock->config);
	virtio_device_init(virtio, memory);
}

struct virtio_device *vsock_device_new(const struct vsock_device_config *config,
				       const struct virtio_memory *memory, GError **error)
{
	struct vsock *vsock = g_new0(struct vsock, 1);

	vsock->epoll = vsock->timer = vsock->listener = -1;
	vsock->path = g_strdup(config->path);
	vsock->config.guest_cid = config->cid;
	g_queue_init(&vsock->connections);
	g_queue_init(&vsock->ready);
	vsock->table = vsock_table_new();
	init_virtio(vsock, config->name, memory);
	if (open_host(vsock, config->name, error))
		return &vsock->virtio;
	vsock_free(&vsock->virtio);
	return NULL;
}
