// SPDX-License-Identifier: GPL-2.0-only
/*
 * MICA_VCPU_RUN: what user space answered, the loop around the guest, what user space is
 * told.  Inside the loop there are two speeds.  A series is entered with interrupts off and
 * goes round without enabling them as long as exits are handled at once and nobody wants
 * anything; everything else happens between series, with interrupts and preemption on.
 */
#include <linux/vtime.h>

#include "halt.h"
#include "hostcheck.h"
#include "hw.h"
#include "run.h"
#include "spin.h"
#include "state.h"
#include "trace.h"
#include "vcpu.h"
#include "vm.h"

/* ------------------------------------------------------------ before */

static void complete_port_read(struct mica_vcpu *vcpu)
{
	vcpu->io.pending = false;
	mica_io_answer(vcpu, vcpu->io.size, READ_ONCE(vcpu->run->io.data));
}

static void complete_extint(struct mica_vcpu *vcpu)
{
	u32 answer = READ_ONCE(vcpu->run->extint_vector);

	vcpu->waiting_extint = false;
	WRITE_ONCE(vcpu->run->extint_vector, 0);
	if (answer & MICA_EXTINT_VALID) {
		vcpu->injecting = MICA_EVENT_VALID | MICA_EVENT_INTERRUPT | (u8)answer;
		vcpu->injecting_error = 0;
		vcpu->injecting_length = 0;
		vcpu->count.injected_interrupts++;
	}
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
}

void mica_run_complete(struct mica_vcpu *vcpu)
{
	if (vcpu->io.pending)
		complete_port_read(vcpu);
	if (vcpu->waiting_extint)
		complete_extint(vcpu);
}

