/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What machine_virtio.c and machine_hotplug.c share; the machine's lock is held. */
#ifndef MICA_VMM_MACHINE_VIRTIO_INTERNAL_H
#define MICA_VMM_MACHINE_VIRTIO_INTERNAL_H

#include "machine.h"
#include "machine_virtio.h"
#include "virtio/memory.h"
#include "virtio/pci_transport.h"

struct hotplug_wake;

struct machine_function {
	struct machine *machine;
	struct virtio_device *device;
	struct virtio_pci *pci;
	char *name;			/* its id */
	const char *kind;
	char *source;			/* a file's or interface's name; NULL: it has none */
	bool attached;
	bool hot;			/* behind a root port */
	uint64_t pull_by;		/* uv_now() when the guest's patience ends; 0: not pulled */
};

struct machine_virtio {
	struct virtio_memory memory;
	GPtrArray *functions;		/* of struct machine_function */
	GPtrArray *released;		/* likewise: detached, to be freed by the main loop */
	struct hotplug_wake *wake;	/* the main loop, when something was released */
	struct machine_balloon *balloon;	/* NULL: none */
	struct machine_console *console;	/* NULL: none */
};

/* A function with nothing behind it, among machine->virtio->functions.  `id` NULL: it is called
 * after its kind and the first number from `number` on that is free.  NULL: `id` is taken. */
struct machine_function *machine_function_new(struct machine *machine, const char *kind,
					      const char *id, unsigned int number, GError **error);
/* Not attached, and in no list. */
void machine_function_free(struct machine_function *function);

/* Takes `device`, which may be NULL after an error: makes its PCI function. */
gboolean machine_function_make(struct machine_function *function, struct virtio_device *device,
			       GError **error);

/* Take `block` and `nets`, also on error. */
struct virtio_device *machine_make_disk(struct machine_function *function,
					const struct machine_disk *disk, struct block *block,
					GError **error);
struct virtio_device *machine_make_net(struct machine_function *function,
				       const struct machine_net *net, const struct net_end *end,
				       struct net *const *nets, GError **error);

/* machine_hotplug.c */
gboolean machine_hotplug_init(struct machine *machine, GError **error);
void machine_hotplug_clear(struct machine_virtio *virtio);

#endif
