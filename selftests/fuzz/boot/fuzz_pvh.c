// SPDX-License-Identifier: GPL-2.0-or-later
/* The loader of ELF files with a PVH note. */
#include "fuzz_boot.h"

#include "../input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_boot(data, size, 2, 4);
	return 0;
}
