/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device as a PCI function: virtio 1.2, and the legacy interface for the kinds
 * that had one.
 *
 * Source: VIRTIO 1.2, "Virtio Over PCI Bus".
 *
 * BAR 0 is I/O: the legacy registers, and behind them a port for each queue for the
 * notifications of modern drivers, so that no notification needs to be decoded.  BAR 1 is
 * memory: the structures that the vendor capabilities name, and MSI-X.
 */
#ifndef MICA_VMM_VIRTIO_PCI_TRANSPORT_H
#define MICA_VMM_VIRTIO_PCI_TRANSPORT_H

#include <pthread.h>

#include "../pci/pci.h"
#include "device.h"

struct uv_loop_s;
struct virtio_pci;
struct virtio_state;

/*
 * Takes the device over: it is freed with the transport, also if this fails.  `lock` is the
 * machine's.  Called by the thread of `loop`, with the lock held.
 */
struct virtio_pci *virtio_pci_new(struct virtio_device *device, struct uv_loop_s *loop,
				  pthread_mutex_t *lock, GError **error);
/* For pci_host_attach(). */
struct pci_device *virtio_pci_function(struct virtio_pci *pci);
/* `removed` is called when the guest has let go of the function (struct pci_device_ops). */
void virtio_pci_set_removed(struct virtio_pci *pci, void (*removed)(void *opaque), void *opaque);
/* As a reset of the function: the device has ended all work when it returns, and is silent. */
void virtio_pci_reset(struct virtio_pci *pci);

/*
 * For checkpoints; all by the main thread with the lock held.  The device is quiet, and saved with
 * its registers.  To load: PCI's state of the function first; then virtio_pci_check(), FALSE if no
 * guest could have come to that; then virtio_pci_load(), which brings doorbells and interrupts to
 * where the guest had them.  `kind` is the state of the device's kind (state.h).
 */
struct virtio_device *virtio_pci_device(const struct virtio_pci *pci);
void virtio_pci_save(const struct virtio_pci *pci, struct virtio_state *state);
gboolean virtio_pci_check(const struct virtio_pci *pci, const struct virtio_state *state,
			  const void *kind, GError **error);
void virtio_pci_load(struct virtio_pci *pci, const struct virtio_state *state, const void *kind);

/* The function must be detached.  NULL is fine.  The loop must run once more to close what
 * is left.  By the thread of the loop, with the lock held. */
void virtio_pci_free(struct virtio_pci *pci);

#endif
