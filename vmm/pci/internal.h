/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of vmm/pci/ share. */
#ifndef MICA_VMM_PCI_INTERNAL_H
#define MICA_VMM_PCI_INTERNAL_H

#include <string.h>

#include "host.h"
#include "pci.h"

#define PCI_UNMAPPED		UINT64_MAX
#define PCI_DWORDS		(PCI_CONFIG_SIZE / 4)
/* One BAR may be there twice: a function has 6, of which 64-bit ones take two. */
#define PCI_MAPPINGS_MAX	((PCI_SLOTS + PCI_PORTS_MAX) * PCI_BARS)

struct pci_port;

/* pci_device_state.unplug, if not 0. */
#define PCI_UNPLUG_ASKED	1	/* by the attention button */
#define PCI_UNPLUG_PULLED	2	/* it looks as if it were not there */

struct pci_irqfd_binding {
	int fd;
	unsigned int vector;
	bool bound;			/* with these: */
	uint64_t address;
	uint32_t data;
};

struct pci_doorbell_binding {
	struct pci_doorbell doorbell;
	bool enabled;
	bool bound;			/* at this address */
	uint64_t address;
};

/*
 * `writable` and `clearable` say what a configuration write does, bit by bit: take the
 * new value, or clear where a one is written.  All other bits are constant for the guest.
 */
struct pci_device {
	struct pci_device_config config;
	const struct pci_device_ops *ops;
	void *opaque;
	struct pci_device_state state;
	uint8_t writable[PCI_CONFIG_SIZE];
	uint8_t clearable[PCI_CONFIG_SIZE];
	uint8_t hooked[PCI_DWORDS];	/* the hooked capability that has this dword, or 0 */
	unsigned int config_end;	/* where the next capability goes */
	unsigned int last_link;		/* the byte that points to it */
	unsigned int pm;		/* capabilities' offsets; 0: not there */
	unsigned int msix;
	unsigned int msi;
	unsigned int express;
	uint64_t bar_base[PCI_BARS];	/* where it is decoded now, or PCI_UNMAPPED */
	uint8_t initial[PCI_CONFIG_SIZE];	/* as it was attached */
	bool intx_line;			/* what the wire has from us */
	GArray *irqfds;			/* struct pci_irqfd_binding */
	GArray *doorbells;		/* struct pci_doorbell_binding */

	struct pci_host *host;		/* NULL: not attached */
	struct pci_port *port;		/* that it is behind, or NULL */
	unsigned int slot;		/* of bus 0: its own, or its port's */
	struct pci_port *bridge;	/* the port that this function is, or NULL */
};

struct pci_port {
	struct pci_device *function;
	struct pci_device *child;	/* in the slot behind it, or NULL */
};

struct pci_mapping {
	uint64_t base;
	uint64_t last;
	struct pci_device *device;
	unsigned int bar;
};

struct pci_mappings {
	unsigned int count;
	struct pci_mapping mapping[PCI_MAPPINGS_MAX];
};

/* A range of a bus where BARs may be. */
struct pci_window {
	uint64_t base;
	const struct pci_mappings *list;
};

struct pci_host {
	struct pci_host_config config;
	struct pci_host_state state;
	bool assigned;			/* pci_host_assign() was called: the guest may run */
	struct pci_device *slots[PCI_SLOTS];
	struct pci_device *bridge;	/* slot 0 */
	struct pci_port ports[PCI_PORTS_MAX];
	unsigned int port_count;
	struct pci_mappings io;
	struct pci_mappings memory;
	struct pci_window io_window;
	struct pci_window memory_window;
	struct pci_window memory64_window;
	unsigned int intx[PCI_INTX_LINES];	/* functions that drive the line */
};

/* ------------------------------------------------------------ values in configuration space */

static inline uint16_t pci_get16(const uint8_t *bytes, unsigned int offset)
{
	return bytes[offset] | bytes[offset + 1] << 8;
}

static inline uint32_t pci_get32(const uint8_t *bytes, unsigned int offset)
{
	return pci_get16(bytes, offset) | (uint32_t)pci_get16(bytes, offset + 2) << 16;
}

static inline void pci_put16(uint8_t *bytes, unsigned int offset, uint16_t value)
{
	bytes[offset] = value;
	bytes[offset + 1] = value >> 8;
}

static inline void pci_put32(uint8_t *bytes, unsigned int offset, uint32_t value)
{
	pci_put16(bytes, offset, value);
	pci_put16(bytes, offset + 2, value >> 16);
}

