// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_chipset_state.h"

#include "chipset/state.h"
#include "error.h"
#include "machine.h"
#include "pci/host.h"
#include "state/stream.h"

/* Large enough, and aligned, for each row below. */
union chip_state {
	struct clock_state clock;
	struct pic_state pic;
	struct ioapic_state ioapic;
	struct pit_state pit;
	struct rtc_state rtc;
	struct uart_state uart;
	struct pm_state pm;
	struct i8042_state i8042;
	struct reset_ports_state reset_ports;
};

struct chip_record {
	uint32_t type;
	uint32_t size;
	void (*save)(struct machine *machine, union chip_state *state);
	gboolean (*load)(struct machine *machine, const void *state, bool keep_time,
			 GError **error);
};

#define CHIP(chip) \
static void chip##_put(struct machine *machine, union chip_state *state) \
{ \
	chip##_save(machine->chip, &state->chip); \
} \
static gboolean chip##_get(struct machine *machine, const void *state, bool keep_time, \
			   GError **error) \
{ \
	(void)keep_time; \
	return chip##_load(machine->chip, state, error); \
}

CHIP(clock)
CHIP(ioapic)
CHIP(pit)
CHIP(uart)
CHIP(pm)
CHIP(i8042)
CHIP(reset_ports)

static void rtc_put(struct machine *machine, union chip_state *state)
{
	rtc_save(machine->rtc, &state->rtc);
}

static gboolean rtc_get(struct machine *machine, const void *state, bool keep_time, GError **error)
{
	return rtc_load(machine->rtc, state, keep_time, error);
}

static void pic_put(struct machine *machine, union chip_state *state)
{
	pic_save(machine->pic, &state->pic);
}

/* vCPU 0's local APIC has the level that the wire had: it is not told again. */
static gboolean pic_get(struct machine *machine, const void *state, bool keep_time, GError **error)
{
	const struct pic_state *pic = state;

	(void)keep_time;
	machine->lint0 = pic->chips[0].output;
	return pic_load(machine->pic, pic, error);
}

#define ROW(TYPE, chip)	{ STATE_##TYPE, sizeof(((union chip_state *)0)->chip), chip##_put, chip##_get }

/* In the order of loading: the clock is first, all others look at it. */
static const struct chip_record chip_records[] = {
	ROW(CLOCK, clock),
	ROW(PIC, pic),
	ROW(IOAPIC, ioapic),
	ROW(PIT, pit),
	ROW(RTC, rtc),
	ROW(UART, uart),
	ROW(PM, pm),
	ROW(I8042, i8042),
	ROW(RESET_PORTS, reset_ports),
};

static gboolean pci_put(const struct pci_host *host, struct state_writer *writer, GError **error)
{
	struct pci_host_state host_state;
	struct pci_device_state state;

	pci_host_save(host, &host_state);
	if (!state_writer_put(writer, STATE_PCI_HOST, 0, &host_state, sizeof(host_state), error))
		return FALSE;
	for (unsigned int place = 0; place < PCI_PLACES; place++) {
		const struct pci_device *device = pci_host_at(host, place);

		if (!device)
			continue;
		pci_device_save(device, &state);
		if (!state_writer_put(writer, STATE_PCI_FUNCTION, place, &state, sizeof(state),
				      error))
			return FALSE;
	}
	return TRUE;
}

static gboolean check_places(const struct state_reader *reader, GError **error)
{
	const struct state_record *record;

	for (size_t n = 0; (record = state_reader_nth(reader, n)); n++)
		if (record->type == STATE_PCI_FUNCTION && record->instance >= PCI_PLACES)
			return error_set(error, "the checkpoint is damaged: it has a PCI function in "
					 "place %u, of %u", record->instance, PCI_PLACES);
	return TRUE;
}

static gboolean pci_get(struct pci_host *host, const struct state_reader *reader, GError **error)
{
	const struct pci_device_state *states[PCI_PLACES];
	const struct pci_host_state *host_state;
	size_t length;

	host_state = state_reader_get(reader, STATE_PCI_HOST, 0, sizeof(*host_state), error);
	if (!host_state || !check_places(reader, error))
		return FALSE;
	for (unsigned int place = 0; place < PCI_PLACES; place++) {
		states[place] = state_reader_find(reader, STATE_PCI_FUNCTION, place, &length);
		g_assert(!states[place] || length == sizeof(*states[place]));
	}
	return pci_bus_load(host, host_state, states, error);
}

gboolean chipset_save(struct machine *machine, struct state_writer *writer, GError **error)
{
	union chip_state state;

	for (unsigned int i = 0; i < G_N_ELEMENTS(chip_records); i++) {
		const struct chip_record *record = &chip_records[i];

		record->save(machine, &state);
		if (!state_writer_put(writer, record->type, 0, &state, record->size, error))
			return FALSE;
	}
	return pci_put(machine->pci, writer, error);
}

static gboolean load_chips(struct machine *machine, const struct state_reader *reader,
			   bool keep_time, GError **error)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(chip_records); i++) {
		const struct chip_record *record = &chip_records[i];
		const void *state;

		state = state_reader_get(reader, record->type, 0, record->size, error);
		if (!state || !record->load(machine, state, keep_time, error))
			return FALSE;
	}
	return TRUE;
}

gboolean chipset_load(struct machine *machine, const struct state_reader *reader, bool keep_time,
		      GError **error)
{
	gsi_hold(&machine->gsi);
	return load_chips(machine, reader, keep_time, error) &&
	       pci_get(machine->pci, reader, error) && gsi_release(&machine->gsi, error);
}
