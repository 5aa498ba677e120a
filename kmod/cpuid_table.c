// SPDX-License-Identifier: GPL-2.0-only
/*
 * The allow-list of CPUID: features by name, leaves by content, and what this host has of
 * them.  What is not here, no guest can have.
 */
#include "cpuid_table.h"

#include "backend.h"
#include "vcpu.h"
#include "xsave.h"

const struct cpuid_word_place mica_cpuid_words[CPUID_WORDS] = {
	[W_1_ECX]	  = { 0x1, 0, CPUID_REG_ECX, CPUID_1_ECX },
	[W_1_EDX]	  = { 0x1, 0, CPUID_REG_EDX, CPUID_1_EDX },
	[W_6_EAX]	  = { 0x6, 0, CPUID_REG_EAX, NO_KERNEL_WORD },
	[W_7_0_EBX]	  = { 0x7, 0, CPUID_REG_EBX, CPUID_7_0_EBX },
	[W_7_0_ECX]	  = { 0x7, 0, CPUID_REG_ECX, CPUID_7_ECX },
	[W_7_0_EDX]	  = { 0x7, 0, CPUID_REG_EDX, CPUID_7_EDX },
	[W_7_1_EAX]	  = { 0x7, 1, CPUID_REG_EAX, CPUID_7_1_EAX },
	[W_7_1_EDX]	  = { 0x7, 1, CPUID_REG_EDX, NO_KERNEL_WORD },
	[W_7_2_EDX]	  = { 0x7, 2, CPUID_REG_EDX, NO_KERNEL_WORD },
	[W_D_1_EAX]	  = { 0xd, 1, CPUID_REG_EAX, CPUID_D_1_EAX },
	[W_8000_0001_ECX] = { 0x80000001, 0, CPUID_REG_ECX, CPUID_8000_0001_ECX },
	[W_8000_0001_EDX] = { 0x80000001, 0, CPUID_REG_EDX, CPUID_8000_0001_EDX },
	[W_8000_0007_EDX] = { 0x80000007, 0, CPUID_REG_EDX, NO_KERNEL_WORD },
	[W_8000_0008_EBX] = { 0x80000008, 0, CPUID_REG_EBX, CPUID_8000_0008_EBX },
	[W_8000_0021_EAX] = { 0x80000021, 0, CPUID_REG_EAX, CPUID_8000_0021_EAX },
	[W_8000_0021_ECX] = { 0x80000021, 0, CPUID_REG_ECX, NO_KERNEL_WORD },
};

/* ------------------------------------------------------------ conditions */

static bool has_xsave(void)
{
	return mica_fpu_xcr0();
}

static bool has_ymm(void)
{
	return mica_fpu_xcr0() & XFEATURE_MASK_YMM;
}

static bool has_zmm(void)
{
	return mica_fpu_xcr0() & XFEATURE_MASK_ZMM_Hi256;
}

static bool has_xsaves(void)
{
	return has_xsave() && !(mica_backend->lacks & MICA_LACKS_XSAVES);
}

static bool has_invpcid(void)
{
	return !(mica_backend->lacks & MICA_LACKS_INVPCID);
}

static bool has_rdtscp(void)
{
	return !(mica_backend->lacks & MICA_LACKS_RDTSCP);
}

/* RDPKRU raises #UD in the host, too, unless the kernel has set CR4.PKE. */
static bool has_pku(void)
{
	return boot_cpu_has(X86_FEATURE_OSPKE);
}

/* The backends switch IA32_SPEC_CTRL if the kernel says that it can be used. */
static bool has_spec_ctrl(void)
{
	return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
}

static bool has_stable_tsc(void)
{
	return !check_tsc_unstable();
}

/* ------------------------------------------------------------ features */

/* HOST: if the CPU and the kernel have it.  ALWAYS: ours to emulate, offered on each host.
 * OPTIONAL: as ALWAYS, but not part of what MICA_GET_CPUID lists.  DYNAMIC: a policy may
 * have it; the bit that the guest sees follows a register. */
enum feature_how { HOST, ALWAYS, OPTIONAL, DYNAMIC };