static inline uint64_t pci_ones(unsigned int size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

/* ------------------------------------------------------------ device.c */

/* With nothing but a header. */
struct pci_device *pci_function_new(const struct pci_device_config *config,
				    const struct pci_device_ops *ops, void *opaque,
				    uint8_t header_type);
static inline uint16_t pci_command(const struct pci_device *device)
{
	return pci_get16(device->state.config, PCI_COMMAND);
}

void pci_add_power_management(struct pci_device *device);
bool pci_powered(const struct pci_device *device);
/* The initial state again, as after a reset of its bus; the function is told. */
void pci_device_reset(struct pci_device *device);
static inline bool pci_bar_is_io(const struct pci_device *device, unsigned int bar)
{
	return device->config.bars[bar].kind == PCI_BAR_IO;
}

static inline bool pci_bar_is_64(const struct pci_device *device, unsigned int bar)
{
	enum pci_bar_kind kind = device->config.bars[bar].kind;

	return kind == PCI_BAR_MEM64 || kind == PCI_BAR_MEM64_PREFETCH;
}

/* The address in the register, decoded or not. */
uint64_t pci_bar_address(const struct pci_device *device, unsigned int bar);
void pci_bar_set_address(struct pci_device *device, unsigned int bar, uint64_t address);

/* ------------------------------------------------------------ config.c */

/* One configuration cycle: the dword at `reg`, a multiple of 4 below 4096.  Bit n of
 * `enables` stands for its byte n. */
uint32_t pci_config_read(struct pci_device *device, unsigned int reg, unsigned int enables);
void pci_config_write(struct pci_device *device, unsigned int reg, unsigned int enables,
		      uint32_t value);

/* ------------------------------------------------------------ msix.c */

void pci_msix_add(struct pci_device *device);
void pci_msix_reset(struct pci_device *device);
/* Sends what may be sent now, and binds eventfds to where their messages go now. */
void pci_msix_refresh(struct pci_device *device);
void pci_msix_unbind(struct pci_device *device);
bool pci_msix_owns(const struct pci_device *device, unsigned int bar, uint64_t offset);
uint64_t pci_msix_read(struct pci_device *device, uint64_t offset, unsigned int size);
void pci_msix_write(struct pci_device *device, uint64_t offset, unsigned int size, uint64_t value);
/* A pending bit, with what waits in eventfds. */
bool pci_msix_pending(const struct pci_device *device, unsigned int vector);

/* ------------------------------------------------------------ intx.c */

/* Brings the wire in line with what the function wants and may do. */
void pci_intx_refresh(struct pci_device *device);

/* ------------------------------------------------------------ mapping.c */

/* Finds anew which BARs are decoded where, and moves the doorbells after them. */
void pci_host_remap(struct pci_host *host);
void pci_doorbells_unbind(struct pci_device *device);
void pci_window_claim(struct pci_window *window, struct bus *bus, const char *name, uint64_t base,
		      uint64_t size, const struct pci_mappings *list);

/* ------------------------------------------------------------ port.c */

/* Makes the function of a root port with this number, 1 and up. */
void pci_port_init(struct pci_port *port, unsigned int number);
/* After a write to any register of the port's function. */
void pci_port_written(struct pci_port *port, unsigned int reg, uint32_t old, uint32_t new);
/* Does a configuration cycle to `bus`, not 0, reach what is in the slot? */
bool pci_port_reaches(const struct pci_port *port, unsigned int bus);
/* Is [base, last] in one of the port's windows, and forwarded? */
bool pci_port_forwards(const struct pci_port *port, enum pci_space space, uint64_t base,
		       uint64_t last);
void pci_port_set_bus(struct pci_port *port, uint8_t bus);
void pci_port_set_io(struct pci_port *port, uint16_t base, uint16_t last);
void pci_port_set_memory(struct pci_port *port, uint32_t base, uint32_t last);
void pci_port_set_prefetch(struct pci_port *port, uint64_t base, uint64_t last);
/* A function was put into the slot or taken out.  Before the guest runs: it finds the slot's
 * power as a firmware would leave it, and is told nothing. */
void pci_port_presence(struct pci_port *port, bool running);
/* Presses the attention button.  FALSE: nothing there, or the slot is off. */
bool pci_port_press(struct pci_port *port);
bool pci_port_on(const struct pci_port *port);
/* After a load: presence is what is in the slot; link and interrupt follow from the registers. */
void pci_port_refresh(struct pci_port *port);
/* Or are so already. */
bool pci_port_agrees(const struct pci_port *port);

/* ------------------------------------------------------------ express.c */

/* The PCI Express capability of an endpoint behind a port, and of a root port. */
void pci_express_add_endpoint(struct pci_device *device);
void pci_express_add_port(struct pci_device *device, unsigned int number);

/* ------------------------------------------------------------ host.c */

void pci_host_connect(struct pci_host *host, struct pci_device *device, unsigned int slot,
		      struct pci_port *port);

#endif
