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
#define MACHINE_SHARES_MAX	8u
#define MACHINE_PORTS_MAX	15u	/* and the console */

struct machine;
struct machine_console;
struct machine_function;
struct vhost_user;

struct machine_disk {
	char *id;			/* NULL: "disk" and a number */
	char *path;			/* or what block_is_nbd() */
	char *serial;			/* NULL: none */
	gboolean read_only;
	enum block_cache cache;
	struct block *block;		/* open since the guest's first life; NULL: not yet */
};

struct machine_net {
	char *id;			/* NULL: "net" and a number */
	char *tap;			/* the host's interface; NULL: `user` or `bridge` */
	char *bridge;			/* of the host; NULL: none */
	unsigned int queues;		/* in each direction, with a tap; 0: 1 */
	bool vhost;			/* with a tap and one queue: see struct net_device_config */
	uint16_t mtu;			/* 0: the interface's */
	gboolean user;			/* by passt, without privileges */
	GArray *forwards;		/* of struct net_forward, with `user`; NULL: none */
	uint8_t mac[6];
	gboolean mac_given;		/* else one is made up */
	struct net_end end;		/* open since the guest's first life; no count: not yet */
	struct net *nets[NET_QUEUES_MAX];	/* its queues */
};

struct machine_vsock {
	char *path;			/* the host's socket */
	unsigned int cid;		/* the guest's */
};

struct machine_share {
	char *path;			/* a directory, or `socket` */
	gboolean socket;		/* of a program that serves it */
	char *tag;
	gboolean read_only;		/* not with `socket` */
	struct vhost_user *vhost;	/* connected since the guest's first life; NULL: not yet */
};

struct machine_config;

/* Another process serves one of its devices, and needs the guest's memory. */
gboolean machine_shares_memory(const struct machine_config *config);

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

/* Opens the host's end of a card, in any process. */
gboolean machine_net_connect(const struct machine_net *net, struct net_end *end, GError **error);

/* ------------------------------------------------------------ of a guest that runs */

/*
 * machine_hotplug.c.  All in the main thread, with the machine's lock held.  A device that is
 * attached goes behind a free root port and is told to the guest.  What it needs of the host has
 * been opened by somebody else: once guests run, this process may not be allowed to.
 *
 * `block` and `end` are taken, also on error; NULL: the device, which stays the machine's.
 */
struct machine_function *machine_attach_disk(struct machine *machine,
					     const struct machine_disk *disk, struct block *block,
					     GError **error);
struct machine_function *machine_attach_net(struct machine *machine, const struct machine_net *net,
					    struct net_end *end, GError **error);

/*
 * Asks the guest to let go of a device; with `force`, or if the guest has not turned it on, takes
 * it away at once.  machine_listener.released() follows, from the main loop, when it is gone and
 * all that it had of the host is free.
 */
gboolean machine_detach_device(struct machine *machine, struct machine_function *function,
			       bool force, GError **error);

/* A disk gets another size, as by block_resize(). */
gboolean machine_resize_disk(struct machine_function *function, uint64_t size, bool shrink,
			     GError **error);

/* NULL: there is none of that id. */
struct machine_function *machine_find_device(struct machine *machine, const char *id);

struct machine_device_info {
	const char *id;
	const char *kind;		/* "disk", "net", ... */
	const char *source;		/* NULL: none */
	char *where;			/* on the PCI bus, "00:05.0"; the caller frees it */
	uint64_t size;			/* of a disk, in bytes; else 0 */
	bool hot;			/* can be detached */
	bool in_use;			/* the guest's driver has started it */
};

unsigned int machine_device_count(const struct machine *machine);
struct machine_function *machine_device_at(const struct machine *machine, unsigned int index);
void machine_device_info(const struct machine_function *function, struct machine_device_info *info);

#endif
