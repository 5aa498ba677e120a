// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>
#include <string.h>

#include "insn_internal.h"

_Static_assert(offsetof(struct mica_state_gprs, r15) == 15 * sizeof(uint64_t),
	       "the general registers are an array in the order of the encoding");
_Static_assert(offsetof(struct mica_state_segs, gs) == SEG_GS * sizeof(struct mica_segment),
	       "the segment registers are an array in the order of the encoding");

/* ------------------------------------------------------------ results */

enum insn_result insn_failed(struct insn *insn, int error)
{
	insn->error = error;
	return INSN_FAILED;
}

/* The handler finds RF set, so that returning from a fault does not meet a breakpoint on
 * the instruction again.  Error codes exist in protected mode only. */
enum insn_result insn_fault(struct insn *insn, enum vector vector, bool has_error, uint32_t error)
{
	struct mica_state_events *events = &insn->state->events;

	events->exception = MICA_EVENT_VALID | MICA_EVENT_EXCEPTION | vector;
	events->exception_error = 0;
	if (has_error && (insn->state->crs.cr0 & CR0_PE)) {
		events->exception |= MICA_EVENT_HAS_ERROR;
		events->exception_error = error;
	}
	events->interrupt_shadow = 0;
	insn->state->gprs.rflags |= FLAG_RF;
	return INSN_EXCEPTION;
}

void insn_retire(struct insn *insn, bool complete)
{
	struct mica_vcpu_state *state = insn->state;

	if (complete) {
		state->gprs.rip += insn->decoded.length;
		if (!insn->long_mode)
			state->gprs.rip = (uint32_t)state->gprs.rip;
		state->gprs.rflags &= ~FLAG_RF;
	} else {
		state->gprs.rflags |= FLAG_RF;
	}
	state->events.interrupt_shadow = 0;
	if (state->gprs.rflags & FLAG_TF)
		state->events.pending_debug |= DR6_BS;
}

/* ------------------------------------------------------------ decoding */

static ZydisMachineMode machine_mode(const struct mica_vcpu_state *state)
{
	bool wide = state->segs.cs.attr & SEG_DB;

	if (state->msrs.efer & EFER_LMA) {
		if (state->segs.cs.attr & SEG_L)
			return ZYDIS_MACHINE_MODE_LONG_64;
		return wide ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_COMPAT_16;
	}
	if (wide)
		return ZYDIS_MACHINE_MODE_LEGACY_32;
	return state->crs.cr0 & CR0_PE ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_REAL_16;
}

static ZydisStackWidth stack_width(ZydisMachineMode mode)
{
	switch (mode) {
	case ZYDIS_MACHINE_MODE_LONG_64:
		return ZYDIS_STACK_WIDTH_64;
	case ZYDIS_MACHINE_MODE_LONG_COMPAT_32:
	case ZYDIS_MACHINE_MODE_LEGACY_32:
		return ZYDIS_STACK_WIDTH_32;
	default:
		return ZYDIS_STACK_WIDTH_16;
	}
}

static unsigned int privilege_level(const struct mica_vcpu_state *state)
{
	if (!(state->crs.cr0 & CR0_PE))
		return 0;
	if (state->gprs.rflags & FLAG_VM)
		return 3;
	return state->segs.ss.attr >> SEG_DPL_SHIFT & 3;
}

/*
 * What a thread has decoded lately, by the low bits of RIP: a driver comes back to the same few
 * instructions.  Their bytes, which are fetched each time, say everything together with the
 * mode, so nothing in here can be out of date.
 */
#define CACHE_SIZE	16u

