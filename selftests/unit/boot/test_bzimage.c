// SPDX-License-Identifier: GPL-2.0-or-later
/* The bzImage loader: synthetic kernels, every refusal, and real kernels where there are any. */
#include "guest.h"

#include <asm/bootparam.h>
#include <string.h>

#define CODE_OFFSET(spec)	(((spec).setup_sectors + 1) * 512)

static struct guest guest;

static int teardown(void **unused)
{
	(void)unused;
	guest_clear(&guest);
	return 0;
}

static struct boot_params zero_page(void)
{
	struct boot_params params;

	assert_true(guest_memory_read(guest.memory, BOOT_PARAMS_ADDRESS, &params, sizeof(params)));
	return params;
}

/* ------------------------------------------------------------ what works */

static void entry_64(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	const struct mica_vcpu_state *state = &guest.result.state;

	(void)unused;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	guest_check_pattern(&guest, 16 * MIB, 0, spec.code_size);
	assert_int_equal(state->gprs.rip, 16 * MIB + 0x200);
	assert_int_equal(state->gprs.rsi, BOOT_PARAMS_ADDRESS);
	assert_int_equal(state->crs.cr0 & 0x80000001, 0x80000001);
	assert_int_equal(state->crs.cr4, 0x20);
	assert_int_equal(state->msrs.efer, 0x500);
	assert_int_equal(state->segs.cs.selector, 0x10);
	assert_int_equal(state->segs.cs.attr, 0xa09b);
	assert_int_equal(state->segs.ds.selector, 0x18);
	assert_int_equal(state->segs.ss.selector, 0x18);
	assert_int_equal(state->segs.es.selector, 0x18);
}

/* Walks the tables as the CPU does. */
static uint64_t translate(uint64_t address)
{
	uint64_t table = guest.result.state.crs.cr3;

	for (int shift = 39; shift > 21; shift -= 9) {
		uint64_t entry = guest_u64(&guest, table + (address >> shift & 511) * 8);

		assert_int_equal(entry & 0x83, 3);
		table = entry & ~0xfffull;
	}
	table = guest_u64(&guest, table + (address >> 21 & 511) * 8);
	assert_int_equal(table & 0x83, 0x83);
	return (table & ~0x1fffffull) | (address & 0x1fffff);
}

static void identity_map(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	static const uint64_t addresses[] = {
		0, 0x7000, 0x100000, 0x1fffff, 0x200000, 0x3fffffff, 0x40000000, 0xbfffffff,
		0xc0000000, 0xfee00000, 0xffffffff,
	};

	(void)unused;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++)
		assert_int_equal(translate(addresses[i]), addresses[i]);
}

static void gdt_matches_segments(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	uint64_t gdt;

	(void)unused;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	gdt = guest.result.state.segs.gdtr.base;
	assert_int_equal(guest.result.state.segs.gdtr.limit, 0x1f);
	assert_int_equal(guest_u64(&guest, gdt), 0);
	assert_int_equal(guest_u64(&guest, gdt + 0x10), 0x00af9b000000ffffull);
	assert_int_equal(guest_u64(&guest, gdt + 0x18), 0x00cf93000000ffffull);
	spec.xloadflags = 0;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	assert_int_equal(guest_u64(&guest, gdt + 0x10), 0x00cf9b000000ffffull);
}

static void check_entry_32(const struct bzimage_spec *spec, uint64_t address)
{
	const struct mica_vcpu_state *state = &guest.result.state;

	guest_must_boot(&guest, image_bzimage(spec), "bzImage");
	guest_check_pattern(&guest, address, 0, spec->code_size);
	assert_int_equal(state->gprs.rip, address);
	assert_int_equal(state->gprs.rsi, BOOT_PARAMS_ADDRESS);
	assert_int_equal(state->gprs.rbp | state->gprs.rdi | state->gprs.rbx, 0);
	assert_int_equal(state->crs.cr0, 0x11);
	assert_int_equal(state->msrs.efer | state->crs.cr4 | state->crs.cr3, 0);
	assert_int_equal(state->segs.cs.attr, 0xc09b);
	assert_int_equal(state->segs.ds.attr, 0xc093);
	assert_int_equal(state->segs.cs.selector, 0x10);
}

