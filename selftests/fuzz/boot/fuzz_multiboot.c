// SPDX-License-Identifier: GPL-2.0-or-later
/* The multiboot loader, of ELF files and flat ones. */
#include "fuzz_boot.h"

#include "../input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_boot(data, size, 6, 2);
	return 0;
}
