/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's virtio devices in a checkpoint.  All by the main thread with the machine's lock held,
 * while no vCPU runs; virtio/state.h has the order.
 */
#ifndef MICA_VMM_MACHINE_VIRTIO_STATE_H
#define MICA_VMM_MACHINE_VIRTIO_STATE_H

#include <glib.h>

struct machine;
struct state_reader;
struct state_writer;

/* All devices come to rest: see virtio_device_quiesce().  FALSE: all run on, and the error names the
 * one that does not. */
gboolean machine_virtio_quiesce(struct machine *machine, GError **error);
/* After that, when the guest goes on; or after a load, when it begins. */
void machine_virtio_go_on(struct machine *machine);

/* The devices are quiet. */
gboolean machine_virtio_save(const struct machine *machine, struct state_writer *writer,
			     GError **error);
/* After the PCI functions' states, on a machine that has never run.  FALSE, and nothing changed, if
 * the records are not those of the machine's devices. */
gboolean machine_virtio_load(struct machine *machine, const struct state_reader *reader,
			     GError **error);

#endif
