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

/* An instruction may reach into a second page; the bytes of the first decide whether. */
static enum insn_result decode(struct insn *insn)
{
	ZydisDecoder decoder;
	ZyanStatus status = ZYDIS_STATUS_NO_MORE_DATA;
	enum insn_result result;

	if (ZYAN_FAILED(ZydisDecoderInit(&decoder, insn->mode, stack_width(insn->mode))))
		return INSN_UNSUPPORTED;
	while (status == ZYDIS_STATUS_NO_MORE_DATA && insn->available < INSN_MAX_LENGTH) {
		result = memory_fetch(insn);
		if (result)
			return result;
		status = ZydisDecoderDecodeFull(&decoder, insn->bytes, insn->available,
						&insn->decoded, insn->operands);
	}
	insn->valid = ZYAN_SUCCESS(status);
	if (insn->valid)
		return INSN_DONE;
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

static uint64_t changed_groups(const struct mica_vcpu_state *before,
			       const struct mica_vcpu_state *after)
{
	uint64_t groups = 0;

#define MICA_STATE_GROUP(GROUP, group, bit) \
	if (memcmp(&before->group, &after->group, sizeof(before->group))) \
		groups |= MICA_STATE_##GROUP;
#include <vcpu_state.def>
	return groups;
}

enum insn_result insn_execute(struct mica_vcpu_state *state, const struct insn_ops *ops,
			      void *opaque, uint64_t *groups_changed, struct insn_report *report)
{
	struct mica_vcpu_state before = *state;
	struct insn insn = {
		.state = state,
		.ops = ops,
		.opaque = opaque,
		.regs = (__u64 *)&state->gprs,
		.mode = machine_mode(state),
		.cpl = privilege_level(state),
	};
	enum insn_result result;

	*groups_changed = 0;
	memset(report, 0, sizeof(*report));
	if ((state->events.injecting | state->events.exception) & MICA_EVENT_VALID) {
		g_strlcpy(report->mnemonic, "event delivery", sizeof(report->mnemonic));
		return INSN_UNSUPPORTED;
	}
	insn.long_mode = insn.mode == ZYDIS_MACHINE_MODE_LONG_64;
	result = decode(&insn);
	if (!result)
		result = insn_dispatch(&insn);
	*groups_changed = changed_groups(&before, state);
	fill_report(&insn, report);
	return result;
}
