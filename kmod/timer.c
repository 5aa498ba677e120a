// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's timer: SDM volume 3, "APIC Timer" and "TSC-Deadline Mode".
 *
 * All state is the deadline.  The count is computed from it when the guest asks, and it
 * goes on while the LVT entry is masked; nothing is armed then, and an expiry that nobody
 * sees is taken note of when the timer is touched next.  Between one-shot and periodic the
 * count goes on; to or from TSC-deadline mode the timer stops.
 *
 * While the vCPU is loaded the backend's timer ends the guest in time; if the backend
 * has none, and while the vCPU blocks, an hrtimer does it.  A vCPU that is runnable but not
 * on a CPU needs neither.  Both are hints: what counts is whether the guest's TSC has
 * reached the deadline, so neither a stale nor an early one does harm (the host slews
 * CLOCK_MONOTONIC against the TSC, and far deadlines are cut short), and nothing ever waits
 * for the hrtimer's callback except mica_timer_destroy().
 *
 * No wakeup is lost: the callback sets MICA_REQ_TIMER (an atomic bit) and then kicks, which
 * begins with a full barrier.  A vCPU that blocks starts the hrtimer, then says that it
 * sleeps (full barrier), then looks at the request.  The vCPU clears the request, with a
 * full barrier, before it looks at the clock.
 *
 * A periodic timer that was not served for a while skips what it has missed: one
 * interrupt, and the next is in phase.  A period is at least MIN_PERIOD_US, whatever the
 * guest asks for, so that it cannot keep the host busy with nothing but interrupts.
 */
#include "apic_internal.h"

#define MIN_PERIOD_US		20
#define MAX_HRTIMER_SECONDS	(86400 * 365)

static struct mica_vcpu *vcpu_of(struct mica_timer *timer)
{
	return container_of(timer, struct mica_vcpu, apic.timer);
}

static enum mica_timer_mode mode_of(u32 lvt)
{
	return (lvt >> 17) & 3;
}

static bool counts(const struct mica_timer *timer)
{
	enum mica_timer_mode mode = mode_of(timer->lvt);

	return mode == MICA_TIMER_ONESHOT || mode == MICA_TIMER_PERIODIC;
}

static bool masked(const struct mica_timer *timer)
{
	return timer->lvt & APIC_LVT_MASKED;
}

/* 0 means stopped; one tick late is not noticed. */
static u64 deadline_after(u64 now, u64 ticks)
{
	return now + ticks ? : 1;
}

static u64 period_of(const struct mica_timer *timer)
{
	u64 ticks = (u64)timer->initial << timer->divide_shift;

	if (mode_of(timer->lvt) != MICA_TIMER_PERIODIC)
		return 0;
	return max_t(u64, ticks, (u64)tsc_khz * MIN_PERIOD_US / 1000);
}

/* ------------------------------------------------------------ expiry */

/* A count is short and may cross the TSC's wrap; IA32_TSC_DEADLINE is compared as it is. */
static bool has_passed(const struct mica_timer *timer, u64 now)
{
	return counts(timer) ? (s64)(now - timer->deadline) >= 0 : now >= timer->deadline;
}

static u64 next_period(const struct mica_timer *timer, u64 now)
{
	u64 late = now - timer->deadline;
	u64 periods = late < timer->period ? 1 : late / timer->period + 1;

	return deadline_after(timer->deadline, periods * timer->period);
}

/* Takes note of an expiry up to now. */
static void settle(struct mica_timer *timer, u64 now)
{
	struct mica_vcpu *vcpu = vcpu_of(timer);

	if (!timer->deadline || !has_passed(timer, now))
		return;
	vcpu->count.timer_expiries++;
	timer->deadline = timer->period ? next_period(timer, now) : 0;
	mica_apic_local(&vcpu->apic, timer->lvt, false);
}

/* ------------------------------------------------------------ arming */

static enum hrtimer_restart hrtimer_fires(struct hrtimer *hrtimer)
{
	struct mica_timer *timer = container_of(hrtimer, struct mica_timer, hrtimer);
	struct mica_vcpu *vcpu = vcpu_of(timer);

	mica_vcpu_request(vcpu, MICA_REQ_TIMER);
	mica_vcpu_kick(vcpu);
	return HRTIMER_NORESTART;
}

/* Rounded up: early is useless. */
static u64 ticks_to_ns(u64 ticks)
{
	u64 most = (u64)tsc_khz * 1000 * MAX_HRTIMER_SECONDS;

	return mul_u64_u32_div(min(ticks, most), 1000000, tsc_khz) + 1;
}

