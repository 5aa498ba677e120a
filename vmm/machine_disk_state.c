// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_disk_state.h"

#include <assert.h>

#include "backends/block.h"
#include "error.h"
#include "machine.h"
#include "machine_virtio.h"
#include "state/stream.h"

/* STATE_DISK, the instance being the number among the options `--disk`, from 0.  Only of disks that are
 * regular files. */
struct state_disk {
	uint64_t size;			/* bytes */
	int64_t changed_ns;		/* the file's time of modification, since 1970 */
};
static_assert(sizeof(struct state_disk) == 16, "record of the format");

static const struct machine_disk *disk_at(const struct machine *machine, guint index)
{
	const GArray *disks = machine->config->disks;

	return disks && index < disks->len ? &g_array_index(disks, struct machine_disk, index) : NULL;
}

static bool describe(const struct machine_disk *disk, struct state_disk *state)
{
	if (!disk->block || !block_changed(disk->block, &state->changed_ns))
		return false;
	state->size = disk->block->size;
	return true;
}

gboolean disks_save(const struct machine *machine, struct state_writer *writer, GError **error)
{
	const struct machine_disk *disk;
	struct state_disk state;

	for (guint i = 0; (disk = disk_at(machine, i)); i++)
		if (describe(disk, &state) &&
		    !state_writer_put(writer, STATE_DISK, i, &state, sizeof(state), error))
			return FALSE;
	return TRUE;
}

gboolean disks_check(const struct machine *machine, const struct state_reader *reader, GError **error)
{
	const struct machine_disk *disk;
	const struct state_disk *saved;
	struct state_disk state;
	size_t length;

	for (guint i = 0; (disk = disk_at(machine, i)); i++) {
		saved = state_reader_find(reader, STATE_DISK, i, &length);
		if (!saved || !describe(disk, &state) || machine->config->any_disk ||
		    (state.size == saved->size && state.changed_ns == saved->changed_ns))
			continue;
		return error_set(error, "disk %s was changed since the checkpoint: the guest remembers what "
				 "was on it, and would destroy what is there now (--any-disk if it is the "
				 "same, copied back)", disk->path);
	}
	return TRUE;
}
