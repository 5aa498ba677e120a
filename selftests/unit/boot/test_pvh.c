// SPDX-License-Identifier: GPL-2.0-or-later
/* The PVH loader, and what every ELF kernel has to stand: sums, overlaps, limits. */
#include "guest.h"

#include <elf.h>
#include <string.h>

static struct guest guest;

static int teardown(void **unused)
{
	(void)unused;
	guest_clear(&guest);
	return 0;
}

static GByteArray *image_of(const struct elf_spec *spec)
{
	size_t needed;

	return image_elf(spec, &needed);
}

static void must_boot(const struct elf_spec *spec)
{
	guest_must_boot(&guest, image_of(spec), "PVH");
}

static void must_fail(const struct elf_spec *spec, int code, const char *words)
{
	guest_must_fail(&guest, image_of(spec), code, words);
}

/* ------------------------------------------------------------ what works */

static void check_entry_state(uint32_t entry)
{
	const struct mica_vcpu_state *state = &guest.result.state;

	assert_int_equal(state->gprs.rip, entry);
	assert_int_equal(state->gprs.rbx, BOOT_PARAMS_ADDRESS);
	assert_int_equal(state->crs.cr0, 0x11);
	assert_int_equal(state->crs.cr4, 0);
	assert_int_equal(state->msrs.efer, 0);
	assert_int_equal(state->segs.cs.base, 0);
	assert_int_equal(state->segs.cs.limit, 0xffffffff);
	assert_int_equal(state->segs.cs.attr, 0xc09b);
	assert_int_equal(state->segs.ss.attr, 0xc093);
	assert_int_equal(state->segs.ss.limit, 0xffffffff);
	assert_int_equal(state->segs.tr.limit, 0x67);
	assert_int_equal(state->segs.tr.attr, 0x8b);
	assert_int_equal(state->gprs.rflags, 2);
}

static void check_loaded(const struct elf_spec *spec)
{
	must_boot(spec);
	check_entry_state(spec->note_entry);
	for (unsigned int i = 0; i < spec->segment_count; i++) {
		const struct elf_spec_segment *segment = &spec->segments[i];

		if (segment->file_size)
			guest_check_pattern(&guest, segment->address, 0, segment->file_size);
		if (segment->memory_size > segment->file_size)
			guest_check_zero(&guest, segment->address + segment->file_size,
					 segment->memory_size - segment->file_size);
	}
}

static void both_notes_and_classes(void **unused)
{
	(void)unused;
	for (int is_64 = 0; is_64 <= 1; is_64++) {
		struct elf_spec spec = elf_spec(is_64);

		check_loaded(&spec);
		spec.note_behind_others = true;
		check_loaded(&spec);
		spec.note_align = 8;
		check_loaded(&spec);
		spec.note = ELF_NOTE_SECTION;
		check_loaded(&spec);
		spec.note_align = 4;
		check_loaded(&spec);
		spec.note_size = 12 - spec.note_size;	/* the other width */
		check_loaded(&spec);
		spec.type = ET_DYN;
		check_loaded(&spec);
	}
}

/* The part behind the file's bytes is cleared, whatever was in the guest's memory. */
static void bss_is_cleared(void **unused)
{
	struct elf_spec spec = elf_spec(true);

	(void)unused;
	guest_new(&guest, 64);
	memset(guest_memory_pointer(guest.memory, 2 * MIB, 0x6000), 0xee, 0x6000);
	assert_true(guest_boot(&guest, image_of(&spec), "", NULL, 0));
	guest_check_zero(&guest, 2 * MIB + 0x800, 0x4800);
	assert_int_equal(guest_u32(&guest, 2 * MIB + 0x5000), 0xeeeeeeee);
}

