/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device as records of a checkpoint: STATE_VIRTIO, and one of its kind if that keeps
 * something.  The record's instance is the function's place: its slot of bus 0, or 32 and the slot
 * of the root port that it is behind.
 *
 * Locks and order as in state.h.
 */
#ifndef MICA_VMM_VIRTIO_RECORDS_H
#define MICA_VMM_VIRTIO_RECORDS_H

#include "pci_transport.h"

struct state_reader;
struct state_writer;

/* Whether `type` is one of virtio's. */
bool virtio_record_known(uint32_t type);
/* Whether such a device has a record of that type. */
bool virtio_record_fits(const struct virtio_pci *pci, uint32_t type);

/* The device is quiet. */
gboolean virtio_record_put(const struct virtio_pci *pci, uint32_t place,
			   struct state_writer *writer, GError **error);
/* FALSE, and nothing changed, if the records are not there or of another device. */
gboolean virtio_record_check(const struct virtio_pci *pci, uint32_t place,
			     const struct state_reader *reader, GError **error);
/* After that. */
void virtio_record_load(struct virtio_pci *pci, uint32_t place, const struct state_reader *reader);

#endif
