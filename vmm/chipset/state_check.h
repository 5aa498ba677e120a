/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checking a chip's state that comes from a file, field by field. */
#ifndef MICA_VMM_CHIPSET_STATE_CHECK_H
#define MICA_VMM_CHIPSET_STATE_CHECK_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* `count` values of `width` bytes: each at most `most`, and with no bit but `bits`. */
struct state_field {
	const char *name;
	uint32_t offset;
	uint16_t width;		/* 1, 2, 4 or 8 */
	uint16_t count;
	uint64_t most;
	uint64_t bits;
};

#define STATE_FIELD(type, member, most, bits) \
	{ #member, offsetof(type, member), sizeof(((type *)0)->member), 1, most, bits }
#define STATE_MOST(type, member, most)	STATE_FIELD(type, member, most, UINT64_MAX)
#define STATE_BITS(type, member, bits)	STATE_FIELD(type, member, UINT64_MAX, bits)
#define STATE_FLAG(type, member)	STATE_MOST(type, member, 1)
/* Padding. */
#define STATE_ZERO(type, member) \
	{ #member, offsetof(type, member), 1, sizeof(((type *)0)->member), 0, 0 }

/* FALSE, and names chip and field, if a value is out of its range. */
gboolean state_check_fields(const char *chip, const struct state_field *fields, size_t count,
			    const void *state, GError **error);

/* Says so about one field if `possible` is false, and returns it. */
gboolean state_check(gboolean possible, const char *chip, const char *field, GError **error);

#endif
