// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's FPU and extended state.
 *
 * From mica_fpu_load() to mica_fpu_put() the guest's registers are, for the kernel, those of
 * the current task: it saves and restores them with the task, and uses the FPU itself in
 * between.  What the kernel does not switch with an fpstate, because it is the same for all
 * tasks or handled apart (XCR0, IA32_XSS, PKRU), is the guest's only from mica_fpu_enter() to
 * mica_fpu_leave(), with interrupts off: in there nobody may use XSAVE.
 */
#include "backend.h"
#include "vcpu.h"
#include "xsave.h"

#include <asm/fpu/xcr.h>
#include <asm/pkru.h>

/* vcpu->fpu_in_cpu */
#define MICA_FPU_ENTERED	BIT(0)	/* between enter() and leave() */
#define MICA_FPU_XCR0		BIT(1)	/* the CPU's XCR0 is the guest's, and differs from ... */
#define MICA_FPU_XSS		BIT(2)
#define MICA_FPU_PKRU		BIT(3)

/* What a guest can have: x87, SSE, AVX, AVX-512, PKRU.  Not AMX, which needs IA32_XFD. */
#define GUEST_XCR0	((u64)(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512 | \
			       XFEATURE_MASK_PKRU))

static u64 host_xcr0, host_xss;		/* the same on all CPUs, for ever */
static u64 guest_xcr0;

/* ------------------------------------------------------------ module load */

int mica_fpu_setup(void)
{
	u64 present;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, host_xss);
	present = host_xcr0 & GUEST_XCR0;
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		present &= ~(u64)XFEATURE_MASK_PKRU;
	mica_xsave_setup(present | mica_backend->xss);
	if (!mica_xcr0_valid(present) || mica_xsave_size(present) > MICA_XSAVE_SIZE)
		present &= XFEATURE_MASK_FPSSE;
	guest_xcr0 = present;
	return 0;
}

u64 mica_fpu_xcr0(void)
{
	return guest_xcr0;
}

u32 mica_fpu_size(void)
{
	return mica_xsave_size(guest_xcr0);
}

/* ------------------------------------------------------------ lifetime */

/* The kernel gives the image its initial state: FCW 037Fh, MXCSR 1F80h, all else empty. */
int mica_fpu_init(struct mica_vcpu *vcpu)
{
	vcpu->xcr0 = XFEATURE_MASK_FP;
	return fpu_alloc_guest_fpstate(&vcpu->fpu) ? 0 : -ENOMEM;
}

void mica_fpu_destroy(struct mica_vcpu *vcpu)
{
	if (vcpu->fpu.fpstate)
		fpu_free_guest_fpstate(&vcpu->fpu);
}

void mica_fpu_load(struct mica_vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu, true);
}

void mica_fpu_put(struct mica_vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu, false);
}

/* ------------------------------------------------------------ around entries */

/* XCR0 is not loaded while the guest cannot use it: CR4.OSXSAVE is clear. */
static void load_xcr0_and_xss(struct mica_vcpu *vcpu)
{
	bool other_xcr0 = vcpu->xcr0 != host_xcr0;
	bool other_xss = vcpu->xss != host_xss &&
			 (vcpu->features.xsaves || mica_backend->shows_xsaves);

	if (likely(!other_xcr0 && !other_xss))
		return;
	if (!host_xcr0 || !(mica_backend->get_cr4(vcpu) & X86_CR4_OSXSAVE))
		return;
	if (other_xcr0) {
		xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->xcr0);
		vcpu->fpu_in_cpu |= MICA_FPU_XCR0;
	}
	if (other_xss) {
		wrmsrl(MSR_IA32_XSS, vcpu->xss);
		vcpu->fpu_in_cpu |= MICA_FPU_XSS;
	}
}

/* CR4.PKE is clear without the feature, and then PKRU has no effect and cannot be touched,
 * but for XRSTOR with its bit in XCR0. */
static void load_pkru(struct mica_vcpu *vcpu)
{
	if (!vcpu->features.pku && !(vcpu->xcr0 & XFEATURE_MASK_PKRU))
		return;
	if (!cpu_feature_enabled(X86_FEATURE_OSPKE))
		return;
	vcpu->host_pkru = rdpkru();
	if (vcpu->pkru != vcpu->host_pkru)
		wrpkru(vcpu->pkru);
	vcpu->fpu_in_cpu |= MICA_FPU_PKRU;
}

