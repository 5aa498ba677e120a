/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The features of a CPU that CPUID tells of, as one table: what they are called, where their bit
 * is, which level of the x86-64 psABI has them, what they need.  It is also an allow-list:
 * a bit without a row here is never a guest's.
 *
 * Names are those of /proc/cpuinfo; what Linux does not show there has the name of the kernel's
 * X86_FEATURE_ constant, in small letters.  Several rows may have one name (Intel and AMD keep IBPB in
 * different leaves), and several names one bit.
 */
#ifndef MICA_VMM_CPU_FEATURE_H
#define MICA_VMM_CPU_FEATURE_H

#include <glib.h>
#include <mica.h>
#include <stdbool.h>
#include <stdint.h>

enum cpu_register { CPU_EAX, CPU_EBX, CPU_ECX, CPU_EDX };

/* Registers of CPUID that hold feature bits. */
enum cpu_word {
	W_1_ECX, W_1_EDX, W_6_EAX, W_7_0_EBX, W_7_0_ECX, W_7_0_EDX, W_7_1_EAX, W_7_1_EDX,
	W_7_2_EDX, W_D_1_EAX, W_80000001_ECX, W_80000001_EDX, W_80000007_EDX, W_80000008_EBX,
	W_80000021_EAX, W_80000021_ECX, CPU_WORDS
};

struct cpu_word_place {
	uint32_t leaf;
	uint32_t subleaf;
	enum cpu_register reg;
};

extern const struct cpu_word_place cpu_words[CPU_WORDS];

enum cpu_class {
	CPU_V1 = 1,	/* of the x86-64 psABI's levels, and in v1 what all such CPUs have */
	CPU_V2,
	CPU_V3,
	CPU_V4,
	CPU_EXTRA,	/* of no level */
	CPU_OURS,	/* the module emulates it on every host: in each model */
	CPU_CLOCK,	/* about the host's clock, not its instructions: in each model if the host
			 * has it */
	CPU_TOPOLOGY,	/* follows the number of CPUs and how they are arranged */
	CPU_NEVER,	/* no guest has it */
};
#define CPU_LEVELS	4u

/* Bits of XCR0 and IA32_XSS, SDM volume 1, "XSAVE-Supported Features and State-Component Bitmaps". */
#define CPU_XSTATE_X87	0x1ull
#define CPU_XSTATE_SSE	0x2ull
#define CPU_XSTATE_AVX	0x4ull
#define CPU_XSTATE_AVX512	0xe0ull
#define CPU_XSTATE_PKRU	0x200ull
#define CPU_XSTATE_CET	0x1800ull	/* IA32_XSS */
#define CPU_XSTATE_AMX	0x60000ull

struct cpu_feature {
	const char *name;
	enum cpu_word word;
	unsigned int bit;
	enum cpu_class class;
	const char *needs[2];	/* names; a feature is only there with them */
	uint64_t xstate;	/* state components that it stands for */
};

extern const struct cpu_feature cpu_features_table[];
extern const size_t cpu_features_count;
#define CPU_FEATURES_MAX	256u

/* Whether a row has that name. */
bool cpu_feature_known(const char *name);

/* The name that is most like `name`, or what Linux calls the same thing. */
const char *cpu_feature_nearest(const char *name);

/* The word as it is in a list of MICA_GET_CPUID; 0 if the leaf is not there. */
uint32_t cpu_word_value(const struct mica_cpuid *list, enum cpu_word word);

#endif
