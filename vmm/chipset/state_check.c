// SPDX-License-Identifier: GPL-2.0-or-later
#include "state_check.h"

#include <string.h>

#include "../error.h"

G_STATIC_ASSERT(G_BYTE_ORDER == G_LITTLE_ENDIAN);

static gboolean is_possible(const struct state_field *field, const void *state)
{
	const uint8_t *at = (const uint8_t *)state + field->offset;

	for (unsigned int i = 0; i < field->count; i++, at += field->width) {
		uint64_t value = 0;

		memcpy(&value, at, field->width);
		if (value > field->most || (value & ~field->bits))
			return FALSE;
	}
	return TRUE;
}

gboolean state_check(gboolean possible, const char *chip, const char *field, GError **error)
{
	return possible ||
	       error_set(error, "the checkpoint is damaged: the saved state of the %s has a value of "
			 "\"%s\" that it cannot have", chip, field);
}

gboolean state_check_fields(const char *chip, const struct state_field *fields, size_t count,
			    const void *state, GError **error)
{
	for (size_t i = 0; i < count; i++)
		if (!state_check(is_possible(&fields[i], state), chip, fields[i].name, error))
			return FALSE;
	return TRUE;
}
