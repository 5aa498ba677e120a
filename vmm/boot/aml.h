/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds ACPI machine language: as much of ACPI, "ACPI Machine Language (AML)
 * Specification" and "Resource Data Types for ACPI", as the DSDT needs.
 *
 * aml_scope(), aml_device(), aml_resources(), aml_package(), aml_method() and aml_if()
 * open a block, aml_end() closes the innermost one.  Names are path strings as in ASL: "\\_SB", "_SB.PCI0", "_HID"; segments
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

/* Opens a name whose value is a package of packages of integers. */
void aml_package(struct aml *aml, const char *name);
void aml_element_package(struct aml *aml, const uint64_t *values, uint8_t count);

/*
 * Opens a method, which is serialized.  Its terms are written in prefix order, an operator
 * before its operands and then its target: aml_op(AML_AND), aml_local(0), aml_integer(1),
 * aml_local(0) is Local0 &= 1.
 */
void aml_method(struct aml *aml, const char *name, unsigned int arguments);
/* Opens an If block, which begins with its condition. */
void aml_if(struct aml *aml);

enum aml_op {
	AML_STORE = 0x70,		/* value, target */
	AML_AND = 0x7b,			/* operand, operand, target */
	AML_OR = 0x7d,			/* likewise */
	AML_CREATE_DWORD_FIELD = 0x8a,	/* buffer, offset in bytes, name */
	AML_NOT = 0x92,			/* logical; operand */
	AML_EQUAL = 0x93,		/* logical; operand, operand */
	AML_RETURN = 0xa4,		/* value */
};
void aml_op(struct aml *aml, enum aml_op op);
void aml_integer(struct aml *aml, uint64_t value);
void aml_reference(struct aml *aml, const char *name);
void aml_argument(struct aml *aml, unsigned int number);
void aml_local(struct aml *aml, unsigned int number);
void aml_buffer(struct aml *aml, const void *bytes, uint8_t count);

/* Opens a name whose value is a resource template; only the functions below may follow
 * until aml_end().  Ranges are fixed and inclusive. */
void aml_resources(struct aml *aml, const char *name);
void aml_resource_ports(struct aml *aml, uint16_t first, uint8_t count);
void aml_resource_irq(struct aml *aml, unsigned int irq);	/* 0..15, edge, active high */
void aml_resource_bus_window(struct aml *aml, uint8_t first, uint8_t last);
void aml_resource_port_window(struct aml *aml, uint16_t first, uint16_t last);
void aml_resource_memory_window(struct aml *aml, uint32_t first, uint32_t last);
void aml_resource_memory64_window(struct aml *aml, uint64_t first, uint64_t last);
void aml_resource_fixed_memory(struct aml *aml, uint32_t first, uint32_t size);

#endif
