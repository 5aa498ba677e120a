// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_virtio_state.h"

#include "error.h"
#include "machine_virtio_internal.h"
#include "pci/host.h"
#include "state/stream.h"
#include "virtio/records.h"
#include "virtio/state.h"

#define PLACES	(2u * PCI_SLOTS)	/* on bus 0, and behind root ports */

static struct machine_function *function_at(const struct machine *machine, unsigned int index)
{
	return g_ptr_array_index(machine->virtio->functions, index);
}

/* ---------------------------------------------------------------- rest */

static void go_on(struct machine *machine, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		virtio_device_go_on(function_at(machine, i)->device);
}

gboolean machine_virtio_quiesce(struct machine *machine, GError **error)
{
	for (unsigned int i = 0; i < machine->virtio->functions->len; i++)
		if (!virtio_device_quiesce(function_at(machine, i)->device, error)) {
			go_on(machine, i);
			return FALSE;
		}
	return TRUE;
}

void machine_virtio_go_on(struct machine *machine)
{
	go_on(machine, machine->virtio->functions->len);
}

/* ---------------------------------------------------------------- records */

static unsigned int place_of(const struct machine *machine, const struct machine_function *function)
{
	const struct pci_device *pci = virtio_pci_function(function->pci);
	unsigned int place = 0;

	while (place < PLACES && pci_host_function(machine->pci, place % PCI_SLOTS,
						   place >= PCI_SLOTS) != pci)
		place++;
	return place;
}

gboolean machine_virtio_save(const struct machine *machine, struct state_writer *writer,
			     GError **error)
{
	for (unsigned int i = 0; i < machine->virtio->functions->len; i++) {
		const struct machine_function *function = function_at(machine, i);

		if (!virtio_record_put(function->pci, place_of(machine, function), writer, error))
			return FALSE;
	}
	return TRUE;
}

static const struct machine_function *find(const struct machine *machine, unsigned int place)
{
	for (unsigned int i = 0; i < machine->virtio->functions->len; i++)
		if (place_of(machine, function_at(machine, i)) == place)
			return function_at(machine, i);
	return NULL;
}

/* What the file has beyond the machine's devices. */
static gboolean check_others(const struct machine *machine, const struct state_reader *reader,
			     GError **error)
{
	const struct machine_function *function;
	const struct state_record *record;

	for (size_t i = 0; (record = state_reader_nth(reader, i)); i++) {
		if (!virtio_record_known(record->type))
			continue;
		function = find(machine, record->instance);
		if (!function || !virtio_record_fits(function->pci, record->type))
			return error_set(error, "the checkpoint has a %s in place %u, and this "
					 "machine has %s there",
					 state_type_find(record->type)->what, record->instance,
					 function ? function->name : "nothing");
	}
	return TRUE;
}

gboolean machine_virtio_load(struct machine *machine, const struct state_reader *reader,
			     GError **error)
{
	const struct machine_function *function;
	unsigned int count = machine->virtio->functions->len;

	if (!check_others(machine, reader, error))
		return FALSE;
	for (unsigned int i = 0; i < count; i++) {
		function = function_at(machine, i);
		if (!virtio_record_check(function->pci, place_of(machine, function), reader, error))
			return FALSE;
	}
	for (unsigned int i = 0; i < count; i++) {
		function = function_at(machine, i);
		virtio_record_load(function->pci, place_of(machine, function), reader);
	}
	return TRUE;
}
