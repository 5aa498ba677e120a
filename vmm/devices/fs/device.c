// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"

#include <errno.h>
#include <linux/virtio_fs.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../error.h"
#include "../../message.h"
#include "../../virtio/iothread.h"

#define QUEUES		2u		/* the high priority queue, and one for requests */
#define QUEUE_SIZE	512u
/* What the rings may be for us to say where they begin: not packed. */
#define RING_FEATURES	(VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) |		\
			 VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX) | VIRTIO_BIT(VIRTIO_F_VERSION_1))

struct fs_device {
	struct virtio_device virtio;	/* the first member */
	struct virtio_fs_config config;	/* [i] */
	struct iothread *thread;	/* [i] passes interrupts on, and sees the other end go */
	struct vhost_user *vhost;	/* [d] */
	unsigned int watch;		/* [i] of its descriptor */
	int kicks[QUEUES];		/* [i] eventfds: for the other end, and for the thread */
	int calls[QUEUES];
	bool started[QUEUES];		/* [m] the other end has the queue */
};

G_STATIC_ASSERT(QUEUES + 1 <= IOTHREAD_WATCHES);

static struct fs_device *fs_of(struct virtio_device *device)
{
	return (struct fs_device *)device;
}

static void lose(struct fs_device *fs, const char *why)
{
	message("%s: the program that serves it %s: the guest's accesses there get no answer "
		"until it is started again", fs->virtio.name, why);
	vhost_user_disconnect(fs->vhost);
}

/* ---------------------------------------------------------------- the thread */

