// SPDX-License-Identifier: GPL-2.0-only
/* The local APIC's registers, priorities, MSRs and modes: see apic.h. */
#include "apic_internal.h"

/* ------------------------------------------------------------ the registers */

#define LVT_BITS	(APIC_VECTOR_MASK | APIC_LVT_MASKED)
#define LVT_TIMER_MODE	(3u << 17)
#define LVT_LINT_BITS	(LVT_BITS | APIC_MODE_MASK | APIC_INPUT_POLARITY | APIC_LVT_LEVEL_TRIGGER)
#define LVT_LINT_IGNORED	(APIC_SEND_PENDING | APIC_LVT_REMOTE_IRR)

/* Level and trigger mode included; delivery status (bit 12) is read-only. */
#define ICR_BITS	0x000ccfffu

/* Bit 9 of SVR is the focus-processor check of old CPUs: stored, without effect. */
#define SVR_BITS	(APIC_VECTOR_MASK | APIC_SPIV_APIC_ENABLED | APIC_SPIV_FOCUS_DISABLED)

/* Arbitration priority and remote read exist in name only, as on all CPUs with an xAPIC. */
static const struct mica_apic_reg regs[MICA_APIC_REGS] = {
	[APIC_ID >> 4]		= { 0, 0, REG_RW, REG_R },	/* writes change nothing */
	[APIC_LVR >> 4]		= { 0, 0, REG_R, REG_R },
	[APIC_TASKPRI >> 4]	= { 0xff, 0, REG_RW, REG_RW },
	[APIC_ARBPRI >> 4]	= { 0, 0, REG_R, 0 },
	[APIC_PROCPRI >> 4]	= { 0, 0, REG_R, REG_R },
	[APIC_EOI >> 4]		= { 0, 0, REG_RW, REG_W },
	[APIC_RRR >> 4]		= { 0, 0, REG_R, 0 },
	[APIC_LDR >> 4]		= { 0xff000000, 0, REG_RW, REG_R },
	[APIC_DFR >> 4]		= { 0xf0000000, 0, REG_RW, 0 },
	[APIC_SPIV >> 4]	= { SVR_BITS, 0, REG_RW, REG_RW },
	[APIC_ISR >> 4 ... (APIC_IRR >> 4) + 7] = { 0, 0, REG_R, REG_R },
	[APIC_ESR >> 4]		= { 0, 0, REG_RW, REG_RW },
	[APIC_ICR >> 4]		= { ICR_BITS, APIC_ICR_BUSY, REG_RW, REG_RW },
	[APIC_ICR2 >> 4]	= { 0xff000000, 0, REG_RW, 0 },
	[APIC_LVTT >> 4]	= { LVT_BITS | LVT_TIMER_MODE, APIC_SEND_PENDING, REG_RW, REG_RW },
	[APIC_LVTTHMR >> 4]	= { LVT_BITS | APIC_MODE_MASK, APIC_SEND_PENDING, REG_RW, REG_RW },
	[APIC_LVTPC >> 4]	= { LVT_BITS | APIC_MODE_MASK, APIC_SEND_PENDING, REG_RW, REG_RW },
	[APIC_LVT0 >> 4]	= { LVT_LINT_BITS, LVT_LINT_IGNORED, REG_RW, REG_RW },
	[APIC_LVT1 >> 4]	= { LVT_LINT_BITS, LVT_LINT_IGNORED, REG_RW, REG_RW },
	[APIC_LVTERR >> 4]	= { LVT_BITS, APIC_SEND_PENDING, REG_RW, REG_RW },
	[APIC_TMICT >> 4]	= { 0xffffffff, 0, REG_RW, REG_RW },
	[APIC_TMCCT >> 4]	= { 0, 0, REG_R, REG_R },
	[APIC_TDCR >> 4]	= { 0xb, 0, REG_RW, REG_RW },
	[APIC_SELF_IPI >> 4]	= { 0xff, 0, 0, REG_W },
};

