/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_BOOT_MPTABLE_H
#define MICA_VMM_BOOT_MPTABLE_H

#include "../pci/map.h"
#include "boot.h"

/* Writes the MP floating pointer and table at BOOT_MP_ADDRESS, where kernels scan for it. */
void mptable_build(struct guest_memory *memory, const struct cpu_topology *topology,
		   const struct pci_map *pci);

#endif
