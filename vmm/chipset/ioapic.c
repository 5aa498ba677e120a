// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 82093AA I/O APIC with 24 pins, and the EOI register of version 0x20.
 *
 * Source: Intel 82093AA data sheet ("I/O Redirection Table Registers"); Intel ICH
 * data sheets ("APIC Indirect Registers", "EOI Register", "Interrupt Message Format")
 * for version 0x20 and the messages.
 *
 * Pins are told whether they are asserted: the board inverts active-low inputs, as it
 * does for PCI interrupts, so the polarity bit is kept and has no effect.
 */
#include "chipset.h"
#include "port8.h"
#include "state.h"
#include "state_check.h"

#define IOAPIC_LENGTH		0x1000
#define IOREGSEL		0x00
#define IOWIN			0x10
#define IOEOI			0x40

#define REG_ID			0x00
#define REG_VERSION		0x01
#define REG_ARBITRATION		0x02
#define REG_REDIRECTION		0x10
#define ID_MASK			0x0f000000u
#define VERSION			(0x20u | (IOAPIC_PINS - 1) << 16)

#define RTE_VECTOR		0xffull
#define RTE_MODE_SHIFT		8
#define RTE_MODE		(7ull << RTE_MODE_SHIFT)
#define RTE_LOGICAL		(1ull << 11)
#define RTE_STATUS		(1ull << 12)
#define RTE_REMOTE_IRR		(1ull << 14)
#define RTE_LEVEL		(1ull << 15)
#define RTE_MASKED		(1ull << 16)
#define RTE_DESTINATION_SHIFT	56
#define RTE_READ_ONLY		(RTE_STATUS | RTE_REMOTE_IRR)
#define RTE_DEFINED		(0x1ffffull | 0xffull << RTE_DESTINATION_SHIFT)

enum delivery_mode {
	MODE_FIXED = 0,
	MODE_LOWEST = 1,
	MODE_SMI = 2,
	MODE_NMI = 4,
	MODE_INIT = 5,
	MODE_EXTINT = 7,
};

#define MSI_ADDRESS		0xfee00000ull
#define MSI_DESTINATION_SHIFT	12
#define MSI_REDIRECTION_HINT	(1u << 3)
#define MSI_LOGICAL		(1u << 2)
#define MSI_ASSERT		(1u << 14)
#define MSI_LEVEL		(1u << 15)

struct ioapic {
	struct ioapic_state state;
	struct ioapic_sink sink;
};

static enum delivery_mode entry_mode(uint64_t entry)
{
	return (entry & RTE_MODE) >> RTE_MODE_SHIFT;
}

/* Only these go into a local APIC's IRR and are ended by an EOI. */
static bool has_eoi(uint64_t entry)
{
	return entry_mode(entry) == MODE_FIXED || entry_mode(entry) == MODE_LOWEST;
}

static bool is_level(uint64_t entry)
{
	return (entry & RTE_LEVEL) && has_eoi(entry);
}

static void send(struct ioapic *ioapic, uint64_t entry)
{
	enum delivery_mode mode = entry_mode(entry);
	uint64_t address = MSI_ADDRESS |
			   (entry >> RTE_DESTINATION_SHIFT) << MSI_DESTINATION_SHIFT;
	uint32_t data = (uint32_t)mode << RTE_MODE_SHIFT | (entry & RTE_VECTOR);

	if (mode == 3 || mode == 6)	/* reserved */
		return;
	if (entry & RTE_LOGICAL)
		address |= MSI_LOGICAL;
	if (mode == MODE_LOWEST)
		address |= MSI_REDIRECTION_HINT;
	if (is_level(entry))
		data |= MSI_ASSERT | MSI_LEVEL;
	ioapic->sink.msi(ioapic->sink.opaque, address, data);
}

/* Sends a level-triggered interrupt that is due: again after each EOI while it lasts. */
static void service_level(struct ioapic *ioapic, unsigned int pin)
{
	uint64_t *entry = &ioapic->state.redirection[pin];

	if (!is_level(*entry) || (*entry & (RTE_MASKED | RTE_REMOTE_IRR)) ||
	    !(ioapic->state.lines & 1u << pin))
		return;
	*entry |= RTE_REMOTE_IRR;
	send(ioapic, *entry);
}

void ioapic_set_irq(struct ioapic *ioapic, unsigned int pin, int level)
{
	uint32_t before = ioapic->state.lines;
	uint64_t entry;

	g_return_if_fail(pin < IOAPIC_PINS);
	if (!level) {
		ioapic->state.lines &= ~(1u << pin);
		return;
	}
	ioapic->state.lines |= 1u << pin;
	if (ioapic->state.lines == before)
		return;
	entry = ioapic->state.redirection[pin];
	if (is_level(entry))
		service_level(ioapic, pin);
	else if (!(entry & RTE_MASKED))	/* an edge on a masked pin is lost */
		send(ioapic, entry);
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t *entry = &ioapic->state.redirection[pin];

		if ((*entry & RTE_VECTOR) != vector || !(*entry & RTE_REMOTE_IRR))
			continue;
		*entry &= ~RTE_REMOTE_IRR;
		service_level(ioapic, pin);
	}
}

