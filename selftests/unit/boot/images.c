// SPDX-License-Identifier: GPL-2.0-or-later
#include <asm/bootparam.h>
#include <elf.h>
#include <string.h>

#include "images.h"

#define HEADER_OFFSET	0x1f1
#define MIB		(1u << 20)

static void fill(GByteArray *image, size_t start, size_t size)
{
	for (size_t i = 0; i < size; i++)
		image->data[start + i] = image_pattern(i);
}

static GByteArray *zeros(size_t size)
{
	GByteArray *image = g_byte_array_new();

	g_byte_array_set_size(image, size);
	memset(image->data, 0, size);
	return image;
}

/* ------------------------------------------------------------ bzImage */

struct bzimage_spec bzimage_spec(void)
{
	return (struct bzimage_spec){
		.version = 0x20f,
		.setup_sectors = 3,
		.code_size = 0x2000,
		.syssize = 0x200,
		.header_jump = 0x6a,
		.loadflags = LOADED_HIGH,
		.xloadflags = XLF_KERNEL_64,
		.initrd_addr_max = 0x7fffffff,
		.alignment = 2 * MIB,
		.relocatable = 1,
		.cmdline_size = 2047,
		.pref_address = 16 * MIB,
		.init_size = 4 * MIB,
	};
}

GByteArray *image_bzimage(const struct bzimage_spec *spec)
{
	struct setup_header header = {
		.setup_sects = spec->setup_sectors,
		.syssize = spec->syssize,
		.boot_flag = 0xaa55,
		.jump = 0xeb | spec->header_jump << 8,
		.header = 0x53726448,
		.version = spec->version,
		.loadflags = spec->loadflags,
		.initrd_addr_max = spec->initrd_addr_max,
		.kernel_alignment = spec->alignment,
		.relocatable_kernel = spec->relocatable,
		.xloadflags = spec->xloadflags,
		.cmdline_size = spec->cmdline_size,
		.pref_address = spec->pref_address,
		.init_size = spec->init_size,
		.setup_data = 0x1234,	/* not ours to pass on */
	};
	unsigned int sectors = spec->setup_sectors ? spec->setup_sectors : 4;
	size_t code = (sectors + 1) * 512;
	GByteArray *image = zeros(code + spec->code_size);

	/* The sentinel and the code around the header must not reach the zero page. */
	memset(image->data, 0xcc, code);
	memcpy(image->data + HEADER_OFFSET, &header, sizeof(header));
	fill(image, code, spec->code_size);
	return image;
}

/* ------------------------------------------------------------ ELF */

struct elf_spec elf_spec(bool is_64)
{
	return (struct elf_spec){
		.is_64 = is_64,
		.machine = is_64 ? EM_X86_64 : EM_386,
		.type = ET_EXEC,
		.entry = is_64 ? 0xffffffff80100010ull : 0xc0100010,
		.segment_count = 2,
		.segments = {
			{ is_64 ? 0xffffffff80100000ull : 0xc0100000, MIB, 0x3000, 0x3000 },
			{ is_64 ? 0xffffffff80200000ull : 0xc0200000, 2 * MIB, 0x800, 0x5000 },
		},
		.note = ELF_NOTE_SEGMENT,
		.note_size = is_64 ? 8 : 4,
		.note_align = 4,
		.note_entry = MIB + 0x20,
	};
}

#define PLACE_HEADERS	64
#define PLACE_MULTIBOOT	0x400
#define PLACE_NOTES	0x500
#define PLACE_DATA	0x1000

uint64_t image_elf_segment_offset(const struct elf_spec *spec, unsigned int index)
{
	uint64_t offset = PLACE_DATA;

	for (unsigned int i = 0; i < index; i++)
		offset += spec->segments[i].file_size;
	return offset;
}

static size_t put_note(const struct elf_spec *spec, GByteArray *image, size_t at, const char *name,
		       uint32_t type, const void *descriptor, uint32_t size)
{
	Elf64_Nhdr note = { .n_namesz = strlen(name) + 1, .n_descsz = size, .n_type = type };
	uint32_t mask = spec->note_align - 1;

	memcpy(image->data + at, &note, sizeof(note));
	at += sizeof(note);
	memcpy(image->data + at, name, note.n_namesz);
	at = (at + note.n_namesz + mask) & ~(size_t)mask;
	memcpy(image->data + at, descriptor, size);
	return (at + size + mask) & ~(size_t)mask;
}

/* Returns the end of the notes. */
static size_t put_notes(const struct elf_spec *spec, GByteArray *image)
{
	uint64_t entry = spec->note_entry;
	size_t at = PLACE_NOTES;

	if (spec->note_behind_others) {
		at = put_note(spec, image, at, "Linux", 0x101, "123", 3);
		at = put_note(spec, image, at, "GNU", 18, "elsewhere", 8);
		at = put_note(spec, image, at, "Xen", 6, "linux", 6);
	}
	return put_note(spec, image, at, "Xen", 18, &entry, spec->note_size);
}

