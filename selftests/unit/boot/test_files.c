// SPDX-License-Identifier: GPL-2.0-or-later
/* What can be wrong with a file before its format matters. */
#include "guest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../vmm/boot/file.h"

static struct guest guest;

static int teardown(void **unused)
{
	(void)unused;
	guest_clear(&guest);
	return 0;
}

static gboolean boot_path(const char *kernel, const char *module)
{
	const struct boot_module list = { (char *)module, NULL };
	static const struct cpu_topology one = { .sockets = 1, .cores = 1, .threads = 1 };
	const struct boot_config config = {
		.kernel = kernel,
		.command_line = "",
		.modules = &list,
		.module_count = module ? 1 : 0,
		.topology = &one,
	};

	guest_new(&guest, 64);
	return boot_load(&config, guest.memory, &guest.result, &guest.error);
}

static void kernel_cannot_be_read(void **unused)
{
	g_autofree char *empty = guest_file("empty", "", 0);

	(void)unused;
	assert_false(boot_path("/nonexistent/kernel", NULL));
	guest_check_error(&guest, BOOT_ERROR_FILE, "/nonexistent/kernel: cannot open it: No such");
	assert_false(boot_path(guest_folder(), NULL));
	guest_check_error(&guest, BOOT_ERROR_FILE, "cannot read it: Is a directory");
	assert_false(boot_path(empty, NULL));
	guest_check_error(&guest, BOOT_ERROR_FILE, "empty: the file is empty");
}

static void module_cannot_be_read(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	g_autoptr(GByteArray) image = image_bzimage(&spec);
	g_autofree char *kernel = guest_file("kernel", image->data, image->len);

	(void)unused;
	assert_false(boot_path(kernel, "/nonexistent/initrd"));
	guest_check_error(&guest, BOOT_ERROR_FILE, "/nonexistent/initrd: cannot open it");
	assert_false(boot_path(kernel, "/dev/null"));
	guest_check_error(&guest, BOOT_ERROR_FILE, "/dev/null: is a device; give a file or a pipe");
}

static void unknown_format(void **unused)
{
	g_autofree char *text = guest_file("text", "#!/bin/sh\n", 10);
	uint8_t boot_sector[1024] = { [510] = 0x55, [511] = 0xaa };
	g_autofree char *sector = guest_file("sector", boot_sector, sizeof(boot_sector));

	(void)unused;
	assert_false(boot_path(text, NULL));
	guest_check_error(&guest, BOOT_ERROR_FORMAT, "text: not a kernel of a known format");
	assert_false(boot_path(sector, NULL));
	guest_check_error(&guest, BOOT_ERROR_FORMAT, "sector: not a kernel of a known format");
}

static void too_long(void **unused)
{
	g_autofree char *path = guest_file("huge", "", 0);

	(void)unused;
	assert_int_equal(truncate(path, (off_t)BOOT_FILE_MAX + 1), 0);
	assert_false(boot_path(path, NULL));
	guest_check_error(&guest, BOOT_ERROR_SPACE, "longer than 1024 MiB");
}

static gpointer write_pipe(gpointer path)
{
	uint8_t block[64 * 1024];
	int fd = open(path, O_WRONLY);

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = image_pattern(i);
	for (unsigned int i = 0; i < 40; i++)
		if (write(fd, block, sizeof(block)) != sizeof(block))
			break;
	close(fd);
	return NULL;
}

/* Longer than the first buffer, and of no size that could be asked for. */
static void pipes_are_read(void **unused)
{
	g_autofree char *path = g_build_filename(guest_folder(), "pipe", NULL);
	g_autoptr(GBytes) bytes = NULL;
	const uint8_t *data;
	GThread *writer;
	size_t size;

	(void)unused;
	assert_int_equal(mkfifo(path, 0600), 0);
	writer = g_thread_new("writer", write_pipe, path);
	bytes = boot_file_read(path, NULL);
	g_thread_join(writer);
	assert_non_null(bytes);
	data = g_bytes_get_data(bytes, &size);
	assert_int_equal(size, 40 * 64 * 1024);
	for (size_t i = 0; i < size; i++)
		if (data[i] != image_pattern(i % (64 * 1024)))
			fail_msg("wrong byte at %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(kernel_cannot_be_read, teardown),
		cmocka_unit_test_teardown(module_cannot_be_read, teardown),
		cmocka_unit_test_teardown(unknown_format, teardown),
		cmocka_unit_test_teardown(too_long, teardown),
		cmocka_unit_test_teardown(pipes_are_read, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
