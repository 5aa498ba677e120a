/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The smallest guest that ends in order: a multiboot 1 kernel that asks the ACPI power
 * management registers for S5 (PM1a_CNT at port 0x604: SLP_TYP 5, SLP_EN) and, should that
 * not be enough, stays in HLT.
 */
	.code32
	.section .multiboot, "a"
	.balign 4
	.long 0x1badb002, 0, -0x1badb002

	.text
	.globl _start
_start:
	mov $0x604, %dx
	mov $((5 << 10) | (1 << 13)), %ax
	out %ax, %dx
1:	hlt
	jmp 1b

	.section .note.GNU-stack, "", @progbits
