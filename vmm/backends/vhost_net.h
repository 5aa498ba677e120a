/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host kernel's own virtio network card: it moves frames between split rings in the guest's
 * memory and a tap interface, without this process.
 *
 * Threads: one call at a time.  A kernel thread works between vhost_net_start() and
 * vhost_net_stop().
 */
#ifndef MICA_VMM_BACKENDS_VHOST_NET_H
#define MICA_VMM_BACKENDS_VHOST_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "../memory.h"

struct vhost_net;

/* One ring, all its addresses checked by who gives them.  The descriptors stay the caller's. */
struct vhost_net_ring {
	unsigned int size;
	uint16_t position;		/* of the next available entry, which is that of the next */
					/* used one: nothing is in flight */
	const void *descriptors;
	const void *available;
	const void *used;
	int kick;			/* an eventfd that says that something is available */
	int call;			/* an eventfd that interrupts the guest */
};

/* NULL, and errno: the host has none, or not for this user, or not one that does all of `features`
 * (VIRTIO_F_* and others, as 1 << N).  `memory` must outlive it.  What was opened for the card
 * called `name` is kept for the guest's next life (kept.h). */
struct vhost_net *vhost_net_open(const char *name, const struct guest_memory *memory,
				 uint64_t features);
/* Stops it.  NULL is fine. */
void vhost_net_close(struct vhost_net *vhost);

/* Becomes readable when the kernel cannot use a ring, which it does not touch from then on. */
int vhost_net_error_fd(const struct vhost_net *vhost);

/* The rings of receiving and of transmitting, and the tap, whose header has its final size.  0, or -errno: it has not begun. */
int vhost_net_start(struct vhost_net *vhost, uint64_t features, const struct vhost_net_ring rings[2],
		    int tap);
/* When it returns the kernel uses neither the rings nor the tap.  Without effect if it has not
 * been started. */
void vhost_net_stop(struct vhost_net *vhost);
/* After that: from where it was in them, at other eventfds maybe. */
int vhost_net_resume(struct vhost_net *vhost, const struct vhost_net_ring rings[2], int tap);
/* Likewise: where it was in a ring.  False: it does not say. */
bool vhost_net_position(const struct vhost_net *vhost, unsigned int ring, uint16_t *position);

#endif