static const struct feature {
	u8 word;		/* enum cpuid_word */
	u8 bit;
	u8 how;			/* enum feature_how */
	const char *name;	/* for readers only */
	bool (*when)(void);	/* HOST: one more condition */
} features[] = {
	{ W_1_ECX, 0, HOST, "SSE3" },
	{ W_1_ECX, 1, HOST, "PCLMULQDQ" },
	{ W_1_ECX, 9, HOST, "SSSE3" },
	{ W_1_ECX, 12, HOST, "FMA", has_ymm },
	{ W_1_ECX, 13, HOST, "CMPXCHG16B" },
	{ W_1_ECX, B_PCID, HOST, "PCID" },
	{ W_1_ECX, 19, HOST, "SSE4_1" },
	{ W_1_ECX, 20, HOST, "SSE4_2" },
	{ W_1_ECX, B_X2APIC, ALWAYS, "x2APIC" },
	{ W_1_ECX, 22, HOST, "MOVBE" },
	{ W_1_ECX, 23, HOST, "POPCNT" },
	{ W_1_ECX, B_TSC_DEADLINE, ALWAYS, "TSC-Deadline" },
	{ W_1_ECX, 25, HOST, "AESNI" },
	{ W_1_ECX, B_XSAVE, HOST, "XSAVE", has_xsave },
	{ W_1_ECX, B_OSXSAVE, DYNAMIC, "OSXSAVE" },
	{ W_1_ECX, 28, HOST, "AVX", has_ymm },
	{ W_1_ECX, 29, HOST, "F16C", has_ymm },
	{ W_1_ECX, 30, HOST, "RDRAND" },
	{ W_1_ECX, 31, ALWAYS, "hypervisor" },	/* SDM: "not used, always returns 0" on a CPU */

	{ W_1_EDX, 0, HOST, "FPU" },
	{ W_1_EDX, 1, HOST, "VME" },
	{ W_1_EDX, 2, HOST, "DE" },
	{ W_1_EDX, 3, HOST, "PSE" },
	{ W_1_EDX, 4, HOST, "TSC" },
	{ W_1_EDX, 5, HOST, "MSR" },
	{ W_1_EDX, 6, HOST, "PAE" },
	{ W_1_EDX, 7, HOST, "MCE" },
	{ W_1_EDX, 8, HOST, "CX8" },
	{ W_1_EDX, B_APIC, ALWAYS, "APIC" },
	{ W_1_EDX, 11, HOST, "SEP" },
	{ W_1_EDX, B_MTRR, ALWAYS, "MTRR" },
	{ W_1_EDX, 13, HOST, "PGE" },
	{ W_1_EDX, 14, ALWAYS, "MCA" },
	{ W_1_EDX, 15, HOST, "CMOV" },
	{ W_1_EDX, 16, HOST, "PAT" },
	{ W_1_EDX, B_PSE36, HOST, "PSE-36" },
	{ W_1_EDX, 19, HOST, "CLFSH" },
	{ W_1_EDX, 23, HOST, "MMX" },
	{ W_1_EDX, 24, HOST, "FXSR" },
	{ W_1_EDX, 25, HOST, "SSE" },
	{ W_1_EDX, 26, HOST, "SSE2" },
	{ W_1_EDX, 27, HOST, "SS" },
	{ W_1_EDX, 28, OPTIONAL, "HTT" },	/* topology, the VMM's */

	{ W_6_EAX, 2, ALWAYS, "ARAT" },		/* our timer never stops */

	{ W_7_0_EBX, 0, HOST, "FSGSBASE" },
	{ W_7_0_EBX, B_TSC_ADJUST, ALWAYS, "IA32_TSC_ADJUST" },
	{ W_7_0_EBX, 3, HOST, "BMI1" },
	{ W_7_0_EBX, 4, HOST, "HLE" },
	{ W_7_0_EBX, 5, HOST, "AVX2", has_ymm },
	{ W_7_0_EBX, 6, HOST, "FDP_EXCPTN_ONLY" },
	{ W_7_0_EBX, 7, HOST, "SMEP" },
	{ W_7_0_EBX, 8, HOST, "BMI2" },
	{ W_7_0_EBX, 9, HOST, "Enhanced REP MOVSB/STOSB" },
	{ W_7_0_EBX, 10, HOST, "INVPCID", has_invpcid },
	{ W_7_0_EBX, 11, HOST, "RTM" },
	{ W_7_0_EBX, 13, HOST, "Deprecates FPU CS and FPU DS" },
	{ W_7_0_EBX, 16, HOST, "AVX512F", has_zmm },
	{ W_7_0_EBX, 17, HOST, "AVX512DQ", has_zmm },
	{ W_7_0_EBX, 18, HOST, "RDSEED" },
	{ W_7_0_EBX, 19, HOST, "ADX" },
	{ W_7_0_EBX, 20, HOST, "SMAP" },
	{ W_7_0_EBX, 21, HOST, "AVX512_IFMA", has_zmm },
	{ W_7_0_EBX, 23, HOST, "CLFLUSHOPT" },
	{ W_7_0_EBX, 24, HOST, "CLWB" },
	{ W_7_0_EBX, 26, HOST, "AVX512PF", has_zmm },
	{ W_7_0_EBX, 27, HOST, "AVX512ER", has_zmm },
	{ W_7_0_EBX, 28, HOST, "AVX512CD", has_zmm },
	{ W_7_0_EBX, 29, HOST, "SHA" },
	{ W_7_0_EBX, 30, HOST, "AVX512BW", has_zmm },
	{ W_7_0_EBX, 31, HOST, "AVX512VL", has_zmm },

	{ W_7_0_ECX, 0, HOST, "PREFETCHWT1" },
	{ W_7_0_ECX, 1, HOST, "AVX512_VBMI", has_zmm },
	{ W_7_0_ECX, 2, HOST, "UMIP" },
	{ W_7_0_ECX, B_PKU, HOST, "PKU", has_pku },
	{ W_7_0_ECX, B_OSPKE, DYNAMIC, "OSPKE" },
	{ W_7_0_ECX, 6, HOST, "AVX512_VBMI2", has_zmm },
	{ W_7_0_ECX, 8, HOST, "GFNI" },
	{ W_7_0_ECX, 9, HOST, "VAES", has_ymm },
	{ W_7_0_ECX, 10, HOST, "VPCLMULQDQ", has_ymm },
	{ W_7_0_ECX, 11, HOST, "AVX512_VNNI", has_zmm },
	{ W_7_0_ECX, 12, HOST, "AVX512_BITALG", has_zmm },
	{ W_7_0_ECX, 14, HOST, "AVX512_VPOPCNTDQ", has_zmm },
	{ W_7_0_ECX, B_RDPID, HOST, "RDPID", has_rdtscp },
	{ W_7_0_ECX, 25, HOST, "CLDEMOTE" },
	{ W_7_0_ECX, 27, HOST, "MOVDIRI" },
	{ W_7_0_ECX, 28, HOST, "MOVDIR64B" },

	{ W_7_0_EDX, 2, HOST, "AVX512_4VNNIW", has_zmm },
	{ W_7_0_EDX, 3, HOST, "AVX512_4FMAPS", has_zmm },
	{ W_7_0_EDX, 4, HOST, "Fast Short REP MOV" },
	{ W_7_0_EDX, 8, HOST, "AVX512_VP2INTERSECT", has_zmm },
	{ W_7_0_EDX, 10, HOST, "MD_CLEAR" },
	{ W_7_0_EDX, 14, HOST, "SERIALIZE" },
	{ W_7_0_EDX, 16, HOST, "TSXLDTRK" },
	{ W_7_0_EDX, 23, HOST, "AVX512_FP16", has_zmm },
	{ W_7_0_EDX, B_SPEC_CTRL, HOST, "IBRS and IBPB", has_spec_ctrl },
	{ W_7_0_EDX, B_STIBP, HOST, "STIBP", has_spec_ctrl },
	{ W_7_0_EDX, B_L1D_FLUSH, HOST, "L1D_FLUSH" },
	{ W_7_0_EDX, B_ARCH_CAPABILITIES, HOST, "IA32_ARCH_CAPABILITIES" },
	{ W_7_0_EDX, B_SSBD, HOST, "SSBD", has_spec_ctrl },

	{ W_7_1_EAX, 0, HOST, "SHA512", has_ymm },
	{ W_7_1_EAX, 1, HOST, "SM3", has_ymm },
	{ W_7_1_EAX, 2, HOST, "SM4", has_ymm },
	{ W_7_1_EAX, 4, HOST, "AVX-VNNI", has_ymm },
	{ W_7_1_EAX, 5, HOST, "AVX512_BF16", has_zmm },
	{ W_7_1_EAX, 7, HOST, "CMPCCXADD" },
	{ W_7_1_EAX, 10, HOST, "Fast zero-length REP MOVSB" },
	{ W_7_1_EAX, 11, HOST, "Fast short REP STOSB" },
	{ W_7_1_EAX, 12, HOST, "Fast short REP CMPSB and SCASB" },
	{ W_7_1_EAX, 23, HOST, "AVX-IFMA", has_ymm },

	{ W_7_1_EDX, 4, HOST, "AVX-VNNI-INT8", has_ymm },
	{ W_7_1_EDX, 5, HOST, "AVX-NE-CONVERT", has_ymm },
	{ W_7_1_EDX, 10, HOST, "AVX-VNNI-INT16", has_ymm },
	{ W_7_1_EDX, 14, HOST, "PREFETCHI" },

	{ W_7_2_EDX, 0, HOST, "PSFD", has_spec_ctrl },
	{ W_7_2_EDX, 1, HOST, "IPRED_CTRL", has_spec_ctrl },
	{ W_7_2_EDX, 2, HOST, "RRSBA_CTRL", has_spec_ctrl },
	{ W_7_2_EDX, 3, HOST, "DDPD_U", has_spec_ctrl },
	{ W_7_2_EDX, 4, HOST, "BHI_CTRL", has_spec_ctrl },
	{ W_7_2_EDX, 5, HOST, "MCDT_NO" },

	{ W_D_1_EAX, B_XSAVEOPT, HOST, "XSAVEOPT", has_xsave },
	{ W_D_1_EAX, B_XSAVEC, HOST, "XSAVEC", has_xsave },
	{ W_D_1_EAX, B_XGETBV_1, HOST, "XGETBV with ECX = 1", has_xsave },
	{ W_D_1_EAX, B_XSAVES, HOST, "XSAVES and IA32_XSS", has_xsaves },

	{ W_8000_0001_ECX, 0, HOST, "LAHF64" },
	{ W_8000_0001_ECX, 1, OPTIONAL, "CmpLegacy" },	/* topology, the VMM's */
	{ W_8000_0001_ECX, 4, HOST, "AltMovCr8" },
	{ W_8000_0001_ECX, 5, HOST, "LZCNT" },
	{ W_8000_0001_ECX, 6, HOST, "SSE4A" },
	{ W_8000_0001_ECX, 7, HOST, "MisAlignSse" },
	{ W_8000_0001_ECX, 8, HOST, "PREFETCHW" },
	{ W_8000_0001_ECX, 11, HOST, "XOP", has_ymm },
	{ W_8000_0001_ECX, 16, HOST, "FMA4", has_ymm },
	{ W_8000_0001_ECX, 21, HOST, "TBM" },
	{ W_8000_0001_ECX, 22, OPTIONAL, "TopologyExtensions" },

	/* Bits 0 to 9, 12 to 17, 23 and 24 are AMD's copies of leaf 1 EDX. */
	{ W_8000_0001_EDX, 0, HOST, "FPU" },
	{ W_8000_0001_EDX, 1, HOST, "VME" },
	{ W_8000_0001_EDX, 2, HOST, "DE" },
	{ W_8000_0001_EDX, 3, HOST, "PSE" },
	{ W_8000_0001_EDX, 4, HOST, "TSC" },
	{ W_8000_0001_EDX, 5, HOST, "MSR" },
	{ W_8000_0001_EDX, 6, HOST, "PAE" },
	{ W_8000_0001_EDX, 7, HOST, "MCE" },
	{ W_8000_0001_EDX, 8, HOST, "CMPXCHG8B" },
	{ W_8000_0001_EDX, B_APIC, HOST, "APIC" },
	{ W_8000_0001_EDX, B_SYSCALL, HOST, "SYSCALL/SYSRET" },
	{ W_8000_0001_EDX, 12, HOST, "MTRR" },
	{ W_8000_0001_EDX, 13, HOST, "PGE" },
	{ W_8000_0001_EDX, 14, HOST, "MCA" },
	{ W_8000_0001_EDX, 15, HOST, "CMOV" },
	{ W_8000_0001_EDX, 16, HOST, "PAT" },
	{ W_8000_0001_EDX, 17, HOST, "PSE36" },
	{ W_8000_0001_EDX, B_NX, HOST, "Execute Disable Bit" },
	{ W_8000_0001_EDX, 22, HOST, "MmxExt" },
	{ W_8000_0001_EDX, 23, HOST, "MMX" },
	{ W_8000_0001_EDX, 24, HOST, "FXSR" },
	{ W_8000_0001_EDX, B_FFXSR, HOST, "FFXSR" },
	{ W_8000_0001_EDX, 26, HOST, "1-GByte pages" },
	{ W_8000_0001_EDX, B_RDTSCP, HOST, "RDTSCP", has_rdtscp },
	{ W_8000_0001_EDX, B_LM, HOST, "Intel 64" },
	{ W_8000_0001_EDX, 30, HOST, "3DNowExt" },
	{ W_8000_0001_EDX, 31, HOST, "3DNow" },

	{ W_8000_0007_EDX, 8, HOST, "Invariant TSC", has_stable_tsc },

	{ W_8000_0008_EBX, 0, HOST, "CLZERO" },
	{ W_8000_0008_EBX, 2, HOST, "RstrFpErrPtrs" },
	{ W_8000_0008_EBX, B_AMD_IBPB, HOST, "IBPB" },
	{ W_8000_0008_EBX, B_AMD_IBRS, HOST, "IBRS", has_spec_ctrl },
	{ W_8000_0008_EBX, B_AMD_STIBP, HOST, "STIBP", has_spec_ctrl },
	{ W_8000_0008_EBX, 16, HOST, "IbrsAlwaysOn", has_spec_ctrl },
	{ W_8000_0008_EBX, 17, HOST, "StibpAlwaysOn", has_spec_ctrl },
	{ W_8000_0008_EBX, 18, HOST, "IbrsPreferred", has_spec_ctrl },
	{ W_8000_0008_EBX, 19, HOST, "IbrsSameMode", has_spec_ctrl },
	{ W_8000_0008_EBX, B_AMD_SSBD, HOST, "SSBD", has_spec_ctrl },
	{ W_8000_0008_EBX, 26, HOST, "SsbdNotRequired" },
	{ W_8000_0008_EBX, B_AMD_PSFD, HOST, "PSFD", has_spec_ctrl },
	{ W_8000_0008_EBX, 29, HOST, "BTC_NO" },
	{ W_8000_0008_EBX, 30, HOST, "IBPB_RET" },

	{ W_8000_0021_EAX, 0, HOST, "NoNestedDataBp" },
	{ W_8000_0021_EAX, 2, HOST, "LFenceAlwaysSerializing" },
	{ W_8000_0021_EAX, 5, HOST, "VERW_CLEAR" },
	{ W_8000_0021_EAX, 6, HOST, "NullSelectClearsBase" },
	{ W_8000_0021_EAX, 28, HOST, "IBPB_BRTYPE" },
	{ W_8000_0021_EAX, 29, HOST, "SRSO_NO" },
	{ W_8000_0021_EAX, 30, HOST, "SRSO_USER_KERNEL_NO" },

	{ W_8000_0021_ECX, 1, HOST, "TSA_SQ_NO" },
	{ W_8000_0021_ECX, 2, HOST, "TSA_L1_NO" },
};