const struct mica_apic_reg *mica_apic_find_reg(u32 offset)
{
	u32 index = offset >> 4;

	return (offset & 15) || index >= MICA_APIC_REGS ? NULL : &regs[index];
}

u32 mica_apic_writable(const struct mica_apic *apic, u32 offset)
{
	u32 bits = regs[offset >> 4].bits;

	if (offset == APIC_LVTT && !apic->vcpu->features.tsc_deadline)
		bits &= ~(u32)APIC_LVT_TIMER_TSCDEADLINE;
	return bits;
}

/* SDM "Local APIC ID Register", "Logical x2APIC ID". */
static void set_ids(struct mica_apic *apic)
{
	u32 id = apic->vcpu->id;

	if (mica_apic_is_x2(apic)) {
		mica_apic_set_reg(apic, APIC_ID, id);
		mica_apic_set_reg(apic, APIC_LDR, (id >> 4) << 16 | 1u << (id & 15));
	} else {
		mica_apic_set_reg(apic, APIC_ID, id << 24);
	}
}

/* ------------------------------------------------------------ lifetime */

#define BASE_MODE	(MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE)
#define BASE_DEFAULT	((u64)APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE)

static void reset_regs(struct mica_apic *apic)
{
	u32 offset;

	for (offset = 0; offset < MICA_APIC_REGS * 16; offset += 16)
		mica_apic_set_reg(apic, offset, 0);
	set_ids(apic);
	mica_apic_set_reg(apic, APIC_LVR, APIC_VERSION);
	mica_apic_set_reg(apic, APIC_DFR, APIC_DFR_FLAT);
	mica_apic_set_reg(apic, APIC_SPIV, APIC_VECTOR_MASK);
	for (offset = APIC_LVTT; offset <= APIC_LVTERR; offset += 16)
		mica_apic_set_reg(apic, offset, APIC_LVT_MASKED);
	apic->isrv = 0;
	apic->isr_count = 0;
	bitmap_zero(apic->posted, APIC_VECTORS);
	atomic_set(&apic->errors, 0);
	mica_timer_reset(apic->vcpu);
}

void mica_apic_reset(struct mica_vcpu *vcpu, bool init)
{
	struct mica_apic *apic = &vcpu->apic;

	if (!init)
		WRITE_ONCE(apic->base, BASE_DEFAULT | (vcpu->id ? 0 : MSR_IA32_APICBASE_BSP));
	reset_regs(apic);
	if (mica_backend->delivers_interrupts)
		mica_vcpu_request(vcpu, MICA_REQ_EVENT);
}

int mica_apic_init(struct mica_vcpu *vcpu)
{
	struct mica_apic *apic = &vcpu->apic;

	apic->regs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!apic->regs)
		return -ENOMEM;
	apic->vcpu = vcpu;
	mica_timer_init(vcpu);
	mica_apic_reset(vcpu, false);
	return 0;
}

void mica_apic_destroy(struct mica_vcpu *vcpu)
{
	struct mica_apic *apic = &vcpu->apic;

	if (!apic->regs)
		return;
	mica_timer_destroy(vcpu);
	free_page((unsigned long)apic->regs);
	apic->regs = NULL;
}

/* ------------------------------------------------------------ priorities */

static u32 update_ppr(struct mica_apic *apic)
{
	u32 ppr = mica_apic_ppr(mica_apic_reg(apic, APIC_TASKPRI), mica_apic_in_service(apic));

	mica_apic_set_reg(apic, APIC_PROCPRI, ppr);
	return ppr;
}

void mica_apic_recount(struct mica_apic *apic)
{
	int i;

	apic->isr_count = 0;
	for (i = 0; i < 8; i++)
		apic->isr_count += hweight32(mica_apic_reg(apic, APIC_ISR + i * 16));
	apic->isrv = mica_apic_highest(apic, APIC_ISR);
	update_ppr(apic);
}

