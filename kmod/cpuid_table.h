/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a CPUID policy may say, as data.  cpuid_table.c and cpuid.c only.
 * Names and numbers: SDM volume 2, "CPUID - CPU Identification", and AMD APM volume 3,
 * "Obtaining Processor Information Via the CPUID Instruction".
 */
#ifndef MICA_CPUID_TABLE_H
#define MICA_CPUID_TABLE_H

#include "compat.h"
#include "uapi/mica.h"

enum cpuid_reg { CPUID_REG_EAX, CPUID_REG_EBX, CPUID_REG_ECX, CPUID_REG_EDX, CPUID_REGS };

/* Registers that hold feature bits. */
enum cpuid_word {
	W_1_ECX, W_1_EDX, W_6_EAX, W_7_0_EBX, W_7_0_ECX, W_7_0_EDX, W_7_1_EAX, W_7_1_EDX,
	W_7_2_EDX, W_D_1_EAX, W_8000_0001_ECX, W_8000_0001_EDX, W_8000_0007_EDX,
	W_8000_0008_EBX, W_8000_0021_EAX, W_8000_0021_ECX, CPUID_WORDS
};

struct cpuid_word_place {
	u32 leaf;
	u8 subleaf;
	u8 reg;			/* enum cpuid_reg */
	s8 kernel;		/* word of boot_cpu_data.x86_capability, or NO_KERNEL_WORD */
};
#define NO_KERNEL_WORD	(-1)

extern const struct cpuid_word_place mica_cpuid_words[CPUID_WORDS];

/* Feature bits that code of ours asks about. */
enum { B_MTRR = 12, B_PSE36 = 17 };				/* 1 EDX */
enum { B_PCID = 17, B_X2APIC = 21, B_TSC_DEADLINE = 24, B_XSAVE = 26, B_OSXSAVE = 27 }; /* 1 ECX */
enum { B_APIC = 9 };						/* 1 EDX, 8000_0001 EDX */
enum { B_TSC_ADJUST = 1 };					/* 7.0 EBX */
enum { B_PKU = 3, B_OSPKE = 4, B_RDPID = 22 };			/* 7.0 ECX */
enum { B_SPEC_CTRL = 26, B_STIBP = 27, B_L1D_FLUSH = 28, B_ARCH_CAPABILITIES = 29,
       B_SSBD = 31 };						/* 7.0 EDX */
enum { B_XSAVEOPT = 0, B_XSAVEC = 1, B_XGETBV_1 = 2, B_XSAVES = 3 };	/* D.1 EAX */
enum { B_SYSCALL = 11, B_NX = 20, B_FFXSR = 25, B_RDTSCP = 27, B_LM = 29 }; /* 8000_0001 EDX */
enum { B_AMD_IBPB = 12, B_AMD_IBRS = 14, B_AMD_STIBP = 15, B_AMD_SSBD = 24,
       B_AMD_PSFD = 28 };					/* 8000_0008 EBX */

/* A leaf that a policy may have.  Leaves without a row must be zero. */
struct cpuid_leaf {
	u32 leaf;
	bool by_subleaf;	/* ECX counts: entries have MICA_CPUID_SUBLEAF */
	u8 first, last;		/* subleaves */
	u32 free[CPUID_REGS];	/* bits that are no features: any value will do */
	/* Makes the host's registers, features already filtered, a guest's of one CPU; false:
	 * there is no such subleaf.  May be NULL. */
	bool (*fill)(u32 subleaf, u32 regs[CPUID_REGS]);
};

#define CPUID_MAX_BASIC		0x1f
#define CPUID_MAX_EXTENDED	0x80000021
#define CPUID_IS_HYPERVISOR(leaf)	((leaf) >> 28 == 4)	/* 4000_0000h to 4FFF_FFFFh */

/* NULL: there is none. */
const struct cpuid_leaf *mica_cpuid_find_leaf(u32 leaf, u32 subleaf);
/* Bits that may be set in the registers of a row: free ones and features. */
void mica_cpuid_allowed(const struct cpuid_leaf *leaf, u32 subleaf, u32 allowed[CPUID_REGS]);
/* The CPU's own registers; zero for leaves beyond its last. */
void mica_cpuid_host(u32 leaf, u32 subleaf, u32 regs[CPUID_REGS]);
/* Widths of guest-physical and linear addresses. */
u8 mica_cpuid_phys_bits(void);
#define CPUID_LINEAR_BITS	48	/* LA57 is not offered */

#endif