/* ------------------------------------------------------------ the host */

void mica_cpuid_host(u32 leaf, u32 subleaf, u32 regs[CPUID_REGS])
{
	memset(regs, 0, CPUID_REGS * sizeof(regs[0]));
	if (leaf > cpuid_eax(leaf & 0x80000000))
		return;
	/* Subleaves of leaf 7 beyond its last one would repeat others. */
	if (leaf == 7 && subleaf > cpuid_eax(7))
		return;
	cpuid_count(leaf, subleaf, &regs[CPUID_REG_EAX], &regs[CPUID_REG_EBX],
		    &regs[CPUID_REG_ECX], &regs[CPUID_REG_EDX]);
}

u8 mica_cpuid_phys_bits(void)
{
	return min_t(unsigned int, boot_cpu_data.x86_phys_bits, CPUID_LINEAR_BITS);
}

static bool host_has(const struct feature *feature, u32 host)
{
	s8 kernel = mica_cpuid_words[feature->word].kernel;

	if (kernel != NO_KERNEL_WORD && !boot_cpu_has(kernel * 32 + feature->bit))
		return false;
	return (host & BIT(feature->bit)) && (!feature->when || feature->when());
}

static enum cpuid_word find_word(u32 leaf, u32 subleaf, enum cpuid_reg reg)
{
	const struct cpuid_word_place *place;
	enum cpuid_word word;

