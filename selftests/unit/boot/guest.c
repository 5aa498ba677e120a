// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest.h"

#include <glib/gstdio.h>
#include <string.h>

void guest_new(struct guest *guest, unsigned int mib)
{
	guest_clear(guest);
	guest->memory = guest_memory_new(-1, mib * MIB, NULL);
	assert_non_null(guest->memory);
}

void guest_clear(struct guest *guest)
{
	g_clear_pointer(&guest->memory, guest_memory_free);
	g_clear_error(&guest->error);
	memset(&guest->result, 0, sizeof(guest->result));
}

gboolean guest_boot(struct guest *guest, GByteArray *image, const char *command_line,
		    const struct boot_module *modules, size_t module_count)
{
	g_autofree char *kernel = guest_file("kernel", image->data, image->len);
	static const struct cpu_topology two = { .sockets = 1, .cores = 2, .threads = 1 };
	const struct boot_config config = {
		.kernel = kernel,
		.command_line = command_line,
		.modules = modules,
		.module_count = module_count,
		.topology = &two,
	};

	g_byte_array_unref(image);
	g_clear_error(&guest->error);
	return boot_load(&config, guest->memory, &guest->result, &guest->error);
}

void guest_must_boot(struct guest *guest, GByteArray *image, const char *format)
{
	guest_new(guest, 64);
	if (!guest_boot(guest, image, "console=ttyS0", NULL, 0))
		fail_msg("%s", guest->error->message);
	assert_string_equal(guest->result.format, format);
	guest_check_state(&guest->result.state);
}

void guest_check_error(const struct guest *guest, int code, const char *words)
{
	assert_non_null(guest->error);
	if (!g_error_matches(guest->error, BOOT_ERROR, code) ||
	    !strstr(guest->error->message, words))
		fail_msg("expected code %d and '%s', got code %d: %s", code, words,
			 guest->error->code, guest->error->message);
	assert_null(strchr(guest->error->message, '\n'));
}

void guest_must_fail(struct guest *guest, GByteArray *image, int code, const char *words)
{
	guest_new(guest, 64);
	if (guest_boot(guest, image, "console=ttyS0", NULL, 0))
		fail_msg("it booted, though '%s' was expected", words);
	guest_check_error(guest, code, words);
	guest_check_zero(guest, 0, 64 * MIB);
}

static const void *pointer(const struct guest *guest, uint64_t gpa, uint64_t length)
{
	const void *host = guest_memory_pointer(guest->memory, gpa, length);

	assert_non_null(host);
	return host;
}

uint16_t guest_u16(const struct guest *guest, uint64_t gpa)
{
	uint16_t value;

	memcpy(&value, pointer(guest, gpa, sizeof(value)), sizeof(value));
	return value;
}

uint32_t guest_u32(const struct guest *guest, uint64_t gpa)
{
	uint32_t value;

	memcpy(&value, pointer(guest, gpa, sizeof(value)), sizeof(value));
	return value;
}

uint64_t guest_u64(const struct guest *guest, uint64_t gpa)
{
	uint64_t value;

	memcpy(&value, pointer(guest, gpa, sizeof(value)), sizeof(value));
	return value;
}

const char *guest_string(const struct guest *guest, uint64_t gpa)
{
	return pointer(guest, gpa, 1);
}

void guest_check_pattern(const struct guest *guest, uint64_t gpa, uint64_t start, uint64_t length)
{
	const uint8_t *bytes = pointer(guest, gpa, length);

	for (uint64_t i = 0; i < length; i++)
		if (bytes[i] != image_pattern(start + i))
			fail_msg("wrong byte at 0x%llx", (unsigned long long)(gpa + i));
}

void guest_check_zero(const struct guest *guest, uint64_t gpa, uint64_t length)
{
	const uint8_t *bytes = pointer(guest, gpa, length);

	if (bytes[0] != 0 || memcmp(bytes, bytes + 1, length - 1) != 0)
		fail_msg("0x%llx bytes at 0x%llx are not zero", (unsigned long long)length,
			 (unsigned long long)gpa);
}

static char *folder;

static void remove_folder(void)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);

		g_unlink(path);
	}
	g_rmdir(folder);
	g_free(folder);
}

const char *guest_folder(void)
{
	if (!folder) {
		folder = g_dir_make_tmp("mica-boot-XXXXXX", NULL);
		assert_non_null(folder);
		atexit(remove_folder);
	}
	return folder;
}

char *guest_file(const char *name, const void *data, size_t size)
{
	char *path = g_build_filename(guest_folder(), name, NULL);

	assert_true(g_file_set_contents(path, data, size, NULL));
	return path;
}
