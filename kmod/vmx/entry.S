/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and out of it.  The guest's general registers are at offset 0 of the vCPU
 * in the order of the instruction encoding.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

#include "vmx/entry.h"

#define GPR(n)		(8 * (n))
#define RAX		0
#define RCX		1
#define RDX		2
#define RBX		3
#define RBP		5
#define RSI		6
#define RDI		7

	.section .text

/* int vmx_entry_run(struct mica_vcpu *vcpu, struct vmx_entry *entry, u32 flags) */
SYM_FUNC_START(vmx_entry_run)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi			/* 16(%rsp): vcpu */
	push	%rsi			/*  8(%rsp): entry */
	push	%rdx			/*   (%rsp): flags */

	/* The stack is where it was at the last entry, nearly always. */
	cmp	VMX_ENTRY_HOST_RSP(%rsi), %rsp
	je	.Lstack_known
	mov	$VMX_FIELD_HOST_RSP, %eax
	vmwrite	%rsp, %rax
	mov	%rsp, VMX_ENTRY_HOST_RSP(%rsi)
.Lstack_known:

	test	$VMX_ENTER_SPEC_CTRL, %edx
	jz	.Lspec_ctrl_ready
	mov	VMX_ENTRY_GUEST_SPEC_CTRL(%rsi), %rax
	cmp	VMX_ENTRY_HOST_SPEC_CTRL(%rsi), %rax
	je	.Lspec_ctrl_ready
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
.Lspec_ctrl_ready:

	/* CF says which instruction; MOV leaves it, and VERW changes ZF only. */
	btl	$VMX_ENTER_LAUNCHED_BIT, (%rsp)

	mov	GPR(RAX)(%rdi), %rax
	mov	GPR(RCX)(%rdi), %rcx
	mov	GPR(RDX)(%rdi), %rdx
	mov	GPR(RBX)(%rdi), %rbx
	mov	GPR(RBP)(%rdi), %rbp
	mov	GPR(RSI)(%rdi), %rsi
	mov	GPR(8)(%rdi), %r8
	mov	GPR(9)(%rdi), %r9
	mov	GPR(10)(%rdi), %r10
	mov	GPR(11)(%rdi), %r11
	mov	GPR(12)(%rdi), %r12
	mov	GPR(13)(%rdi), %r13
	mov	GPR(14)(%rdi), %r14
	mov	GPR(15)(%rdi), %r15
	mov	GPR(RDI)(%rdi), %rdi

	/* Buffers that leak the host's data (MDS, TAA, RFDS), where the kernel clears them. */
	CLEAR_CPU_BUFFERS

	UNWIND_HINT_SAVE
	jnc	.Llaunch
	vmresume
	jmp	.Lvmfail
.Llaunch:
	vmlaunch
	jmp	.Lvmfail

SYM_INNER_LABEL(vmx_entry_exit, SYM_L_GLOBAL)
	/* The stack is as it was before the entry, all else is the guest's. */
	UNWIND_HINT_RESTORE
	ENDBR
	push	%rdi
	mov	24(%rsp), %rdi
	mov	%rax, GPR(RAX)(%rdi)
	mov	%rcx, GPR(RCX)(%rdi)
	mov	%rdx, GPR(RDX)(%rdi)
	mov	%rbx, GPR(RBX)(%rdi)
	mov	%rbp, GPR(RBP)(%rdi)
	mov	%rsi, GPR(RSI)(%rdi)
	mov	%r8, GPR(8)(%rdi)
	mov	%r9, GPR(9)(%rdi)
	mov	%r10, GPR(10)(%rdi)
	mov	%r11, GPR(11)(%rdi)
	mov	%r12, GPR(12)(%rdi)
	mov	%r13, GPR(13)(%rdi)
	mov	%r14, GPR(14)(%rdi)
	mov	%r15, GPR(15)(%rdi)
	popq	GPR(RDI)(%rdi)
	xor	%ebx, %ebx

.Lback:
	/* No value of the guest stays where a mispredicted path could use it. */
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

	/* Before the first RET that the guest's return predictions could answer. */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE

	pop	%rdi			/* flags */
	pop	%rsi			/* entry */
	pop	%rdx			/* vcpu */
	test	$(VMX_ENTER_SPEC_CTRL | VMX_ENTER_IBRS), %edi
	jz	.Lspec_ctrl_done
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	test	$VMX_ENTER_SPEC_CTRL, %edi
	jz	.Lwrite_spec_ctrl
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, VMX_ENTRY_GUEST_SPEC_CTRL(%rsi)
	test	$VMX_ENTER_IBRS, %edi
	jnz	.Lwrite_spec_ctrl
	cmp	VMX_ENTRY_HOST_SPEC_CTRL(%rsi), %rax
	je	.Lspec_ctrl_barrier
.Lwrite_spec_ctrl:
	mov	VMX_ENTRY_HOST_SPEC_CTRL(%rsi), %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
.Lspec_ctrl_barrier:
	/* Nobody passes this without the host's value. */
	lfence
.Lspec_ctrl_done:
	CLEAR_BRANCH_HISTORY_VMEXIT

	mov	%ebx, %eax
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lvmfail:
	mov	$1, %ebx
	jmp	.Lback
SYM_FUNC_END(vmx_entry_run)

	.section .note.GNU-stack, "", @progbits
