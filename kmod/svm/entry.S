/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and out of it.  VMRUN and #VMEXIT switch RAX, RSP and what the manual lists
 * under "VMRUN and #VMEXIT"; VMLOAD and VMSAVE FS, GS, TR, LDTR and the system call MSRs.  GIF
 * is clear from before the first switch until after the last, so that no NMI finds the guest's
 * GS or TR.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

#include "svm/entry.h"

#define GPR(n)		(8 * (n))
#define RCX		1
#define RDX		2
#define RBX		3
#define RBP		5
#define RSI		6
#define RDI		7

	.section .text

/* void svm_entry_run(struct mica_vcpu *vcpu, struct svm_entry *entry, u32 flags) */
SYM_FUNC_START(svm_entry_run)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi			/* 16(%rsp): vcpu */
	push	%rsi			/*  8(%rsp): entry */
	push	%rdx			/*   (%rsp): flags */

	clgi
	/* With V_INTR_MASKING the host's IF says whether its interrupts end the guest; while
	 * GIF is clear none comes. */
	sti

	test	$SVM_ENTER_SPEC_CTRL, %edx
	jz	.Lspec_ctrl_ready
	mov	SVM_ENTRY_GUEST_SPEC_CTRL(%rsi), %rax
	cmp	SVM_ENTRY_HOST_SPEC_CTRL(%rsi), %rax
	je	.Lspec_ctrl_ready
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
.Lspec_ctrl_ready:

	mov	SVM_ENTRY_VMCB(%rsi), %rax
	vmload	%rax

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

	/* Buffers that leak the host's data (TSA), where the kernel clears them. */
	VM_CLEAR_CPU_BUFFERS

	vmrun	%rax

	/* RSP and RAX are the host's again. */
	push	%rdi
	mov	24(%rsp), %rdi
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

	vmsave	%rax
	mov	8(%rsp), %rsi
	mov	SVM_ENTRY_HOST(%rsi), %rax
	vmload	%rax

	/* No value of the guest stays where a mispredicted path could use it. */
	xor	%eax, %eax
	xor	%ebx, %ebx
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
	test	$(SVM_ENTER_SPEC_CTRL | SVM_ENTER_IBRS), %edi
	jz	.Lspec_ctrl_done
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	test	$SVM_ENTER_SPEC_CTRL, %edi
	jz	.Lwrite_spec_ctrl
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, SVM_ENTRY_GUEST_SPEC_CTRL(%rsi)
	test	$SVM_ENTER_IBRS, %edi
	jnz	.Lwrite_spec_ctrl
	cmp	SVM_ENTRY_HOST_SPEC_CTRL(%rsi), %rax
	je	.Lspec_ctrl_barrier
.Lwrite_spec_ctrl:
	mov	SVM_ENTRY_HOST_SPEC_CTRL(%rsi), %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
.Lspec_ctrl_barrier:
	/* Nobody passes this without the host's value. */
	lfence
.Lspec_ctrl_done:

	/* Return predictions that the guest has trained (Retbleed, SRSO). */
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#endif

	/* Interrupts stay off, NMIs that have waited come here. */
	cli
	stgi

	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(svm_entry_run)

	.section .note.GNU-stack, "", @progbits