/* The vCPU is not in the guest: the page is ours alone. */
void mica_apic_take_posted(struct mica_apic *apic)
{
	unsigned long posted;
	unsigned int i;
	u32 irr;

	BUILD_BUG_ON(BITS_PER_LONG != 64);
	for (i = 0; i < ARRAY_SIZE(apic->posted); i++) {
		if (!READ_ONCE(apic->posted[i]))
			continue;
		posted = xchg(&apic->posted[i], 0);
		irr = APIC_IRR + i * 32;
		mica_apic_set_reg(apic, irr, mica_apic_reg(apic, irr) | (u32)posted);
		mica_apic_set_reg(apic, irr + 16, mica_apic_reg(apic, irr + 16) | posted >> 32);
	}
}

void mica_apic_tell_vectors(struct mica_apic *apic)
{
	mica_apic_take_posted(apic);
	mica_backend->apic_vectors_changed(apic->vcpu, mica_apic_enabled(apic) ?
					   mica_apic_highest(apic, APIC_IRR) : 0,
					   mica_apic_highest(apic, APIC_ISR));
}

int mica_apic_pending(struct mica_apic *apic)
{
	u32 vector;

	if (mica_backend->delivers_interrupts)
		mica_apic_take_posted(apic);
	vector = mica_apic_highest(apic, APIC_IRR);
	if (!vector || !mica_apic_enabled(apic))
		return -1;
	return (vector & 0xf0) > (update_ppr(apic) & 0xf0) ? (int)vector : -1;
}

void mica_apic_accept(struct mica_apic *apic, u8 vector)
{
	unsigned int bit = mica_apic_bit(vector);

	clear_bit(bit, mica_apic_bits(apic, APIC_IRR));
	if (!__test_and_set_bit(bit, mica_apic_bits(apic, APIC_ISR)))
		apic->isr_count++;
	if (vector > apic->isrv)
		apic->isrv = vector;
	update_ppr(apic);
}

u32 mica_apic_tpr_threshold(struct mica_apic *apic)
{
	u32 class = mica_apic_highest(apic, APIC_IRR) & 0xf0;

	if (class <= (apic->isrv & 0xf0) || class > (mica_apic_reg(apic, APIC_TASKPRI) & 0xf0))
		return 0;
	return class >> 4;
}

bool mica_apic_has_work(struct mica_apic *apic)
{
	if (mica_vcpu_test_clear(apic->vcpu, MICA_REQ_TIMER))
		mica_timer_deliver(apic->vcpu);
	return mica_apic_pending(apic) >= 0 || mica_apic_extint_pending(apic);
}

/* What may be injected, or the priority that it waits for, has changed. */
static void look_at_irr(struct mica_apic *apic)
{
	if (mica_backend->delivers_interrupts || mica_apic_highest(apic, APIC_IRR))
		mica_vcpu_request(apic->vcpu, MICA_REQ_EVENT);
}

/* ------------------------------------------------------------ EOI */

static void level_eoi(struct mica_apic *apic, u8 vector)
{
	__set_bit(vector, apic->eoi_pending);
	mica_vcpu_request(apic->vcpu, MICA_REQ_EOI);
	mica_apic_lint0_eoi(apic, vector);
}

static void eoi(struct mica_apic *apic)
{
	u8 vector = mica_apic_in_service(apic);
	unsigned int bit = mica_apic_bit(vector);

	if (!vector)
		return;
	__clear_bit(bit, mica_apic_bits(apic, APIC_ISR));
	if (!mica_backend->delivers_interrupts)
		apic->isrv = --apic->isr_count ? mica_apic_highest(apic, APIC_ISR) : 0;
	update_ppr(apic);
	if (unlikely(test_bit(bit, mica_apic_bits(apic, APIC_TMR))))
		level_eoi(apic, vector);
	look_at_irr(apic);
}