	for (word = 0; word < CPUID_WORDS; word++) {
		place = &mica_cpuid_words[word];
		if (place->leaf == leaf && place->subleaf == subleaf && place->reg == reg)
			break;
	}
	return word;
}

/* Feature bits of one register: those that a policy may have, or (`listed`) has by default. */
static u32 feature_bits(u32 leaf, u32 subleaf, enum cpuid_reg reg, u32 host, bool listed)
{
	enum cpuid_word word = find_word(leaf, subleaf, reg);
	u32 bits = 0;
	unsigned int i;

	if (word == CPUID_WORDS)
		return 0;
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		if (features[i].word != word)
			continue;
		if (features[i].how == HOST ? host_has(&features[i], host) :
		    features[i].how == ALWAYS || !listed)
			bits |= BIT(features[i].bit);
	}
	return bits;
}

/* ------------------------------------------------------------ leaves, for a guest of one CPU */

#define ONE_CPU		1	/* logical processors */

/* The last leaf with a row here that this host fills. */
static bool fill_0(u32 subleaf, u32 regs[CPUID_REGS])
{
	regs[CPUID_REG_EAX] = regs[CPUID_REG_EAX] >= 0x1f ? 0x1f : 0x16;
	return true;
}

/* Brand index and CLFLUSH line size stay. */
static bool fill_1(u32 subleaf, u32 regs[CPUID_REGS])
{
	regs[CPUID_REG_EBX] = (regs[CPUID_REG_EBX] & 0xffff) | ONE_CPU << 16;
	return true;
}