static void entry_32(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.xloadflags = 0;
	check_entry_32(&spec, 16 * MIB);
	spec.xloadflags = XLF_KERNEL_64;	/* no such field before 2.12 */
	spec.version = 0x20b;
	check_entry_32(&spec, 16 * MIB);
	spec.version = 0x209;			/* no pref_address before 2.10 */
	spec.relocatable = 0;
	check_entry_32(&spec, MIB);
	spec.relocatable = 1;
	check_entry_32(&spec, 2 * MIB);		/* 1 MiB, aligned */
}

static void zero_page_fields(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	struct e820_entry entries[E820_MAX];
	struct boot_params params;
	size_t count;

	(void)unused;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	params = zero_page();
	assert_int_equal(params.hdr.boot_flag, 0xaa55);
	assert_int_equal(params.hdr.version, spec.version);
	assert_int_equal(params.hdr.type_of_loader, 0xff);
	assert_int_equal(params.hdr.setup_data, 0);
	assert_int_equal(params.hdr.code32_start, 16 * MIB);
	assert_int_equal(params.hdr.ramdisk_image | params.hdr.ramdisk_size, 0);
	assert_int_equal(params.acpi_rsdp_addr, BOOT_ACPI_ADDRESS);
	assert_memory_equal(guest_string(&guest, params.acpi_rsdp_addr), "RSD PTR ", 8);
	assert_string_equal(guest_string(&guest, params.hdr.cmd_line_ptr), "console=ttyS0");
	assert_int_equal(params.sentinel, 0);
	assert_int_equal(params.screen_info.orig_video_isVGA, 0);
	assert_int_equal(params.screen_info.orig_video_lines, 0);
	assert_int_equal(params.screen_info.orig_video_cols, 0);
	count = boot_e820(guest.memory, entries);
	assert_int_equal(params.e820_entries, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(params.e820_table[i].addr, entries[i].address);
		assert_int_equal(params.e820_table[i].size, entries[i].size);
		assert_int_equal(params.e820_table[i].type, entries[i].type);
	}
}

/* Only the header is copied: what the file has around it stays out. */
static void zero_page_is_clean(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	uint64_t header_end = 0x202 + spec.header_jump;

	(void)unused;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	guest_check_zero(&guest, BOOT_PARAMS_ADDRESS, 0x70);
	guest_check_zero(&guest, BOOT_PARAMS_ADDRESS + 0x1e9, 8);
	guest_check_zero(&guest, BOOT_PARAMS_ADDRESS + header_end, 0x2d0 - header_end);
	guest_check_zero(&guest, BOOT_PARAMS_ADDRESS + 0xcd0, 0x1000 - 0xcd0);
}

/* A header that goes on behind what the protocol has today is copied up to 0x290. */
static void header_of_the_future(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.header_jump = 0xff;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	assert_int_equal(guest_u32(&guest, BOOT_PARAMS_ADDRESS + 0x28c), 0xcccccccc);
	guest_check_zero(&guest, BOOT_PARAMS_ADDRESS + 0x290, 0x40);
}

static void bios_data_area(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	assert_int_equal(guest_u16(&guest, 0x400), 0x3f8);
	assert_int_equal(guest_u16(&guest, 0x40e), 0x9fc0);
	assert_int_equal(guest_u16(&guest, 0x413), 639);
	assert_int_equal(guest_u16(&guest, 0x9fc00), 1);
}

static void default_setup_sectors(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.setup_sectors = 0;		/* means 4 */
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	guest_check_pattern(&guest, 16 * MIB, 0, spec.code_size);
}

/* A signature, for example. */
static void bytes_behind_the_code(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.syssize--;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	guest_check_pattern(&guest, 16 * MIB, 0, spec.code_size - 16);
	guest_check_zero(&guest, 16 * MIB + spec.code_size - 16, 16);
}

static void preferred_address_is_aligned(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.pref_address = 17 * MIB;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	guest_check_pattern(&guest, 18 * MIB, 0, spec.code_size);
	spec.relocatable = 0;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	guest_check_pattern(&guest, 17 * MIB, 0, spec.code_size);
	spec.pref_address = 0;		/* no preference */
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	guest_check_pattern(&guest, MIB, 0, spec.code_size);
}

/* Kernels before 2.08 round syssize up without padding the file. */
static void old_kernel_without_padding(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.version = 0x207;
	spec.code_size -= 15;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	guest_check_pattern(&guest, 2 * MIB, 0, spec.code_size);
	spec.code_size--;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "are missing");
}

/* ------------------------------------------------------------ initrd, command line */

