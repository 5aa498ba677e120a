/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kmod/cpuid*.c, msr.c, fpu.c and xsave.c need of the kernel beyond kernel_stub.h.
 * Force-included before them; the host that they run on is a fake that the test describes.
 */
#ifndef MICA_KERNEL_STUB_POLICY_H
#define MICA_KERNEL_STUB_POLICY_H

#include <asm/processor-flags.h>

#include "kernel_stub.h"

#define ALIGN(x, a)		(((x) + (a) - 1) / (a) * (a))
#define pr_debug_ratelimited(...)	((void)0)

void *kmalloc(size_t size, gfp_t gfp);
void kfree(const void *p);

/* ------------------------------------------------------------ asm/cpufeature.h */

/* Words of boot_cpu_data.x86_capability. */
enum cpuid_leafs {
	CPUID_1_EDX = 0, CPUID_8000_0001_EDX = 1, CPUID_LNX_1 = 3, CPUID_1_ECX = 4,
	CPUID_8000_0001_ECX = 6, CPUID_7_0_EBX = 9, CPUID_D_1_EAX = 10, CPUID_LNX_4 = 11,
	CPUID_7_1_EAX = 12, CPUID_8000_0008_EBX = 13, CPUID_7_ECX = 16, CPUID_7_EDX = 18,
	CPUID_8000_0021_EAX = 20, STUB_CPUID_WORDS = 22
};

#define X86_FEATURE_LFENCE_RDTSC	(CPUID_LNX_1 * 32 + 18)
#define X86_FEATURE_XSAVE		(CPUID_1_ECX * 32 + 26)
#define X86_FEATURE_XSAVES		(CPUID_D_1_EAX * 32 + 3)
#define X86_FEATURE_MSR_SPEC_CTRL	(CPUID_LNX_4 * 32 + 16)
#define X86_FEATURE_OSPKE		(CPUID_7_ECX * 32 + 4)

enum stub_bug { X86_BUG_CPU_MELTDOWN, X86_BUG_SPEC_STORE_BYPASS, X86_BUG_MDS };

struct stub_cpu_data {
	u32 x86_capability[STUB_CPUID_WORDS];
	u32 bugs;
	u8 x86_phys_bits;
	u32 microcode;
};

extern struct stub_cpu_data boot_cpu_data;

static inline bool boot_cpu_has(unsigned int feature)
{
	return boot_cpu_data.x86_capability[feature / 32] & BIT(feature % 32);
}

static inline bool boot_cpu_has_bug(unsigned int bug)
{
	return boot_cpu_data.bugs & BIT(bug);
}

#define cpu_feature_enabled(feature)	boot_cpu_has(feature)

void cpuid_count(u32 leaf, u32 subleaf, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);

static inline u32 cpuid_eax(u32 leaf)
{
	u32 eax, ebx, ecx, edx;

	cpuid_count(leaf, 0, &eax, &ebx, &ecx, &edx);
	return eax;
}

int check_tsc_unstable(void);

/* ------------------------------------------------------------ MSRs; SDM volume 4 */

u64 stub_rdmsr(u32 index);
int rdmsrl_safe(u32 index, u64 *value);
void wrmsrl(u32 index, u64 value);
#define rdmsrl(index, value)	((void)((value) = stub_rdmsr(index)))

#define MSR_IA32_SPEC_CTRL		0x48
#define SPEC_CTRL_IBRS			BIT(0)
#define SPEC_CTRL_STIBP			BIT(1)
#define SPEC_CTRL_SSBD			BIT(2)
#define MSR_IA32_PRED_CMD		0x49
#define PRED_CMD_IBPB			BIT(0)
#define MSR_IA32_ARCH_CAPABILITIES	0x10a
#define MSR_IA32_FLUSH_CMD		0x10b
#define L1D_FLUSH			BIT(0)
#define MSR_IA32_XSS			0xda0