/* Caches that no other logical processor shares; no other core in the package. */
static bool fill_4(u32 subleaf, u32 regs[CPUID_REGS])
{
	regs[CPUID_REG_EAX] &= GENMASK(13, 0);
	return regs[CPUID_REG_EAX] & GENMASK(4, 0);
}

static bool fill_7(u32 subleaf, u32 regs[CPUID_REGS])
{
	if (!subleaf)
		regs[CPUID_REG_EAX] = min(regs[CPUID_REG_EAX], 2u);
	return true;
}

/* Two levels, SMT (1) and core (2), of one logical processor each. */
static bool fill_topology(u32 subleaf, u32 regs[CPUID_REGS])
{
	if (subleaf > 1 || !regs[CPUID_REG_EBX])
		return false;
	regs[CPUID_REG_EAX] = 0;
	regs[CPUID_REG_EBX] = ONE_CPU;
	regs[CPUID_REG_ECX] = (subleaf + 1) << 8 | subleaf;
	regs[CPUID_REG_EDX] = 0;
	return true;
}

static bool fill_xsave(u32 subleaf, u32 regs[CPUID_REGS])
{
	u64 xcr0 = mica_fpu_xcr0(), xss = mica_backend->xss;

	switch (subleaf) {
	case 0:
		regs[CPUID_REG_EAX] = xcr0;
		regs[CPUID_REG_EBX] = XSAVE_MIN_SIZE;
		regs[CPUID_REG_ECX] = mica_xsave_size(xcr0);
		regs[CPUID_REG_EDX] = xcr0 >> 32;
		return xcr0;
	case 1:
		regs[CPUID_REG_EBX] = 0;
		regs[CPUID_REG_ECX] = regs[CPUID_REG_EAX] & BIT(B_XSAVES) ? xss : 0;
		regs[CPUID_REG_EDX] = 0;
		return xcr0;
	}
	return (xcr0 | xss) & BIT_ULL(subleaf);
}

