/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network card.
 *
 * Source: VIRTIO 1.2, "Network Device".
 */
#ifndef MICA_VMM_DEVICES_NET_DEVICE_H
#define MICA_VMM_DEVICES_NET_DEVICE_H

#include "../../backends/net.h"
#include "../../virtio/device.h"

#define NET_MAC_SIZE	6u

struct net_device_config {
	const char *name;		/* must outlive the device */
	uint8_t mac[NET_MAC_SIZE];
	bool vhost;			/* leave the frames to the host's kernel, if it can */
};

/* Takes over `nets`, `count` of them (1..NET_QUEUES_MAX), each for a pair of queues, also if this
 * fails.  `memory` must outlive the device. */
struct virtio_device *net_device_new(const struct net_device_config *config,
				     const struct virtio_memory *memory, struct net *const *nets,
				     unsigned int count, GError **error);

#endif
