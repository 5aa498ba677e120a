// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SDM volume 3, "Checks on the Guest State Area", written down once more and apart from
 * the module's own checks: what a CPU would refuse to enter must not come from a loader.
 */
#include "guest.h"

#define CR0_PE		(1ull << 0)
#define CR0_RESERVED	0xffffffff1ffaffc0ull	/* NE and the fixed ET aside */
#define CR0_NW		(1ull << 29)
#define CR0_CD		(1ull << 30)
#define CR0_PG		(1ull << 31)
#define CR4_PAE		(1ull << 5)
#define EFER_LME	(1ull << 8)
#define EFER_LMA	(1ull << 10)

#define ATTR_TYPE	0xfu
#define ATTR_S		(1u << 4)
#define ATTR_P		(1u << 7)
#define ATTR_L		(1u << 13)
#define ATTR_DB		(1u << 14)
#define ATTR_G		(1u << 15)
#define ATTR_RESERVED	0xfffe0f00u

static uint32_t dpl(const struct mica_segment *segment)
{
	return segment->attr >> 5 & 3;
}

static bool usable(const struct mica_segment *segment)
{
	return !(segment->attr & MICA_SEG_UNUSABLE);
}

static bool long_mode(const struct mica_vcpu_state *state)
{
	return state->msrs.efer & EFER_LMA;
}

/* "Checks on Guest Control Registers, Debug Registers, and MSRs". */
static void check_control_registers(const struct mica_vcpu_state *state)
{
	uint64_t cr0 = state->crs.cr0;

	assert_int_equal(cr0 & CR0_RESERVED, 0);
	assert_true(!(cr0 & CR0_PG) || (cr0 & CR0_PE));
	assert_true(!(cr0 & CR0_NW) || (cr0 & CR0_CD));
	assert_int_equal(state->crs.cr3 >> 36, 0);
	assert_int_equal(state->drs.dr6 >> 32, 0);
	assert_int_equal(state->drs.dr7 >> 32, 0);
	assert_int_equal(state->crs.xcr0 & 1, 1);
	assert_int_equal(!!(state->msrs.efer & EFER_LME) && (cr0 & CR0_PG), long_mode(state));
	if (long_mode(state)) {
		assert_true(cr0 & CR0_PG);
		assert_true(state->crs.cr4 & CR4_PAE);
	}
	for (unsigned int i = 0; i < 8; i++) {
		uint64_t type = state->msrs.pat >> (8 * i) & 0xff;

		assert_true(type <= 7 && type != 2 && type != 3);
	}
}

static void check_limit(const struct mica_segment *segment)
{
	if ((segment->limit & 0xfff) != 0xfff)
		assert_false(segment->attr & ATTR_G);
	if (segment->limit >> 20)
		assert_true(segment->attr & ATTR_G);
	assert_int_equal(segment->attr & ATTR_RESERVED, 0);
}

static void check_code(const struct mica_vcpu_state *state)
{
	const struct mica_segment *cs = &state->segs.cs;
	uint32_t type = cs->attr & ATTR_TYPE;

	assert_true(usable(cs));
	assert_true(type == 3 || type == 9 || type == 11 || type == 13 || type == 15);
	if (type == 3)
		assert_int_equal(dpl(cs), 0);
	else if (type == 9 || type == 11)
		assert_int_equal(dpl(cs), dpl(&state->segs.ss));
	assert_true(cs->attr & ATTR_S && cs->attr & ATTR_P);
	if (long_mode(state) && cs->attr & ATTR_L)
		assert_false(cs->attr & ATTR_DB);
	assert_int_equal(cs->base >> 32, 0);
	check_limit(cs);
}

static void check_stack(const struct mica_vcpu_state *state)
{
	const struct mica_segment *ss = &state->segs.ss;

	if (!usable(ss))
		return;
	assert_true((ss->attr & ATTR_TYPE) == 3 || (ss->attr & ATTR_TYPE) == 7);
	if ((state->segs.cs.attr & ATTR_TYPE) == 3 || !(state->crs.cr0 & CR0_PE))
		assert_int_equal(dpl(ss), 0);
	assert_true(ss->attr & ATTR_S && ss->attr & ATTR_P);
	assert_int_equal(ss->base >> 32, 0);
	check_limit(ss);
}

static void check_data(const struct mica_segment *segment, bool high_base)
{
	uint32_t type = segment->attr & ATTR_TYPE;

	if (!usable(segment))
		return;
	assert_true(type & 1);				/* accessed */
	assert_true(!(type & 8) || (type & 2));		/* code must be readable */
	assert_true(segment->attr & ATTR_S && segment->attr & ATTR_P);
	if (!high_base)
		assert_int_equal(segment->base >> 32, 0);
	check_limit(segment);
}

static void check_system(const struct mica_vcpu_state *state)
{
	const struct mica_segment *tr = &state->segs.tr;
	const struct mica_segment *ldtr = &state->segs.ldtr;

	assert_true(usable(tr));
	assert_true((tr->attr & ATTR_TYPE) == 11 ||
		    ((tr->attr & ATTR_TYPE) == 3 && !long_mode(state)));
	assert_true(tr->attr & ATTR_P);
	assert_false(tr->attr & ATTR_S);
	assert_int_equal(tr->selector & 4, 0);
	check_limit(tr);
	if (!usable(ldtr))
		return;
	assert_int_equal(ldtr->selector & 4, 0);
	assert_int_equal(ldtr->attr & ATTR_TYPE, 2);
	assert_true(ldtr->attr & ATTR_P);
	assert_false(ldtr->attr & ATTR_S);
	check_limit(ldtr);
}

/* "Checks on Guest Segment Registers" and "... Descriptor-Table Registers". */
static void check_segments(const struct mica_vcpu_state *state)
{
	check_code(state);
	check_stack(state);
	check_data(&state->segs.ds, false);
	check_data(&state->segs.es, false);
	check_data(&state->segs.fs, true);
	check_data(&state->segs.gs, true);
	check_system(state);
	assert_int_equal(state->segs.gdtr.limit >> 16, 0);
	assert_int_equal(state->segs.idtr.limit >> 16, 0);
	assert_int_equal(state->segs.gdtr.attr | state->segs.gdtr.selector, 0);
	assert_int_equal(state->segs.idtr.attr | state->segs.idtr.selector, 0);
}

/* "Checks on Guest RIP, RFLAGS, and SSP" and "Checks on Guest Non-Register State". */
static void check_rest(const struct mica_vcpu_state *state)
{
	if (!(long_mode(state) && state->segs.cs.attr & ATTR_L))
		assert_int_equal(state->gprs.rip >> 32, 0);
	assert_int_equal(state->gprs.rflags & 0xffffffffffc0802aull, 2);
	assert_int_equal(state->gprs.rflags & (1u << 9 | 1u << 17), 0);	/* IF, VM */
	assert_true(state->events.mp_state == MICA_MP_RUNNABLE ||
		    state->events.mp_state == MICA_MP_WAIT_SIPI);
	assert_int_equal(state->events.sipi_vector, MICA_SIPI_NONE);
	assert_int_equal(state->events.exception | state->events.injecting |
			 state->events.interrupt_shadow | state->events.nmi_pending |
			 state->events.nmi_blocked | state->events.init_pending |
			 state->events.pending_debug, 0);
}

void guest_check_state(const struct mica_vcpu_state *state)
{
	check_control_registers(state);
	check_segments(state);
	check_rest(state);
}