/* SDM, leaf 15H: core crystal clock in ECX, TSC = crystal * EBX / EAX.  The APIC timer
 * counts at the crystal's frequency; ours counts the TSC. */
static bool fill_tsc(u32 subleaf, u32 regs[CPUID_REGS])
{
	u64 hz = (u64)tsc_khz * 1000;

	if (!hz || hz > U32_MAX)
		return false;
	regs[CPUID_REG_EAX] = 1;
	regs[CPUID_REG_EBX] = 1;
	regs[CPUID_REG_ECX] = hz;
	regs[CPUID_REG_EDX] = 0;
	return true;
}

/* MHz: base, maximum, bus. */
static bool fill_frequency(u32 subleaf, u32 regs[CPUID_REGS])
{
	regs[CPUID_REG_EAX] = tsc_khz / 1000;
	regs[CPUID_REG_EBX] = tsc_khz / 1000;
	regs[CPUID_REG_ECX] = 100;
	return tsc_khz;
}

static bool fill_80000000(u32 subleaf, u32 regs[CPUID_REGS])
{
	regs[CPUID_REG_EAX] = min_t(u32, regs[CPUID_REG_EAX], CPUID_MAX_EXTENDED);
	return true;
}

static bool fill_80000008(u32 subleaf, u32 regs[CPUID_REGS])
{
	regs[CPUID_REG_EAX] = CPUID_LINEAR_BITS << 8 | mica_cpuid_phys_bits();
	regs[CPUID_REG_ECX] = 0;
	return true;
}