#define FEAT_CTL_LOCKED			BIT(0)
#define MSR_IA32_MISC_ENABLE_FAST_STRING	BIT_ULL(0)
#define MSR_IA32_MISC_ENABLE_BTS_UNAVAIL	BIT_ULL(11)
#define MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL	BIT_ULL(12)
#define DEBUGCTLMSR_LBR			(1ul << 0)
#define DEBUGCTLMSR_BTF			(1ul << 1)

#define EFER_SCE			(1 << 0)
#define EFER_LME			(1 << 8)
#define EFER_LMA			(1 << 10)
#define EFER_NX				(1 << 11)
#define EFER_FFXSR			(1 << 14)

#define ARCH_CAP_RDCL_NO		BIT(0)
#define ARCH_CAP_IBRS_ALL		BIT(1)
#define ARCH_CAP_RSBA			BIT(2)
#define ARCH_CAP_SKIP_VMENTRY_L1DFLUSH	BIT(3)
#define ARCH_CAP_SSB_NO			BIT(4)
#define ARCH_CAP_MDS_NO			BIT(5)
#define ARCH_CAP_PSCHANGE_MC_NO		BIT(6)
#define ARCH_CAP_TSX_CTRL_MSR		BIT(7)
#define ARCH_CAP_TAA_NO			BIT(8)
#define ARCH_CAP_SBDR_SSDP_NO		BIT(13)
#define ARCH_CAP_FBSDP_NO		BIT(14)
#define ARCH_CAP_PSDP_NO		BIT(15)
#define ARCH_CAP_FB_CLEAR		BIT(17)
#define ARCH_CAP_RRSBA			BIT(19)
#define ARCH_CAP_BHI_NO			BIT(20)
#define ARCH_CAP_PBRSB_NO		BIT(24)
#define ARCH_CAP_GDS_NO			BIT(26)
#define ARCH_CAP_RFDS_NO		BIT(27)
#define ARCH_CAP_RFDS_CLEAR		BIT(28)
#define ARCH_CAP_ITS_NO			BIT_ULL(62)

#define X86_TRAP_GP			13

/* ------------------------------------------------------------ asm/fpu */

enum xfeature { XFEATURE_PKRU = 9 };

#define XFEATURE_MASK_FP		(1 << 0)
#define XFEATURE_MASK_SSE		(1 << 1)
#define XFEATURE_MASK_YMM		(1 << 2)
#define XFEATURE_MASK_ZMM_Hi256		(1 << 6)
#define XFEATURE_MASK_PKRU		(1 << 9)
#define XFEATURE_MASK_FPSSE		(XFEATURE_MASK_FP | XFEATURE_MASK_SSE)
#define XFEATURE_MASK_AVX512		(7 << 5)

#define MXCSR_DEFAULT			0x1f80
#define XCOMP_BV_COMPACTED_FORMAT	(1ull << 63)

struct xregs_state {
	struct {
		u8 before[24];
		u32 mxcsr;
		u8 after[512 - 28];
	} i387;
	struct {
		u64 xfeatures, xcomp_bv, reserved[6];
	} header;
};

struct fpstate {
	union {
		struct xregs_state xsave;
		u8 bytes[8192];
	} regs;
};

#define TIF_NEED_FPU_LOAD		14

bool test_thread_flag(int flag);
void switch_fpu_return(void);
bool fpu_alloc_guest_fpstate(struct fpu_guest *fpu);
void fpu_free_guest_fpstate(struct fpu_guest *fpu);
int fpu_swap_kvm_fpstate(struct fpu_guest *fpu, bool enter);
void fpu_copy_guest_fpstate_to_uabi(struct fpu_guest *fpu, void *to, unsigned int size,
				    u64 xfeatures, u32 pkru);
int fpu_copy_uabi_to_guest_fpstate(struct fpu_guest *fpu, const void *from, u64 xcr0, u32 *pkru);

#define XCR_XFEATURE_ENABLED_MASK	0

u64 xgetbv(u32 index);
void xsetbv(u32 index, u64 value);
u32 rdpkru(void);
void wrpkru(u32 pkru);

#endif
