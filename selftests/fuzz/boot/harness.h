/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Feeds damaged kernels to the loaders.  Whatever the file, boot_load_image() either
 * succeeds with a state that a CPU can enter, or gives one line of error.
 */
#ifndef MICA_FUZZ_BOOT_HARNESS_H
#define MICA_FUZZ_BOOT_HARNESS_H

#include "../../unit/boot/guest.h"

struct harness {
	struct guest_memory *memory;
	const struct boot_module *modules;
	size_t module_count;
};

/* Loads the first `length` of `size` bytes; with AddressSanitizer, a read behind them
 * ends the program.  Returns whether it succeeded; `message`, if not NULL, is then NULL
 * or the error, which the caller frees. */
gboolean harness_load(const struct harness *harness, uint8_t *data, size_t length, size_t size,
		      char **message);

/* Every kind of image that images.h makes, with the count of bytes that each needs. */
struct harness_image {
	const char *name;
	GByteArray *bytes;
	size_t needed;
};
#define HARNESS_IMAGES	8
void harness_images(struct harness_image images[HARNESS_IMAGES]);
void harness_images_clear(struct harness_image images[HARNESS_IMAGES]);

#endif