static bool fill_8000001e(u32 subleaf, u32 regs[CPUID_REGS])
{
	memset(regs, 0, CPUID_REGS * sizeof(regs[0]));
	return true;
}

#define ALL	(~0u)

/* In the order of leaves.  A zero in `free` leaves the features of that register. */
static const struct cpuid_leaf leaves[] = {
	{ 0x0, false, 0, 0, { ALL, ALL, ALL, ALL }, fill_0 },	/* last leaf, vendor */
	{ 0x1, false, 0, 0, { ALL, ALL, 0, 0 }, fill_1 },	/* signature, APIC id */
	{ 0x2, false, 0, 0, { ALL, ALL, ALL, ALL } },		/* cache and TLB descriptors */
	{ 0x4, true, 0, 31, { ALL, ALL, ALL, ALL }, fill_4 },	/* cache parameters */
	{ 0x6 },
	{ 0x7, true, 0, 0, { 3, 0, 0, 0 }, fill_7 },		/* last subleaf */
	{ 0x7, true, 1, 2 },
	{ 0xb, true, 0, 7, { ALL, ALL, ALL, ALL }, fill_topology },
	{ 0xd, true, 0, 0, { ALL, ALL, ALL, ALL }, fill_xsave },
	{ 0xd, true, 1, 1, { 0, ALL, ALL, ALL }, fill_xsave },
	{ 0xd, true, 2, XSAVE_COMPONENTS - 1, { ALL, ALL, ALL, ALL }, fill_xsave },
	{ 0x15, false, 0, 0, { ALL, ALL, ALL, ALL }, fill_tsc },
	{ 0x16, false, 0, 0, { ALL, ALL, ALL, 0 }, fill_frequency },
	{ 0x1f, true, 0, 7, { ALL, ALL, ALL, ALL }, fill_topology },
	{ 0x80000000, false, 0, 0, { ALL, ALL, ALL, ALL }, fill_80000000 },
	{ 0x80000001, false, 0, 0, { ALL, ALL, 0, 0 } },	/* signature, package */
	{ 0x80000002, false, 0, 0, { ALL, ALL, ALL, ALL } },	/* brand string */
	{ 0x80000003, false, 0, 0, { ALL, ALL, ALL, ALL } },
	{ 0x80000004, false, 0, 0, { ALL, ALL, ALL, ALL } },
	{ 0x80000005, false, 0, 0, { ALL, ALL, ALL, ALL } },	/* AMD: L1 caches and TLBs */
	{ 0x80000006, false, 0, 0, { ALL, ALL, ALL, ALL } },	/* L2 cache */
	{ 0x80000007 },
	{ 0x80000008, false, 0, 0, { ALL, 0, ALL, 0 }, fill_80000008 },
	{ 0x80000019, false, 0, 0, { ALL, ALL, 0, 0 } },	/* AMD: TLBs of 1 GiB pages */
	{ 0x8000001d, true, 0, 7, { ALL, ALL, ALL, ALL }, fill_4 },	/* AMD's leaf 4 */
	{ 0x8000001e, false, 0, 0, { ALL, ALL, ALL, 0 }, fill_8000001e },	/* topology */
	{ 0x80000021 },
};