static void write_redirection(struct ioapic *ioapic, unsigned int offset, uint32_t value)
{
	unsigned int shift = offset & 1 ? 32 : 0;
	uint64_t *entry = &ioapic->state.redirection[offset / 2];
	uint64_t writable = (0xffffffffull << shift) & RTE_DEFINED & ~RTE_READ_ONLY;

	*entry = (*entry & ~writable) | ((uint64_t)value << shift & writable);
	/* Kernels end an interrupt that way where there is no EOI register. */
	if (!is_level(*entry))
		*entry &= ~RTE_REMOTE_IRR;
	service_level(ioapic, offset / 2);
}

static uint32_t read_register(const struct ioapic *ioapic)
{
	unsigned int offset = ioapic->state.index - REG_REDIRECTION;

	switch (ioapic->state.index) {
	case REG_ID:
	case REG_ARBITRATION:
		return ioapic->state.id;
	case REG_VERSION:
		return VERSION;
	}
	if (offset >= 2 * IOAPIC_PINS)
		return 0;
	return ioapic->state.redirection[offset / 2] >> (offset & 1 ? 32 : 0);
}

static void write_register(struct ioapic *ioapic, uint32_t value)
{
	unsigned int offset = ioapic->state.index - REG_REDIRECTION;

	if (ioapic->state.index == REG_ID)
		ioapic->state.id = value & ID_MASK;
	else if (offset < 2 * IOAPIC_PINS)
		write_redirection(ioapic, offset, value);
}

static uint32_t read_window(const struct ioapic *ioapic, uint64_t window)
{
	if (window == IOREGSEL)
		return ioapic->state.index;
	return window == IOWIN ? read_register(ioapic) : 0;
}

static void write_window(struct ioapic *ioapic, uint64_t window, uint32_t value)
{
	if (window == IOREGSEL)
		ioapic->state.index = value;
	else if (window == IOWIN)
		write_register(ioapic, value);
	else if (window == IOEOI)
		ioapic_eoi(ioapic, value);
}

/* The registers are 32 bits wide, 16 bytes apart.  A narrow access touches its bytes of
 * one; what lies between two registers reads as zero. */
static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned int size)
{
	unsigned int byte = offset & 15;

	(void)size;	/* the bus takes what it wants */
	return byte < 4 ? read_window(opaque, offset & ~15ull) >> (8 * byte) : 0;
}

static void mmio_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	unsigned int shift = 8 * (offset & 15);
	uint64_t bits = size < 4 ? (1ull << 8 * size) - 1 : 0xffffffff;
	uint32_t old;

	if (shift >= 32)
		return;
	bits <<= shift;
	old = read_window(opaque, offset & ~15ull);
	write_window(opaque, offset & ~15ull, (old & ~bits) | (value << shift & bits));
}

static const struct bus_ops mmio_ops = { .read = mmio_read, .write = mmio_write };

uint32_t ioapic_lines(const struct ioapic *ioapic)
{
	return ioapic->state.lines;
}

void ioapic_save(const struct ioapic *ioapic, struct ioapic_state *state)
{
	*state = ioapic->state;
}

static const struct state_field state_fields[] = {
	{ "redirection", offsetof(struct ioapic_state, redirection), 8, IOAPIC_PINS, UINT64_MAX,
	  RTE_DEFINED & ~RTE_STATUS },
	STATE_BITS(struct ioapic_state, lines, (1u << IOAPIC_PINS) - 1),
	STATE_BITS(struct ioapic_state, id, ID_MASK),
	STATE_ZERO(struct ioapic_state, pad),
};

/* A remote IRR is a level's, and one that is due has been sent. */
static bool entry_is_possible(const struct ioapic_state *state, unsigned int pin)
{
	uint64_t entry = state->redirection[pin];

	if (entry & RTE_REMOTE_IRR)
		return is_level(entry);
	return !is_level(entry) || (entry & RTE_MASKED) || !(state->lines & 1u << pin);
}

gboolean ioapic_load(struct ioapic *ioapic, const struct ioapic_state *state, GError **error)
{
	static const char name[] = "I/O APIC";

	if (!state_check_fields(name, state_fields, G_N_ELEMENTS(state_fields), state, error))
		return FALSE;
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		if (!state_check(entry_is_possible(state, pin), name, "redirection", error))
			return FALSE;
	ioapic->state = *state;
	return TRUE;
}

struct ioapic *ioapic_new(struct bus *mmio, const struct ioapic_sink *sink)
{
	struct ioapic *ioapic = g_new0(struct ioapic, 1);

	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->state.redirection[pin] = RTE_MASKED;
	ioapic->sink = *sink;
	chip_claim(mmio, "ioapic", IOAPIC_BASE, IOAPIC_LENGTH, &mmio_ops, ioapic);
	return ioapic;
}

void ioapic_free(struct ioapic *ioapic)
{
	g_free(ioapic);
}
