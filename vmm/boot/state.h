/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers with which the boot protocols start the first vCPU. */
#ifndef MICA_VMM_BOOT_STATE_H
#define MICA_VMM_BOOT_STATE_H

#include "boot.h"

/* 32-bit protected mode, paging off, flat segments with the selectors of lowmem.h,
 * interrupts disabled; general registers zero.  All of it as after RESET otherwise. */
void boot_protected_mode(struct mica_vcpu_state *state, uint32_t entry);

/* Long mode with the page tables of boot_write_identity_map(), likewise. */
void boot_long_mode(struct mica_vcpu_state *state, uint64_t entry);

#endif