void mica_apic_eoi_done(struct mica_apic *apic, u8 vector)
{
	if (test_bit(mica_apic_bit(vector), mica_apic_bits(apic, APIC_TMR)))
		level_eoi(apic, vector);
}

int mica_apic_take_eoi(struct mica_apic *apic)
{
	unsigned int vector = find_first_bit(apic->eoi_pending, APIC_VECTORS);

	if (vector >= APIC_VECTORS)
		return -1;
	__clear_bit(vector, apic->eoi_pending);
	if (find_first_bit(apic->eoi_pending, APIC_VECTORS) < APIC_VECTORS)
		mica_vcpu_request(apic->vcpu, MICA_REQ_EOI);
	return vector;
}

/* ------------------------------------------------------------ effects of writes */

static void write_tpr(struct mica_apic *apic, u32 value)
{
	mica_apic_set_reg(apic, APIC_TASKPRI, value & 0xff);
	update_ppr(apic);
	look_at_irr(apic);
}

static void write_icr(struct mica_apic *apic, u32 value)
{
	value &= ICR_BITS;
	mica_apic_set_reg(apic, APIC_ICR, value);
	mica_apic_send(apic, value, mica_apic_reg(apic, APIC_ICR2) >> 24);
}

/* SDM "Local Vector Table": while the APIC is software-disabled all entries stay masked. */
static void write_lvt(struct mica_apic *apic, u32 offset, u32 value)
{
	value &= mica_apic_writable(apic, offset);
	if (!mica_apic_software_enabled(apic))
		value |= APIC_LVT_MASKED;
	mica_apic_set_reg(apic, offset, value);
	if (offset == APIC_LVTT)
		mica_timer_set_lvt(apic, value);
	else if (offset == APIC_LVT0)
		mica_apic_lint0_changed(apic);
}

static void write_svr(struct mica_apic *apic, u32 value)
{
	u32 offset;

	mica_apic_set_reg(apic, APIC_SPIV, value & SVR_BITS);
	if (value & APIC_SPIV_APIC_ENABLED)
		return;
	for (offset = APIC_LVTT; offset <= APIC_LVTERR; offset += 16)
		write_lvt(apic, offset, mica_apic_reg(apic, offset));
}

/* SDM "Error Handling": a write shows what was collected and arms the interrupt again. */
static void write_esr(struct mica_apic *apic)
{
	mica_apic_set_reg(apic, APIC_ESR, atomic_xchg(&apic->errors, 0));
}

static void write_self_ipi(struct mica_apic *apic, u32 vector)
{
	mica_apic_send(apic, APIC_DEST_SELF | APIC_DM_FIXED | vector, 0);
}

/* Everything that software may write.  The page holds the old value or (see
 * mica_apic_written()) already the new one, reserved bits included. */
static void write_reg(struct mica_apic *apic, u32 offset, u32 value)
{
	switch (offset) {
	case APIC_EOI:
		eoi(apic);
		break;
	case APIC_TASKPRI:
		write_tpr(apic, value);
		break;
	case APIC_ICR:
		write_icr(apic, value);
		break;
	case APIC_LVTT ... APIC_LVTERR:
		write_lvt(apic, offset, value);
		break;
	case APIC_TMICT:
		mica_timer_set_initial(apic, value);
		break;
	case APIC_TDCR:
		mica_timer_set_divide(apic, value & 0xb);
		break;
	case APIC_SPIV:
		write_svr(apic, value);
		break;
	case APIC_ESR:
		write_esr(apic);
		break;
	case APIC_SELF_IPI:
		write_self_ipi(apic, value & APIC_VECTOR_MASK);
		break;
	case APIC_LDR:
	case APIC_ICR2:
		mica_apic_set_reg(apic, offset, value & 0xff000000);
		break;
	case APIC_DFR:
		mica_apic_set_reg(apic, offset, value | 0x0fffffff);
		break;
	case APIC_ID:
		set_ids(apic);
		break;
	}
}