struct cached {
	unsigned int length;		/* 0: empty */
	ZydisMachineMode mode;
	uint8_t bytes[INSN_MAX_LENGTH];
	ZydisDecodedInstruction decoded;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static _Thread_local struct cached cache[CACHE_SIZE];

static struct cached *cache_place(const struct insn *insn)
{
	return &cache[insn->state->gprs.rip % CACHE_SIZE];
}

static bool cache_find(struct insn *insn)
{
	const struct cached *cached = cache_place(insn);

	if (!cached->length || cached->length > insn->available || cached->mode != insn->mode ||
	    memcmp(cached->bytes, insn->bytes, cached->length))
		return false;
	insn->decoded = cached->decoded;
	memcpy(insn->operands, cached->operands,
	       cached->decoded.operand_count * sizeof(cached->operands[0]));
	return true;
}

static void cache_keep(const struct insn *insn)
{
	struct cached *cached = cache_place(insn);

	cached->length = insn->decoded.length;
	cached->mode = insn->mode;
	memcpy(cached->bytes, insn->bytes, cached->length);
	cached->decoded = insn->decoded;
	memcpy(cached->operands, insn->operands,
	       insn->decoded.operand_count * sizeof(cached->operands[0]));
}

static ZyanStatus decode_bytes(struct insn *insn)
{
	ZydisDecoder decoder;
	ZyanStatus status = ZydisDecoderInit(&decoder, insn->mode, stack_width(insn->mode));

	return ZYAN_FAILED(status) ? status :
	       ZydisDecoderDecodeFull(&decoder, insn->bytes, insn->available, &insn->decoded,
				      insn->operands);
}

/* An instruction may reach into a second page; the bytes of the first decide whether. */
static enum insn_result decode(struct insn *insn)
{
	enum insn_result result;
	ZyanStatus status;

	do {
		result = memory_fetch(insn);
		if (result)
			return result;
		insn->valid = cache_find(insn);
		if (insn->valid)
			return INSN_DONE;
		status = decode_bytes(insn);
	} while (status == ZYDIS_STATUS_NO_MORE_DATA && insn->available < INSN_MAX_LENGTH);
	insn->valid = ZYAN_SUCCESS(status);
	if (insn->valid) {
		cache_keep(insn);
		return INSN_DONE;
	}
	if (status == ZYDIS_STATUS_NO_MORE_DATA || status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
		return insn_fault(insn, VECTOR_GP, true, 0);
	if (status == ZYDIS_STATUS_ILLEGAL_LOCK)
		return insn_fault(insn, VECTOR_UD, false, 0);
	return INSN_UNSUPPORTED;
}

static void fill_report(const struct insn *insn, struct insn_report *report)
{
	const char *name;

	report->length = insn->valid ? insn->decoded.length : insn->available;
	memcpy(report->bytes, insn->bytes, report->length);
	report->error = insn->error;
	name = insn->valid ? ZydisMnemonicGetString(insn->decoded.mnemonic) : NULL;
	if (name)
		g_strlcpy(report->mnemonic, name, sizeof(report->mnemonic));
}

/* All that an instruction on this list can change. */
struct before {
	struct mica_state_gprs gprs;
	struct mica_state_events events;
	uint64_t cr2;
};

static uint64_t changed_groups(const struct before *before, const struct mica_vcpu_state *after)
{
	uint64_t groups = 0;

	if (memcmp(&before->gprs, &after->gprs, sizeof(before->gprs)))
		groups |= MICA_STATE_GPRS;
	if (memcmp(&before->events, &after->events, sizeof(before->events)))
		groups |= MICA_STATE_EVENTS;
	if (before->cr2 != after->crs.cr2)
		groups |= MICA_STATE_CRS;
	return groups;
}

enum insn_result insn_execute(struct mica_vcpu_state *state, const struct insn_ops *ops,
			      void *opaque, uint64_t *groups_changed, struct insn_report *report)
{
	const struct before before = { state->gprs, state->events, state->crs.cr2 };
	enum insn_result result;
	struct insn insn;

	/* Without what the decoder fills in. */
	memset(&insn, 0, offsetof(struct insn, decoded));
	insn.state = state;
	insn.ops = ops;
	insn.opaque = opaque;
	insn.regs = (__u64 *)&state->gprs;
	insn.mode = machine_mode(state);
	insn.cpl = privilege_level(state);
	insn.long_mode = insn.mode == ZYDIS_MACHINE_MODE_LONG_64;
	*groups_changed = 0;
	memset(report, 0, sizeof(*report));
	if ((state->events.injecting | state->events.exception) & MICA_EVENT_VALID) {
		g_strlcpy(report->mnemonic, "event delivery", sizeof(report->mnemonic));
		return INSN_UNSUPPORTED;
	}
	result = decode(&insn);
	if (!result)
		result = insn_dispatch(&insn);
	*groups_changed = changed_groups(&before, state);
	if (result == INSN_UNSUPPORTED || result == INSN_FAILED)
		fill_report(&insn, report);
	return result;
}