static void hrtimer_arm(struct mica_timer *timer, u64 host_deadline, u64 ticks)
{
	if (timer->hrtimer_deadline == host_deadline)
		return;
	timer->hrtimer_deadline = host_deadline;
	hrtimer_start(&timer->hrtimer, ktime_add_ns(ktime_get(), ticks_to_ns(ticks)),
		      HRTIMER_MODE_ABS_PINNED_HARD);
}

/* If the callback runs just now its hint is stale, which does no harm. */
static void hrtimer_disarm(struct mica_timer *timer)
{
	if (!timer->hrtimer_deadline)
		return;
	timer->hrtimer_deadline = 0;
	hrtimer_try_to_cancel(&timer->hrtimer);
}

/* True if the backend has taken the deadline (host TSC; 0: none), or will be asked again
 * before the next entry. */
static bool backend_arm(struct mica_timer *timer, u64 deadline)
{
	struct mica_vcpu *vcpu = vcpu_of(timer);
	unsigned long flags;

	if (timer->blocking)
		return false;
	if (!deadline && !timer->backend_armed)
		return false;
	local_irq_save(flags);
	if (likely(vcpu->loaded))
		timer->backend_armed = mica_backend->set_deadline(vcpu, deadline) && deadline;
	else
		timer->rearm = true;
	local_irq_restore(flags);
	return timer->backend_armed || timer->rearm;
}

static void arm(struct mica_timer *timer, u64 now)
{
	struct mica_vcpu *vcpu = vcpu_of(timer);
	u64 ticks, host_deadline;

	timer->rearm = false;
	timer->tsc_offset = vcpu->tsc_offset;
	if (!timer->deadline || masked(timer)) {
		backend_arm(timer, 0);
		hrtimer_disarm(timer);
		return;
	}
	ticks = timer->deadline - now;
	if (check_add_overflow(now - vcpu->tsc_offset, ticks, &host_deadline))
		host_deadline = U64_MAX;
	if (backend_arm(timer, host_deadline))
		hrtimer_disarm(timer);
	else
		hrtimer_arm(timer, host_deadline, ticks);
}

/* The deadline may be new, and may have passed already. */
static void settle_and_arm(struct mica_timer *timer, u64 now)
{
	settle(timer, now);
	arm(timer, now);
}

void mica_timer_deliver(struct mica_vcpu *vcpu)
{
	struct mica_timer *timer = &vcpu->apic.timer;

	/* If it was the hrtimer, it must be started again. */
	hrtimer_disarm(timer);
	settle_and_arm(timer, mica_vcpu_tsc(vcpu));
}

void mica_timer_expired(struct mica_vcpu *vcpu)
{
	struct mica_timer *timer = &vcpu->apic.timer;

	settle_and_arm(timer, mica_vcpu_tsc(vcpu));
}

void mica_timer_to_hrtimer(struct mica_vcpu *vcpu)
{
	struct mica_timer *timer = &vcpu->apic.timer;

	timer->blocking = true;
	if (timer->deadline && !masked(timer))
		settle_and_arm(timer, mica_vcpu_tsc(vcpu));
}

void mica_timer_to_backend(struct mica_vcpu *vcpu)
{
	struct mica_timer *timer = &vcpu->apic.timer;

	/* The offset changes alone when the host's TSC has jumped and the guest's has not. */
	if (likely(!timer->blocking && !timer->rearm && timer->tsc_offset == vcpu->tsc_offset))
		return;
	timer->blocking = false;
	settle_and_arm(timer, mica_vcpu_tsc(vcpu));
}

void mica_timer_tsc_changed(struct mica_vcpu *vcpu)
{
	struct mica_timer *timer = &vcpu->apic.timer;

	if (timer->deadline && counts(timer))
		timer->deadline = deadline_after(timer->deadline,
						 vcpu->tsc_offset - timer->tsc_offset);
	settle_and_arm(timer, mica_vcpu_tsc(vcpu));
}

void mica_timer_time_moved(struct mica_vcpu *vcpu)
{
	settle_and_arm(&vcpu->apic.timer, mica_vcpu_tsc(vcpu));
}

/* ------------------------------------------------------------ registers */

/* SDM "Divide Configuration Register": bits 3, 1 and 0; 7 divides by 1. */
static u8 divide_shift(u32 divide)
{
	return (((divide & 3) | (divide >> 1 & 4)) + 1) & 7;
}

/* What is left of the count at `now`, rounded up: 0 is the expiry. */
static u32 count_at(const struct mica_timer *timer, u64 now)
{
	u64 left;

	if (!timer->deadline || !counts(timer))
		return 0;
	if (!has_passed(timer, now))
		left = timer->deadline - now;
	else if (timer->period)
		left = next_period(timer, now) - now;
	else
		return 0;
	left = (left - 1) >> timer->divide_shift;
	/* The minimum period can be longer than the count. */
	return left < timer->initial ? left + 1 : timer->initial;
}

