/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stream sockets between the guest and programs of the host, which see UNIX sockets.
 *
 * Source: VIRTIO 1.2, "Socket Device".
 *
 * A program of the host that connects to the socket at `path`, and writes "CONNECT PORT\n"
 * with a decimal number, is connected to that port of the guest and gets "OK LOCALPORT\n"; if
 * the guest does not accept, the socket is closed.  When the guest connects to port P of the
 * host (CID 2), it is connected to the program that listens at the socket `path`_P.
 */
#ifndef MICA_VMM_DEVICES_VSOCK_DEVICE_H
#define MICA_VMM_DEVICES_VSOCK_DEVICE_H

#include "../../virtio/device.h"

#define VSOCK_PORT_DIGITS	10u	/* of the largest port */
#define VSOCK_CID_MIN		3u	/* lower ones are the hypervisor's, this host's, ... */
#define VSOCK_CID_MAX		(UINT32_MAX - 1)

struct vsock_device_config {
	const char *name;		/* must outlive the device */
	const char *path;
	uint32_t cid;			/* the guest's, VSOCK_CID_MIN to VSOCK_CID_MAX */
};

/* Listens at the path until it is freed.  `memory` must outlive the device. */
struct virtio_device *vsock_device_new(const struct vsock_device_config *config,
				       const struct virtio_memory *memory, GError **error);

#endif