/* Nothing is said on the connection but answers. */
static void watch_connection(struct fs_device *fs)
{
	ssize_t count;
	char byte;

	if (vhost_user_fd(fs->vhost) < 0)
		return;
	count = recv(vhost_user_fd(fs->vhost), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	iothread_watch_on(fs->thread, fs->watch, false);
	lose(fs, count > 0 ? "speaks without being asked" : "has ended");
}

static void work(void *opaque)
{
	struct fs_device *fs = opaque;
	eventfd_t count;

	for (unsigned int i = 0; i < QUEUES; i++)
		if (!eventfd_read(fs->calls[i], &count))
			virtio_device_interrupt(&fs->virtio, i);
	watch_connection(fs);
}

/* ---------------------------------------------------------------- life */

static int start_queue(struct fs_device *fs, unsigned int index)
{
	const struct virtqueue *queue = virtio_queue(&fs->virtio, index);
	const struct vhost_user_queue rings = {
		.size = queue->config.size,
		.descriptors = queue->config.descriptors,
		.driver = queue->config.driver,
		.device = queue->config.device,
		.kick = fs->kicks[index],
		.call = fs->calls[index],
	};
	int status;

	if (!virtqueue_started(queue) || queue->broken)
		return 0;
	status = vhost_user_start_queue(fs->vhost, index, &rings);
	fs->started[index] = !status;
	return status;
}

static void fs_activate(struct virtio_device *device)
{
	struct fs_device *fs = fs_of(device);
	int status;

	status = vhost_user_set_features(fs->vhost, device->negotiated);
	for (unsigned int i = 0; i < QUEUES && !status; i++)
		status = start_queue(fs, i);
	if (status && status != -ENOTCONN)
		lose(fs, status == -ETIMEDOUT ? "does not answer" : "does not take its queues");
	iothread_watch_on(fs->thread, fs->watch, vhost_user_fd(fs->vhost) >= 0);
	iothread_resume(fs->thread);
}

/* Requests that are under way end first, in the other end.  One that does not say that is not
 * waited for. */
static void stop_queues(struct fs_device *fs)
{
	int status = 0;

	for (unsigned int i = 0; i < QUEUES; i++) {
		if (fs->started[i] && !status)
			status = vhost_user_stop_queue(fs->vhost, i);
		fs->started[i] = false;
	}
	if (status && status != -ENOTCONN)
		lose(fs, "does not stop");
}

static void fs_reset(struct virtio_device *device)
{
	struct fs_device *fs = fs_of(device);

	iothread_pause(fs->thread);
	stop_queues(fs);
}

static void fs_notify(struct virtio_device *device, unsigned int queue)
{
	eventfd_write(fs_of(device)->kicks[queue], 1);
}

static int fs_notify_fd(struct virtio_device *device, unsigned int queue)
{
	return fs_of(device)->kicks[queue];
}

static void close_fds(int *fds)
{
	for (unsigned int i = 0; i < QUEUES; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Also on what is half made.  The other end may be kept, but not the guest's memory. */
static void fs_free(struct virtio_device *device)
{
	struct fs_device *fs = fs_of(device);

	iothread_free(fs->thread);
	stop_queues(fs);
	vhost_user_free(fs->vhost);
	close_fds(fs->kicks);
	close_fds(fs->calls);
	virtio_device_clear(device);
	g_free(fs);
}

/* What files the guest has open, and its requests, is known to the other end alone. */
static gboolean fs_saveable(const struct virtio_device *device, GError **error)
{
	return !device->active ||
	       error_set(error, "%s: a directory that is shared while the guest uses it cannot be "
			 "saved: unmount it and unload its driver in the guest first", device->name);
}

static const struct virtio_device_ops fs_ops = {
	.activate = fs_activate,
	.reset = fs_reset,
	.notify = fs_notify,
	.notify_fd = fs_notify_fd,
	.free = fs_free,
	.saveable = fs_saveable,
};

static bool make_eventfds(struct fs_device *fs)
{
	bool made = true;

	for (unsigned int i = 0; i < QUEUES; i++) {
		fs->kicks[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fs->calls[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		made = made && fs->kicks[i] >= 0 && fs->calls[i] >= 0;
	}
	return made;
}

static gboolean open_host(struct fs_device *fs, const char *name,
			  const struct virtio_memory *memory, GError **error)
{
	int status;

	if (!make_eventfds(fs))
		return error_set_errno(error, errno, "%s: cannot make an eventfd", name);
	if (!(vhost_user_features(fs->vhost) >> VIRTIO_F_VERSION_1 & 1))
		return error_set(error, "%s: the program that serves it knows no virtio 1", name);
	status = vhost_user_set_memory(fs->vhost, memory->ram);
	if (status)
		return error_set_errno(error, -status, "%s: the program that serves it does not "
				       "take the guest's memory", name);
	fs->thread = iothread_new(name, work, fs, error);
	if (!fs->thread)
		return FALSE;
	for (unsigned int i = 0; i < QUEUES; i++)
		if (!iothread_watch(fs->thread, fs->calls[i], NULL, error))
			return FALSE;
	return iothread_watch(fs->thread, vhost_user_fd(fs->vhost), &fs->watch, error);
}

static void init_virtio(struct fs_device *fs, const struct fs_device_config *config,
			const struct virtio_memory *memory)
{
	struct virtio_device *virtio = &fs->virtio;

	memcpy(fs->config.tag, config->tag, strnlen(config->tag, FS_TAG_MAX));
	fs->config.num_request_queues = QUEUES - 1;
	virtio->ops = &fs_ops;
	virtio->name = config->name;
	virtio->type = VIRTIO_ID_FS;
	virtio->queue_count = QUEUES;
	virtio->queue_size = QUEUE_SIZE;
	virtio->config = &fs->config;
	virtio->config_size = sizeof(fs->config);
	virtio_device_init(virtio, memory);
	virtio->offered = vhost_user_features(fs->vhost) & RING_FEATURES;
}

struct virtio_device *fs_device_new(const struct fs_device_config *config,
				    const struct virtio_memory *memory, struct vhost_user *vhost,
				    GError **error)
{
	struct fs_device *fs = g_new0(struct fs_device, 1);

	fs->vhost = vhost;
	memset(fs->kicks, 0xff, sizeof(fs->kicks));
	memset(fs->calls, 0xff, sizeof(fs->calls));
	init_virtio(fs, config, memory);
	if (open_host(fs, config->name, memory, error))
		return &fs->virtio;
	fs_free(&fs->virtio);
	return NULL;
}
