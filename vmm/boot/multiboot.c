// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Multiboot version 1, after the "Multiboot Specification version 0.6.96": kernels as ELF
 * of either class, or with the addresses in the header ("a.out kludge").
 */
#include <inttypes.h>
#include <string.h>

#include "elf_image.h"
#include "lowmem.h"
#include "state.h"

#define HEADER_MAGIC		0x1badb002u
#define HEADER_SEARCH		8192u	/* bytes of the file that may hold the header */
#define HEADER_ALIGN		4u

#define FLAG_PAGE_ALIGN		(1u << 0)	/* modules at pages: ours always are */
#define FLAG_MEMORY_INFO	(1u << 1)	/* ours is always there */
#define FLAG_ADDRESSES		(1u << 16)
#define FLAGS_REQUIRED		0xffffu
#define FLAGS_KNOWN		(FLAG_PAGE_ALIGN | FLAG_MEMORY_INFO)

#define BOOT_MAGIC		0x2badb002u

#define INFO_MEMORY		(1u << 0)
#define INFO_COMMAND_LINE	(1u << 2)
#define INFO_MODULES		(1u << 3)
#define INFO_MEMORY_MAP		(1u << 6)
#define INFO_LOADER_NAME	(1u << 9)

#define MIB			(1ull << 20)

struct mb_header {
	uint32_t magic;
	uint32_t flags;
	uint32_t checksum;
};

struct mb_addresses {		/* behind the header, with FLAG_ADDRESSES */
	uint32_t header;
	uint32_t load;
	uint32_t load_end;	/* 0: to the end of the file */
	uint32_t bss_end;	/* 0: no bss */
	uint32_t entry;
};

struct mb_info {
	uint32_t flags;
	uint32_t memory_lower;	/* KiB from 0 */
	uint32_t memory_upper;	/* KiB from 1 MiB */
	uint32_t boot_device;
	uint32_t command_line;
	uint32_t module_count;
	uint32_t module_list;
	uint32_t symbols[4];
	uint32_t memory_map_size;
	uint32_t memory_map;
	uint32_t drives_size;
	uint32_t drives;
	uint32_t config_table;
	uint32_t loader_name;
	uint32_t apm_table;
};

struct mb_module {
	uint32_t start;
	uint32_t end;		/* the first byte behind it */
	uint32_t string;
	uint32_t reserved;
};

struct mb_memory {
	uint32_t size;		/* of what follows it */
	uint64_t address;
	uint64_t length;
	uint32_t type;		/* as in the E820 map */
} __attribute__((packed));

struct mb_page {
	struct mb_info info;
	struct mb_memory memory[E820_MAX];
	struct mb_module modules[BOOT_MODULES_MAX];
};

G_STATIC_ASSERT(sizeof(struct mb_info) == 72);
G_STATIC_ASSERT(sizeof(struct mb_memory) == 24);
G_STATIC_ASSERT(sizeof(struct mb_page) <= BOOT_PARAMS_END - BOOT_PARAMS_ADDRESS);

/* The part of the file that goes to memory as one piece. */
struct mb_flat {
	uint64_t offset;
	uint64_t file_size;
	uint64_t address;
	uint64_t memory_size;
};

static bool find_header(const struct boot_image *image, struct mb_header *header, uint64_t *offset)
{
	uint64_t end = MIN(image->size, HEADER_SEARCH);

	for (uint64_t at = 0; at + sizeof(*header) <= end; at += HEADER_ALIGN) {
		memcpy(header, image->data + at, sizeof(*header));
		if (header->magic == HEADER_MAGIC &&
		    header->magic + header->flags + header->checksum == 0) {
			*offset = at;
			return true;
		}
	}
	return false;
}

static bool multiboot_probe(const struct boot_image *image)
{
	struct mb_header header;
	uint64_t offset;

	return find_header(image, &header, &offset);
}

