// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <string.h>

#include "boot.h"
#include "layout.h"
#include "lowmem.h"

#define MIB		((uint64_t)1 << 20)

struct area {
	uint64_t start;
	uint64_t end;
	char *name;
};

struct boot_layout {
	uint64_t ram_end;	/* of RAM below the hole */
	GArray *areas;		/* struct area, in the order of taking */
};

static const struct area fixed_areas[] = {
	{ 0, BOOT_LOW_END, "the BIOS data area and GDT" },
	{ BOOT_PARAMS_ADDRESS, BOOT_PARAMS_END, "the boot parameters" },
	{ BOOT_COMMAND_LINE, BOOT_COMMAND_LINE_END, "the command lines" },
	{ BOOT_EBDA_ADDRESS, BOOT_MP_END, "the BIOS area and ACPI tables" },
};

static void add_area(struct boot_layout *layout, uint64_t start, uint64_t end, const char *name)
{
	struct area area = { .start = start, .end = end, .name = g_strdup(name) };

	g_array_append_val(layout->areas, area);
}

static void clear_area(void *area)
{
	g_free(((struct area *)area)->name);
}

struct boot_layout *boot_layout_new(const struct guest_memory *memory)
{
	struct boot_layout *layout = g_new0(struct boot_layout, 1);
	const struct memory_range *ranges;
	size_t count;

	ranges = guest_memory_ranges(memory, &count);
	layout->ram_end = ranges[0].gpa + ranges[0].size;
	layout->areas = g_array_new(FALSE, FALSE, sizeof(struct area));
	g_array_set_clear_func(layout->areas, clear_area);
	for (size_t i = 0; i < G_N_ELEMENTS(fixed_areas); i++)
		add_area(layout, fixed_areas[i].start, fixed_areas[i].end, fixed_areas[i].name);
	return layout;
}

void boot_layout_free(struct boot_layout *layout)
{
	g_array_free(layout->areas, TRUE);
	g_free(layout);
}

static const struct area *find_overlap(const struct boot_layout *layout, uint64_t start,
				       uint64_t end)
{
	for (unsigned int i = 0; i < layout->areas->len; i++) {
		const struct area *area = &g_array_index(layout->areas, struct area, i);

		if (start < area->end && area->start < end)
			return area;
	}
	return NULL;
}

static void set_no_ram(const struct boot_layout *layout, uint64_t end, const char *name,
		       GError **error)
{
	if (end > MEMORY_HOLE_START)
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
			    "%s would end at 0x%" PRIx64 ", above the RAM below 4 GiB (0x%" PRIx64
			    ")", name, end, layout->ram_end);
	else
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
			    "%s would end at 0x%" PRIx64 " but RAM ends at 0x%" PRIx64
			    ": give the guest --memory %" PRIu64 "M or more", name, end,
			    layout->ram_end, (end + 2 * MIB - 1) / (2 * MIB) * 2);
}

gboolean boot_layout_take(struct boot_layout *layout, uint64_t start, uint64_t size,
			  const char *name, GError **error)
{
	const struct area *other;
	uint64_t end;

	if (size == 0)
		return TRUE;
	if (__builtin_add_overflow(start, size, &end)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
			    "%s of 0x%" PRIx64 " bytes at 0x%" PRIx64 " wraps around", name, size,
			    start);
		return FALSE;
	}
	if (end > layout->ram_end) {
		set_no_ram(layout, end, name, error);
		return FALSE;
	}
	other = find_overlap(layout, start, end);
	if (other) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
			    "%s (0x%" PRIx64 "-0x%" PRIx64 ") overlaps %s (0x%" PRIx64 "-0x%" PRIx64
			    ")", name, start, end - 1, other->name, other->start, other->end - 1);
		return FALSE;
	}
	add_area(layout, start, end, name);
	return TRUE;
}

uint64_t boot_layout_end(const struct boot_layout *layout)
{
	uint64_t end = MIB;

	for (unsigned int i = 0; i < layout->areas->len; i++)
		end = MAX(end, g_array_index(layout->areas, struct area, i).end);
	return end;
}

/* Addresses stay far below 2^64: `from` and `size` are checked against RAM first. */
static uint64_t align_up(uint64_t address, uint64_t align)
{
	return (address + align - 1) & ~(align - 1);
}

gboolean boot_layout_place(struct boot_layout *layout, uint64_t from, uint64_t size,
			   uint64_t align, const char *name, uint64_t *start, GError **error)
{
	const struct area *other;

	g_assert(from <= MEMORY_HOLE_START && align <= MEMORY_HOLE_END);
	*start = align_up(from, align);
	while (size && (other = find_overlap(layout, *start, *start + size)))
		*start = align_up(other->end, align);
	return boot_layout_take(layout, *start, size, name, error);
}

gboolean boot_layout_place_below(struct boot_layout *layout, uint64_t limit, uint64_t size,
				 uint64_t align, const char *name, uint64_t *start,
				 GError **error)
{
	uint64_t end = MIN(limit, layout->ram_end);

	while (size <= end && end - size >= MIB) {
		const struct area *other;

		*start = (end - size) & ~(align - 1);
		if (*start < MIB)
			break;
		other = find_overlap(layout, *start, *start + size);
		if (!other)
			return boot_layout_take(layout, *start, size, name, error);
		end = other->start;
	}
	g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
		    "there is no room for %s (%" PRIu64 " KiB) between the kernel, which ends at 0x%"
		    PRIx64 ", and 0x%" PRIx64 "%s", name, (size + 1023) / 1024,
		    boot_layout_end(layout), MIN(limit, layout->ram_end),
		    limit < layout->ram_end ? "" : ": give the guest more --memory");
	return FALSE;
}
