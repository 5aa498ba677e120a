/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the targets of the loaders share: the input says how a kernel of harness.h is damaged and
 * where it is cut, or is the kernel itself.
 */
#ifndef MICA_FUZZ_BOOT_FUZZ_BOOT_H
#define MICA_FUZZ_BOOT_FUZZ_BOOT_H

#include <stddef.h>
#include <stdint.h>

/* With one of the images `first` to `first + count - 1` of harness_images(). */
void fuzz_boot(const uint8_t *data, size_t size, unsigned int first, unsigned int count);

#endif
