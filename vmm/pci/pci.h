/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI function, as a transport sees it: what it must say about its function, what it is
 * asked, and what it may ask for.  The bus side (host bridge, root ports, windows) is in
 * host.h; no device below a transport sees either.
 *
 * Offsets and bits of the configuration space have the names of <linux/pci_regs.h>.
 *
 * Sources: PCI Local Bus Specification 3.0 ("Configuration Space Organization", "MSI-X
 * Capability and Table Structures"), PCI Express Base Specification ("Software
 * Initialization and Configuration").
 *
 * Order of calls: pci_device_new(), pci_add_capability(), pci_add_doorbell() and
 * pci_add_irqfd() as needed, then pci_host_attach() or pci_host_plug().  Nothing can be
 * added later, so that nothing is allocated or moved by what a guest does.
 *
 * Locks: everything here is called with the machine's lock held, the callbacks too.  Only
 * eventfds are written and read by other threads.
 *
 * Errors: what a guest does wrong has no effect and no message.  A wrong use of this
 * interface is a bug of the caller and is caught by an assertion.
 */
#ifndef MICA_VMM_PCI_H
#define MICA_VMM_PCI_H

#include <assert.h>
#include <glib.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdint.h>

#define PCI_BARS		6u
#define PCI_MSIX_VECTORS_MAX	128u
#define PCI_CONFIG_SIZE		256u	/* the rest of the 4096 bytes reads as zero */
#define PCI_NO_VECTOR		0xffffu	/* as virtio spells it (VIRTIO_MSI_NO_VECTOR) */

struct pci_device;

enum pci_bar_kind {
	PCI_BAR_NONE,
	PCI_BAR_IO,
	PCI_BAR_MEM32,
	PCI_BAR_MEM64,			/* takes this BAR and the next one */
	PCI_BAR_MEM64_PREFETCH,
};

/* `size`: a power of two; I/O: 4..256 bytes, memory: 16 bytes..4 GiB (MEM32: ..1 GiB). */
struct pci_bar_config {
	enum pci_bar_kind kind;
	uint64_t size;
};

/*
 * Table (16 bytes a vector) and pending bits (8 bytes for 64 vectors) lie in a memory BAR
 * of the function, at multiples of 8; that BAR's accesses to these bytes are answered here
 * and never reach the function.
 */
struct pci_msix_config {
	unsigned int vectors;		/* 0: no MSI-X; at most PCI_MSIX_VECTORS_MAX */
	unsigned int bar;
	uint32_t table_offset;
	uint32_t pba_offset;
};

struct pci_device_config {
	const char *name;		/* for messages; must outlive the device */
	uint16_t vendor_id;
	uint16_t device_id;
	uint16_t subsystem_vendor_id;
	uint16_t subsystem_id;
	uint8_t revision;
	uint32_t class_code;		/* 24 bits: class, subclass, programming interface */
	bool intx;			/* interrupt pin INTA# */
	struct pci_bar_config bars[PCI_BARS];
	struct pci_msix_config msix;
};

struct pci_device_ops {
	/*
	 * An access to a BAR: 1, 2, 4 or 8 bytes (I/O: not 8) at any alignment, all of it
	 * inside the BAR.  A device returns or takes the low `size` bytes.
	 */
	uint64_t (*read)(void *opaque, unsigned int bar, uint64_t offset, unsigned int size);
	void (*write)(void *opaque, unsigned int bar, uint64_t offset, unsigned int size,
		      uint64_t value);

	/*
	 * For capabilities with `hooked`; may be NULL if there are none.  `reg` is the dword's
	 * offset in the capability (from its ID byte); bit n of `enables` is set if the guest
	 * reads or has written byte n of the dword.  Before a read the function may refresh
	 * bytes with pci_capability_bytes(); after a write it finds the new ones there.
	 */
	void (*capability_read)(void *opaque, unsigned int capability, unsigned int reg,
				unsigned int enables);
	void (*capability_written)(void *opaque, unsigned int capability, unsigned int reg,
				   unsigned int enables);

	/* The guest enabled or disabled MSI-X.  May be NULL. */
	void (*msix_enabled)(void *opaque, bool enabled);

	/* The guest took the function's right to access memory away: Bus Master in the command
	 * register went from 1 to 0.  Nothing is read or written once this has returned.  May
	 * be NULL. */
	void (*master_off)(void *opaque);

	/* Reset from outside (secondary bus reset, slot power): the configuration space is
	 * back at its initial state already.  May be NULL. */
	void (*reset)(void *opaque);

	/* A hot-plugged function that has been detached, by its guest or by us: nothing is
	 * called any more after this, and the function may be freed as soon as the lock has
	 * been released, but not in the callback.  May be NULL. */
	void (*removed)(void *opaque);
};

/* Copies `config`; `ops` and `opaque` must outlive the device. */
struct pci_device *pci_device_new(const struct pci_device_config *config,
				  const struct pci_device_ops *ops, void *opaque);
/* The device must not be attached.  NULL is fine.  Unbinds eventfds but does not close them. */
void pci_device_free(struct pci_device *device);
const char *pci_device_name(const struct pci_device *device);

/* ------------------------------------------------------------ capabilities */

/*
 * `body` are the `length` bytes behind the ID and the link (a vendor-specific capability
 * says its own length in the first of them, as virtio's do); `writable` is a mask of the
 * bits in them that the guest may change, or NULL.  Returns the capability's offset in
 * the configuration space, a multiple of 4: its name in the calls below.
 */
struct pci_capability {
	uint8_t id;
	const void *body;
	const void *writable;
	uint8_t length;
	bool hooked;			/* see struct pci_device_ops */
};
unsigned int pci_add_capability(struct pci_device *device, const struct pci_capability *capability);

/* The capability's bytes from its ID on, for reading and for refreshing. */
uint8_t *pci_capability_bytes(struct pci_device *device, unsigned int capability);

/*
 * An access to a BAR of the device itself, as from virtio's VIRTIO_PCI_CAP_PCI_CFG: without
 * the bus, whether or not the BAR is decoded, MSI-X table included.  Out of range: reads
 * as all-ones, writes vanish.
 */
uint64_t pci_bar_read(struct pci_device *device, unsigned int bar, uint64_t offset,
		      unsigned int size);
void pci_bar_write(struct pci_device *device, unsigned int bar, uint64_t offset,
		   unsigned int size, uint64_t value);

/* ------------------------------------------------------------ bus mastering */

/* May the function read and write guest memory now?  (Command register and power state.)
 * Interrupt messages wait for it by themselves. */
bool pci_bus_master(const struct pci_device *device);

/* ------------------------------------------------------------ interrupts */

/* The level of INTA#.  Keep it up to date also while MSI-X is enabled: it drives the wire
 * only when MSI-X is off and the command register allows it. */
void pci_intx_set(struct pci_device *device, bool level);

/* Has the guest enabled MSI-X?  (virtio's legacy layout depends on it.) */
bool pci_msix_enabled(const struct pci_device *device);

/* Sends the vector's message, or keeps it pending while it is masked.  A vector that does
 * not exist, or MSI-X disabled: no effect. */
void pci_msix_notify(struct pci_device *device, unsigned int vector);

/*
 * An eventfd whose signal is a message, from any thread and without a lock: the kernel
 * delivers it (see pci_host_config in host.h).  While the vector is masked or has no
 * address yet, the eventfd keeps its count and is delivered at unmasking.  Several
 * eventfds may share a vector.  The caller owns the descriptor, which must be non-blocking
 * and stay open until the device is freed.
 */
#define PCI_IRQFDS_MAX		160u

/* Starts with PCI_NO_VECTOR.  Returns a handle >= 0. */
unsigned int pci_add_irqfd(struct pci_device *device, int fd);
/* By the guest's choice at any time; a vector that does not exist counts as none.  Signals
 * of an irqfd without a vector stay in the eventfd: the caller may read them away. */
void pci_irqfd_route(struct pci_device *device, unsigned int irqfd, unsigned int vector);
/* True if the host delivers by eventfd; else use pci_msix_notify() with the lock held.
 * Constant once the device is attached. */
bool pci_has_irqfd(const struct pci_device *device);

/* ------------------------------------------------------------ doorbells */

/*
 * An eventfd that the kernel signals on a write of exactly `size` bytes (1, 2, 4 or 8) at
 * `offset` of a BAR, if `any` or if the value is `value`, instead of an exit.  It follows
 * the BAR wherever the guest moves it.  Where the host has no such thing, or the BAR is
 * shadowed, the write arrives at ops->write() as any other: handle both.  The caller owns
 * the descriptor, which must stay open until the device is freed.
 */
#define PCI_DOORBELLS_MAX	160u

struct pci_doorbell {
	unsigned int bar;
	uint64_t offset;
	unsigned int size;
	bool any;
	uint64_t value;
	int fd;
};
/* Starts disabled.  Returns a handle >= 0. */
unsigned int pci_add_doorbell(struct pci_device *device, const struct pci_doorbell *doorbell);
void pci_doorbell_enable(struct pci_device *device, unsigned int doorbell, bool enable);

/* ------------------------------------------------------------ state */

struct pci_msix_entry {
	uint64_t address;
	uint32_t data;
	uint32_t control;		/* PCI_MSIX_ENTRY_CTRL_MASKBIT or 0 */
};

/*
 * All that a guest can change in a function's PCI side; BARs are in `config`.  No pointers:
 * checkpoints serialize it with pci_state_fields[].  Eventfds' counts appear as pending
 * bits.
 */
struct pci_device_state {
	uint8_t config[PCI_CONFIG_SIZE];
	struct pci_msix_entry msix[PCI_MSIX_VECTORS_MAX];
	uint64_t msix_pending[PCI_MSIX_VECTORS_MAX / 64];
	uint8_t intx;			/* level that the function wants */
	uint8_t unplug;			/* the guest was asked to let go of it (1), or it is pulled (2) */
	uint8_t pad[6];
};
static_assert(sizeof(struct pci_device_state) == 2328, "ABI");

/* One row for each member: `count` values of `width` bytes, `stride` bytes apart. */
struct pci_state_field {
	const char *name;
	uint32_t offset;
	uint16_t width;
	uint16_t count;
	uint16_t stride;
};
extern const struct pci_state_field pci_state_fields[];
extern const unsigned int pci_state_field_count;

void pci_device_save(const struct pci_device *device, struct pci_device_state *state);
/* Checks everything first: FALSE, and nothing changed, if `state` is of another function
 * (identity, BAR sizes, capabilities differ) or holds what no guest could have written. */
gboolean pci_device_load(struct pci_device *device, const struct pci_device_state *state,
			 GError **error);

#endif
