// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "../chipset/chipset.h"
#include "lowmem.h"
#include "state.h"

#define CR0_PE			(1ull << 0)
#define CR0_ET			(1ull << 4)
#define CR0_NW			(1ull << 29)
#define CR0_CD			(1ull << 30)
#define CR0_PG			(1ull << 31)
#define CR4_PAE			(1ull << 5)
#define EFER_LME		(1ull << 8)
#define EFER_LMA		(1ull << 10)
#define RFLAGS_FIXED		(1ull << 1)

#define DR6_RESET		0xffff0ff0ull
#define DR7_RESET		0x400ull
#define XCR0_X87		1ull
#define APIC_BASE_BSP		(1ull << 8)
#define APIC_BASE_ENABLE	(1ull << 11)
#define PAT_RESET		0x0007040600070406ull
/* Fast strings; branch trace store and PEBS are unavailable. */
#define MISC_ENABLE_RESET	(1ull << 0 | 1ull << 11 | 1ull << 12)
#define MTRR_ENABLE		(1ull << 11)
#define MTRR_WRITE_BACK		6ull

/* EDX after RESET is the signature of a family 6 processor; software that cares reads
 * CPUID leaf 1. */
#define EDX_RESET		0x600ull

/* Attributes, all accessed and present with DPL 0. */
#define ATTR_DATA		0x93u
#define ATTR_LDT		0x82u
#define ATTR_BUSY_TSS		0x8bu
#define ATTR_CODE		0x9bu
#define ATTR_LONG		(1u << 13)
#define ATTR_DEFAULT_32		(1u << 14)
#define ATTR_PAGES		(1u << 15)

#define TSS_LIMIT		0x67u	/* of the smallest 32-bit or 64-bit TSS */

static struct mica_segment segment(uint16_t selector, uint64_t base, uint32_t limit, uint32_t attr)
{
	return (struct mica_segment){
		.selector = selector, .base = base, .limit = limit, .attr = attr,
	};
}

static void set_data_segments(struct mica_state_segs *segs, struct mica_segment data)
{
	segs->ds = data;
	segs->es = data;
	segs->fs = data;
	segs->gs = data;
	segs->ss = data;
}

static void reset_segments(struct mica_state_segs *segs)
{
	segs->cs = segment(0xf000, 0xffff0000, 0xffff, ATTR_DATA);
	set_data_segments(segs, segment(0, 0, 0xffff, ATTR_DATA));
	segs->ldtr = segment(0, 0, 0xffff, ATTR_LDT);
	segs->tr = segment(0, 0, 0xffff, ATTR_BUSY_TSS);
	segs->gdtr = segment(0, 0, 0xffff, 0);
	segs->idtr = segment(0, 0, 0xffff, 0);
}

void boot_reset_state(struct mica_vcpu_state *state, unsigned int vcpu_id)
{
	memset(state, 0, sizeof(*state));
	state->gprs.rip = 0xfff0;
	state->gprs.rdx = EDX_RESET;
	state->gprs.rflags = RFLAGS_FIXED;
	reset_segments(&state->segs);
	state->crs.cr0 = CR0_ET | CR0_NW | CR0_CD;
	state->crs.xcr0 = XCR0_X87;
	state->drs.dr6 = DR6_RESET;
	state->drs.dr7 = DR7_RESET;
	state->msrs.apic_base = LAPIC_BASE | APIC_BASE_ENABLE | (vcpu_id ? 0 : APIC_BASE_BSP);
	state->msrs.misc_enable = MISC_ENABLE_RESET;
	state->msrs.pat = PAT_RESET;
	state->events.mp_state = vcpu_id ? MICA_MP_WAIT_SIPI : MICA_MP_RUNNABLE;
	state->events.sipi_vector = MICA_SIPI_NONE;
}

/* What a firmware does on every CPU: caches on, all memory write-back.  Linux gives up PAT where
 * it finds the MTRRs disabled, and complains of CPUs that do not agree.  INIT changes neither. */
static void caches_on(struct mica_vcpu_state *state)
{
	state->msrs.mtrr_def_type = MTRR_ENABLE | MTRR_WRITE_BACK;
	state->crs.cr0 &= ~(CR0_CD | CR0_NW);
}

void boot_parked_state(struct mica_vcpu_state *state, unsigned int vcpu_id)
{
	boot_reset_state(state, vcpu_id);
	caches_on(state);
}

/* What a firmware would have done besides: a GDT, no IDT. */
static void common_mode(struct mica_vcpu_state *state, uint64_t entry, uint32_t code_attr)
{
	boot_reset_state(state, 0);
	state->gprs.rip = entry;
	state->gprs.rdx = 0;
	state->segs.cs = segment(BOOT_CS, 0, 0xffffffff, ATTR_CODE | ATTR_PAGES | code_attr);
	set_data_segments(&state->segs, segment(BOOT_DS, 0, 0xffffffff,
						ATTR_DATA | ATTR_PAGES | ATTR_DEFAULT_32));
	state->segs.ldtr = segment(0, 0, 0, MICA_SEG_UNUSABLE);
	state->segs.tr = segment(0, 0, TSS_LIMIT, ATTR_BUSY_TSS);
	state->segs.gdtr = segment(0, BOOT_GDT_ADDRESS, BOOT_GDT_LIMIT, 0);
	state->segs.idtr = segment(0, 0, 0, 0);
	caches_on(state);
	state->crs.cr0 |= CR0_PE;
}

void boot_protected_mode(struct mica_vcpu_state *state, uint32_t entry)
{
	common_mode(state, entry, ATTR_DEFAULT_32);
}

void boot_long_mode(struct mica_vcpu_state *state, uint64_t entry)
{
	common_mode(state, entry, ATTR_LONG);
	state->crs.cr0 |= CR0_PG;
	state->crs.cr3 = BOOT_PAGE_TABLES;
	state->crs.cr4 = CR4_PAE;
	state->msrs.efer = EFER_LME | EFER_LMA;
}