/* ------------------------------------------------------------ values of reads */

/* SDM "Local Vector Table", remote IRR: from acceptance to EOI of a level-triggered one. */
static u32 read_lint(struct mica_apic *apic, u32 offset)
{
	u32 lvt = mica_apic_reg(apic, offset);
	unsigned int bit = mica_apic_bit((u8)lvt);

	if (offset != APIC_LVT0 || !(lvt & APIC_LVT_LEVEL_TRIGGER) ||
	    (lvt & APIC_MODE_MASK) != APIC_DM_FIXED)
		return lvt;
	if (!test_bit(bit, mica_apic_bits(apic, APIC_TMR)))
		return lvt;
	if (test_bit(bit, mica_apic_bits(apic, APIC_IRR)) ||
	    test_bit(bit, mica_apic_bits(apic, APIC_ISR)))
		lvt |= APIC_LVT_REMOTE_IRR;
	return lvt;
}

static u32 read_reg(struct mica_apic *apic, u32 offset)
{
	switch (offset) {
	case APIC_PROCPRI:
		return update_ppr(apic);
	case APIC_TMCCT:
		return mica_timer_current(apic);
	case APIC_EOI:
		return 0;
	case APIC_LVT0:
	case APIC_LVT1:
		return read_lint(apic, offset);
	}
	return mica_apic_reg(apic, offset);
}

/* ------------------------------------------------------------ the page */

static bool page_is_there(const struct mica_apic *apic)
{
	return (apic->base & BASE_MODE) == MSR_IA32_APICBASE_ENABLE;
}

u32 mica_apic_read(struct mica_apic *apic, u32 offset)
{
	const struct mica_apic_reg *reg = mica_apic_find_reg(offset);

	if (!page_is_there(apic))
		return ~0u;
	if (reg && reg->xapic)
		return read_reg(apic, offset);
	mica_apic_error(apic, APIC_ESR_ILLREGA, false);
	return 0;
}

void mica_apic_write(struct mica_apic *apic, u32 offset, u32 value)
{
	const struct mica_apic_reg *reg = mica_apic_find_reg(offset);

	if (!page_is_there(apic))
		return;
	if (!reg || !reg->xapic)
		mica_apic_error(apic, APIC_ESR_ILLREGA, false);
	else if (reg->xapic & REG_W)
		write_reg(apic, offset, value);
}

void mica_apic_written(struct mica_apic *apic, u32 offset)
{
	const struct mica_apic_reg *reg = mica_apic_find_reg(offset);

	if (reg && ((mica_apic_is_x2(apic) ? reg->x2apic : reg->xapic) & REG_W))
		write_reg(apic, offset, mica_apic_reg(apic, offset));
}

bool mica_apic_in_page(u32 offset)
{
	const struct mica_apic_reg *reg = mica_apic_find_reg(offset);

	return reg && (reg->x2apic & REG_R) && offset != APIC_PROCPRI && offset != APIC_ICR &&
	       offset != APIC_TMCCT;
}

u64 mica_apic_get_cr8(struct mica_apic *apic)
{
	return (mica_apic_reg(apic, APIC_TASKPRI) >> 4) & 15;
}

void mica_apic_set_cr8(struct mica_apic *apic, u64 cr8)
{
	write_tpr(apic, cr8 << 4);
}

/* ------------------------------------------------------------ MSRs */

static int read_deadline(struct mica_apic *apic, u64 *value)
{
	*value = mica_timer_deadline(apic);
	return apic->vcpu->features.tsc_deadline ? 0 : -EINVAL;
}

static int write_deadline(struct mica_apic *apic, u64 value)
{
	if (!apic->vcpu->features.tsc_deadline)
		return -EINVAL;
	mica_timer_set_deadline(apic, value);
	return 0;
}

