/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option ROM that boots the lab's host from the first ATA disk, in place of the
 * BIOS's boot from a medium (which reads a sector at a time and is slow in an emulator).
 *
 * Sector 0 of the disk is a list of pieces { first sector, sectors, physical address },
 * little endian, ended by a piece of no sectors. All of them go to memory; one of them is
 * the real-mode part of a Linux kernel at SETUP, with its header filled in, which is
 * then entered as the x86 boot protocol says ("The Linux/x86 Boot Protocol", "Running the kernel").
 */

#define ROM		0xd0000
#define SETUP_SEG	0x9000
#define PIECES		0x7000		/* sector 0 goes here: free memory in a PC at boot */
#define STACK		0x6ff0

#define ATA_DATA	0x1f0
#define ATA_COUNT	0x1f2
#define ATA_LBA0	0x1f3
#define ATA_LBA1	0x1f4
#define ATA_LBA2	0x1f5
#define ATA_DEVICE	0x1f6
#define ATA_COMMAND	0x1f7
#define ATA_CONTROL	0x3f6
#define ATA_READ	0x20		/* READ SECTOR(S), 28-bit */
#define ATA_BSY		0x80
#define ATA_DRQ		0x08
#define ATA_ERR		0x01

#define DEBUG_PORT	0xe9

	.code16
	.text
	.globl	_start
_start:
	.byte	0x55, 0xaa
	.byte	ROM_SECTORS
	/* The BIOS calls here, offset 3. We do not return. */
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	gdtr - _start
	inb	$0x92, %al		/* fast A20 gate */
	orb	$2, %al
	andb	$0xfe, %al
	outb	%al, $0x92
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$8, $protected

	.code32
protected:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$STACK, %esp

	movb	$2, %al			/* nIEN: we poll */
	movw	$ATA_CONTROL, %dx
	outb	%al, %dx

	xorl	%ebx, %ebx
	movl	$1, %ecx
	movl	$PIECES, %edi
	call	read

	movl	$PIECES, %esi
next_piece:
	movl	0(%esi), %ebx
	movl	4(%esi), %ecx
	movl	8(%esi), %edi
	jecxz	loaded
	call	read
	addl	$12, %esi
	jmp	next_piece

loaded:
	/* Back to real mode by way of a 16-bit code segment. */
	ljmpl	$0x18, $leave - _start
	.code16
leave:
	movw	$0x20, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	%cr0, %eax
	andb	$0xfe, %al
	movl	%eax, %cr0
	ljmpw	$(ROM >> 4), $(real - _start)
real:
	movw	$SETUP_SEG, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movw	$0xdff0, %sp
	ljmpw	$(SETUP_SEG + 0x20), $0

	.code32
/* Read %ecx sectors from sector %ebx to %edi; keeps %esi. */
read:
	movl	%ecx, %ebp
read_more:
	movl	$256, %eax		/* one command moves at most this many */
	cmpl	%ebp, %eax
	jbe	1f
	movl	%ebp, %eax
1:	subl	%eax, %ebp
	pushl	%eax

	movw	$ATA_COUNT, %dx
	outb	%al, %dx		/* 0 stands for 256 */
	movl	%ebx, %eax
	movw	$ATA_LBA0, %dx
	outb	%al, %dx
	shrl	$8, %eax
	movw	$ATA_LBA1, %dx
	outb	%al, %dx
	shrl	$8, %eax
	movw	$ATA_LBA2, %dx
	outb	%al, %dx
	shrl	$8, %eax
	andb	$0x0f, %al
	orb	$0xe0, %al
	movw	$ATA_DEVICE, %dx
	outb	%al, %dx
	movb	$ATA_READ, %al
	movw	$ATA_COMMAND, %dx
	outb	%al, %dx

	popl	%ecx
	addl	%ecx, %ebx
sector:
	pushl	%ecx
	movw	$ATA_COMMAND, %dx
wait:
	inb	%dx, %al
	testb	$ATA_BSY, %al
	jnz	wait
	testb	$ATA_ERR, %al
	jnz	failed
	testb	$ATA_DRQ, %al
	jz	wait
	movw	$ATA_DATA, %dx
	movl	$256, %ecx
	rep insw			/* words: Bochs moves a whole sector at a time */
	popl	%ecx
	loop	sector
	testl	%ebp, %ebp
	jnz	read_more
	ret

failed:
	movb	$'!', %al
	outb	%al, $DEBUG_PORT
	hlt
	jmp	failed

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* 08: code, flat */
	.quad	0x00cf93000000ffff	/* 10: data, flat */
	.quad	0x00009b000000ffff + (ROM << 16)	/* 18: 16-bit code, base ROM */
	.quad	0x000093000000ffff	/* 20: 16-bit data */
gdtr:
	.word	gdtr - gdt - 1
	.long	gdt
