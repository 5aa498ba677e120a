// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "../chipset/chipset.h"
#include "lowmem.h"

#define PAGE_ENTRIES		512u
#define LARGE_PAGE		(2ull << 20)
#define DIRECTORIES		4u	/* of 1 GiB each */

#define PTE_PRESENT		(1u << 0)
#define PTE_WRITE		(1u << 1)
#define PTE_LARGE		(1u << 7)

/* BIOS data area: where old kernels look for serial ports, the EBDA and the size of
 * conventional memory. */
#define BDA_COM1		0x400
#define BDA_EBDA_SEGMENT	0x40e
#define BDA_BASE_MEMORY_KIB	0x413

void boot_write(struct guest_memory *memory, uint64_t gpa, const void *from, size_t length)
{
	bool written = length == 0 || guest_memory_write(memory, gpa, from, length);

	g_assert(written);
}

static void write_u16(struct guest_memory *memory, uint64_t gpa, uint16_t value)
{
	boot_write(memory, gpa, &value, sizeof(value));
}

/* SDM volume 3, "Segment Descriptors". */
static uint64_t segment_descriptor(const struct mica_segment *segment)
{
	uint64_t base = segment->base;
	uint64_t limit = segment->limit;
	uint64_t attr = segment->attr & 0xf0ff;

	if (attr & (1u << 15))
		limit >>= 12;
	return (limit & 0xffff) | (base & 0xffffff) << 16 | attr << 40 |
	       (limit & 0xf0000) << 32 | (base & 0xff000000) << 32;
}

void boot_write_low_memory(struct guest_memory *memory, const struct mica_vcpu_state *state)
{
	const uint64_t gdt[(BOOT_GDT_LIMIT + 1) / 8] = {
		[BOOT_CS / 8] = segment_descriptor(&state->segs.cs),
		[BOOT_DS / 8] = segment_descriptor(&state->segs.ds),
	};

	boot_write(memory, BOOT_GDT_ADDRESS, gdt, sizeof(gdt));
	write_u16(memory, BDA_COM1, UART0_PORT);
	write_u16(memory, BDA_EBDA_SEGMENT, BOOT_EBDA_ADDRESS >> 4);
	write_u16(memory, BDA_BASE_MEMORY_KIB, BOOT_EBDA_ADDRESS >> 10);
	/* The EBDA's first byte is its size in KiB. */
	write_u16(memory, BOOT_EBDA_ADDRESS, (BOOT_EBDA_END - BOOT_EBDA_ADDRESS) >> 10);
}

void boot_write_identity_map(struct guest_memory *memory)
{
	uint64_t size = BOOT_PAGE_TABLES_END - BOOT_PAGE_TABLES;
	uint64_t *pml4 = guest_memory_pointer(memory, BOOT_PAGE_TABLES, size);
	uint64_t *pdpt = pml4 + PAGE_ENTRIES;
	uint64_t *directory = pdpt + PAGE_ENTRIES;

	G_STATIC_ASSERT(BOOT_PAGE_TABLES_END - BOOT_PAGE_TABLES == (2 + DIRECTORIES) * 4096);
	memset(pml4, 0, size);
	pml4[0] = (BOOT_PAGE_TABLES + 4096) | PTE_PRESENT | PTE_WRITE;
	for (unsigned int i = 0; i < DIRECTORIES; i++)
		pdpt[i] = (BOOT_PAGE_TABLES + (2 + i) * 4096) | PTE_PRESENT | PTE_WRITE;
	for (unsigned int i = 0; i < DIRECTORIES * PAGE_ENTRIES; i++)
		directory[i] = i * LARGE_PAGE | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

gboolean boot_string_add(GByteArray *strings, const char *string, uint32_t *address,
			 GError **error)
{
	size_t length = strlen(string) + 1;
	size_t room = BOOT_COMMAND_LINE_END - BOOT_COMMAND_LINE - strings->len;

	if (length > room) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
			    "the command lines of kernel and modules are longer than %llu bytes "
			    "together", BOOT_COMMAND_LINE_END - BOOT_COMMAND_LINE);
		return FALSE;
	}
	*address = BOOT_COMMAND_LINE + strings->len;
	g_byte_array_append(strings, (const guint8 *)string, length);
	return TRUE;
}

void boot_strings_write(struct guest_memory *memory, const GByteArray *strings)
{
	boot_write(memory, BOOT_COMMAND_LINE, strings->data, strings->len);
}
