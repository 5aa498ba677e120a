// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Linux bzImage, after "The Linux/x86 Boot Protocol" (Documentation/arch/x86/boot.rst): the
 * 64-bit entry where the kernel has one, the 32-bit entry otherwise.  Nothing of the
 * kernel's real-mode code runs; what it would have found out is in the zero page.
 */
#include <asm/bootparam.h>
#include <inttypes.h>
#include <string.h>

#include "loader.h"
#include "lowmem.h"
#include "state.h"

#define HEADER_OFFSET		0x1f1u
#define HEADER_JUMP		0x201u	/* second byte of the jump over the header */
#define HEADER_JUMP_BASE	0x202u
#define HEADER_LIMIT		0x290u	/* what follows the header in the zero page */
#define HEADER_MAGIC		0x53726448u	/* "HdrS" */
#define BOOT_FLAG		0xaa55u

#define VERSION_PADDED		0x208u	/* syssize counts bytes that are all in the file */
#define VERSION_32_BIT		0x206u	/* first one with cmdline_size */
#define VERSION_INIT_SIZE	0x20au	/* pref_address, init_size */
#define VERSION_XLOADFLAGS	0x20cu

#define SECTOR			512u
#define PARAGRAPH		16u
#define PAGE			4096u
#define DEFAULT_SETUP_SECTORS	4u
#define DEFAULT_LOAD_ADDRESS	(1ull << 20)
#define ENTRY_64_OFFSET		0x200u
#define LOADER_UNDEFINED	0xffu

struct bzimage {
	struct setup_header header;	/* zero where the file's is shorter */
	uint64_t header_size;		/* bytes that the file has of it */
	uint64_t code_offset;		/* of the protected-mode part */
	uint64_t code_size;
	uint64_t address;		/* where that goes */
	uint64_t memory_size;		/* what the kernel needs there */
	uint64_t initrd;
	uint64_t initrd_size;
	uint32_t command_line;
};

static bool bzimage_probe(const struct boot_image *image)
{
	struct setup_header header;
	size_t size = offsetof(struct setup_header, version);

	if (!boot_image_has(image, HEADER_OFFSET, size))
		return false;
	memcpy(&header, image->data + HEADER_OFFSET, size);
	return header.boot_flag == BOOT_FLAG && header.header == HEADER_MAGIC;
}

static uint64_t end_needed(uint16_t version)
{
	if (version >= VERSION_INIT_SIZE)
		return offsetof(struct setup_header, init_size) + sizeof(uint32_t);
	return offsetof(struct setup_header, cmdline_size) + sizeof(uint32_t);
}

static gboolean check_version(const struct setup_header *header, GError **error)
{
	if (header->version < VERSION_32_BIT || !(header->loadflags & LOADED_HIGH)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "its boot protocol is %u.%02u%s; 2.06 or later and a bzImage are needed",
			    header->version >> 8, header->version & 0xff,
			    header->loadflags & LOADED_HIGH ? "" : " (zImage)");
		return FALSE;
	}
	return TRUE;
}

static gboolean read_header(const struct boot_image *image, struct bzimage *bz, GError **error)
{
	uint64_t fixed = offsetof(struct setup_header, code32_start);
	uint64_t end;

	/* The jump, the version and loadflags have the same place in every version. */
	if (!boot_image_has(image, HEADER_OFFSET, fixed)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "bzImage is cut short: inside its setup header");
		return FALSE;
	}
	memcpy(&bz->header, image->data + HEADER_OFFSET, fixed);
	if (!check_version(&bz->header, error))
		return FALSE;
	end = MIN(HEADER_JUMP_BASE + image->data[HEADER_JUMP], HEADER_LIMIT);
	bz->header_size = end - HEADER_OFFSET;
	if (bz->header_size < end_needed(bz->header.version)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "its setup header ends at byte 0x%" PRIx64 ", too early for boot "
			    "protocol %u.%02u", end, bz->header.version >> 8,
			    bz->header.version & 0xff);
		return FALSE;
	}
	if (!boot_image_has(image, HEADER_OFFSET, bz->header_size)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "bzImage is cut short: inside its setup header");
		return FALSE;
	}
	memcpy(&bz->header, image->data + HEADER_OFFSET, MIN(bz->header_size, sizeof(bz->header)));
	return TRUE;
}

static gboolean find_code(const struct boot_image *image, struct bzimage *bz, GError **error)
{
	unsigned int sectors = bz->header.setup_sects;
	uint64_t there, slack;

	if (sectors == 0)
		sectors = DEFAULT_SETUP_SECTORS;
	bz->code_offset = (sectors + 1) * SECTOR;
	bz->code_size = (uint64_t)bz->header.syssize * PARAGRAPH;
	if (bz->code_size <= ENTRY_64_OFFSET) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "bzImage says that its protected-mode part has only %" PRIu64 " bytes",
			    bz->code_size);
		return FALSE;
	}
	there = image->size > bz->code_offset ? image->size - bz->code_offset : 0;
	/* Before the checksum was introduced, syssize was merely rounded up. */
	slack = bz->header.version < VERSION_PADDED ? PARAGRAPH - 1 : 0;
	if (there + slack < bz->code_size) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "bzImage is cut short: %" PRIu64 " of the %" PRIu64
			    " bytes of its protected-mode part are missing",
			    bz->code_size - there, bz->code_size);
		return FALSE;
	}
	bz->code_size = MIN(bz->code_size, there);
	return TRUE;
}

/*
 * A relocatable kernel moves itself up to its preferred address if it is loaded below, so
 * nothing is won by another address where the preferred one does not fit.
 */
