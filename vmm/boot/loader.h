/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What boot.c gives to the loader of a format, and what all loaders use. */
#ifndef MICA_VMM_BOOT_LOADER_H
#define MICA_VMM_BOOT_LOADER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "boot.h"
#include "layout.h"

#define BOOT_MODULES_MAX	64u

/* A file's bytes; nothing in them is trusted. */
struct boot_image {
	const uint8_t *data;
	size_t size;
};

/* True if [offset, offset + length) lies inside the file. */
static inline bool boot_image_has(const struct boot_image *image, uint64_t offset, uint64_t length)
{
	return offset <= image->size && length <= image->size - offset;
}

struct boot_module_image {
	const struct boot_module *module;
	GBytes *bytes;			/* owned by boot.c */
	uint64_t address;		/* set by boot_modules_place() */
	uint32_t string;		/* address of its command line, 0: none */
};

struct boot_job {
	const struct boot_config *config;
	struct guest_memory *memory;
	struct boot_image kernel;
	struct boot_module_image *modules;	/* config->module_count of them */
	struct boot_layout *layout;
	GByteArray *strings;			/* see boot_string_add() */
	struct mica_vcpu_state *state;		/* to be filled in */
};

/* probe() says from the first bytes whether the file claims the format.  load() checks
 * everything before it writes to the guest's memory; its messages do not name the
 * kernel's file.  The ACPI tables and the strings are written by boot.c. */
struct boot_loader {
	const char *name;
	bool (*probe)(const struct boot_image *image);
	gboolean (*load)(struct boot_job *job, GError **error);
};

extern const struct boot_loader bzimage_loader;
extern const struct boot_loader pvh_loader;
extern const struct boot_loader multiboot_loader;

/* Places each module at a page of its own behind the kernel, the first one at a multiple
 * of 2 MiB, so that a kernel can map itself with large pages. */
gboolean boot_modules_place(struct boot_job *job, GError **error);
void boot_modules_write(struct boot_job *job);

/* boot_load() for a kernel that was read already; `config->kernel` only names it. */
gboolean boot_load_image(const struct boot_config *config, GBytes *kernel,
			 struct guest_memory *memory, struct boot_result *result,
			 GError **error);

#endif
