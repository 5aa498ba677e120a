// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The PVH entry of ELF kernels: Xen's "PVH boot" (docs/misc/pvh.pandoc) with the start info
 * of public/arch-x86/hvm/start_info.h, version 1, and the note of public/elfnote.h.
 * An uncompressed Linux (vmlinux, CONFIG_PVH) starts this way, so do Xen's own kernels.
 */
#include <inttypes.h>
#include <string.h>

#include "elf_image.h"
#include "lowmem.h"
#include "state.h"

#define NOTE_OWNER		"Xen"
#define NOTE_PHYS32_ENTRY	18u

#define START_INFO_MAGIC	0x336ec578u
#define START_INFO_VERSION	1u

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t module_list;
	uint64_t command_line;
	uint64_t rsdp;
	uint64_t memory_map;
	uint32_t memory_map_count;
	uint32_t reserved;
};

struct start_module {
	uint64_t address;
	uint64_t size;
	uint64_t command_line;		/* 0: none */
	uint64_t reserved;
};

struct start_memory {
	uint64_t address;
	uint64_t size;
	uint32_t type;			/* as in the E820 map */
	uint32_t reserved;
};

struct start_page {
	struct start_info info;
	struct start_memory memory[E820_MAX];
	struct start_module modules[BOOT_MODULES_MAX];
};

G_STATIC_ASSERT(sizeof(struct start_info) == 56);
G_STATIC_ASSERT(sizeof(struct start_module) == 32);
G_STATIC_ASSERT(sizeof(struct start_memory) == 24);
G_STATIC_ASSERT(sizeof(struct start_page) <= BOOT_PARAMS_END - BOOT_PARAMS_ADDRESS);

static bool pvh_probe(const struct boot_image *image)
{
	uint64_t offset;
	uint32_t size;

	return elf_find_note(image, NOTE_OWNER, NOTE_PHYS32_ENTRY, &offset, &size);
}

/* The note's word has the width of the kernel's addresses. */
static gboolean read_entry(const struct boot_image *image, const struct elf_image *elf,
			   uint32_t *entry, GError **error)
{
	uint64_t offset, value = 0;
	uint32_t size = 0;

	if (!elf_find_note(image, NOTE_OWNER, NOTE_PHYS32_ENTRY, &offset, &size) ||
	    (size != 4 && size != 8)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "its PVH entry note has %u bytes, not 4 or 8", size);
		return FALSE;
	}
	memcpy(&value, image->data + offset, size);
	if (!elf_find_physical(elf, value)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "its PVH entry 0x%" PRIx64 " is in none of the segments loaded", value);
		return FALSE;
	}
	*entry = value;		/* segments lie below 4 GiB */
	return TRUE;
}

/* The kernel's own command line first, so that it is at BOOT_COMMAND_LINE. */
static gboolean add_strings(struct boot_job *job, uint32_t *command_line, GError **error)
{
	if (!boot_string_add(job->strings, job->config->command_line, command_line, error))
		return FALSE;
	for (size_t i = 0; i < job->config->module_count; i++) {
		struct boot_module_image *image = &job->modules[i];

		if (image->module->arguments &&
		    !boot_string_add(job->strings, image->module->arguments, &image->string, error))
			return FALSE;
	}
	return TRUE;
}

static void fill_memory_map(const struct guest_memory *memory, struct start_page *page)
{
	struct e820_entry entries[E820_MAX];
	size_t count = boot_e820(memory, entries);

	for (size_t i = 0; i < count; i++)
		page->memory[i] = (struct start_memory){
			.address = entries[i].address,
			.size = entries[i].size,
			.type = entries[i].type,
		};
	page->info.memory_map = BOOT_PARAMS_ADDRESS + offsetof(struct start_page, memory);
	page->info.memory_map_count = count;
}

static void fill_modules(const struct boot_job *job, struct start_page *page)
{
	size_t count = job->config->module_count;

	for (size_t i = 0; i < count; i++)
		page->modules[i] = (struct start_module){
			.address = job->modules[i].address,
			.size = g_bytes_get_size(job->modules[i].bytes),
			.command_line = job->modules[i].string,
		};
	if (count)
		page->info.module_list =
			BOOT_PARAMS_ADDRESS + offsetof(struct start_page, modules);
	page->info.module_count = count;
}

static void write_start_info(const struct boot_job *job, uint32_t command_line)
{
	struct start_page page = {
		.info = {
			.magic = START_INFO_MAGIC,
			.version = START_INFO_VERSION,
			.command_line = command_line,
			.rsdp = BOOT_ACPI_ADDRESS,
		},
	};

	fill_memory_map(job->memory, &page);
	fill_modules(job, &page);
	boot_write(job->memory, BOOT_PARAMS_ADDRESS, &page, sizeof(page));
}

static gboolean pvh_load(struct boot_job *job, GError **error)
{
	g_autoptr(elf_image) elf = elf_read(&job->kernel, error);
	uint32_t entry, command_line;

	if (!elf ||
	    !elf_take(elf, job->layout, error) ||
	    !read_entry(&job->kernel, elf, &entry, error) ||
	    !boot_modules_place(job, error) ||
	    !add_strings(job, &command_line, error))
		return FALSE;
	elf_write(elf, &job->kernel, job->memory);
	boot_modules_write(job);
	write_start_info(job, command_line);
	boot_protected_mode(job->state, entry);
	job->state->gprs.rbx = BOOT_PARAMS_ADDRESS;
	return TRUE;
}

const struct boot_loader pvh_loader = {
	.name = "PVH",
	.probe = pvh_probe,
	.load = pvh_load,
};
