/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files of the instruction executor: insn.c (fetching and decoding),
 * insn_execute.c (plain instructions), insn_string.c, insn_memory.c (segments, paging).
 *
 * Functions return INSN_DONE (0) or what insn_execute() is to return.
 */
#ifndef MICA_VMM_INSN_INTERNAL_H
#define MICA_VMM_INSN_INTERNAL_H

#include <Zydis/Zydis.h>
#include <glib.h>
#include <stdbool.h>

#include "insn.h"
#include "insn_alu.h"

#define PAGE_SIZE	4096u

#define CR0_PE		(1ull << 0)
#define CR0_EM		(1ull << 2)
#define CR0_TS		(1ull << 3)
#define CR0_WP		(1ull << 16)
#define CR0_PG		(1ull << 31)
#define CR4_PSE		(1ull << 4)
#define CR4_PAE		(1ull << 5)
#define CR4_OSFXSR	(1ull << 9)
#define CR4_LA57	(1ull << 12)
#define CR4_SMEP	(1ull << 20)
#define CR4_SMAP	(1ull << 21)
#define EFER_LMA	(1ull << 10)
#define EFER_NXE	(1ull << 11)
#define DR6_BS		(1ull << 14)

#define SEG_TYPE_CODE		(1u << 3)
#define SEG_TYPE_EXPAND_DOWN	(1u << 2)	/* data; conforming for code */
#define SEG_TYPE_RW		(1u << 1)	/* data: writable, code: readable */
#define SEG_DPL_SHIFT		5
#define SEG_L			(1u << 13)
#define SEG_DB			(1u << 14)

/* As in the encoding and in struct mica_state_segs. */
enum segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

enum register_index {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
};

enum vector {
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_SS = 12,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
};

enum access {
	ACCESS_READ = 0,
	ACCESS_WRITE = 1,
	ACCESS_FETCH = 2,
	ACCESS_SYSTEM = 4,	/* by the CPU itself, with supervisor rights */
};

/* Where an operand lies: in one page or, if it crosses into another, in two. */
struct place {
	uint64_t gpa[2];
	unsigned int size[2];
};

/* The page that a string instruction used last. */
struct page {
	bool valid;
	uint64_t linear;
	uint64_t gpa;
};

struct insn {
	struct mica_vcpu_state *state;
	const struct insn_ops *ops;
	void *opaque;
	__u64 *regs;		/* rax..r15 of state */
	unsigned int cpl;
	bool long_mode;		/* 64-bit code, not compatibility mode */
	bool valid;		/* decoded and operands hold an instruction */
	int error;		/* for INSN_FAILED */
	unsigned int available;	/* bytes fetched */
	uint8_t bytes[INSN_MAX_LENGTH];
	struct page source, destination;
	ZydisMachineMode mode;
	ZydisDecodedInstruction decoded;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/* insn.c */
enum insn_result insn_failed(struct insn *insn, int error);
/* A fault with an error code if has_error and the mode has them. */
enum insn_result insn_fault(struct insn *insn, enum vector vector, bool has_error,
			    uint32_t error);

static inline const struct mica_segment *insn_segment(const struct insn *insn,
						      enum segment segment)
{
	return (const struct mica_segment *)&insn->state->segs + segment;
}

/* What follows an instruction, or an iteration of one. */
void insn_retire(struct insn *insn, bool complete);

/* insn_execute.c */
enum insn_result insn_dispatch(struct insn *insn);
uint64_t insn_read_register(const struct insn *insn, unsigned int index, unsigned int bits);
/* A 32-bit value clears the upper half; narrower ones leave the rest. */
void insn_write_register(struct insn *insn, unsigned int index, unsigned int bits,
			 uint64_t value);

/* insn_memory.c */
enum insn_result memory_linear(struct insn *insn, enum segment segment, uint64_t offset,
			       unsigned int size, unsigned int access, uint64_t *linear);
/* `size` is 1..16; `access` is ACCESS_* or'ed. */
enum insn_result memory_translate(struct insn *insn, uint64_t linear, unsigned int size,
				  unsigned int access, struct place *place);
/* The same through a cache of one page, which the caller keeps for one kind of access. */
enum insn_result memory_translate_cached(struct insn *insn, uint64_t linear, unsigned int size,
					 unsigned int access, struct page *page,
					 struct place *place);
enum insn_result memory_load(struct insn *insn, const struct place *place, void *to);
enum insn_result memory_store(struct insn *insn, const struct place *place, const void *from);
/* Adds bytes of the instruction to insn->bytes, to the end of a page or of the segment at
 * most; at least one, if it does not fault. */
enum insn_result memory_fetch(struct insn *insn);

/* insn_string.c */
enum insn_result insn_string(struct insn *insn);

#endif
