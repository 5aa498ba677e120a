// SPDX-License-Identifier: GPL-2.0-or-later
/* The bzImage loader. */
#include "fuzz_boot.h"

#include "../input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_boot(data, size, 0, 2);
	return 0;
}
