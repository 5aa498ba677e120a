/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From multiboot's 32-bit protected mode ("Multiboot Specification version 0.6.96") to
 * 64-bit mode with the low 4 GiB mapped one to one, then main().
 */
#define HEADER_MAGIC	0x1badb002
#define HEADER_FLAGS	0x00010000	/* the addresses below count, not an ELF header */

#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100

#define PTE_PRESENT_RW	0x3
#define PTE_UNCACHED	0x18		/* PCD and PWT */
#define PTE_LARGE	0x80
#define DEVICES_FROM	1536		/* the last of the four GiB, in pages of 2 MiB */

	.section .head, "ax"
	.code32
header:
	.long	HEADER_MAGIC
	.long	HEADER_FLAGS
	.long	-(HEADER_MAGIC + HEADER_FLAGS)
	.long	header, _load_start, _load_end, _bss_end, start

	.globl	start
start:
	cli
	mov	$stack_top, %esp
	mov	%ebx, %ebp			/* the multiboot information */

	movl	$pdpt + PTE_PRESENT_RW, pml4
	mov	$pd + PTE_PRESENT_RW, %eax
	mov	$pdpt, %edi
	mov	$4, %ecx
1:	mov	%eax, (%edi)
	add	$4096, %eax
	add	$8, %edi
	loop	1b
	mov	$PTE_LARGE + PTE_PRESENT_RW, %eax
	mov	$pd, %edi
	mov	$4 * 512, %ecx
2:	cmp	$4 * 512 - DEVICES_FROM, %ecx
	jne	3f
	or	$PTE_UNCACHED, %eax
3:	mov	%eax, (%edi)
	add	$0x200000, %eax
	add	$8, %edi
	loop	2b

	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$CR0_PG, %eax
	mov	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$8, $long_mode

	.code64
long_mode:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%ebp, %edi
	call	main
4:	hlt
	jmp	4b

/*
 * Where the second CPU starts: copied below 1 MiB by smp.c, in real mode, CS there ("SIPI" in SDM
 * volume 3, "MP Initialization Protocol Algorithm for MP Systems").  Same tables, own stack.
 */

	.globl	trampoline, trampoline_end
	.code16
trampoline:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	low_pointer - trampoline
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$CR0_PG + 1, %eax
	mov	%eax, %cr0
	ljmpl	$8, $other_long_mode
	.balign	4
low_pointer:
	.short	gdt_pointer - gdt - 1
	.long	gdt
trampoline_end:

	.code64
other_long_mode:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$other_stack_top, %esp
	call	other_main
5:	hlt
	jmp	5b

	.balign	8
gdt:	.quad	0
	.quad	0x00af9b000000ffff		/* 64-bit code */
	.quad	0x00cf93000000ffff		/* data */
gdt_pointer:
	.short	. - gdt - 1
	.long	gdt

	.bss
	.balign	4096
pml4:	.skip	4096
pdpt:	.skip	4096
pd:	.skip	4 * 4096
	.skip	16384
stack_top:
	.skip	16384
other_stack_top:
	.globl	other_cpu_runs
other_cpu_runs:
	.skip	4

	.section .note.GNU-stack, "", @progbits
