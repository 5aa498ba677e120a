// SPDX-License-Identifier: GPL-2.0-only
/* Sizes of XSAVE images: see xsave.h. */
#include "xsave.h"

#define CPUID_XSAVE	0xd

static struct component {
	u32 size;
	u32 offset;	/* in the standard format */
	bool aligned;	/* to 64 bytes in the compacted format */
} components[XSAVE_COMPONENTS];

void mica_xsave_setup(u64 mask)
{
	u32 eax, ebx, ecx, edx;
	unsigned int i;

	memset(components, 0, sizeof(components));
	for (i = 2; i < XSAVE_COMPONENTS; i++) {
		if (!(mask & BIT_ULL(i)))
			continue;
		cpuid_count(CPUID_XSAVE, i, &eax, &ebx, &ecx, &edx);
		components[i].size = eax;
		components[i].offset = ebx;
		components[i].aligned = ecx & 2;
	}
}

u32 mica_xsave_size(u64 mask)
{
	u32 size = XSAVE_MIN_SIZE;
	unsigned int i;

	for (i = 2; i < XSAVE_COMPONENTS; i++)
		if (mask & BIT_ULL(i))
			size = max(size, components[i].offset + components[i].size);
	return size;
}

u32 mica_xsave_compacted_size(u64 mask)
{
	u32 size = XSAVE_MIN_SIZE;
	unsigned int i;

	for (i = 2; i < XSAVE_COMPONENTS; i++) {
		if (!(mask & BIT_ULL(i)))
			continue;
		if (components[i].aligned)
			size = ALIGN(size, 64);
		size += components[i].size;
	}
	return size;
}

u32 mica_xsave_offset(unsigned int component)
{
	return components[component].offset;
}

bool mica_xcr0_valid(u64 xcr0)
{
	u64 avx512 = xcr0 & XFEATURE_MASK_AVX512;

	if (!(xcr0 & XFEATURE_MASK_FP))
		return false;
	if ((xcr0 & XFEATURE_MASK_YMM) && !(xcr0 & XFEATURE_MASK_SSE))
		return false;
	return !avx512 || (avx512 == XFEATURE_MASK_AVX512 && (xcr0 & XFEATURE_MASK_YMM));
}