void mica_fpu_enter(struct mica_vcpu *vcpu)
{
	/* The task was scheduled, or the kernel used the FPU, since the last time. */
	if (unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
	vcpu->fpu_in_cpu = MICA_FPU_ENTERED;
	load_xcr0_and_xss(vcpu);
	load_pkru(vcpu);
}

void mica_fpu_leave(struct mica_vcpu *vcpu)
{
	u32 in_cpu = vcpu->fpu_in_cpu;

	vcpu->fpu_in_cpu = 0;
	if (in_cpu & MICA_FPU_PKRU) {
		vcpu->pkru = rdpkru();
		if (vcpu->pkru != vcpu->host_pkru)
			wrpkru(vcpu->host_pkru);
	}
	if (in_cpu & MICA_FPU_XSS)
		wrmsrl(MSR_IA32_XSS, host_xss);
	if (in_cpu & MICA_FPU_XCR0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
}

void mica_fpu_update(struct mica_vcpu *vcpu)
{
	if (!(vcpu->fpu_in_cpu & MICA_FPU_ENTERED))
		return;
	mica_fpu_leave(vcpu);
	mica_fpu_enter(vcpu);
}

void mica_fpu_xcr0_written(struct mica_vcpu *vcpu, u64 value)
{
	if (likely(vcpu->xcr0 == value))
		return;
	vcpu->xcr0 = value;
	vcpu->fpu_in_cpu |= MICA_FPU_XCR0;
}

/* The CPU or the backend has looked at CPL and CR4.OSXSAVE. */
enum mica_next mica_exit_xsetbv(struct mica_vcpu *vcpu)
{
	u32 index = vcpu->gprs[MICA_RCX];
	u64 value = vcpu->gprs[MICA_RDX] << 32 | (u32)vcpu->gprs[MICA_RAX];

	if (index != XCR_XFEATURE_ENABLED_MASK || (value & ~vcpu->features.xcr0) ||
	    !mica_xcr0_valid(value)) {
		mica_queue_exception_error(vcpu, X86_TRAP_GP, 0);
		return MICA_NEXT_ENTER;
	}
	vcpu->xcr0 = value;
	mica_fpu_update(vcpu);
	mica_backend->advance(vcpu);
	return MICA_NEXT_ENTER;
}

/* ------------------------------------------------------------ the image of user space */

/* Offsets in an XSAVE image: SDM volume 1, "XSAVE Area". */
#define IMAGE_MXCSR		24
#define IMAGE_SOFTWARE		464	/* to 511: not the CPU's, and not ours */
#define IMAGE_XSTATE_BV		512
#define IMAGE_XCOMP_BV		520

static u64 image_u64(const u8 *image, unsigned int offset)
{
	u64 value;

	memcpy(&value, image + offset, sizeof(value));
	return value;
}

static void set_image_u64(u8 *image, unsigned int offset, u64 value)
{
	memcpy(image + offset, &value, sizeof(value));
}

static u64 image_components(const struct mica_vcpu *vcpu)
{
	return vcpu->features.xcr0 | XFEATURE_MASK_FPSSE;
}

static void set_component(u8 *image, u64 component, bool in_use)
{
	u64 bv = image_u64(image, IMAGE_XSTATE_BV) & ~component;

	set_image_u64(image, IMAGE_XSTATE_BV, in_use ? bv | component : bv);
}

/* XSAVE and XSAVEOPT, unlike XSAVEC and XSAVES, may call SSE unused although MXCSR is not
 * 1F80h (SDM volume 1, "Operation of XSAVE"): the kernel's copy has lost it then. */
static void put_mxcsr(const struct mica_vcpu *vcpu, u8 *image)
{
	const struct xregs_state *regs = &vcpu->fpu.fpstate->regs.xsave;

	if (!host_xcr0 || (regs->header.xcomp_bv & XCOMP_BV_COMPACTED_FORMAT) ||
	    regs->i387.mxcsr == MXCSR_DEFAULT)
		return;
	memcpy(image + IMAGE_MXCSR, &regs->i387.mxcsr, sizeof(regs->i387.mxcsr));
	set_component(image, XFEATURE_MASK_SSE, true);
}

/* The kernel's idea of PKRU in a guest's image differs from release to release: it is put in
 * and taken out here. */
static void put_pkru(const struct mica_vcpu *vcpu, u8 *image)
{
	if (!(image_components(vcpu) & XFEATURE_MASK_PKRU))
		return;
	set_component(image, XFEATURE_MASK_PKRU, vcpu->pkru);
	set_image_u64(image, mica_xsave_offset(XFEATURE_PKRU), vcpu->pkru);
}

static u32 take_pkru(const u8 *image)
{
	if (!(image_u64(image, IMAGE_XSTATE_BV) & XFEATURE_MASK_PKRU))
		return 0;
	return image_u64(image, mica_xsave_offset(XFEATURE_PKRU));
}

int mica_fpu_get(struct mica_vcpu *vcpu, struct mica_xsave *xsave)
{
	u64 components = image_components(vcpu);
	u32 size = mica_xsave_size(components);

	memset(xsave, 0, sizeof(*xsave));
	fpu_copy_guest_fpstate_to_uabi(&vcpu->fpu, xsave->data, size, components, vcpu->pkru);
	memset(xsave->data + IMAGE_SOFTWARE, 0, XSAVE_LEGACY_SIZE - IMAGE_SOFTWARE);
	put_mxcsr(vcpu, xsave->data);
	put_pkru(vcpu, xsave->data);
	xsave->size = size;
	return 0;
}

/* SDM volume 1, "Operation of XRSTOR", standard form: what would raise #GP.  The kernel
 * knows which of the low bits of MXCSR this CPU has. */
static bool image_ok(const struct mica_vcpu *vcpu, const struct mica_xsave *xsave)
{
	u64 bv = image_u64(xsave->data, IMAGE_XSTATE_BV);
	unsigned int offset;

	if (bv & ~image_components(vcpu))
		return false;
	if (xsave->size < mica_xsave_size(bv) || xsave->size > sizeof(xsave->data))
		return false;
	for (offset = IMAGE_XCOMP_BV; offset < XSAVE_MIN_SIZE; offset += sizeof(u64))
		if (image_u64(xsave->data, offset))
			return false;
	return !((u32)image_u64(xsave->data, IMAGE_MXCSR) >> 16);
}

int mica_fpu_set(struct mica_vcpu *vcpu, const struct mica_xsave *xsave)
{
	u32 pkru = 0;
	int error;

	if (!image_ok(vcpu, xsave))
		return -EINVAL;
	error = fpu_copy_uabi_to_guest_fpstate(&vcpu->fpu, xsave->data, image_components(vcpu),
					       &pkru);
	if (!error)
		vcpu->pkru = take_pkru(xsave->data);
	return error;
}