static void start_info(void **unused)
{
	struct elf_spec spec = elf_spec(true);
	uint64_t info = BOOT_PARAMS_ADDRESS;
	struct e820_entry entries[E820_MAX];
	uint64_t map;
	size_t count;

	(void)unused;
	must_boot(&spec);
	assert_int_equal(guest_u32(&guest, info), 0x336ec578);
	assert_int_equal(guest_u32(&guest, info + 4), 1);	/* version */
	assert_int_equal(guest_u32(&guest, info + 8), 0);	/* flags */
	assert_int_equal(guest_u32(&guest, info + 12), 0);	/* modules */
	assert_int_equal(guest_u64(&guest, info + 16), 0);
	assert_string_equal(guest_string(&guest, guest_u64(&guest, info + 24)), "console=ttyS0");
	assert_memory_equal(guest_string(&guest, guest_u64(&guest, info + 32)), "RSD PTR ", 8);
	map = guest_u64(&guest, info + 40);
	count = boot_e820(guest.memory, entries);
	assert_int_equal(guest_u32(&guest, info + 48), count);
	assert_int_equal(guest_u32(&guest, info + 52), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(guest_u64(&guest, map + 24 * i), entries[i].address);
		assert_int_equal(guest_u64(&guest, map + 24 * i + 8), entries[i].size);
		assert_int_equal(guest_u32(&guest, map + 24 * i + 16), entries[i].type);
		assert_int_equal(guest_u32(&guest, map + 24 * i + 20), 0);
	}
}

static void modules(void **unused)
{
	struct elf_spec spec = elf_spec(true);
	g_autofree char *first = guest_file("first", "abcde", 5);
	g_autofree char *second = guest_file("second", "fghijklm", 8);
	const struct boot_module list[] = { { first, (char *)"one=1 two" }, { second, NULL } };
	uint64_t at;

	(void)unused;
	guest_new(&guest, 64);
	assert_true(guest_boot(&guest, image_of(&spec), "quiet", list, 2));
	assert_int_equal(guest_u32(&guest, BOOT_PARAMS_ADDRESS + 12), 2);
	at = guest_u64(&guest, BOOT_PARAMS_ADDRESS + 16);
	assert_int_equal(guest_u64(&guest, at), 4 * MIB);
	assert_int_equal(guest_u64(&guest, at + 8), 5);
	assert_string_equal(guest_string(&guest, guest_u64(&guest, at + 16)), "one=1 two");
	assert_memory_equal(guest_string(&guest, 4 * MIB), "abcde", 5);
	assert_int_equal(guest_u64(&guest, at + 32), 4 * MIB + 4096);
	assert_int_equal(guest_u64(&guest, at + 40), 8);
	assert_int_equal(guest_u64(&guest, at + 48), 0);
	assert_memory_equal(guest_string(&guest, 4 * MIB + 4096), "fghijklm", 8);
}

static void module_limits(void **unused)
{
	struct elf_spec spec = elf_spec(true);
	g_autofree char *path = guest_file("module", "abcde", 5);
	g_autofree char *big = g_malloc0(3 * MIB);
	g_autofree char *big_path = guest_file("big", big, 3 * MIB);
	g_autofree char *line = g_strnfill(0x8000, 'x');
	const struct boot_module large = { big_path, NULL };
	struct boot_module list[65];

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(list); i++)
		list[i] = (struct boot_module){ path, NULL };
	guest_new(&guest, 64);
	assert_true(guest_boot(&guest, image_of(&spec), "", list, 64));
	assert_false(guest_boot(&guest, image_of(&spec), "", list, 65));
	guest_check_error(&guest, BOOT_ERROR_SPACE, "at most 64");
	list[0].arguments = line;
	assert_false(guest_boot(&guest, image_of(&spec), line, list, 1));
	guest_check_error(&guest, BOOT_ERROR_SPACE, "65536 bytes together");
	guest_new(&guest, 6);
	assert_false(guest_boot(&guest, image_of(&spec), "", &large, 1));
	guest_check_error(&guest, BOOT_ERROR_SPACE, "--memory 8M");
}

/* Empty segments, and those of other types, take no memory. */
static void empty_segment(void **unused)
{
	struct elf_spec spec = elf_spec(true);

	(void)unused;
	spec.segment_count = 3;
	spec.segments[2] = (struct elf_spec_segment){ 0, UINT64_MAX, 0, 0 };
	check_loaded(&spec);
}

/* Right up to the areas that are taken. */
static void low_memory_that_is_free(void **unused)
{
	static const uint64_t addresses[] = { 0x1000, 0x4000, 0x9000, 0x1d000, 0x30000, 0x9cc00 };
	struct elf_spec spec = elf_spec(true);

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
		spec.segments[0].address = addresses[i];
		spec.note_entry = addresses[i];
		check_loaded(&spec);
	}
}

