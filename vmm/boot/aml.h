/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds ACPI machine language: as much of ACPI, "ACPI Machine Language (AML)
 * Specification" and "Resource Data Types for ACPI", as the DSDT needs.
 *
 * aml_scope(), aml_device() and aml_resources() open a block, aml_end() closes the
 * innermost one.  Names are path strings as in ASL: "\\_SB", "_SB.PCI0", "_HID"; segments
 * shorter than four characters are padded.
 */
#ifndef MICA_VMM_BOOT_AML_H
#define MICA_VMM_BOOT_AML_H

#include <glib.h>
#include <stdint.h>

struct aml;

struct aml *aml_new(void);
/* The bytes, which the caller owns; every block must be closed.  Frees `aml`. */
GByteArray *aml_finish(struct aml *aml);

void aml_scope(struct aml *aml, const char *name);
void aml_device(struct aml *aml, const char *name);
void aml_end(struct aml *aml);

void aml_name_integer(struct aml *aml, const char *name, uint64_t value);
void aml_name_string(struct aml *aml, const char *name, const char *value);
/* Compressed form of an ID like "PNP0A03". */
void aml_name_eisa_id(struct aml *aml, const char *name, const char *id);
void aml_name_package(struct aml *aml, const char *name, const uint64_t *values, uint8_t count);

/* Opens a name whose value is a resource template; only the functions below may follow
 * until aml_end().  Ranges are fixed and inclusive. */
void aml_resources(struct aml *aml, const char *name);
void aml_resource_ports(struct aml *aml, uint16_t first, uint8_t count);
void aml_resource_irq(struct aml *aml, unsigned int irq);	/* 0..15, edge, active high */
void aml_resource_bus_window(struct aml *aml, uint8_t first, uint8_t last);
void aml_resource_port_window(struct aml *aml, uint16_t first, uint16_t last);
void aml_resource_memory_window(struct aml *aml, uint32_t first, uint32_t last);

#endif
