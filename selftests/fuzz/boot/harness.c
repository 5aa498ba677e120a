// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness.h"

#include <string.h>

#include "../../../vmm/boot/loader.h"

/* gcc's word for it, and clang's. */
#if !defined(__SANITIZE_ADDRESS__) && defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__	1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define HIDE(start, size)	ASAN_POISON_MEMORY_REGION(start, size)
#define SHOW(start, size)	ASAN_UNPOISON_MEMORY_REGION(start, size)
#else
#define HIDE(start, size)	((void)(start), (void)(size))
#define SHOW(start, size)	((void)(start), (void)(size))
#endif

static void check_success(const struct harness *harness, const struct boot_result *result)
{
	assert_non_null(result->format);
	guest_check_state(&result->state);
	assert_non_null(guest_memory_pointer(harness->memory, result->state.gprs.rip, 1));
}

static void check_error(const GError *error)
{
	assert_non_null(error);
	assert_int_equal(error->domain, BOOT_ERROR);
	assert_true(g_str_has_prefix(error->message, "the kernel: ") ||
		    error->code == BOOT_ERROR_FILE || error->code == BOOT_ERROR_SPACE);
	for (const char *c = error->message; *c; c++)
		assert_true(g_ascii_isprint(*c));
}

gboolean harness_load(const struct harness *harness, uint8_t *data, size_t length, size_t size,
		      char **message)
{
	g_autoptr(GBytes) kernel = g_bytes_new_static(data, length);
	static const struct cpu_topology one = { .sockets = 1, .cores = 1, .threads = 1 };
	const struct boot_config config = {
		.kernel = "the kernel",
		.command_line = "console=ttyS0",
		.modules = harness->modules,
		.module_count = harness->module_count,
		.topology = &one,
	};
	struct boot_result result = { 0 };
	g_autoptr(GError) error = NULL;
	gboolean loaded;

	HIDE(data + length, size - length);
	loaded = boot_load_image(&config, kernel, harness->memory, &result, &error);
	SHOW(data + length, size - length);
	if (loaded)
		check_success(harness, &result);
	else
		check_error(error);
	if (message)
		*message = loaded ? NULL : g_strdup(error->message);
	return loaded;
}

static struct harness_image bzimage(const char *name, uint16_t version)
{
	struct bzimage_spec spec = bzimage_spec();
	struct harness_image image = { .name = name };

	spec.version = version;
	image.bytes = image_bzimage(&spec);
	image.needed = image.bytes->len;
	return image;
}

static struct harness_image elf(const char *name, bool is_64, enum elf_note note)
{
	struct elf_spec spec = elf_spec(is_64);
	struct harness_image image = { .name = name };

	spec.note = note;
	spec.multiboot = note == ELF_NOTE_NONE;
	image.bytes = image_elf(&spec, &image.needed);
	return image;
}

static struct harness_image flat(const char *name)
{
	struct flat_spec spec = flat_spec();

	return (struct harness_image){ name, image_flat(&spec), spec.size };
}

void harness_images(struct harness_image images[HARNESS_IMAGES])
{
	const struct harness_image all[HARNESS_IMAGES] = {
		bzimage("bzImage, 64-bit entry", 0x20f),
		bzimage("bzImage, 32-bit entry", 0x209),
		elf("PVH ELF64, PT_NOTE", true, ELF_NOTE_SEGMENT),
		elf("PVH ELF64, SHT_NOTE", true, ELF_NOTE_SECTION),
		elf("PVH ELF32, PT_NOTE", false, ELF_NOTE_SEGMENT),
		elf("PVH ELF32, SHT_NOTE", false, ELF_NOTE_SECTION),
		elf("multiboot ELF32", false, ELF_NOTE_NONE),
		flat("multiboot with addresses"),
	};

	memcpy(images, all, sizeof(all));
}

void harness_images_clear(struct harness_image images[HARNESS_IMAGES])
{
	for (unsigned int i = 0; i < HARNESS_IMAGES; i++)
		g_byte_array_unref(images[i].bytes);
}
