// SPDX-License-Identifier: GPL-2.0-or-later
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "elf_image.h"
#include "lowmem.h"

#define NOTES_MAX	4096u	/* looked at in one file */

/* What is needed of Elf32_Ehdr or Elf64_Ehdr. */
struct header {
	bool is_64;
	uint16_t type;
	uint16_t machine;
	uint64_t entry;
	uint64_t segment_offset;
	uint16_t segment_size;
	uint16_t segment_count;
	uint64_t section_offset;
	uint16_t section_size;
	uint16_t section_count;
};

struct program_header {
	uint32_t type;
	uint64_t align;
	struct elf_segment segment;
};

static void set_format_error(GError **error, const char *what)
{
	g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT, "ELF file: %s", what);
}

bool elf_probe(const struct boot_image *image)
{
	return boot_image_has(image, 0, SELFMAG) && memcmp(image->data, ELFMAG, SELFMAG) == 0;
}

#define COPY_HEADER(from)					\
	(struct header){					\
		.type = (from).e_type,				\
		.machine = (from).e_machine,			\
		.entry = (from).e_entry,			\
		.segment_offset = (from).e_phoff,		\
		.segment_size = (from).e_phentsize,		\
		.segment_count = (from).e_phnum,		\
		.section_offset = (from).e_shoff,		\
		.section_size = (from).e_shentsize,		\
		.section_count = (from).e_shnum,		\
	}

static bool read_header_32(const struct boot_image *image, struct header *header)
{
	Elf32_Ehdr raw;

	if (!boot_image_has(image, 0, sizeof(raw)))
		return false;
	memcpy(&raw, image->data, sizeof(raw));
	*header = COPY_HEADER(raw);
	return true;
}

static bool read_header_64(const struct boot_image *image, struct header *header)
{
	Elf64_Ehdr raw;

	if (!boot_image_has(image, 0, sizeof(raw)))
		return false;
	memcpy(&raw, image->data, sizeof(raw));
	*header = COPY_HEADER(raw);
	header->is_64 = true;
	return true;
}

/* NULL, or what is wrong with the header. */
static const char *read_header(const struct boot_image *image, struct header *header)
{
	uint8_t class;

	if (!elf_probe(image) || !boot_image_has(image, 0, EI_NIDENT))
		return "cut off inside its header";
	class = image->data[EI_CLASS];
	if (class != ELFCLASS32 && class != ELFCLASS64)
		return "neither of the 32-bit nor of the 64-bit class";
	if (image->data[EI_DATA] != ELFDATA2LSB)
		return "not little-endian, so not for x86";
	if (!(class == ELFCLASS64 ? read_header_64 : read_header_32)(image, header))
		return "cut off inside its header";
	if (header->machine != EM_X86_64 && header->machine != EM_386)
		return "not for x86";
	if (header->type != ET_EXEC && header->type != ET_DYN)
		return "not an executable";
	if (header->segment_size != (header->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return "its program headers have an unknown size";
	if (header->segment_count == 0)
		return "it has no program headers";
	if (header->segment_count > ELF_HEADERS_MAX)
		return "it has more than 128 program headers";
	return NULL;
}

#define COPY_PROGRAM_HEADER(from)				\
	(struct program_header){				\
		.type = (from).p_type,				\
		.align = (from).p_align,			\
		.segment = {					\
			.offset = (from).p_offset,		\
			.virtual_address = (from).p_vaddr,	\
			.address = (from).p_paddr,		\
			.file_size = (from).p_filesz,		\
			.memory_size = (from).p_memsz,		\
		},						\
	}

/* `index` < segment_count.  False if the file is too short. */
static bool read_program_header(const struct boot_image *image, const struct header *header,
				unsigned int index, struct program_header *program)
{
	uint64_t offset;

	if (__builtin_add_overflow(header->segment_offset,
				   (uint64_t)index * header->segment_size, &offset) ||
	    !boot_image_has(image, offset, header->segment_size))
		return false;
	if (header->is_64) {
		Elf64_Phdr raw;

		memcpy(&raw, image->data + offset, sizeof(raw));
		*program = COPY_PROGRAM_HEADER(raw);
	} else {
		Elf32_Phdr raw;

		memcpy(&raw, image->data + offset, sizeof(raw));
		*program = COPY_PROGRAM_HEADER(raw);
	}
	return true;
}

static gboolean check_segment(const struct boot_image *image, unsigned int index,
			      const struct elf_segment *segment, GError **error)
{
	uint64_t end;

	if (segment->file_size > segment->memory_size) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "ELF file: segment %u is larger in the file than in memory (0x%" PRIx64
			    " > 0x%" PRIx64 ")", index, segment->file_size, segment->memory_size);
		return FALSE;
	}
	if (__builtin_add_overflow(segment->offset, segment->file_size, &end)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "ELF file: segment %u wraps around (0x%" PRIx64 " + 0x%" PRIx64 ")",
			    index, segment->offset, segment->file_size);
		return FALSE;
	}
	if (segment->file_size && end > image->size) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "ELF file is cut short: segment %u ends at byte %" PRIu64
			    ", %" PRIu64 " bytes are missing", index, end, end - image->size);
		return FALSE;
	}
	return TRUE;
}

