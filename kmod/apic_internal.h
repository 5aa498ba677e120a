/* SPDX-License-Identifier: GPL-2.0-only */
/* What apic.c, apic_deliver.c, apic_state.c and timer.c share; nobody else includes it. */
#ifndef MICA_APIC_INTERNAL_H
#define MICA_APIC_INTERNAL_H

#include "apic.h"
#include "vcpu.h"

#define APIC_VERSION	(0x14 | 5 << 16)	/* six LVT entries */
#define APIC_VECTORS	256
#define APIC_FIRST_VECTOR	16		/* 0..15 are illegal for fixed interrupts */

/* Access rights. */
#define REG_R		1u
#define REG_W		2u
#define REG_RW		(REG_R | REG_W)

/* One register; SDM tables "Local APIC Register Address Map" and "Local APIC Register
 * Address Map Supported by x2APIC".  No right at all: reserved. */
struct mica_apic_reg {
	u32 bits;	/* that software may write */
	u32 ignored;	/* read-only bits that a write may carry */
	u8 xapic;	/* REG_* in xAPIC mode */
	u8 x2apic;	/* REG_* in x2APIC mode */
};

/* The register at offset, or NULL if there is none for any mode. */
const struct mica_apic_reg *mica_apic_find_reg(u32 offset);
/* `bits` of that register, less what the CPUID policy does not have. */
u32 mica_apic_writable(const struct mica_apic *apic, u32 offset);

/* Another vCPU may read while the owner writes: always 32 bits at once. */
static inline u32 mica_apic_reg(const struct mica_apic *apic, u32 offset)
{
	return READ_ONCE(*(u32 *)(apic->regs + offset));
}

static inline void mica_apic_set_reg(struct mica_apic *apic, u32 offset, u32 value)
{
	WRITE_ONCE(*(u32 *)(apic->regs + offset), value);
}

/* IRR, ISR and TMR are eight registers of 32 bits, 16 bytes apart: the bit of a vector,
 * counted from the first byte of the first. */
static inline unsigned int mica_apic_bit(u8 vector)
{
	return (vector & ~31u) * 4 + (vector & 31u);
}

static inline unsigned long *mica_apic_bits(const struct mica_apic *apic, u32 base)
{
	return apic->regs + base;
}

/* Highest vector in IRR or ISR, 0: none.  Several times per interrupt: without a loop. */
static inline u32 mica_apic_highest(const struct mica_apic *apic, u32 base)
{
	u32 word;
	int i;

#pragma GCC unroll 8
	for (i = 7; i >= 0; i--) {
		word = mica_apic_reg(apic, base + i * 16);
		if (word)
			return i * 32 + __fls(word);
	}
	return 0;
}

/* Highest vector in service, 0: none. */
static inline u32 mica_apic_in_service(const struct mica_apic *apic)
{
	return mica_backend->delivers_interrupts ? mica_apic_highest(apic, APIC_ISR) :
						   READ_ONCE(apic->isrv);
}

/* SDM "Task and Processor Priorities". */
static inline u32 mica_apic_ppr(u32 tpr, u32 isrv)
{
	return (tpr & 0xf0) >= (isrv & 0xf0) ? tpr & 0xff : isrv & 0xf0;
}

static inline bool mica_apic_software_enabled(const struct mica_apic *apic)
{
	return mica_apic_reg(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED;
}

/* Own.  Vectors that others have posted go to IRR. */
void mica_apic_take_posted(struct mica_apic *apic);
/* Own.  Derives isrv, isr_count and PPR from the page. */
void mica_apic_recount(struct mica_apic *apic);

/* Any context.  A fixed interrupt reaches this APIC; false: illegal vector.  `kick` unless
 * the caller is the vCPU itself. */
bool mica_apic_accept_fixed(struct mica_apic *apic, u8 vector, bool level, bool kick);
/* Any context.  An interrupt source of the APIC's own, as its LVT entry says. */
void mica_apic_local(struct mica_apic *apic, u32 lvt, bool kick);
/* Any context.  Collects an APIC_ESR_* bit; the first since ESR was written interrupts. */
void mica_apic_error(struct mica_apic *apic, u32 bit, bool kick);
/* Own.  ICR was written: low as in the register, dest as in struct mica_irq. */
void mica_apic_send(struct mica_apic *apic, u32 low, u32 dest);
/* Own.  LVT entry of LINT0 was written. */
void mica_apic_lint0_changed(struct mica_apic *apic);
/* Own.  A level-triggered interrupt has ended: LINT0 may still be asserted. */
void mica_apic_lint0_eoi(struct mica_apic *apic, u8 vector);

#endif
