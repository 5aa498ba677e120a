/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI host: bridge 00:00.0, configuration accesses, the windows through which BARs are
 * reached, and hot-pluggable root ports.
 *
 * Who answers an access is decided in this order, and whatever the guest programs, an
 * access ends there; nothing is forwarded twice:
 *  1. RAM and the local APIC, which never get here, and the chips on the buses;
 *  2. the configuration ports and the ECAM, which lie outside the windows;
 *  3. in a window, the first BAR that is decoded and holds the whole access: functions of
 *     bus 0 by slot, then those behind root ports by the port's slot; of one function, by BAR;
 *  4. nobody: reads give all-ones, writes vanish.
 * A BAR is decoded if the command register says so, the function is in D0, all of the BAR
 * lies in one window of the host and, behind a root port, also in one of the port's.
 * In a BAR, MSI-X table and pending bits come before the function.
 *
 * Locks: as pci.h, all under the machine's lock.
 */
#ifndef MICA_VMM_PCI_HOST_H
#define MICA_VMM_PCI_HOST_H

#include <assert.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "../bus.h"
#include "../irq.h"
#include "map.h"
#include "pci.h"

#define PCI_PORTS_MAX		8u

struct pci_host;

enum pci_space {
	PCI_SPACE_IO,
	PCI_SPACE_MEMORY,
};

/* A place whose writes the kernel turns into a signal of `fd`. */
struct pci_ioeventfd {
	enum pci_space space;
	uint64_t address;
	unsigned int size;
	bool any;
	uint64_t value;
	int fd;
};

/*
 * What the machine does for PCI.
 *
 * irqfd: from now on (bind) or no more, a signal of `fd` sends the message.  If the
 * eventfd has a count at the time of binding, the message is sent at once; when unbinding
 * returns, no message follows and the count is left to us.  A guest chooses address and
 * data: 0 or -errno.
 *
 * ioeventfd: likewise for a struct pci_ioeventfd.  Bound ones that overlap are for the same
 * address and size and differ in their value.  It may refuse, as for memory: then the
 * function gets the write.
 *
 * Both may be NULL: then neither is used (pci_has_irqfd()).
 */
struct pci_sink {
	void (*msi)(void *opaque, uint64_t address, uint32_t data);
	int (*irqfd)(void *opaque, int fd, uint64_t address, uint32_t data, bool bind);
	int (*ioeventfd)(void *opaque, const struct pci_ioeventfd *ioeventfd, bool bind);
	void *opaque;
	struct irq_line intx[PCI_INTX_LINES];
};

struct pci_host_config {
	struct bus *ports;
	struct bus *mmio;
	/* Who gets the accesses to 0xcf8-0xcfb that are not for the address register: all
	 * that are narrower than 4 bytes.  (A PC's reset control is at 0xcf9.) */
	struct bus *config_ports;
	struct pci_map map;		/* for each bus but the first there will be a root port */
	struct pci_sink sink;
};

/* Claims its ranges on the buses, which must outlive it. */
struct pci_host *pci_host_new(const struct pci_host_config *config);
/* All devices must have been detached. */
void pci_host_free(struct pci_host *host);

/* Puts a function into the next free slot of bus 0, before the guest runs.  FALSE: all
 * slots are taken. */
gboolean pci_host_attach(struct pci_host *host, struct pci_device *device, GError **error);

/* What a firmware would do: gives addresses to all BARs, buses and windows to the root
 * ports, and turns decoding on.  Once, when all cold devices are attached.  A BAR for
 * which there is no room stays without an address. */
void pci_host_assign(struct pci_host *host);

/* The map with the slots that are taken, for the ACPI and MP tables. */
struct pci_map pci_host_map(const struct pci_host *host);

/* Puts a function behind a free root port; the guest is told.  FALSE: no port is free. */
gboolean pci_host_plug(struct pci_host *host, struct pci_device *device, GError **error);

/* Likewise behind the root port in that slot of bus 0, for a machine that is made again from a
 * checkpoint.  FALSE also if there is no root port. */
gboolean pci_host_plug_at(struct pci_host *host, struct pci_device *device, unsigned int slot,
			  GError **error);

/* Asks the guest to let go of a function behind a root port (the slot's attention button);
 * ops->removed() follows if it does.  Linux waits 5 seconds for a second press, which would
 * cancel: do not ask twice in that time.  FALSE: the function is not behind a port, is pulled,
 * or the guest has not turned its slot on. */
gboolean pci_host_unplug(struct pci_host *host, struct pci_device *device, GError **error);

/* Whether the guest has turned on the slot that the function is in; functions on bus 0 are
 * always on. */
bool pci_host_slot_on(const struct pci_device *device);

/* Lets the guest see that a function behind a root port vanishes: it is absent, but still answers at
 * its BARs and interrupts, so that a driver can end its work.  ops->removed() follows when the
 * guest turns the slot off; one that does not is pci_host_detach()ed. */
void pci_host_pull(struct pci_device *device);

/* Takes a function out at once, wherever it is; the guest sees it vanish.  ops->removed()
 * is not called. */
void pci_host_detach(struct pci_host *host, struct pci_device *device);

/* Where it is, like "00:03.0", for messages: the bus number is the guest's choice behind a
 * port.  The caller frees it. */
char *pci_device_where(const struct pci_device *device);

/* ------------------------------------------------------------ state */

/* Of the host itself; its functions' state is saved one by one (pci.h), root ports too. */
struct pci_host_state {
	uint32_t config_address;	/* port 0xcf8 */
	uint32_t pad;
};
static_assert(sizeof(struct pci_host_state) == 8, "ABI");
void pci_host_save(const struct pci_host *host, struct pci_host_state *state);
gboolean pci_host_load(struct pci_host *host, const struct pci_host_state *state, GError **error);

/*
 * Where a function is, as a number that a guest cannot change: 0..31 is that slot of bus 0,
 * 32 and up what is behind the root port in slot place - 32.
 */
#define PCI_PLACES		(2 * PCI_SLOTS)
unsigned int pci_device_place(const struct pci_device *device);
struct pci_device *pci_host_at(const struct pci_host *host, unsigned int place);

/*
 * Loads the host and all its functions at once; `states[place]` is NULL where there was no
 * function.  For a machine that was just made, with its devices attached and plugged where
 * they were.  FALSE, and nothing changed, if a function is missing, is another one or too many,
 * which the error names, or if a state is one that no guest could have brought it to.
 *
 * Windows, doorbells, eventfds and wires are then as they were; functions are not called.
 * Messages that wait for a mask stay pending.
 */
gboolean pci_bus_load(struct pci_host *host, const struct pci_host_state *host_state,
		      const struct pci_device_state *const states[PCI_PLACES], GError **error);

/* The function in a slot of bus 0 or, if `behind`, behind the root port in that slot; NULL
 * if there is none. */
struct pci_device *pci_host_function(const struct pci_host *host, unsigned int slot, bool behind);

#endif
