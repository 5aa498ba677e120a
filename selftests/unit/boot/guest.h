/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of vmm/boot/ share: a guest without a kernel module, and its checks. */
#ifndef MICA_TEST_BOOT_GUEST_H
#define MICA_TEST_BOOT_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>

#include "../../../vmm/boot/boot.h"
#include "images.h"

#define MIB	(1ull << 20)

struct guest {
	struct guest_memory *memory;
	struct boot_result result;
	GError *error;
};

/* A guest of `mib` MiB; frees what an earlier call made. */
void guest_new(struct guest *guest, unsigned int mib);
void guest_clear(struct guest *guest);

/* Boots `image`, which it takes over, with that command line and those modules. */
gboolean guest_boot(struct guest *guest, GByteArray *image, const char *command_line,
		    const struct boot_module *modules, size_t module_count);

/* Boots with no modules in 64 MiB; the test fails unless it works and the format is so. */
void guest_must_boot(struct guest *guest, GByteArray *image, const char *format);
/* Likewise, unless it fails with that code, `words` somewhere in one line of message, and
 * an untouched guest. */
void guest_must_fail(struct guest *guest, GByteArray *image, int code, const char *words);
/* The last boot failed so. */
void guest_check_error(const struct guest *guest, int code, const char *words);

uint16_t guest_u16(const struct guest *guest, uint64_t gpa);
uint32_t guest_u32(const struct guest *guest, uint64_t gpa);
uint64_t guest_u64(const struct guest *guest, uint64_t gpa);
const char *guest_string(const struct guest *guest, uint64_t gpa);
/* `length` bytes at gpa are image_pattern() from `start` on. */
void guest_check_pattern(const struct guest *guest, uint64_t gpa, uint64_t start, uint64_t length);
void guest_check_zero(const struct guest *guest, uint64_t gpa, uint64_t length);

/* A folder that goes when the test ends, with everything in it. */
const char *guest_folder(void);
/* A file with these bytes there; the caller frees the path. */
char *guest_file(const char *name, const void *data, size_t size);

/* SDM volume 3, "Checks on the Guest State Area", for a guest with "unrestricted guest". */
void guest_check_state(const struct mica_vcpu_state *state);

#endif
