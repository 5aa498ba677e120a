/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Executes one guest instruction in user space: one that touched memory which nobody maps
 * (MICA_EXIT_MMIO), or INS or OUTS (MICA_EXIT_IO with MICA_IO_STRING).
 *
 * The guest can change its instructions and page tables at any time, so nothing here
 * trusts that what it finds is what made the vCPU exit: every check that the CPU makes is
 * made again, and an instruction that needs a privilege is not on the list, but for INS
 * and OUTS, whose I/O permission is checked.  Every loop is bounded; memory is copied once.
 *
 * Executed: MOV, MOVZX, MOVSX, MOVSXD, MOVBE, MOVNTI, XCHG, XADD, CMPXCHG, CMPXCHG8B,
 * CMPXCHG16B, AND, OR, XOR, ADD, ADC, SUB, SBB, CMP, TEST, NOT, NEG, INC, DEC, BT, BTS,
 * BTR, BTC, the shifts and rotates, PUSH and POP, MOVS, STOS, LODS, CMPS, SCAS, INS and
 * OUTS with and without repetition, CLFLUSH and its kin, and with vector_load and
 * vector_store the plain SSE moves of 4, 8 and 16 bytes.
 *
 * Not modelled: protection keys, data breakpoints, BTF, the reserved physical address bits
 * of page tables (52 bits are let through).
 *
 * Source: Intel SDM, volume 2, the instructions' pages; volume 3, "Protection", "Paging",
 * "Canonical Addressing".
 */
#ifndef MICA_VMM_INSN_H
#define MICA_VMM_INSN_H

#include <mica.h>
#include <stdint.h>

#define INSN_MAX_LENGTH		15
#define INSN_STRING_BYTES	4096	/* that much of a repeated one per call */

/*
 * All return 0 or -errno; an error ends the instruction with INSN_FAILED, so reads of an
 * address that nobody claims give all-ones and 0.  `size` is 1, 2, 4 or 8 and an access
 * never crosses a page; it need not be aligned.  Bytes are little-endian.
 */
struct insn_ops {
	/* Guest-physical memory, RAM or device. */
	int (*read)(void *opaque, uint64_t gpa, void *to, unsigned int size);
	int (*write)(void *opaque, uint64_t gpa, const void *from, unsigned int size);
	/* An entry of a paging structure, 4 or 8 bytes, aligned, RAM only. */
	int (*entry_load)(void *opaque, uint64_t gpa, unsigned int size, uint64_t *entry);
	/* Replaces the entry atomically; another value than `expected` there is no error. */
	int (*entry_update)(void *opaque, uint64_t gpa, unsigned int size, uint64_t expected,
			    uint64_t desired);
	/* I/O ports; sizes 1, 2 and 4. */
	int (*port_in)(void *opaque, uint16_t port, void *to, unsigned int size);
	int (*port_out)(void *opaque, uint16_t port, const void *from, unsigned int size);
	/* XMM register 0..15.  May be NULL: SSE moves are then unsupported.  A store clears
	 * nothing above the 16 bytes. */
	int (*vector_load)(void *opaque, unsigned int index, uint8_t bytes[16]);
	int (*vector_store)(void *opaque, unsigned int index, const uint8_t bytes[16]);
};

enum insn_result {
	/* Executed, or as much of a repeated instruction as one call does: RIP is then still
	 * on it, and entering the guest again goes on with it. */
	INSN_DONE = 0,
	/* The instruction faults: state->events.exception and _error are set (and cr2). */
	INSN_EXCEPTION,
	/* Nothing was done; insn_report says which instruction it is. */
	INSN_UNSUPPORTED,
	/* An operation failed; insn_report has its error.  What was done before stays. */
	INSN_FAILED,
};

struct insn_report {
	uint8_t bytes[INSN_MAX_LENGTH];
	uint8_t length;		/* of the instruction, or of what could be fetched of it */
	/* "" if the bytes are no instruction; "event delivery" if the access belonged to an
	 * event in state->events, and not to the instruction at RIP. */
	char mnemonic[24];
	int error;		/* INSN_FAILED: -errno */
};

/*
 * `state` must hold all groups.  *groups_changed is set to the MICA_STATE_* that differ
 * afterwards, whatever the result.
 */
enum insn_result insn_execute(struct mica_vcpu_state *state, const struct insn_ops *ops,
			      void *opaque, uint64_t *groups_changed, struct insn_report *report);

#endif