static gboolean read_segments(const struct boot_image *image, const struct header *header,
			      GArray *segments, GError **error)
{
	for (unsigned int i = 0; i < header->segment_count; i++) {
		struct program_header program;

		if (!read_program_header(image, header, i, &program)) {
			set_format_error(error, "cut off inside its program headers");
			return FALSE;
		}
		if (program.type != PT_LOAD || program.segment.memory_size == 0)
			continue;
		if (!check_segment(image, i, &program.segment, error))
			return FALSE;
		g_array_append_val(segments, program.segment);
	}
	if (segments->len == 0) {
		set_format_error(error, "it has nothing to load");
		return FALSE;
	}
	return TRUE;
}

struct elf_image *elf_read(const struct boot_image *image, GError **error)
{
	g_autoptr(elf_image) elf = g_new0(struct elf_image, 1);
	struct header header;
	const char *wrong;

	elf->segments = g_array_new(FALSE, FALSE, sizeof(struct elf_segment));
	wrong = read_header(image, &header);
	if (wrong) {
		set_format_error(error, wrong);
		return NULL;
	}
	if (!read_segments(image, &header, elf->segments, error))
		return NULL;
	elf->entry = header.entry;
	return g_steal_pointer(&elf);
}

void elf_free(struct elf_image *elf)
{
	g_array_free(elf->segments, TRUE);
	g_free(elf);
}

/* ------------------------------------------------------------ notes */

struct note_search {
	const struct boot_image *image;
	const char *name;
	uint32_t type;
	unsigned int left;	/* notes that may still be looked at */
	uint64_t offset;	/* of the descriptor found */
	uint32_t size;
};

