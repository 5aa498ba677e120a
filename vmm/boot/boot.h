/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading a kernel: which of the known formats a file has, where its parts go in the
 * guest's RAM, what the first vCPU's registers are.  Everything about a file is
 * checked before the guest's RAM is written; a file cut at any byte gives one clear
 * GError (BOOT_ERROR), never a crash.
 */
#ifndef MICA_VMM_BOOT_H
#define MICA_VMM_BOOT_H

#include <glib.h>
#include <mica.h>
#include <stdint.h>

#include "../cpu/model.h"
#include "../cpu/topology.h"
#include "../memory.h"
#include "../pci/map.h"

/* Fixed places below 1 MiB (see docs/memory-map.md). */
#define BOOT_GDT_ADDRESS	0x500ull
#define BOOT_PARAMS_ADDRESS	0x7000ull	/* zero page, PVH start info, multiboot info */
#define BOOT_PAGE_TABLES	0x9000ull	/* identity map for 64-bit entries */
#define BOOT_COMMAND_LINE	0x20000ull
#define BOOT_ACPI_ADDRESS	0xe0000ull	/* RSDP, where old kernels scan for it; the tables follow */
#define BOOT_ACPI_END		0xf0000ull
#define BOOT_MP_ADDRESS		0xf0000ull	/* MP floating pointer, likewise */
#define BOOT_MP_END		0x100000ull

struct boot_module {
	char *path;
	char *arguments;	/* NULL or the module's own command line */
};

struct boot_config {
	const char *kernel;
	const char *command_line;		/* never NULL */
	const struct boot_module *modules;	/* initrds; bzImage: concatenated in order */
	size_t module_count;
	const struct cpu_topology *topology;
	const struct pci_map *pci;		/* NULL: no window above 4 GiB, no function */
};

struct boot_result {
	const char *format;			/* "bzImage", "PVH", "multiboot" */
	struct mica_vcpu_state state;		/* of the first vCPU; all groups are valid */
};

#define BOOT_ERROR boot_error_quark()
GQuark boot_error_quark(void);
enum boot_error {
	BOOT_ERROR_FILE,	/* cannot be read */
	BOOT_ERROR_FORMAT,	/* is not what it says, or is cut short */
	BOOT_ERROR_SPACE,	/* does not fit into the guest's memory */
};

gboolean boot_load(const struct boot_config *config, struct guest_memory *memory,
		   struct boot_result *result, GError **error);

/* The registers after RESET (SDM volume 3, "Processor State After Reset"); for vCPUs
 * other than the first, mp_state is MICA_MP_WAIT_SIPI. */
void boot_reset_state(struct mica_vcpu_state *state, unsigned int vcpu_id);

/* The registers of a vCPU other than the first when the kernel starts: as after RESET, and its
 * caches and MTRRs as a firmware leaves them on all CPUs. */
void boot_parked_state(struct mica_vcpu_state *state, unsigned int vcpu_id);

/* Memory map as the firmware would give it; types as in ACPI "System Address Map Interfaces". */
#define E820_RAM	1u
#define E820_RESERVED	2u
#define E820_ACPI	3u
struct e820_entry {
	uint64_t address;
	uint64_t size;
	uint32_t type;
};
#define E820_MAX 16
size_t boot_e820(const struct guest_memory *memory, struct e820_entry entries[E820_MAX]);

/* Writes the ACPI tables at BOOT_ACPI_ADDRESS; returns the RSDP's address. */
uint64_t acpi_build(struct guest_memory *memory, const struct cpu_topology *topology,
		    const struct pci_map *pci);

/* Where the CPUID of a guest comes from. */
struct cpuid_source {
	const struct mica_cpuid *host;		/* MICA_GET_CPUID */
	const struct mica_info *info;
	const struct cpu_features *features;
	const struct cpu_topology *topology;
};

/* The CPUID policy of vCPU `index`. */
void cpuid_policy(const struct cpuid_source *source, unsigned int index,
		  struct mica_cpuid *policy);

#endif