static void initrd_placement(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	g_autofree char *first = guest_file("first", "abcde", 5);
	g_autofree char *second = guest_file("second", "fghijklm", 8);
	const struct boot_module modules[] = { { first, NULL }, { second, (char *)"" } };
	struct boot_params params;

	(void)unused;
	guest_new(&guest, 64);
	memset(guest_memory_pointer(guest.memory, 63 * MIB, MIB), 0xee, MIB);
	assert_true(guest_boot(&guest, image_bzimage(&spec), "", modules, 2));
	params = zero_page();
	assert_int_equal(params.hdr.ramdisk_image, 64 * MIB - 4096);
	assert_int_equal(params.hdr.ramdisk_size, 16);
	assert_memory_equal(guest_string(&guest, params.hdr.ramdisk_image),
			    "abcde\0\0\0fghijklm", 16);
	assert_string_equal(guest_string(&guest, params.hdr.cmd_line_ptr), "");
}

static void initrd_limits(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	g_autofree char *path = guest_file("initrd", "abcde", 5);
	const struct boot_module module = { path, NULL };

	(void)unused;
	spec.initrd_addr_max = 0x2ffffff;
	guest_new(&guest, 64);
	assert_true(guest_boot(&guest, image_bzimage(&spec), "", &module, 1));
	assert_int_equal(zero_page().hdr.ramdisk_image, 0x2fff000);
	spec.initrd_addr_max = 0x13fffff;	/* the kernel's own end: below it */
	guest_new(&guest, 64);
	assert_true(guest_boot(&guest, image_bzimage(&spec), "", &module, 1));
	assert_int_equal(zero_page().hdr.ramdisk_image, 0xfff000);
	guest_new(&guest, 4096);		/* never above the hole */
	spec.initrd_addr_max = 0xffffffff;
	assert_true(guest_boot(&guest, image_bzimage(&spec), "", &module, 1));
	assert_int_equal(zero_page().hdr.ramdisk_image, 0xbffff000);
}

static void initrd_without_room(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	g_autofree char *big = g_malloc0(20 * MIB);
	g_autofree char *path = guest_file("big", big, 20 * MIB);
	const struct boot_module modules[] = { { path, NULL }, { path, NULL }, { path, NULL } };

	(void)unused;
	guest_new(&guest, 32);
	assert_false(guest_boot(&guest, image_bzimage(&spec), "", modules, 1));
	guest_check_error(&guest, BOOT_ERROR_SPACE, "more --memory");
	assert_false(guest_boot(&guest, image_bzimage(&spec), "", modules, 3));
	guest_check_error(&guest, BOOT_ERROR_SPACE, "40 MiB together");
	guest_check_zero(&guest, 0, 32 * MIB);
	guest_new(&guest, 64);
	spec.initrd_addr_max = 0x14fffff;
	assert_false(guest_boot(&guest, image_bzimage(&spec), "", modules, 1));
	guest_check_error(&guest, BOOT_ERROR_SPACE, "and 0x1500000");
}

static void initrd_arguments(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	g_autofree char *path = guest_file("initrd", "abcde", 5);
	const struct boot_module module = { path, (char *)"quiet" };

	(void)unused;
	guest_new(&guest, 64);
	assert_false(guest_boot(&guest, image_bzimage(&spec), "", &module, 1));
	guest_check_error(&guest, BOOT_ERROR_FORMAT, "cannot have arguments");
}

static void command_line_limit(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.cmdline_size = 13;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	spec.cmdline_size = 12;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_SPACE, "13 bytes");
}

static void command_line_area(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	g_autofree char *line = g_strnfill(0x10000, 'x');

	(void)unused;
	spec.cmdline_size = 0xffffffff;
	guest_new(&guest, 64);
	assert_false(guest_boot(&guest, image_bzimage(&spec), line, NULL, 0));
	guest_check_error(&guest, BOOT_ERROR_SPACE, "65536 bytes together");
	line[0xffff] = '\0';
	assert_true(guest_boot(&guest, image_bzimage(&spec), line, NULL, 0));
	assert_string_equal(guest_string(&guest, BOOT_COMMAND_LINE), line);
}

/* ------------------------------------------------------------ refusals */

static void too_old(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.version = 0x205;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "protocol is 2.05");
	spec.version = 0x20f;
	spec.loadflags = 0;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "zImage");
}

static void header_too_short(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.header_jump = 0x61;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "ends at byte 0x263");
	spec.header_jump = 0x62;
	guest_must_boot(&guest, image_bzimage(&spec), "bzImage");
	spec.version = 0x206;
	spec.header_jump = 0x39;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "ends at byte 0x23b");
}