const struct cpuid_leaf *mica_cpuid_find_leaf(u32 leaf, u32 subleaf)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leaves); i++)
		if (leaves[i].leaf == leaf && subleaf >= leaves[i].first &&
		    subleaf <= leaves[i].last)
			return &leaves[i];
	return NULL;
}

void mica_cpuid_allowed(const struct cpuid_leaf *leaf, u32 subleaf, u32 allowed[CPUID_REGS])
{
	u32 host[CPUID_REGS];
	unsigned int reg;

	mica_cpuid_host(leaf->leaf, subleaf, host);
	for (reg = 0; reg < CPUID_REGS; reg++)
		allowed[reg] = leaf->free[reg] |
			       feature_bits(leaf->leaf, subleaf, reg, host[reg], false);
}

/* ------------------------------------------------------------ MICA_GET_CPUID */

static int add_entry(struct mica_cpuid *cpuid, const struct cpuid_leaf *leaf, u32 subleaf)
{
	struct mica_cpuid_entry *entry = &cpuid->entries[cpuid->count];
	u32 regs[CPUID_REGS];
	unsigned int reg;

	mica_cpuid_host(leaf->leaf, subleaf, regs);
	for (reg = 0; reg < CPUID_REGS; reg++)
		regs[reg] = (regs[reg] & leaf->free[reg]) |
			    feature_bits(leaf->leaf, subleaf, reg, regs[reg], true);
	if (leaf->fill && !leaf->fill(subleaf, regs))
		return 0;
	if (!(regs[0] | regs[1] | regs[2] | regs[3]))
		return 0;
	if (cpuid->count == MICA_MAX_CPUID)
		return -ENOSPC;
	*entry = (struct mica_cpuid_entry){
		.leaf = leaf->leaf, .subleaf = subleaf,
		.flags = leaf->by_subleaf ? MICA_CPUID_SUBLEAF : 0,
		.eax = regs[CPUID_REG_EAX], .ebx = regs[CPUID_REG_EBX],
		.ecx = regs[CPUID_REG_ECX], .edx = regs[CPUID_REG_EDX],
	};
	cpuid->count++;
	return 0;
}

int mica_cpuid_supported(struct mica_cpuid *cpuid)
{
	const struct cpuid_leaf *leaf;
	u32 subleaf;
	int error = 0;

	memset(cpuid, 0, sizeof(*cpuid));
	for (leaf = leaves; leaf < leaves + ARRAY_SIZE(leaves) && !error; leaf++)
		for (subleaf = leaf->first; subleaf <= leaf->last && !error; subleaf++)
			error = add_entry(cpuid, leaf, subleaf);
	return error;
}