static gboolean check_flags(uint32_t flags, GError **error)
{
	uint32_t unknown = flags & FLAGS_REQUIRED & ~FLAGS_KNOWN;

	if (!unknown)
		return TRUE;
	g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
		    "its multiboot header requires what is not supported: flags 0x%x%s", unknown,
		    unknown & (1u << 2) ? " (bit 2 asks for a video mode; there is no display)" : "");
	return FALSE;
}

/* ------------------------------------------------------------ addresses in the header */

static gboolean read_addresses(const struct boot_image *image, uint64_t header_offset,
			       struct mb_addresses *addresses, GError **error)
{
	uint64_t offset = header_offset + sizeof(struct mb_header);

	if (!boot_image_has(image, offset, sizeof(*addresses))) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "cut short inside its multiboot header");
		return FALSE;
	}
	memcpy(addresses, image->data + offset, sizeof(*addresses));
	if (addresses->load > addresses->header ||
	    addresses->header - addresses->load > header_offset ||
	    (addresses->load_end && addresses->load_end <= addresses->header)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "its multiboot header's addresses contradict each other: header 0x%x, "
			    "load 0x%x-0x%x", addresses->header, addresses->load,
			    addresses->load_end);
		return FALSE;
	}
	return TRUE;
}

static gboolean find_flat(const struct boot_image *image, uint64_t header_offset,
			  const struct mb_addresses *addresses, struct mb_flat *flat,
			  GError **error)
{
	flat->offset = header_offset - (addresses->header - addresses->load);
	flat->address = addresses->load;
	flat->file_size = addresses->load_end ? addresses->load_end - addresses->load :
						image->size - flat->offset;
	if (!boot_image_has(image, flat->offset, flat->file_size)) {
		uint64_t end = flat->offset + flat->file_size;

		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "cut short: its multiboot header asks for bytes up to %" PRIu64 ", %"
			    PRIu64 " are missing", end, end - image->size);
		return FALSE;
	}
	flat->memory_size = flat->file_size;
	if (addresses->bss_end > flat->address + flat->file_size)
		flat->memory_size = addresses->bss_end - flat->address;
	return TRUE;
}

static void write_flat(struct boot_job *job, const struct mb_flat *flat)
{
	uint8_t *to = guest_memory_pointer(job->memory, flat->address, flat->memory_size);

	g_assert(to);
	memcpy(to, job->kernel.data + flat->offset, flat->file_size);
	memset(to + flat->file_size, 0, flat->memory_size - flat->file_size);
}

/* ------------------------------------------------------------ ELF */

/* e_entry is virtual where the kernel is linked to run somewhere else than it is loaded. */
static gboolean find_elf_entry(const struct elf_image *elf, uint32_t *entry, GError **error)
{
	const struct elf_segment *segment = elf_find_virtual(elf, elf->entry);

	if (segment) {
		*entry = elf->entry - segment->virtual_address + segment->address;
		return TRUE;
	}
	if (elf_find_physical(elf, elf->entry)) {
		*entry = elf->entry;
		return TRUE;
	}
	g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
		    "its entry 0x%" PRIx64 " is in none of the segments loaded", elf->entry);
	return FALSE;
}

/* ------------------------------------------------------------ what the kernel is told */

/* By custom the first word of a command line is the file's name. */
static gboolean add_string(struct boot_job *job, const char *path, const char *arguments,
			   uint32_t *address, GError **error)
{
	g_autofree char *name = g_path_get_basename(path);
	g_autofree char *string = g_strconcat(name, arguments && *arguments ? " " : NULL,
					      arguments, NULL);

	return boot_string_add(job->strings, string, address, error);
}

static gboolean add_strings(struct boot_job *job, struct mb_info *info, GError **error)
{
	const struct boot_config *config = job->config;

	if (!add_string(job, config->kernel, config->command_line, &info->command_line, error))
		return FALSE;
	for (size_t i = 0; i < config->module_count; i++)
		if (!add_string(job, config->modules[i].path, config->modules[i].arguments,
				&job->modules[i].string, error))
			return FALSE;
	return boot_string_add(job->strings, "Mica", &info->loader_name, error);
}

