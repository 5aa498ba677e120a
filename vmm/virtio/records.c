// SPDX-License-Identifier: GPL-2.0-or-later
#include "records.h"

#include "../state/stream.h"
#include "state.h"

#define KIND_SIZE_MAX	2048u

static const struct {
	uint16_t device;		/* VIRTIO_ID_* */
	uint32_t record;
} kinds[] = {
	{ VIRTIO_ID_BLOCK, STATE_VIRTIO_BLOCK },
	{ VIRTIO_ID_NET, STATE_VIRTIO_NET },
	{ VIRTIO_ID_CONSOLE, STATE_VIRTIO_CONSOLE },
	{ VIRTIO_ID_BALLOON, STATE_VIRTIO_BALLOON },
	{ VIRTIO_ID_VSOCK, STATE_VIRTIO_VSOCK },
};

/* The kind has struct virtio_state_ops. */
static uint32_t kind_record(const struct virtio_device *device)
{
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (kinds[i].device == device->type)
			return kinds[i].record;
	g_assert_not_reached();
}

bool virtio_record_known(uint32_t type)
{
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (kinds[i].record == type)
			return true;
	return type == STATE_VIRTIO;
}

bool virtio_record_fits(const struct virtio_pci *pci, uint32_t type)
{
	const struct virtio_device *device = virtio_pci_device(pci);

	return type == STATE_VIRTIO || (device->ops->state && type == kind_record(device));
}

static gboolean put_kind(const struct virtio_device *device, uint32_t place,
			 struct state_writer *writer, GError **error)
{
	const struct virtio_state_ops *ops = device->ops->state;
	union {
		uint64_t aligned;
		uint8_t bytes[KIND_SIZE_MAX];
	} state = { .bytes = { 0 } };

	if (!ops)
		return TRUE;
	g_assert(ops->size <= sizeof(state));
	ops->save(device, &state);
	return state_writer_put(writer, kind_record(device), place, &state, ops->size, error);
}

gboolean virtio_record_put(const struct virtio_pci *pci, uint32_t place,
			   struct state_writer *writer, GError **error)
{
	struct virtio_state state;

	virtio_pci_save(pci, &state);
	return state_writer_put(writer, STATE_VIRTIO, place, &state, sizeof(state), error) &&
	       put_kind(virtio_pci_device(pci), place, writer, error);
}

static gboolean get(const struct virtio_pci *pci, uint32_t place, const struct state_reader *reader,
		    const struct virtio_state **state, const void **kind, GError **error)
{
	const struct virtio_device *device = virtio_pci_device(pci);
	const struct virtio_state_ops *ops = device->ops->state;

	*kind = NULL;
	*state = state_reader_get(reader, STATE_VIRTIO, place, sizeof(**state), error);
	if (*state && ops)
		*kind = state_reader_get(reader, kind_record(device), place, ops->size, error);
	if (*state && (*kind || !ops))
		return TRUE;
	g_prefix_error(error, "%s: ", device->name);
	return FALSE;
}

gboolean virtio_record_check(const struct virtio_pci *pci, uint32_t place,
			     const struct state_reader *reader, GError **error)
{
	const struct virtio_state *state;
	const void *kind;

	return get(pci, place, reader, &state, &kind, error) &&
	       virtio_pci_check(pci, state, kind, error);
}

void virtio_record_load(struct virtio_pci *pci, uint32_t place, const struct state_reader *reader)
{
	const struct virtio_state *state;
	const void *kind;

	if (get(pci, place, reader, &state, &kind, NULL))
		virtio_pci_load(pci, state, kind);
}
