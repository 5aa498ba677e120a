/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The front end of vhost-user: a device whose queues another process serves, which has the
 * guest's memory and an eventfd for each direction of each queue.
 *
 * Source: "Vhost-user Protocol" (QEMU's docs/interop/vhost-user).
 *
 * The other process is trusted with the guest, whose memory it can write, and not with this
 * program: each answer is checked, has a time limit, and a wrong one is the end of the
 * connection.  From then on all calls fail at once with -ENOTCONN.
 *
 * One thread at a time.  All return 0 or -errno.
 */
#ifndef MICA_VMM_BACKENDS_VHOST_USER_H
#define MICA_VMM_BACKENDS_VHOST_USER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "../memory.h"

#define VHOST_USER_QUEUES_MAX	64u

struct vhost_user;

struct vhost_user_queue {
	uint16_t size;			/* entries */
	uint64_t descriptors;		/* guest-physical, inside of the memory that it has */
	uint64_t driver;		/* the available ring */
	uint64_t device;		/* the used ring */
	int kick;			/* eventfds: for it, and for us */
	int call;
};

/* Takes over `fd`, a connected UNIX stream socket, also if this fails.  Returns when the other
 * end has said what it can do. */
struct vhost_user *vhost_user_new(int fd, GError **error);
/* NULL is fine. */
void vhost_user_free(struct vhost_user *vhost);
/* vhost_user_free() leaves it connected, for the next who has it. */
void vhost_user_keep(struct vhost_user *vhost, bool keep);

/* VIRTIO_* features that it offers. */
uint64_t vhost_user_features(const struct vhost_user *vhost);
/* To be watched for its end: -1 once it is gone.  It has nothing to read otherwise. */
int vhost_user_fd(const struct vhost_user *vhost);

/* `memory` is shared, see guest_memory_new_shared(). */
int vhost_user_set_memory(struct vhost_user *vhost, const struct guest_memory *memory);
int vhost_user_set_features(struct vhost_user *vhost, uint64_t features);
/* Puts a queue into use from the beginning of its rings. */
int vhost_user_start_queue(struct vhost_user *vhost, unsigned int index,
			   const struct vhost_user_queue *queue);
/* When it returns 0 the other end has stopped to use the rings. */
int vhost_user_stop_queue(struct vhost_user *vhost, unsigned int index);

/* The other end is gone, or has to be. */
void vhost_user_disconnect(struct vhost_user *vhost);

#endif