static bool note_matches(const struct note_search *search, const Elf64_Nhdr *note,
			 uint64_t name_offset)
{
	size_t length = strlen(search->name) + 1;

	return note->n_type == search->type && note->n_namesz == length &&
	       memcmp(search->image->data + name_offset, search->name, length) == 0;
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/* Notes are padded to 4 bytes, in areas aligned to 8 bytes to 8.  [start, start + size)
 * may be beyond the file's end. */
static bool find_in_area(struct note_search *search, uint64_t start, uint64_t size, uint64_t align)
{
	uint64_t step = align == 8 ? 8 : 4;
	uint64_t at = 0;
	Elf64_Nhdr note;

	if (!boot_image_has(search->image, start, size))
		return false;
	while (at <= size && size - at >= sizeof(note) && search->left > 0) {
		uint64_t descriptor, end;

		search->left--;
		memcpy(&note, search->image->data + start + at, sizeof(note));
		descriptor = align_up(at + sizeof(note) + note.n_namesz, step);
		end = descriptor + note.n_descsz;
		if (end > size)
			return false;
		if (note_matches(search, &note, start + at + sizeof(note))) {
			search->offset = start + descriptor;
			search->size = note.n_descsz;
			return true;
		}
		at = align_up(end, step);
	}
	return false;
}

static bool find_in_segments(struct note_search *search, const struct header *header)
{
	for (unsigned int i = 0; i < header->segment_count; i++) {
		struct program_header program;

		if (!read_program_header(search->image, header, i, &program))
			return false;
		if (program.type == PT_NOTE &&
		    find_in_area(search, program.segment.offset, program.segment.file_size,
				 program.align))
			return true;
	}
	return false;
}

static bool read_section_64(const struct boot_image *image, uint64_t offset, Elf64_Shdr *section)
{
	if (!boot_image_has(image, offset, sizeof(*section)))
		return false;
	memcpy(section, image->data + offset, sizeof(*section));
	return true;
}

static bool read_section_32(const struct boot_image *image, uint64_t offset, Elf64_Shdr *section)
{
	Elf32_Shdr raw;

	if (!boot_image_has(image, offset, sizeof(raw)))
		return false;
	memcpy(&raw, image->data + offset, sizeof(raw));
	*section = (Elf64_Shdr){
		.sh_type = raw.sh_type, .sh_offset = raw.sh_offset, .sh_size = raw.sh_size,
		.sh_addralign = raw.sh_addralign,
	};
	return true;
}

static bool find_in_sections(struct note_search *search, const struct header *header)
{
	uint64_t size = header->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);

	if (header->section_size != size || header->section_count > ELF_SECTIONS_MAX)
		return false;
	for (unsigned int i = 0; i < header->section_count; i++) {
		Elf64_Shdr section;
		uint64_t offset;

		if (__builtin_add_overflow(header->section_offset, i * size, &offset) ||
		    !(header->is_64 ? read_section_64 : read_section_32)(search->image, offset,
									 &section))
			return false;
		if (section.sh_type == SHT_NOTE &&
		    find_in_area(search, section.sh_offset, section.sh_size, section.sh_addralign))
			return true;
	}
	return false;
}

bool elf_find_note(const struct boot_image *image, const char *name, uint32_t type,
		   uint64_t *offset, uint32_t *size)
{
	struct note_search search = {
		.image = image, .name = name, .type = type, .left = NOTES_MAX,
	};
	struct header header;

	if (read_header(image, &header))
		return false;
	if (!find_in_segments(&search, &header) && !find_in_sections(&search, &header))
		return false;
	*offset = search.offset;
	*size = search.size;
	return true;
}

/* ------------------------------------------------------------ loading */

gboolean elf_take(const struct elf_image *elf, struct boot_layout *layout, GError **error)
{
	for (unsigned int i = 0; i < elf->segments->len; i++) {
		const struct elf_segment *segment =
			&g_array_index(elf->segments, struct elf_segment, i);
		g_autofree char *name = g_strdup_printf("load segment %u", i);

		if (!boot_layout_take(layout, segment->address, segment->memory_size, name, error))
			return FALSE;
	}
	return TRUE;
}

void elf_write(const struct elf_image *elf, const struct boot_image *image,
	       struct guest_memory *memory)
{
	for (unsigned int i = 0; i < elf->segments->len; i++) {
		const struct elf_segment *segment =
			&g_array_index(elf->segments, struct elf_segment, i);
		uint8_t *to = guest_memory_pointer(memory, segment->address, segment->memory_size);

		g_assert(to);
		if (segment->file_size)
			memcpy(to, image->data + segment->offset, segment->file_size);
		memset(to + segment->file_size, 0, segment->memory_size - segment->file_size);
	}
}

const struct elf_segment *elf_find_virtual(const struct elf_image *elf, uint64_t address)
{
	for (unsigned int i = 0; i < elf->segments->len; i++) {
		const struct elf_segment *segment =
			&g_array_index(elf->segments, struct elf_segment, i);

		if (address >= segment->virtual_address &&
		    address - segment->virtual_address < segment->memory_size)
			return segment;
	}
	return NULL;
}

const struct elf_segment *elf_find_physical(const struct elf_image *elf, uint64_t address)
{
	for (unsigned int i = 0; i < elf->segments->len; i++) {
		const struct elf_segment *segment =
			&g_array_index(elf->segments, struct elf_segment, i);

		if (address >= segment->address &&
		    address - segment->address < segment->memory_size)
			return segment;
	}
	return NULL;
}
