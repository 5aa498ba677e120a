/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of guest code for tests of the local APIC. */
#ifndef MICA_GUEST_APIC_CODE_H
#define MICA_GUEST_APIC_CODE_H

/* The software enable bit: in xAPIC mode, leaving the page's address in RDI; in x2APIC mode,
 * into which it switches. */
#define ENABLE	"mov $0xfee00000, %edi\n movl $0x1ff, 0xf0(%rdi)\n"
#define X2	"mov $0x1b, %ecx\n rdmsr\n or $0xc00, %eax\n wrmsr\n" \
		"mov $0x80f, %ecx\n mov $0x1ff, %eax\n xor %edx, %edx\n wrmsr\n"

#endif