u32 mica_timer_current(struct mica_apic *apic)
{
	return count_at(&apic->timer, mica_vcpu_tsc(apic->vcpu));
}

u64 mica_timer_deadline(struct mica_apic *apic)
{
	struct mica_timer *timer = &apic->timer;

	if (mode_of(timer->lvt) != MICA_TIMER_DEADLINE)
		return 0;
	settle(timer, mica_vcpu_tsc(apic->vcpu));
	return timer->deadline;
}

/* SDM: ignored unless the timer is in TSC-deadline mode. */
void mica_timer_set_deadline(struct mica_apic *apic, u64 guest_tsc)
{
	struct mica_timer *timer = &apic->timer;
	u64 now;

	if (mode_of(timer->lvt) != MICA_TIMER_DEADLINE)
		return;
	now = mica_vcpu_tsc(apic->vcpu);
	settle(timer, now);
	timer->deadline = guest_tsc;
	settle_and_arm(timer, now);
}

/* SDM: ignored in TSC-deadline mode. */
void mica_timer_set_initial(struct mica_apic *apic, u32 count)
{
	struct mica_timer *timer = &apic->timer;
	u64 now;

	if (counts(timer)) {
		now = mica_vcpu_tsc(apic->vcpu);
		settle(timer, now);
		timer->initial = count;
		timer->period = count ? period_of(timer) : 0;
		timer->deadline = count ? deadline_after(now, timer->period ? :
							 (u64)count << timer->divide_shift) : 0;
		arm(timer, now);
	}
	mica_apic_set_reg(apic, APIC_TMICT, timer->initial);
}

/* A running count keeps its value and goes on at the new speed. */
void mica_timer_set_divide(struct mica_apic *apic, u32 divide)
{
	struct mica_timer *timer = &apic->timer;
	u64 now = mica_vcpu_tsc(apic->vcpu);
	u32 count;

	mica_apic_set_reg(apic, APIC_TDCR, divide);
	settle(timer, now);
	count = count_at(timer, now);
	timer->divide_shift = divide_shift(divide);
	if (!count)
		return;
	timer->deadline = deadline_after(now, (u64)count << timer->divide_shift);
	timer->period = period_of(timer);
	arm(timer, now);
}

void mica_timer_set_lvt(struct mica_apic *apic, u32 lvt)
{
	struct mica_timer *timer = &apic->timer;
	enum mica_timer_mode old_mode = mode_of(timer->lvt);
	bool counted = counts(timer);
	u64 now = mica_vcpu_tsc(apic->vcpu);

	/* An expiry until now is one of the old entry, its vector and its mask. */
	settle(timer, now);
	timer->lvt = lvt;
	if (mode_of(lvt) != old_mode && !(counted && counts(timer)))
		timer->deadline = 0;
	timer->period = timer->deadline ? period_of(timer) : 0;
	arm(timer, now);
}

void mica_timer_restore(struct mica_apic *apic, u64 deadline, u32 current_count)
{
	struct mica_timer *timer = &apic->timer;
	u64 now = mica_vcpu_tsc(apic->vcpu);

	timer->lvt = mica_apic_reg(apic, APIC_LVTT);
	timer->initial = mica_apic_reg(apic, APIC_TMICT);
	timer->divide_shift = divide_shift(mica_apic_reg(apic, APIC_TDCR));
	timer->deadline = deadline;
	if (!deadline && current_count && counts(timer))
		timer->deadline = deadline_after(now, (u64)current_count << timer->divide_shift);
	timer->period = timer->deadline ? period_of(timer) : 0;
	settle_and_arm(timer, now);
}

/* ------------------------------------------------------------ lifetime */

void mica_timer_reset(struct mica_vcpu *vcpu)
{
	struct mica_timer *timer = &vcpu->apic.timer;

	timer->lvt = APIC_LVT_MASKED;
	timer->initial = 0;
	timer->divide_shift = divide_shift(0);
	timer->deadline = 0;
	timer->period = 0;
	arm(timer, 0);
}

void mica_timer_init(struct mica_vcpu *vcpu)
{
	struct mica_timer *timer = &vcpu->apic.timer;

	hrtimer_init(&timer->hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	timer->hrtimer.function = hrtimer_fires;
}

void mica_timer_destroy(struct mica_vcpu *vcpu)
{
	hrtimer_cancel(&vcpu->apic.timer.hrtimer);
}