static void fill_memory(const struct guest_memory *memory, struct mb_page *page)
{
	struct e820_entry entries[E820_MAX];
	size_t count = boot_e820(memory, entries);
	const struct memory_range *ranges;
	size_t range_count;

	ranges = guest_memory_ranges(memory, &range_count);
	page->info.memory_lower = BOOT_EBDA_ADDRESS >> 10;
	page->info.memory_upper = (ranges[0].size - MIB) >> 10;
	for (size_t i = 0; i < count; i++)
		page->memory[i] = (struct mb_memory){
			.size = sizeof(struct mb_memory) - sizeof(uint32_t),
			.address = entries[i].address,
			.length = entries[i].size,
			.type = entries[i].type,
		};
	page->info.memory_map = BOOT_PARAMS_ADDRESS + offsetof(struct mb_page, memory);
	page->info.memory_map_size = count * sizeof(struct mb_memory);
}

static void fill_modules(const struct boot_job *job, struct mb_page *page)
{
	for (size_t i = 0; i < job->config->module_count; i++) {
		const struct boot_module_image *image = &job->modules[i];

		page->modules[i] = (struct mb_module){
			.start = image->address,
			.end = image->address + g_bytes_get_size(image->bytes),
			.string = image->string,
		};
	}
	page->info.module_count = job->config->module_count;
	page->info.module_list = BOOT_PARAMS_ADDRESS + offsetof(struct mb_page, modules);
}

static gboolean finish(struct boot_job *job, struct mb_page *page, uint32_t entry)
{
	page->info.flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP |
			   INFO_LOADER_NAME;
	fill_memory(job->memory, page);
	fill_modules(job, page);
	boot_modules_write(job);
	boot_write(job->memory, BOOT_PARAMS_ADDRESS, page, sizeof(*page));
	boot_protected_mode(job->state, entry);
	job->state->gprs.rax = BOOT_MAGIC;
	job->state->gprs.rbx = BOOT_PARAMS_ADDRESS;
	return TRUE;
}

static gboolean load_flat(struct boot_job *job, uint64_t header_offset, GError **error)
{
	struct mb_page page = { 0 };
	struct mb_addresses addresses;
	struct mb_flat flat;

	if (!read_addresses(&job->kernel, header_offset, &addresses, error) ||
	    !find_flat(&job->kernel, header_offset, &addresses, &flat, error) ||
	    !boot_layout_take(job->layout, flat.address, flat.memory_size, "the kernel", error))
		return FALSE;
	if (addresses.entry < flat.address || addresses.entry - flat.address >= flat.memory_size) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "its multiboot entry 0x%x is outside of what is loaded",
			    addresses.entry);
		return FALSE;
	}
	if (!boot_modules_place(job, error) || !add_strings(job, &page.info, error))
		return FALSE;
	write_flat(job, &flat);
	return finish(job, &page, addresses.entry);
}

static gboolean load_elf(struct boot_job *job, GError **error)
{
	g_autoptr(elf_image) elf = elf_read(&job->kernel, error);
	struct mb_page page = { 0 };
	uint32_t entry;

	if (!elf ||
	    !elf_take(elf, job->layout, error) ||
	    !find_elf_entry(elf, &entry, error) ||
	    !boot_modules_place(job, error) ||
	    !add_strings(job, &page.info, error))
		return FALSE;
	elf_write(elf, &job->kernel, job->memory);
	return finish(job, &page, entry);
}

static gboolean multiboot_load(struct boot_job *job, GError **error)
{
	struct mb_header header;
	uint64_t offset;
	bool found = find_header(&job->kernel, &header, &offset);

	g_assert(found);
	if (!check_flags(header.flags, error))
		return FALSE;
	if (header.flags & FLAG_ADDRESSES)
		return load_flat(job, offset, error);
	if (elf_probe(&job->kernel))
		return load_elf(job, error);
	g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
		    "its multiboot header has no addresses (flag bit 16) and it is not an ELF file");
	return FALSE;
}

const struct boot_loader multiboot_loader = {
	.name = "multiboot",
	.probe = multiboot_probe,
	.load = multiboot_load,
};