/* SDM "x2APIC Register Address Space": register at offset r is MSR 0x800 + r / 16. */
static const struct mica_apic_reg *find_msr(const struct mica_apic *apic, u32 msr)
{
	u32 index = msr - APIC_BASE_MSR;

	return index < MICA_APIC_REGS && mica_apic_is_x2(apic) ? &regs[index] : NULL;
}

int mica_apic_msr_read(struct mica_apic *apic, u32 msr, u64 *value)
{
	u32 offset = (msr - APIC_BASE_MSR) << 4;
	const struct mica_apic_reg *reg;

	if (msr == MSR_IA32_TSC_DEADLINE)
		return read_deadline(apic, value);
	reg = find_msr(apic, msr);
	if (!reg || !(reg->x2apic & REG_R))
		return -EINVAL;
	*value = read_reg(apic, offset);
	if (offset == APIC_ICR)
		*value |= (u64)mica_apic_reg(apic, APIC_ICR2) << 32;
	return 0;
}

static int write_x2_icr(struct mica_apic *apic, u64 value)
{
	u32 low = (u32)value & ICR_BITS, dest = value >> 32;

	if ((u32)value & ~(ICR_BITS | APIC_ICR_BUSY))
		return -EINVAL;
	mica_apic_set_reg(apic, APIC_ICR, low);
	mica_apic_set_reg(apic, APIC_ICR2, dest);
	mica_apic_send(apic, low, dest);
	return 0;
}

int mica_apic_msr_write(struct mica_apic *apic, u32 msr, u64 value)
{
	u32 offset = (msr - APIC_BASE_MSR) << 4;
	const struct mica_apic_reg *reg;

	if (msr == MSR_IA32_TSC_DEADLINE)
		return write_deadline(apic, value);
	reg = find_msr(apic, msr);
	if (!reg || !(reg->x2apic & REG_W))
		return -EINVAL;
	if (offset == APIC_ICR)
		return write_x2_icr(apic, value);
	if (value & ~(u64)(mica_apic_writable(apic, offset) | reg->ignored))
		return -EINVAL;
	write_reg(apic, offset, value);
	return 0;
}

/* ------------------------------------------------------------ IA32_APIC_BASE */

/* SDM "x2APIC State Transitions".  Both arguments are legal values. */
static bool transition_is_legal(u64 old, u64 new)
{
	old &= BASE_MODE;
	new &= BASE_MODE;
	if (old == new || !new)
		return true;
	if (new == BASE_MODE)
		return old == MSR_IA32_APICBASE_ENABLE;
	return !old;	/* to xAPIC mode: not from x2APIC mode */
}

static void change_mode(struct mica_apic *apic)
{
	if (!mica_apic_enabled(apic)) {
		reset_regs(apic);
	} else {
		set_ids(apic);
		mica_apic_set_reg(apic, APIC_ICR2, 0);
		mica_apic_set_reg(apic, APIC_DFR, APIC_DFR_FLAT);
		if (!mica_apic_is_x2(apic))
			mica_apic_set_reg(apic, APIC_LDR, 0);
	}
	mica_vcpu_request(apic->vcpu, MICA_REQ_EVENT);
	preempt_disable();
	mica_backend->apic_mode_changed(apic->vcpu);
	preempt_enable();
}

int mica_apic_set_base(struct mica_apic *apic, u64 base, bool host)
{
	u64 old = apic->base;

	if ((base & ~(BASE_MODE | MSR_IA32_APICBASE_BSP)) != APIC_DEFAULT_PHYS_BASE)
		return -EINVAL;
	if ((base & X2APIC_ENABLE) &&
	    (!apic->vcpu->features.x2apic || !(base & MSR_IA32_APICBASE_ENABLE)))
		return -EINVAL;
	if (!host && !transition_is_legal(old, base))
		return -EINVAL;
	WRITE_ONCE(apic->base, base);
	if ((old ^ base) & BASE_MODE)
		change_mode(apic);
	return 0;
}