/* ------------------------------------------------------------ refusals */

static void entry_note(void **unused)
{
	struct elf_spec spec = elf_spec(true);

	(void)unused;
	spec.note_size = 2;
	must_fail(&spec, BOOT_ERROR_FORMAT, "note has 2 bytes");
	spec = elf_spec(true);
	spec.note_entry = MIB + 0x3000;
	must_fail(&spec, BOOT_ERROR_FORMAT, "entry 0x103000 is in none");
	spec.note_entry = 0x100000000ull + MIB;
	must_fail(&spec, BOOT_ERROR_FORMAT, "in none");
	spec.note = ELF_NOTE_NONE;
	must_fail(&spec, BOOT_ERROR_FORMAT, "without a PVH entry note");
}

static void segments_outside_of_ram(void **unused)
{
	struct elf_spec spec = elf_spec(true);

	(void)unused;
	spec.segments[1].memory_size = 62 * MIB;
	must_boot(&spec);
	spec.segments[1].memory_size++;
	must_fail(&spec, BOOT_ERROR_SPACE, "--memory 66M");
	spec.segments[1].address = 0x100000000ull;
	must_fail(&spec, BOOT_ERROR_SPACE, "above the RAM");
	spec.segments[1].address = UINT64_MAX - 0x1000;
	must_fail(&spec, BOOT_ERROR_SPACE, "wraps around");
}

static void segments_over_something(void **unused)
{
	static const struct {
		uint64_t address;
		const char *words;
	} rows[] = {
		{ 0, "the BIOS data area" },
		{ 0x6fff, "the boot parameters" },
		{ 0x2ffff, "the command lines" },
		{ 0x9f000, "the BIOS area" },
		{ 0xfffff, "the BIOS area" },
		{ MIB - 0x800, "the BIOS area" },
		{ MIB + 0x2fff, "overlaps load segment 0" },
	};
	struct elf_spec spec = elf_spec(true);

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		spec.segments[1].address = rows[i].address;
		must_fail(&spec, BOOT_ERROR_SPACE, rows[i].words);
	}
}

static void segment_sums(void **unused)
{
	struct elf_spec spec = elf_spec(true);
	GByteArray *image;
	Elf64_Phdr *program;

	(void)unused;
	spec.segments[1].memory_size = 0x7ff;
	must_fail(&spec, BOOT_ERROR_FORMAT, "larger in the file than in memory");
	spec = elf_spec(true);
	image = image_of(&spec);
	program = (Elf64_Phdr *)(image->data + sizeof(Elf64_Ehdr));
	program[1].p_offset = UINT64_MAX - 0x100;
	guest_must_fail(&guest, image, BOOT_ERROR_FORMAT, "segment 1 wraps");
	image = image_of(&spec);
	program = (Elf64_Phdr *)(image->data + sizeof(Elf64_Ehdr));
	program[1].p_offset = image->len - 0x7ff;
	guest_must_fail(&guest, image, BOOT_ERROR_FORMAT, "1 bytes are missing");
}

/* One field of the ELF header at a time. */
static void headers(void **unused)
{
	static const struct {
		size_t offset;
		uint8_t value;
		const char *words;
	} rows[] = {
		{ EI_CLASS, 3, "class" },
		{ EI_DATA, ELFDATA2MSB, "little-endian" },
		{ offsetof(Elf64_Ehdr, e_machine), EM_ARM, "not for x86" },
		{ offsetof(Elf64_Ehdr, e_type), ET_REL, "not an executable" },
		{ offsetof(Elf64_Ehdr, e_phentsize), 32, "unknown size" },
		{ offsetof(Elf64_Ehdr, e_phnum), 0, "no program headers" },
		{ offsetof(Elf64_Ehdr, e_phnum), 129, "more than 128" },
		{ offsetof(Elf64_Ehdr, e_phoff) + 7, 0xff, "inside its program headers" },
		{ offsetof(Elf64_Ehdr, e_phoff) + 3, 0x01, "inside its program headers" },
		{ sizeof(Elf64_Ehdr), PT_NULL, NULL },
	};
	struct elf_spec spec = elf_spec(true);

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GByteArray *image = image_of(&spec);

		image->data[rows[i].offset] = rows[i].value;
		if (rows[i].words)
			guest_must_fail(&guest, image, BOOT_ERROR_FORMAT, rows[i].words);
		else	/* the entry's segment is not loaded any more */
			guest_must_fail(&guest, image, BOOT_ERROR_FORMAT, "in none");
	}
}