static void put_header(const struct elf_spec *spec, GByteArray *image, size_t sections)
{
	unsigned int phnum = spec->segment_count + (spec->note == ELF_NOTE_SEGMENT);
	unsigned int shnum = spec->note == ELF_NOTE_SECTION ? 2 : 0;
	Elf64_Ehdr header_64 = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1 },
		.e_type = spec->type, .e_machine = spec->machine, .e_version = 1,
		.e_entry = spec->entry, .e_phoff = PLACE_HEADERS,
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = phnum,
		.e_shoff = shnum ? sections : 0, .e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = shnum,
	};
	Elf32_Ehdr header_32 = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, 1 },
		.e_type = spec->type, .e_machine = spec->machine, .e_version = 1,
		.e_entry = spec->entry, .e_phoff = PLACE_HEADERS,
		.e_phentsize = sizeof(Elf32_Phdr), .e_phnum = phnum,
		.e_shoff = shnum ? sections : 0, .e_shentsize = sizeof(Elf32_Shdr),
		.e_shnum = shnum,
	};

	if (spec->is_64)
		memcpy(image->data, &header_64, sizeof(header_64));
	else
		memcpy(image->data, &header_32, sizeof(header_32));
}

static void put_program_header(const struct elf_spec *spec, GByteArray *image, unsigned int index,
			       uint32_t type, uint64_t offset, const struct elf_spec_segment *part)
{
	Elf64_Phdr header_64 = {
		.p_type = type, .p_offset = offset, .p_vaddr = part->virtual_address,
		.p_paddr = part->address, .p_filesz = part->file_size,
		.p_memsz = part->memory_size, .p_align = spec->note_align,
	};
	Elf32_Phdr header_32 = {
		.p_type = type, .p_offset = offset, .p_vaddr = part->virtual_address,
		.p_paddr = part->address, .p_filesz = part->file_size,
		.p_memsz = part->memory_size, .p_align = spec->note_align,
	};

	if (spec->is_64)
		memcpy(image->data + PLACE_HEADERS + index * sizeof(header_64), &header_64,
		       sizeof(header_64));
	else
		memcpy(image->data + PLACE_HEADERS + index * sizeof(header_32), &header_32,
		       sizeof(header_32));
}

/* The first section is the null one, as the format wants it. */
static void put_note_section(const struct elf_spec *spec, GByteArray *image, size_t sections,
			     size_t notes_end)
{
	Elf64_Shdr header_64 = {
		.sh_type = SHT_NOTE, .sh_offset = PLACE_NOTES, .sh_size = notes_end - PLACE_NOTES,
		.sh_addralign = spec->note_align,
	};
	Elf32_Shdr header_32 = {
		.sh_type = SHT_NOTE, .sh_offset = PLACE_NOTES, .sh_size = notes_end - PLACE_NOTES,
		.sh_addralign = spec->note_align,
	};

	if (spec->is_64)
		memcpy(image->data + sections + sizeof(header_64), &header_64, sizeof(header_64));
	else
		memcpy(image->data + sections + sizeof(header_32), &header_32, sizeof(header_32));
}

static void put_multiboot(GByteArray *image, size_t at, uint32_t flags, uint32_t checksum_error)
{
	uint32_t header[3] = { 0x1badb002, flags, -(0x1badb002 + flags) + checksum_error };

	memcpy(image->data + at, header, sizeof(header));
}

GByteArray *image_elf(const struct elf_spec *spec, size_t *needed)
{
	size_t sections = image_elf_segment_offset(spec, spec->segment_count);
	size_t section_size = spec->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	GByteArray *image = zeros(sections + 2 * section_size + 100);
	size_t notes_end = PLACE_NOTES;

	put_header(spec, image, sections);
	if (spec->note != ELF_NOTE_NONE)
		notes_end = put_notes(spec, image);
	if (spec->multiboot)
		put_multiboot(image, PLACE_MULTIBOOT, spec->multiboot_flags, 0);
	for (unsigned int i = 0; i < spec->segment_count; i++) {
		put_program_header(spec, image, i, PT_LOAD, image_elf_segment_offset(spec, i),
				   &spec->segments[i]);
		fill(image, image_elf_segment_offset(spec, i), spec->segments[i].file_size);
	}
	*needed = sections;
	if (spec->note == ELF_NOTE_SEGMENT) {
		struct elf_spec_segment note = { .file_size = notes_end - PLACE_NOTES };

		put_program_header(spec, image, spec->segment_count, PT_NOTE, PLACE_NOTES, &note);
	} else if (spec->note == ELF_NOTE_SECTION) {
		put_note_section(spec, image, sections, notes_end);
		*needed += 2 * section_size;
	}
	return image;
}

/* ------------------------------------------------------------ multiboot without ELF */

struct flat_spec flat_spec(void)
{
	return (struct flat_spec){
		.header_offset = 0x104,
		.flags = 0x10003,
		.header = MIB + 0x4,
		.load = MIB,
		.load_end = MIB + 0x1000,
		.bss_end = MIB + 0x3000,
		.entry = MIB + 0x40,
		.size = 0x1100,
	};
}

GByteArray *image_flat(const struct flat_spec *spec)
{
	GByteArray *image = zeros(spec->size);
	uint32_t addresses[] = {
		spec->header, spec->load, spec->load_end, spec->bss_end, spec->entry,
	};

	fill(image, 0, spec->size);
	put_multiboot(image, spec->header_offset, spec->flags, spec->checksum_error);
	memcpy(image->data + spec->header_offset + 12, addresses, sizeof(addresses));
	return image;
}
