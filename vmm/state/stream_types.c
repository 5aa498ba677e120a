// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream.h"

#include <xxhash.h>

static const struct state_type_row rows[] = {
#define STATE_TYPE(NAME, number, smallest, largest, what) \
	{ #NAME, number, smallest, largest, what },
#include "types.def"
#undef STATE_TYPE
};

const struct state_type_row *state_type_find(uint32_t number)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		if (rows[i].number == number)
			return &rows[i];
	return NULL;
}

uint64_t state_record_checksum(const struct state_record *record, const void *payload,
			       size_t padded)
{
	XXH3_state_t *state = XXH3_createState();
	uint64_t checksum;

	/* Fails for want of memory only, of which glib would have died, too. */
	g_assert(state);
	XXH3_64bits_reset(state);
	XXH3_64bits_update(state, record, offsetof(struct state_record, checksum));
	XXH3_64bits_update(state, payload, padded);
	checksum = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	return checksum;
}

uint64_t state_header_checksum(const struct state_header *header)
{
	return XXH3_64bits(header, offsetof(struct state_header, checksum));
}
