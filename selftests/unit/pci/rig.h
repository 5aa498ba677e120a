/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI host on buses of its own, a machine that writes down what it is asked, and functions
 * that write down what they are asked.
 */
#ifndef MICA_TEST_PCI_RIG_H
#define MICA_TEST_PCI_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>
#include <string.h>

#include "../../../vmm/pci/host.h"

#define KIB		1024u
#define MIB		(1u << 20)
#define GIB		(1ull << 30)

#define RIG_MEM64	(64 * GIB)
#define RIG_MEM64_SIZE	(64 * GIB)
#define RIG_BINDINGS	64u

struct rig_irqfd {
	int fd;
	uint64_t address;
	uint32_t data;
};

struct rig {
	struct bus *ports;
	struct bus *mmio;
	struct bus *config_ports;
	struct pci_host *host;
	int line[PCI_INTX_LINES];
	unsigned int messages;		/* since the last rig_message() */
	uint64_t address;
	uint32_t data;
	struct rig_irqfd irqfds[RIG_BINDINGS];
	unsigned int irqfd_count;
	struct pci_ioeventfd ioeventfds[RIG_BINDINGS];
	unsigned int ioeventfd_count;
	uint8_t port_cf9;
};

/* A host with that many root ports, with or without eventfds. */
void rig_new(struct rig *rig, unsigned int ports, bool eventfds);
void rig_free(struct rig *rig);

/* One message was sent since the last call: this one. */
void rig_expect_message(struct rig *rig, uint64_t address, uint32_t data);
void rig_expect_no_message(struct rig *rig);

struct fake {
	struct pci_device *device;
	unsigned int reads;
	unsigned int writes;
	unsigned int resets;
	unsigned int removals;
	unsigned int bar;		/* of the last access, and so on */
	uint64_t offset;
	unsigned int size;
	uint64_t value;
	unsigned int capability;	/* of the last access to a hooked one */
	unsigned int reg;
	unsigned int enables;
	unsigned int hook_reads;
	unsigned int hook_writes;
};

/* What a read of the function gives: no two places have the same. */
uint64_t fake_value(unsigned int bar, uint64_t offset, unsigned int size);

/* BAR 0: 64 bytes of I/O; 1: 4 KiB; 2: 16 KiB, 64 bits, with MSI-X of 4 vectors at 0x1000,
 * pending bits at 0x1800; 4: 1 MiB, 64 bits, prefetchable.  Vendor 0x1234, device 0x5678. */
struct pci_device_config fake_config(void);
void fake_new(struct fake *fake, const struct pci_device_config *config);
/* Made, attached and freed in one. */
void fake_attach(struct fake *fake, struct rig *rig);
void fake_free(struct fake *fake, struct rig *rig);

/* Port and memory accesses as a guest makes them. */
uint32_t rig_in(struct rig *rig, uint16_t port, unsigned int size);
void rig_out(struct rig *rig, uint16_t port, unsigned int size, uint32_t value);
uint64_t rig_load(struct rig *rig, uint64_t address, unsigned int size);
void rig_store(struct rig *rig, uint64_t address, unsigned int size, uint64_t value);

/* Configuration space by ports (CF8 and CFC), slot of `bus`. */
uint32_t rig_read(struct rig *rig, unsigned int bus, unsigned int slot, unsigned int reg,
		  unsigned int size);
void rig_write(struct rig *rig, unsigned int bus, unsigned int slot, unsigned int reg,
	       unsigned int size, uint32_t value);
/* The first capability with that ID; the test fails if there is none. */
unsigned int rig_capability(struct rig *rig, unsigned int bus, unsigned int slot, uint8_t id);

uint64_t rig_ecam(unsigned int bus, unsigned int slot, unsigned int reg);

/* Xorshift: the same numbers on every run. */
uint64_t rig_random(uint64_t *seed);

#endif
