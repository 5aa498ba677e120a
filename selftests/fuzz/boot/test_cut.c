// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel image cut at any byte: refused in one line as long as anything that is needed
 * is missing, loaded as soon as nothing is.
 */
#include "harness.h"

#include <asm/bootparam.h>
#include <string.h>

#define BODY_STEP	4099u	/* a prime: all alignments come up */
#define ENDS		64u

static struct harness harness;

static int setup(void **unused)
{
	(void)unused;
	harness.memory = guest_memory_new(-1, 128 * MIB, NULL);
	return harness.memory ? 0 : -1;
}

static int teardown(void **unused)
{
	(void)unused;
	guest_memory_free(harness.memory);
	return 0;
}

static void cut_at(const char *name, uint8_t *data, size_t size, size_t needed, size_t length)
{
	g_autofree char *message = NULL;
	gboolean loaded = harness_load(&harness, data, length, size, &message);

	if (loaded && length < needed)
		fail_msg("%s: loaded with %zu of the %zu bytes that it needs", name, length,
			 needed);
	if (!loaded && length >= needed)
		fail_msg("%s: not loaded with %zu of %zu bytes: %s", name, length, size, message);
}

static void synthetic_images(void **unused)
{
	struct harness_image images[HARNESS_IMAGES];

	(void)unused;
	harness_images(images);
	for (unsigned int i = 0; i < HARNESS_IMAGES; i++) {
		struct harness_image *image = &images[i];

		for (size_t length = 0; length <= image->bytes->len; length++)
			cut_at(image->name, image->bytes->data, image->bytes->len, image->needed,
			       length);
		print_message("%s: cut at %u places\n", image->name, image->bytes->len);
	}
	harness_images_clear(images);
}

/* The message says how much is missing, once the header is there to tell. */
static void says_what_is_missing(void **unused)
{
	struct bzimage_spec spec = bzimage_spec();
	g_autoptr(GByteArray) image = image_bzimage(&spec);
	g_autofree char *message = NULL;

	(void)unused;
	assert_false(harness_load(&harness, image->data, image->len - 100, image->len, &message));
	assert_non_null(strstr(message, "100 of the 8192 bytes of its protected-mode part"));
}

static void cut_real_kernel(const char *path)
{
	g_autofree char *contents = NULL;
	struct setup_header header;
	size_t size, needed, code;
	unsigned int cuts = 0;

	if (!g_file_get_contents(path, &contents, &size, NULL))
		return;		/* not readable for this user */
	memcpy(&header, contents + 0x1f1, sizeof(header));
	code = (header.setup_sects + 1) * 512;
	needed = code + header.syssize * 16ull;
	for (size_t length = 0; length < size; cuts++) {
		cut_at(path, (uint8_t *)contents, size, needed, length);
		length += length < code + ENDS || length + ENDS > needed ? 1 : BODY_STEP;
		if (length > needed - ENDS && length < needed - ENDS + BODY_STEP && length < needed)
			length = MAX(length, needed - ENDS);
	}
	print_message("%s: cut at %u places\n", path, cuts);
}

static void real_kernels(void **unused)
{
	g_autoptr(GDir) dir = g_dir_open("/boot", 0, NULL);
	unsigned int count = 0;
	const char *name;

	(void)unused;
	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename("/boot", name, NULL);

		if (!g_str_has_prefix(name, "vmlinuz-"))
			continue;
		cut_real_kernel(path);
		count++;
	}
	if (count == 0)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(synthetic_images),
		cmocka_unit_test(says_what_is_missing),
		cmocka_unit_test(real_kernels),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