static void copy_groups(struct mica_vcpu_state *to, const struct mica_vcpu_state *from,
			u64 groups)
{
#define MICA_STATE_GROUP(GROUP, group, bit) \
	if (groups & MICA_STATE_##GROUP) \
		to->group = from->group;
#include "uapi/vcpu_state.def"
}

/* Loaded.  Copy once, check the copy, use the copy. */
static int commit_state(struct mica_vcpu *vcpu)
{
	u64 groups = READ_ONCE(vcpu->run->state_commit);
	struct mica_exit_fail *fail = &vcpu->run->fail;
	const char *bad;

	if (likely(!groups))
		return 0;
	copy_groups(&vcpu->scratch, &vcpu->run->state, groups);
	WRITE_ONCE(vcpu->run->state_commit, 0);
	bad = mica_state_set(vcpu, groups, &vcpu->scratch);
	if (!bad)
		return 0;
	memset(fail, 0, sizeof(*fail));
	strscpy(fail->name, bad, sizeof(fail->name));
	return -EINVAL;
}

/* ------------------------------------------------------------ between series */

/* SDM volume 3, "Multiple-Processor Initialization": a SIPI counts only after INIT. */
static void take_init_and_sipi(struct mica_vcpu *vcpu)
{
	int vector;

	if (mica_vcpu_test_clear(vcpu, MICA_REQ_INIT)) {
		mica_apic_reset(vcpu, true);
		mica_state_reset(vcpu, true);
	}
	if (mica_vcpu_test_clear(vcpu, MICA_REQ_SIPI)) {
		vector = xchg(&vcpu->sipi_vector, MICA_SIPI_NONE);
		if (vcpu->mp_state == MICA_MP_WAIT_SIPI && vector != MICA_SIPI_NONE)
			mica_state_sipi(vcpu, vector);
	}
}

/* Gives the host what it wants.  -EINTR: only a return to user space does it. */
static int yield_to_host(struct mica_vcpu *vcpu)
{
	int error;

	if (unlikely(READ_ONCE(mica_hw_pausing))) {
		mica_vcpu_put(vcpu);
		error = mica_vcpu_load(vcpu);
		if (error)
			return error;
	}
	if (need_resched())
		schedule();
	return signal_pending(current) || task_work_pending(current) ||
	       mica_memory_high(current) ? -EINTR : 0;
}

/* ------------------------------------------------------------ a series of entries */

static enum mica_next tell_eoi(struct mica_vcpu *vcpu)
{
	int vector = mica_apic_take_eoi(&vcpu->apic);

	if (vector < 0)
		return MICA_NEXT_ENTER;
	vcpu->run->eoi.vector = vector;
	vcpu->run->eoi.pad = 0;
	vcpu->run->exit_reason = MICA_EXIT_EOI;
	return MICA_NEXT_USER;
}

/* [I] Requests that are dealt with before an entry.  MICA_NEXT_ENTER, or why not to enter. */
static enum mica_next take_requests(struct mica_vcpu *vcpu)
{
	/* First: a state that is saved now must not miss it. */
	if (mica_vcpu_test_clear(vcpu, MICA_REQ_EOI) && tell_eoi(vcpu) == MICA_NEXT_USER)
		return MICA_NEXT_USER;
	if (vcpu->requests & (BIT(MICA_REQ_INIT) | BIT(MICA_REQ_SIPI)))
		return MICA_NEXT_HOST;
	if (mica_vcpu_test_clear(vcpu, MICA_REQ_KICK))
		return MICA_NEXT_HOST;
	if (mica_vcpu_test_clear(vcpu, MICA_REQ_USER))
		return MICA_NEXT_USER;
	if (mica_vcpu_test_clear(vcpu, MICA_REQ_FLUSH_S2)) {
		vcpu->count.s2_flushes++;
		mica_backend->flush_s2(vcpu);
	}
	if (mica_vcpu_test_clear(vcpu, MICA_REQ_TIMER))
		mica_timer_deliver(vcpu);
	if (mica_vcpu_test_clear(vcpu, MICA_REQ_EVENT) && mica_event_prepare(vcpu)) {
		vcpu->run->exit_reason = MICA_EXIT_EXTINT;
		vcpu->waiting_extint = true;
		return MICA_NEXT_USER;
	}
	return MICA_NEXT_ENTER;
}

/* [I] */
static enum mica_next enter_series(struct mica_vcpu *vcpu)
{
	enum mica_next next;

	do {
		if (unlikely(READ_ONCE(vcpu->requests))) {
			next = take_requests(vcpu);
			if (next != MICA_NEXT_ENTER)
				return next;
			if (unlikely(READ_ONCE(vcpu->requests)))
				continue;
		}
		if (unlikely(mica_series_over(vcpu)))
			return MICA_NEXT_HOST;
		vcpu->count.entries++;
		next = mica_backend->enter(vcpu);
	} while (next == MICA_NEXT_ENTER);
	return next;
}

/* [I, loaded] */
static enum mica_next series(struct mica_vcpu *vcpu)
{
	enum mica_next next;

	vcpu->series_start = vcpu->count.entries;
	mica_fpu_enter(vcpu);
	next = enter_series(vcpu);
	mica_fpu_leave(vcpu);
	return next;
}

/* [I, loaded] MICA_VM_CHECK_HOST: the same, with all that the host lends in between. */
static enum mica_next checked_series(struct mica_vcpu *vcpu)
{
	struct mica_hostcheck *check = vcpu->hostcheck;
	enum mica_next next;
	bool same;

	mica_backend->put(vcpu);
	mica_hostcheck_before(check);
	mica_backend->load(vcpu);
	next = series(vcpu);
	mica_backend->put(vcpu);
	same = mica_hostcheck_after(check);
	mica_backend->load(vcpu);
	if (likely(same))
		return next;
	next = mica_exit_fail(vcpu, MICA_EXIT_HOST_STATE, 0, check->differences, check->name);
	vcpu->run->fail.expected = check->expected;
	vcpu->run->fail.found = check->found;
	return next;
}

static enum mica_next run_series(struct mica_vcpu *vcpu)
{
	enum mica_next next = MICA_NEXT_HOST;

	local_irq_disable();
	if (likely(vcpu->loaded && mica_hw_here())) {
		/* Pairs with the barriers in mica_vcpu_kick() and mica_vm_kick_all_wait(). */
		smp_store_mb(vcpu->mode, MICA_IN_GUEST);
		vtime_account_guest_enter();
		mica_timer_to_backend(vcpu);
		next = unlikely(vcpu->hostcheck) ? checked_series(vcpu) : series(vcpu);
		/* A tick that finds a guest is none that finds user code: RCU is told here, or by
		 * the scheduler, which comes next. */
		if (next == MICA_NEXT_HOST && !need_resched())
			mica_note_guest_exit();
		smp_store_release(&vcpu->mode, MICA_OUTSIDE);
	}
	/* The host's pending interrupts come here, behind the one instruction that STI shields;
	 * a tick among them is guest time. */
	local_irq_enable();
	vcpu->count.series++;
	local_irq_disable();
	vtime_account_guest_exit();
	local_irq_enable();
	return next;
}

/* May sleep for as long as user space likes, in a fault that user space serves; so the vCPU
 * leaves the hardware, for a suspend or reboot not to wait for it.  If it cannot come back
 * the instruction runs again later. */
static int handle_slowly(struct mica_vcpu *vcpu, enum mica_next *next)
{
	mica_vcpu_put(vcpu);
	*next = mica_backend->handle(vcpu);
	return mica_vcpu_load(vcpu);
}

static int run_loop(struct mica_vcpu *vcpu)
{
	enum mica_next next;
	int error;

	for (;;) {
		error = yield_to_host(vcpu);
		if (error)
			return error;
		if (vcpu->requests & (BIT(MICA_REQ_INIT) | BIT(MICA_REQ_SIPI)))
			take_init_and_sipi(vcpu);
		if (vcpu->mp_state != MICA_MP_RUNNABLE) {
			error = mica_halt(vcpu);
			if (error)
				return error;
			clear_bit(MICA_REQ_KICK, &vcpu->requests);
			continue;
		}
		next = run_series(vcpu);
		if (next == MICA_NEXT_SLOW) {
			error = handle_slowly(vcpu, &next);
			if (error)
				return error;
		}
		if (next == MICA_NEXT_USER)
			return 0;
		if (next == MICA_NEXT_SPIN)
			mica_spin_yield(vcpu);
	}
}

/* ------------------------------------------------------------ after */

/* What user space needs to understand these exits is always there. */
static u64 groups_of_exit(const struct mica_run *run, u64 wanted)
{
	switch (run->exit_reason) {
	case MICA_EXIT_IO:
		return run->io.flags & MICA_IO_STRING ? MICA_STATE_ALL : wanted;
	case MICA_EXIT_MMIO:
	case MICA_EXIT_SHUTDOWN:
	case MICA_EXIT_FAIL_ENTRY:
	case MICA_EXIT_INTERNAL_ERROR:
		return MICA_STATE_ALL;
	}
	return wanted;
}

static void store_state(struct mica_vcpu *vcpu, u64 wanted)
{
	u64 groups = groups_of_exit(vcpu->run, wanted);

	if (!vcpu->attached)
		groups = 0;
	if (groups)
		mica_state_get(vcpu, groups, &vcpu->run->state);
	vcpu->run->state_cached = groups;
}

/* The guest is not entered; what it left for user space to do is told all the same, so that
 * its state can be saved then. */
static int leave_at_once(struct mica_vcpu *vcpu)
{
	if (mica_vcpu_test_clear(vcpu, MICA_REQ_EOI) && tell_eoi(vcpu) == MICA_NEXT_USER)
		return 0;
	return -EINTR;
}

/* Loaded, with the guest's FPU. */
static long run_loaded(struct mica_vcpu *vcpu)
{
	u64 wanted = READ_ONCE(vcpu->run->state_wanted) & MICA_STATE_ALL;
	int error;

	mica_run_complete(vcpu);
	error = commit_state(vcpu);
	if (error)
		return error;
	vcpu->run->exit_reason = MICA_EXIT_NONE;
	if (READ_ONCE(vcpu->run->immediate_exit))
		error = leave_at_once(vcpu);
	else
		error = run_loop(vcpu);
	if (error) {
		vcpu->run->exit_reason = MICA_EXIT_INTERRUPTED;
		vcpu->count.interrupted++;
	} else {
		vcpu->count.user_exits++;
	}
	store_state(vcpu, wanted);
	trace_mica_user_exit(vcpu->id, vcpu->run->exit_reason);
	return error;
}

long mica_vcpu_run(struct mica_vcpu *vcpu)
{
	long error;

	mica_fpu_load(vcpu);
	error = mica_vcpu_load(vcpu);
	if (!error) {
		vcpu->has_run = true;
		error = run_loaded(vcpu);
		/* Not if it was put for a suspend and a signal came before the end of that. */
		if (vcpu->attached)
			mica_vcpu_put(vcpu);
	}
	mica_fpu_put(vcpu);
	return error;
}
