/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_BOOT_DSDT_H
#define MICA_VMM_BOOT_DSDT_H

#include <glib.h>

#include "../pci/map.h"
#include "aml.h"

/* The AML of the DSDT, without the table's header.  The caller owns it. */
GByteArray *dsdt_build(unsigned int cpus, const struct pci_map *pci);

/* dsdt_pci.c: \_PIC at the root, PCI0 and what belongs to it in the scope \_SB. */
void dsdt_add_interrupt_model(struct aml *aml);
void dsdt_add_pci(struct aml *aml, const struct pci_map *pci);

#endif