static void must_have_no_note(GByteArray *image)
{
	guest_must_fail(&guest, image, BOOT_ERROR_FORMAT, "without a PVH entry note");
}

/* What looks like the note counts only where a header says that there are notes. */
static void notes_elsewhere(void **unused)
{
	struct elf_spec spec = elf_spec(true);
	GByteArray *image = image_of(&spec);
	Elf64_Phdr *program = (Elf64_Phdr *)(image->data + sizeof(Elf64_Ehdr)) + 2;
	Elf64_Ehdr *header;

	(void)unused;
	program->p_type = PT_INTERP;
	must_have_no_note(image);
	spec.note = ELF_NOTE_SECTION;
	image = image_of(&spec);
	header = (Elf64_Ehdr *)image->data;
	((Elf64_Shdr *)(image->data + header->e_shoff))[1].sh_type = SHT_PROGBITS;
	must_have_no_note(image);
	image = image_of(&spec);
	((Elf64_Ehdr *)image->data)->e_shentsize = 72;
	must_have_no_note(image);
	image = image_of(&spec);
	((Elf64_Ehdr *)image->data)->e_shnum = 4097;
	must_have_no_note(image);
}

/* A note that is longer than the area which it begins in. */
static void note_beyond_its_area(void **unused)
{
	struct elf_spec spec = elf_spec(true);
	GByteArray *image = image_of(&spec);
	Elf64_Phdr *program = (Elf64_Phdr *)(image->data + sizeof(Elf64_Ehdr)) + 2;

	(void)unused;
	program->p_filesz--;
	must_have_no_note(image);
}

static void nothing_to_load(void **unused)
{
	struct elf_spec spec = elf_spec(true);

	(void)unused;
	spec.segment_count = 0;
	must_fail(&spec, BOOT_ERROR_FORMAT, "nothing to load");
}

/* Thousands of notes in one file must not keep us busy for long, nor be found. */
static void note_flood(void **unused)
{
	struct elf_spec spec = elf_spec(true);
	GByteArray *image = image_of(&spec);
	Elf64_Phdr *program = (Elf64_Phdr *)(image->data + sizeof(Elf64_Ehdr)) + 2;
	size_t start = image->len;
	uint32_t entry[] = { 4, 4, 18, 'X' | 'e' << 8 | 'n' << 16, MIB };

	(void)unused;
	g_assert(program->p_type == PT_NOTE);
	program->p_offset = start;
	program->p_filesz = 5000 * 12 + sizeof(entry);
	g_byte_array_set_size(image, start + 5000 * 12);
	memset(image->data + start, 0, 5000 * 12);
	g_byte_array_append(image, (const guint8 *)entry, sizeof(entry));
	guest_must_fail(&guest, image, BOOT_ERROR_FORMAT, "without a PVH entry note");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(both_notes_and_classes, teardown),
		cmocka_unit_test_teardown(bss_is_cleared, teardown),
		cmocka_unit_test_teardown(start_info, teardown),
		cmocka_unit_test_teardown(modules, teardown),
		cmocka_unit_test_teardown(module_limits, teardown),
		cmocka_unit_test_teardown(empty_segment, teardown),
		cmocka_unit_test_teardown(low_memory_that_is_free, teardown),
		cmocka_unit_test_teardown(entry_note, teardown),
		cmocka_unit_test_teardown(segments_outside_of_ram, teardown),
		cmocka_unit_test_teardown(segments_over_something, teardown),
		cmocka_unit_test_teardown(segment_sums, teardown),
		cmocka_unit_test_teardown(headers, teardown),
		cmocka_unit_test_teardown(notes_elsewhere, teardown),
		cmocka_unit_test_teardown(note_beyond_its_area, teardown),
		cmocka_unit_test_teardown(nothing_to_load, teardown),
		cmocka_unit_test_teardown(note_flood, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
