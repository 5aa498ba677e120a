// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>

#include "elf_image.h"
#include "file.h"
#include "loader.h"
#include "lowmem.h"
#include "mptable.h"

#define PAGE		4096u
#define LARGE_PAGE	(2u << 20)

G_DEFINE_QUARK(boot-error-quark, boot_error)

/* In order of preference: an ELF file may have both a PVH note and a multiboot header. */
static const struct boot_loader *const loaders[] = {
	&bzimage_loader,
	&pvh_loader,
	&multiboot_loader,
};

/* An ELF file that is damaged deserves a better word than "unknown". */
static void set_unknown_format(const struct boot_image *image, GError **error)
{
	g_autoptr(elf_image) elf = NULL;

	if (!elf_probe(image)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "not a kernel of a known format (Linux bzImage, ELF with a PVH entry, "
			    "multiboot), or cut off before its header: it has %zu bytes",
			    image->size);
		return;
	}
	elf = elf_read(image, error);
	if (elf)
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT,
			    "an ELF file without a PVH entry note and without a multiboot header, "
			    "or cut off before them (Linux needs CONFIG_PVH=y)");
}

static const struct boot_loader *find_loader(const struct boot_image *image, GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(loaders); i++)
		if (loaders[i]->probe(image))
			return loaders[i];
	set_unknown_format(image, error);
	return NULL;
}

static gboolean read_modules(struct boot_job *job, GError **error)
{
	const struct boot_config *config = job->config;
	uint64_t total = 0;

	for (size_t i = 0; i < config->module_count; i++) {
		struct boot_module_image *image = &job->modules[i];

		image->module = &config->modules[i];
		image->bytes = boot_file_read(image->module->path, error);
		if (!image->bytes)
			return FALSE;
		total += g_bytes_get_size(image->bytes);
		if (total > guest_memory_size(job->memory)) {
			g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
				    "%s: the modules up to this one have %" PRIu64 " MiB together, "
				    "more than the guest's memory", image->module->path,
				    total >> 20);
			return FALSE;
		}
	}
	return TRUE;
}

static void free_modules(struct boot_job *job)
{
	for (size_t i = 0; i < job->config->module_count; i++)
		g_clear_pointer(&job->modules[i].bytes, g_bytes_unref);
	g_free(job->modules);
}

gboolean boot_modules_place(struct boot_job *job, GError **error)
{
	uint64_t from = boot_layout_end(job->layout);
	uint64_t align = LARGE_PAGE;

	for (size_t i = 0; i < job->config->module_count; i++) {
		struct boot_module_image *image = &job->modules[i];
		uint64_t size = g_bytes_get_size(image->bytes);

		if (!boot_layout_place(job->layout, from, size, align, image->module->path,
				       &image->address, error))
			return FALSE;
		from = image->address + size;
		align = PAGE;
	}
	return TRUE;
}

void boot_modules_write(struct boot_job *job)
{
	for (size_t i = 0; i < job->config->module_count; i++) {
		const struct boot_module_image *image = &job->modules[i];
		size_t size;
		const void *data = g_bytes_get_data(image->bytes, &size);

		boot_write(job->memory, image->address, data, size);
	}
}

static void write_tables(const struct boot_job *job)
{
	static const struct pci_map nothing = { .buses = 1 };
	const struct pci_map *pci = job->config->pci ? job->config->pci : &nothing;

	acpi_build(job->memory, job->config->topology, pci);
	mptable_build(job->memory, job->config->topology, pci);
}

static gboolean run_loader(const struct boot_loader *loader, struct boot_job *job, GError **error)
{
	if (!loader->load(job, error)) {
		g_prefix_error(error, "%s: ", job->config->kernel);
		return FALSE;
	}
	boot_strings_write(job->memory, job->strings);
	boot_write_low_memory(job->memory, job->state);
	write_tables(job);
	return TRUE;
}

static gboolean load_with(const struct boot_loader *loader, struct boot_job *job, GError **error)
{
	g_autoptr(boot_layout) layout = boot_layout_new(job->memory);
	g_autoptr(GByteArray) strings = g_byte_array_new();
	gboolean loaded;

	job->layout = layout;
	job->strings = strings;
	job->modules = g_new0(struct boot_module_image, job->config->module_count);
	loaded = read_modules(job, error) && run_loader(loader, job, error);
	free_modules(job);
	return loaded;
}

gboolean boot_load_image(const struct boot_config *config, GBytes *kernel,
			 struct guest_memory *memory, struct boot_result *result,
			 GError **error)
{
	struct boot_job job = { .config = config, .memory = memory, .state = &result->state };
	const struct boot_loader *loader;

	if (config->module_count > BOOT_MODULES_MAX) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
			    "%zu modules were given, at most %u can be loaded",
			    config->module_count, BOOT_MODULES_MAX);
		return FALSE;
	}
	job.kernel.data = g_bytes_get_data(kernel, &job.kernel.size);
	loader = find_loader(&job.kernel, error);
	if (!loader) {
		g_prefix_error(error, "%s: ", config->kernel);
		return FALSE;
	}
	result->format = loader->name;
	return load_with(loader, &job, error);
}

gboolean boot_load(const struct boot_config *config, struct guest_memory *memory,
		   struct boot_result *result, GError **error)
{
	g_autoptr(GBytes) kernel = boot_file_read(config->kernel, error);

	return kernel && boot_load_image(config, kernel, memory, result, error);
}
