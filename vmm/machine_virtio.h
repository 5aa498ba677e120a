/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's virtio devices: what the user asked for, made and put on the PCI bus.
 */
#ifndef MICA_VMM_MACHINE_VIRTIO_H
#define MICA_VMM_MACHINE_VIRTIO_H

#include <glib.h>
#include <stdint.h>

#include "backends/block.h"
#include "backends/net.h"
#include "backends/port.h"

#define MACHINE_DISKS_MAX	16u
#define MACHINE_NETS_MAX	8u
#define MACHINE_PORTS_MAX	15u	/* and the console */

struct machine;
struct machine_console;

struct machine_disk {
	char *path;			/* or what block_is_nbd() */
	char *serial;			/* NULL: none */
	gboolean read_only;
	enum block_cache cache;
};

struct machine_net {
	char *tap;			/* the host's interface; NULL: `user` */
	gboolean user;			/* by passt, without privileges */
	GArray *forwards;		/* of struct net_forward, with `user`; NULL: none */
	uint8_t mac[6];
	gboolean mac_given;		/* else one is made up */
};

/* A named port of the virtio console. */
struct machine_port {
	char *name;
	enum port_kind kind;
	char *path;			/* NULL for PORT_PTY */
};

struct machine_balloon_config {
	gboolean wanted;
	uint64_t target;		/* bytes that the guest shall keep; 0: all */
	gboolean no_oom;		/* it may not take pages when it runs out */
	gboolean no_reporting;
};

/* Makes the devices of machine->config and attaches them, before pci_host_assign(). */
gboolean machine_add_virtio(struct machine *machine, GError **error);
/* NULL: the machine has none. */
struct machine_console *machine_virtio_console(const struct machine *machine);

/* Before the PCI host.  Valid on what is half made. */
void machine_free_virtio(struct machine *machine);

#endif