static gboolean place_kernel(struct boot_job *job, struct bzimage *bz, GError **error)
{
	const struct setup_header *header = &bz->header;
	uint64_t align = header->relocatable_kernel ? header->kernel_alignment : 1;
	uint64_t address = DEFAULT_LOAD_ADDRESS;

	if (align == 0 || (align & (align - 1))) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "its kernel_alignment 0x%" PRIx64 " is not a power of two", align);
		return FALSE;
	}
	if (header->version >= VERSION_INIT_SIZE && header->pref_address)
		address = header->pref_address;
	if (address < DEFAULT_LOAD_ADDRESS || address >= MEMORY_HOLE_START) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "its preferred load address 0x%" PRIx64 " is not between 1 MiB and the "
			    "end of RAM below 4 GiB", address);
		return FALSE;
	}
	bz->address = (address + align - 1) & ~(align - 1);
	bz->memory_size = MAX(bz->code_size, header->init_size);
	return boot_layout_take(job->layout, bz->address, bz->memory_size, "the kernel", error);
}

static gboolean place_command_line(struct boot_job *job, struct bzimage *bz, GError **error)
{
	size_t length = strlen(job->config->command_line);

	if (length > bz->header.cmdline_size) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
			    "the command line has %zu bytes, this kernel takes at most %u", length,
			    bz->header.cmdline_size);
		return FALSE;
	}
	return boot_string_add(job->strings, job->config->command_line, &bz->command_line, error);
}

/* The initramfs format allows zeros between archives that start at multiples of 4. */
static uint64_t initrd_align(uint64_t offset)
{
	return (offset + 3) & ~3ull;
}

static gboolean place_initrd(struct boot_job *job, struct bzimage *bz, GError **error)
{
	const struct boot_config *config = job->config;

	for (size_t i = 0; i < config->module_count; i++) {
		const char *arguments = config->modules[i].arguments;

		if (arguments && *arguments) {
			g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
				    "a bzImage's initrd cannot have arguments, but %s has '%s'",
				    config->modules[i].path, arguments);
			return FALSE;
		}
		bz->initrd_size = initrd_align(bz->initrd_size) +
				  g_bytes_get_size(job->modules[i].bytes);
	}
	if (bz->initrd_size == 0)
		return TRUE;
	return boot_layout_place_below(job->layout, (uint64_t)bz->header.initrd_addr_max + 1,
				       bz->initrd_size, PAGE, "the initrd", &bz->initrd, error);
}

static void write_initrd(struct boot_job *job, const struct bzimage *bz)
{
	uint64_t at = 0;

	for (size_t i = 0; i < job->config->module_count; i++) {
		static const uint8_t zeros[4];
		size_t size;
		const void *data = g_bytes_get_data(job->modules[i].bytes, &size);

		boot_write(job->memory, bz->initrd + at, zeros, initrd_align(at) - at);
		at = initrd_align(at);
		boot_write(job->memory, bz->initrd + at, data, size);
		at += size;
	}
}

static void fill_e820(const struct guest_memory *memory, struct boot_params *params)
{
	struct e820_entry entries[E820_MAX];
	size_t count = boot_e820(memory, entries);

	for (size_t i = 0; i < count; i++)
		params->e820_table[i] = (struct boot_e820_entry){
			entries[i].address, entries[i].size, entries[i].type,
		};
	params->e820_entries = count;
}

/* The screen_info stays zero: there is no display, and Linux must not look for one. */
static void write_zero_page(struct boot_job *job, const struct bzimage *bz)
{
	g_autofree struct boot_params *params = g_new0(struct boot_params, 1);
	struct setup_header *header = &params->hdr;

	G_STATIC_ASSERT(sizeof(struct boot_params) == PAGE);
	G_STATIC_ASSERT(offsetof(struct boot_params, hdr) == HEADER_OFFSET);
	/* The file's header may be longer than the structure that we know. */
	memcpy((uint8_t *)params + HEADER_OFFSET, job->kernel.data + HEADER_OFFSET,
	       bz->header_size);
	header->type_of_loader = LOADER_UNDEFINED;
	header->code32_start = bz->address;
	header->cmd_line_ptr = bz->command_line;
	header->ramdisk_image = bz->initrd;
	header->ramdisk_size = bz->initrd_size;
	header->setup_data = 0;
	params->acpi_rsdp_addr = BOOT_ACPI_ADDRESS;
	fill_e820(job->memory, params);
	boot_write(job->memory, BOOT_PARAMS_ADDRESS, params, sizeof(*params));
}

static void set_entry(struct boot_job *job, const struct bzimage *bz)
{
	bool entry_64 = bz->header.version >= VERSION_XLOADFLAGS &&
			(bz->header.xloadflags & XLF_KERNEL_64);

	if (entry_64) {
		boot_write_identity_map(job->memory);
		boot_long_mode(job->state, bz->address + ENTRY_64_OFFSET);
	} else {
		boot_protected_mode(job->state, bz->address);
	}
	job->state->gprs.rsi = BOOT_PARAMS_ADDRESS;
}

static gboolean bzimage_load(struct boot_job *job, GError **error)
{
	struct bzimage bz = { 0 };

	if (!read_header(&job->kernel, &bz, error) ||
	    !find_code(&job->kernel, &bz, error) ||
	    !place_kernel(job, &bz, error) ||
	    !place_command_line(job, &bz, error) ||
	    !place_initrd(job, &bz, error))
		return FALSE;
	boot_write(job->memory, bz.address, job->kernel.data + bz.code_offset, bz.code_size);
	write_initrd(job, &bz);
	write_zero_page(job, &bz);
	set_entry(job, &bz);
	return TRUE;
}

const struct boot_loader bzimage_loader = {
	.name = "bzImage",
	.probe = bzimage_probe,
	.load = bzimage_load,
};