static void code_is_missing(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.syssize++;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT,
			"16 of the 8208 bytes of its protected-mode part are missing");
	spec.syssize = 0xffffffff;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "are missing");
	spec.syssize = 0;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "only 0 bytes");
}

static void bad_addresses(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();

	(void)unused;
	spec.alignment = 0x300000;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "power of two");
	spec.alignment = 0;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "power of two");
	spec = bzimage_spec();
	spec.pref_address = 0x7000;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "0x7000");
	spec.pref_address = UINT64_MAX;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_FORMAT, "preferred");
	spec.pref_address = 0xbff00000;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_SPACE, "above the RAM");
	spec.pref_address = 16 * MIB;
	spec.init_size = 0xffffffff;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_SPACE, "above the RAM");
	spec.init_size = 0x3000001;
	guest_must_fail(&guest, image_bzimage(&spec), BOOT_ERROR_SPACE, "--memory 66M");
}

/* ------------------------------------------------------------ real kernels */

static GByteArray *read_kernel(const char *path)
{
	char *data;
	size_t size;

	if (!g_file_get_contents(path, &data, &size, NULL))
		return NULL;
	return g_byte_array_new_take((guint8 *)data, size);
}

static void check_real_kernel(const char *path)
{
	GByteArray *image = read_kernel(path);
	struct boot_params params;
	struct setup_header header;
	uint64_t code;

	if (!image)
		return;		/* not readable for this user */
	print_message("%s\n", path);
	guest_new(&guest, 256);
	memcpy(&header, image->data + 0x1f1, sizeof(header));
	code = (header.setup_sects + 1) * 512;
	g_byte_array_ref(image);
	if (!guest_boot(&guest, image, "console=ttyS0", NULL, 0))
		fail_msg("%s", guest.error->message);
	guest_check_state(&guest.result.state);
	params = zero_page();
	assert_int_equal(params.hdr.version, header.version);
	assert_int_equal(params.hdr.init_size, header.init_size);
	assert_int_equal(params.hdr.kernel_info_offset, header.kernel_info_offset);
	assert_int_equal(guest.result.state.gprs.rip, header.pref_address + 0x200);
	assert_memory_equal(guest_memory_pointer(guest.memory, header.pref_address,
						 header.syssize * 16ull),
			    image->data + code, header.syssize * 16ull);
	g_byte_array_unref(image);
}

static void real_kernels(void **unused)
{
	g_autoptr(GDir) dir = g_dir_open("/boot", 0, NULL);
	const char *name;
	unsigned int count = 0;

	(void)unused;
	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename("/boot", name, NULL);

		if (!g_str_has_prefix(name, "vmlinuz-"))
			continue;
		check_real_kernel(path);
		count++;
	}
	if (count == 0)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(entry_64, teardown),
		cmocka_unit_test_teardown(identity_map, teardown),
		cmocka_unit_test_teardown(gdt_matches_segments, teardown),
		cmocka_unit_test_teardown(entry_32, teardown),
		cmocka_unit_test_teardown(zero_page_fields, teardown),
		cmocka_unit_test_teardown(zero_page_is_clean, teardown),
		cmocka_unit_test_teardown(header_of_the_future, teardown),
		cmocka_unit_test_teardown(bios_data_area, teardown),
		cmocka_unit_test_teardown(default_setup_sectors, teardown),
		cmocka_unit_test_teardown(bytes_behind_the_code, teardown),
		cmocka_unit_test_teardown(preferred_address_is_aligned, teardown),
		cmocka_unit_test_teardown(old_kernel_without_padding, teardown),
		cmocka_unit_test_teardown(initrd_placement, teardown),
		cmocka_unit_test_teardown(initrd_limits, teardown),
		cmocka_unit_test_teardown(initrd_without_room, teardown),
		cmocka_unit_test_teardown(initrd_arguments, teardown),
		cmocka_unit_test_teardown(command_line_limit, teardown),
		cmocka_unit_test_teardown(command_line_area, teardown),
		cmocka_unit_test_teardown(too_old, teardown),
		cmocka_unit_test_teardown(header_too_short, teardown),
		cmocka_unit_test_teardown(code_is_missing, teardown),
		cmocka_unit_test_teardown(bad_addresses, teardown),
		cmocka_unit_test_teardown(real_kernels, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
