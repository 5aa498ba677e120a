// SPDX-License-Identifier: GPL-2.0-or-later
/* The multiboot 1 loader: ELF kernels and those with the addresses in the header. */
#include "guest.h"

#include <string.h>

#define INFO	BOOT_PARAMS_ADDRESS

static struct guest guest;

static int teardown(void **unused)
{
	(void)unused;
	guest_clear(&guest);
	return 0;
}

static struct elf_spec multiboot_elf(bool is_64)
{
	struct elf_spec spec = elf_spec(is_64);

	spec.note = ELF_NOTE_NONE;
	spec.multiboot = true;
	spec.multiboot_flags = 3;
	return spec;
}

static GByteArray *image_of(const struct elf_spec *spec)
{
	size_t needed;

	return image_elf(spec, &needed);
}

static void check_entry_state(uint32_t entry)
{
	const struct mica_vcpu_state *state = &guest.result.state;

	assert_int_equal(state->gprs.rip, entry);
	assert_int_equal(state->gprs.rax, 0x2badb002);
	assert_int_equal(state->gprs.rbx, INFO);
	assert_int_equal(state->crs.cr0, 0x11);
	assert_int_equal(state->segs.cs.attr, 0xc09b);
	assert_int_equal(state->segs.ds.attr, 0xc093);
	assert_int_equal(state->segs.gs.limit, 0xffffffff);
	assert_int_equal(state->gprs.rflags, 2);
}

/* ------------------------------------------------------------ what works */

static void elf_kernels(void **unused)
{
	(void)unused;
	for (int is_64 = 0; is_64 <= 1; is_64++) {
		struct elf_spec spec = multiboot_elf(is_64);

		guest_must_boot(&guest, image_of(&spec), "multiboot");
		check_entry_state(MIB + 0x10);		/* translated from virtual */
		guest_check_pattern(&guest, MIB, 0, 0x3000);
		guest_check_pattern(&guest, 2 * MIB, 0, 0x800);
		spec.entry = 2 * MIB + 4;		/* physical */
		guest_must_boot(&guest, image_of(&spec), "multiboot");
		check_entry_state(2 * MIB + 4);
	}
}

static void pvh_is_preferred(void **unused)
{
	struct elf_spec spec = elf_spec(false);

	(void)unused;
	spec.multiboot = true;
	guest_must_boot(&guest, image_of(&spec), "PVH");
}

static void flat_kernel(void **unused)
{
	struct flat_spec spec = flat_spec();

	(void)unused;
	guest_new(&guest, 64);
	memset(guest_memory_pointer(guest.memory, MIB, 0x4000), 0xee, 0x4000);
	assert_true(guest_boot(&guest, image_flat(&spec), "", NULL, 0));
	guest_check_state(&guest.result.state);
	check_entry_state(spec.entry);
	/* The file's byte 0x100 is at 1 MiB, the header 4 bytes on. */
	guest_check_pattern(&guest, MIB, 0x100, 4);
	assert_int_equal(guest_u32(&guest, MIB + 4), 0x1badb002);
	guest_check_pattern(&guest, MIB + 0x24, 0x124, 0x1000 - 0x24);
	guest_check_zero(&guest, MIB + 0x1000, 0x2000);
	assert_int_equal(guest_u32(&guest, MIB + 0x3000), 0xeeeeeeee);
}

static void flat_without_ends(void **unused)
{
	struct flat_spec spec = flat_spec();

	(void)unused;
	spec.load_end = 0;
	spec.bss_end = 0;
	spec.size = 0x1234;
	guest_must_boot(&guest, image_flat(&spec), "multiboot");
	guest_check_pattern(&guest, MIB + 0x24, 0x124, 0x1134 - 0x24);
	guest_check_zero(&guest, MIB + 0x1134, 0x1000);
}

static void header_search(void **unused)
{
	struct flat_spec spec = flat_spec();

	(void)unused;
	spec.size = 0x4000;
	spec.header_offset = 8192 - 12;
	guest_must_boot(&guest, image_flat(&spec), "multiboot");
	spec.header_offset = 8192 - 8;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_FORMAT, "known format");
	spec.header_offset = 0x102;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_FORMAT, "known format");
	spec.header_offset = 0x104;
	spec.checksum_error = 1;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_FORMAT, "known format");
}

static void info_structure(void **unused)
{
	struct elf_spec spec = multiboot_elf(false);
	struct e820_entry entries[E820_MAX];
	size_t count;
	uint32_t map;

	(void)unused;
	guest_must_boot(&guest, image_of(&spec), "multiboot");
	assert_int_equal(guest_u32(&guest, INFO), 0x24d);	/* flags */
	assert_int_equal(guest_u32(&guest, INFO + 4), 639);
	assert_int_equal(guest_u32(&guest, INFO + 8), 63 * 1024);
	assert_string_equal(guest_string(&guest, guest_u32(&guest, INFO + 16)),
			    "kernel console=ttyS0");
	assert_int_equal(guest_u32(&guest, INFO + 20), 0);
	assert_string_equal(guest_string(&guest, guest_u32(&guest, INFO + 64)), "Mica");
	count = boot_e820(guest.memory, entries);
	map = guest_u32(&guest, INFO + 48);
	assert_int_equal(guest_u32(&guest, INFO + 44), count * 24);
	for (size_t i = 0; i < count; i++, map += 24) {
		assert_int_equal(guest_u32(&guest, map), 20);
		assert_int_equal(guest_u64(&guest, map + 4), entries[i].address);
		assert_int_equal(guest_u64(&guest, map + 12), entries[i].size);
		assert_int_equal(guest_u32(&guest, map + 20), entries[i].type);
	}
}

