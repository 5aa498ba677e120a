/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in a bzImage where the kernel's decompressor was. The kernel lies in memory
 * already, uncompressed, where it was linked to run (the loader put it there as part of the
 * protected-mode image); all that is left is to enter it in long mode with an
 * identity mapping, boot_params in %rsi ("The Linux/x86 Boot Protocol", "64-bit Boot Protocol").
 *
 * Entered at 1 MiB in 32-bit protected mode with paging off, boot_params in %esi.
 * KERNEL_ENTRY is set on the assembler's command line.
 */

#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100
#define PTE_P_W		0x03
#define PDE_2M		0x83

	.code32
	.text
	.globl	_start
_start:
	cli
	cld
	lgdtl	gdtr

	movl	$pdpt + PTE_P_W, pml4
	movl	$pd + PTE_P_W, %eax
	movl	$pdpt, %edi
	movl	$4, %ecx
1:	movl	%eax, (%edi)
	addl	$0x1000, %eax
	addl	$8, %edi
	loop	1b

	movl	$PDE_2M, %eax
	movl	$pd, %edi
	movl	$2048, %ecx
2:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	2b

	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	ljmpl	$0x10, $long_mode

	.code64
long_mode:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%esi, %esi		/* clears the upper half */
	movl	$KERNEL_ENTRY, %eax
	jmp	*%rax

	.balign	8
gdt:
	.quad	0
	.quad	0
	.quad	0x00af9b000000ffff	/* 10: 64-bit code (the kernel's own numbers) */
	.quad	0x00cf93000000ffff	/* 18: data */
gdtr:
	.word	gdtr - gdt - 1
	.long	gdt

	.balign	4096
pml4:	.fill	4096, 1, 0
pdpt:	.fill	4096, 1, 0
pd:	.fill	4 * 4096, 1, 0