static void modules(void **unused)
{
	struct elf_spec spec = multiboot_elf(false);
	g_autofree char *first = guest_file("first", "abcde", 5);
	g_autofree char *second = guest_file("second", "fghijklm", 8);
	const struct boot_module list[] = { { first, (char *)"one=1 two" }, { second, NULL } };
	uint32_t at;

	(void)unused;
	guest_new(&guest, 64);
	assert_true(guest_boot(&guest, image_of(&spec), "", list, 2));
	assert_string_equal(guest_string(&guest, guest_u32(&guest, INFO + 16)), "kernel");
	assert_int_equal(guest_u32(&guest, INFO + 20), 2);
	at = guest_u32(&guest, INFO + 24);
	assert_int_equal(guest_u32(&guest, at), 4 * MIB);
	assert_int_equal(guest_u32(&guest, at + 4), 4 * MIB + 5);
	assert_string_equal(guest_string(&guest, guest_u32(&guest, at + 8)), "first one=1 two");
	assert_int_equal(guest_u32(&guest, at + 12), 0);
	assert_int_equal(guest_u32(&guest, at + 16), 4 * MIB + 4096);
	assert_int_equal(guest_u32(&guest, at + 20), 4 * MIB + 4096 + 8);
	assert_string_equal(guest_string(&guest, guest_u32(&guest, at + 24)), "second");
	assert_memory_equal(guest_string(&guest, 4 * MIB), "abcde", 5);
	assert_memory_equal(guest_string(&guest, 4 * MIB + 4096), "fghijklm", 8);
}

/* ------------------------------------------------------------ refusals */

static void required_flags(void **unused)
{
	struct elf_spec spec = multiboot_elf(false);

	(void)unused;
	spec.multiboot_flags = 0x7;
	guest_must_fail(&guest, image_of(&spec), BOOT_ERROR_FORMAT,
			"flags 0x4 (bit 2 asks for a video mode");
	spec.multiboot_flags = 0x8003;
	guest_must_fail(&guest, image_of(&spec), BOOT_ERROR_FORMAT, "flags 0x8000");
	spec.multiboot_flags = 0x20000;		/* optional: ignored */
	guest_must_boot(&guest, image_of(&spec), "multiboot");
}

static void entry_outside(void **unused)
{
	struct elf_spec elf = multiboot_elf(true);
	struct flat_spec flat = flat_spec();

	(void)unused;
	elf.entry = 0x1234;
	guest_must_fail(&guest, image_of(&elf), BOOT_ERROR_FORMAT, "entry 0x1234 is in none");
	elf.entry = elf.segments[1].virtual_address + elf.segments[1].memory_size;
	guest_must_fail(&guest, image_of(&elf), BOOT_ERROR_FORMAT, "is in none");
	flat.entry = MIB - 1;
	guest_must_fail(&guest, image_flat(&flat), BOOT_ERROR_FORMAT, "entry 0xfffff is outside");
	flat.entry = MIB + 0x3000;
	guest_must_fail(&guest, image_flat(&flat), BOOT_ERROR_FORMAT, "entry 0x103000 is outside");
}

static void contradicting_addresses(void **unused)
{
	struct flat_spec spec = flat_spec();

	(void)unused;
	spec.load = spec.header + 4;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_FORMAT, "contradict");
	spec.load = spec.header - 0x105;	/* before the file */
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_FORMAT, "contradict");
	spec = flat_spec();
	spec.load_end = spec.header;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_FORMAT, "contradict");
	spec = flat_spec();
	spec.load_end++;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_FORMAT, "1 are missing");
	spec.load_end = 0xffffffff;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_FORMAT, "are missing");
}

static void flat_out_of_place(void **unused)
{
	struct flat_spec spec = flat_spec();

	(void)unused;
	spec.bss_end = 0xffffffff;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_SPACE, "above the RAM");
	spec.bss_end = 65 * MIB;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_SPACE, "--memory 66M");
	spec.load = 0x7ffc;
	spec.header = 0x8000;
	spec.load_end = 0x8ff0;
	spec.bss_end = 0;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_SPACE, "the boot parameters");
}

static void no_addresses(void **unused)
{
	struct flat_spec spec = flat_spec();

	(void)unused;
	spec.flags = 3;
	guest_must_fail(&guest, image_flat(&spec), BOOT_ERROR_FORMAT, "no addresses");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(elf_kernels, teardown),
		cmocka_unit_test_teardown(pvh_is_preferred, teardown),
		cmocka_unit_test_teardown(flat_kernel, teardown),
		cmocka_unit_test_teardown(flat_without_ends, teardown),
		cmocka_unit_test_teardown(header_search, teardown),
		cmocka_unit_test_teardown(info_structure, teardown),
		cmocka_unit_test_teardown(modules, teardown),
		cmocka_unit_test_teardown(required_flags, teardown),
		cmocka_unit_test_teardown(entry_outside, teardown),
		cmocka_unit_test_teardown(contradicting_addresses, teardown),
		cmocka_unit_test_teardown(flat_out_of_place, teardown),
		cmocka_unit_test_teardown(no_addresses, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
