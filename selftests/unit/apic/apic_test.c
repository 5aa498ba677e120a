// SPDX-License-Identifier: GPL-2.0-or-later
#include <sched.h>

#include "apic_test.h"

struct machine machine;
unsigned int stub_irqs_off, stub_preemption_off;
unsigned int tsc_khz;

/* ------------------------------------------------------------ fakes of the kernel */

u64 rdtsc(void)
{
	return machine.tsc;
}

ktime_t ktime_get(void)
{
	return mul_u64_u32_div(machine.tsc, 1000000, tsc_khz) + machine.clock_skew;
}

unsigned long get_zeroed_page(gfp_t gfp)
{
	void *page;

	if (machine.no_memory)
		return 0;
	page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	memset(page, 0, PAGE_SIZE);
	machine.pages++;
	return (unsigned long)page;
}

void free_page(unsigned long page)
{
	machine.pages--;
	free((void *)page);
}

void hrtimer_init(struct hrtimer *timer, int clock, enum hrtimer_mode mode)
{
	assert_int_equal(clock, CLOCK_MONOTONIC);
	assert_int_equal(mode, HRTIMER_MODE_ABS_PINNED_HARD);
	assert_false(timer->queued);
	timer->initialized = true;
}

void hrtimer_start(struct hrtimer *timer, ktime_t expires, enum hrtimer_mode mode)
{
	assert_true(timer->initialized);
	assert_int_equal(mode, HRTIMER_MODE_ABS_PINNED_HARD);
	assert_true(expires > 0);
	timer->expires = expires;
	timer->queued = true;
	machine.hrtimer_starts++;
}

int hrtimer_try_to_cancel(struct hrtimer *timer)
{
	bool queued = timer->queued;

	assert_true(timer->initialized);
	timer->queued = false;
	return queued;
}

int hrtimer_cancel(struct hrtimer *timer)
{
	return hrtimer_try_to_cancel(timer);
}

/* ------------------------------------------------------------ fakes of the module */

void mica_vcpu_request(struct mica_vcpu *vcpu, enum mica_request request)
{
	set_bit(request, &vcpu->requests);
	if (machine.yield)
		sched_yield();
}

void mica_vcpu_kick(struct mica_vcpu *vcpu)
{
	__atomic_add_fetch(&machine.kicks[vcpu->id], 1, __ATOMIC_RELAXED);
}

static bool fake_set_deadline(struct mica_vcpu *vcpu, u64 deadline)
{
	assert_true(stub_irqs_off > 0);
	assert_true(vcpu->loaded);
	machine.backend_calls++;
	if (!machine.backend_timer)
		return false;
	machine.backend_deadline[vcpu->id] = deadline;
	return true;
}

static void fake_apic_mode_changed(struct mica_vcpu *vcpu)
{
	assert_true(stub_preemption_off > 0);
	machine.mode_changes++;
}

static void fake_apic_vectors_changed(struct mica_vcpu *vcpu, u8 waiting, u8 in_service)
{
	machine.waiting = waiting;
	machine.in_service = in_service;
}

static struct mica_backend fake_backend = {
	.name = "fake",
	.apic_mode_changed = fake_apic_mode_changed,
	.apic_vectors_changed = fake_apic_vectors_changed,
	.set_deadline = fake_set_deadline,
};

const struct mica_backend *mica_backend = &fake_backend;

/* ------------------------------------------------------------ the machine */

static struct mica_vcpu *add_vcpu(unsigned int id)
{
	struct mica_vcpu *vcpu = calloc(1, sizeof(*vcpu));

	vcpu->vm = &machine.vm;
	vcpu->id = id;
	vcpu->tsc_offset = GUEST_OFFSET;
	vcpu->loaded = true;
	vcpu->sipi_vector = MICA_SIPI_NONE;
	vcpu->features.x2apic = true;
	vcpu->features.tsc_deadline = true;
	assert_int_equal(mica_apic_init(vcpu), 0);
	machine.vm.vcpus[id] = vcpu;
	machine.vm.vcpu_count++;
	wr(vcpu, APIC_SPIV, APIC_SPIV_APIC_ENABLED | 0xff);
	vcpu->requests = 0;
	return vcpu;
}

void machine_cpu_delivers(void)
{
	fake_backend.delivers_interrupts = true;
}

static int setup(void **state, unsigned int count)
{
	unsigned int id;

	fake_backend.delivers_interrupts = false;
	memset(&machine, 0, sizeof(machine));
	tsc_khz = TSC_KHZ;
	machine.tsc = HOST_TSC;
	machine.backend_timer = true;
	for (id = 0; id < count; id++)
		add_vcpu(id);
	*state = machine.vm.vcpus[0];
	return 0;
}

int machine_setup(void **state)
{
	return setup(state, 1);
}

int machine_setup_4(void **state)
{
	return setup(state, 4);
}

int machine_setup_20(void **state)
{
	return setup(state, 20);
}

int machine_setup_64(void **state)
{
	return setup(state, 64);
}

int machine_teardown(void **state)
{
	struct mica_vcpu *vcpu;
	unsigned int i;

	mica_for_each_vcpu(&machine.vm, vcpu, i) {
		mica_apic_destroy(vcpu);
		assert_false(vcpu->apic.timer.hrtimer.queued);
		free(vcpu);
	}
	assert_int_equal(machine.pages, 0);
	assert_int_equal(stub_irqs_off, 0);
	assert_int_equal(stub_preemption_off, 0);
	return 0;
}

struct mica_vcpu *machine_vcpu(unsigned int id)
{
	assert_non_null(machine.vm.vcpus[id]);
	return machine.vm.vcpus[id];
}

void machine_x2apic(void)
{
	struct mica_vcpu *vcpu;
	unsigned int i;

	mica_for_each_vcpu(&machine.vm, vcpu, i) {
		assert_int_equal(mica_apic_set_base(&vcpu->apic, vcpu->apic.base | X2APIC_ENABLE,
						    false), 0);
		vcpu->requests = 0;
	}
}

static void fire_hrtimer(struct hrtimer *timer)
{
	if (!timer->queued || timer->expires > ktime_get())
		return;
	timer->queued = false;
	assert_int_equal(timer->function(timer), HRTIMER_NORESTART);
}

static void fire_backend(struct mica_vcpu *vcpu)
{
	u64 deadline = machine.backend_deadline[vcpu->id];

	if (!deadline || deadline > machine.tsc || !vcpu->loaded || vcpu->apic.timer.blocking)
		return;
	stub_irqs_off++;
	mica_timer_expired(vcpu);
	stub_irqs_off--;
}

/* Host ticks until something fires, at most `most`. */
static u64 next_event(u64 most)
{
	struct mica_vcpu *vcpu;
	unsigned int i;
	u64 deadline;
	s64 ns;

	mica_for_each_vcpu(&machine.vm, vcpu, i) {
		deadline = machine.backend_deadline[i];
		if (deadline > machine.tsc && deadline - machine.tsc < most)
			most = deadline - machine.tsc;
		ns = vcpu->apic.timer.hrtimer.expires - ktime_get();
		if (vcpu->apic.timer.hrtimer.queued && ns > 0 && ns < most / 2)
			most = ns * 2;
	}
	return most;
}

void machine_advance(u64 ticks)
{
	struct mica_vcpu *vcpu;
	unsigned int i;
	u64 step;

	assert_int_equal(tsc_khz, 2000000);	/* next_event() */
	do {
		step = next_event(ticks);
		machine.tsc += step;
		ticks -= step;
		mica_for_each_vcpu(&machine.vm, vcpu, i) {
			fire_backend(vcpu);
			fire_hrtimer(&vcpu->apic.timer.hrtimer);
		}
	} while (ticks);
}

bool machine_take_request(struct mica_vcpu *vcpu, enum mica_request request)
{
	return mica_vcpu_test_clear(vcpu, request);
}

void machine_run_requests(struct mica_vcpu *vcpu)
{
	stub_irqs_off++;
	mica_timer_to_backend(vcpu);
	if (mica_vcpu_test_clear(vcpu, MICA_REQ_TIMER))
		mica_timer_deliver(vcpu);
	mica_vcpu_test_clear(vcpu, MICA_REQ_EVENT);
	stub_irqs_off--;
}

/* ------------------------------------------------------------ registers */

u32 rd(struct mica_vcpu *vcpu, u32 offset)
{
	if (mica_apic_is_x2(&vcpu->apic))
		return rdmsr(vcpu, APIC_BASE_MSR + (offset >> 4));
	return mica_apic_read(&vcpu->apic, offset);
}

void wr(struct mica_vcpu *vcpu, u32 offset, u32 value)
{
	if (mica_apic_is_x2(&vcpu->apic))
		assert_int_equal(wrmsr(vcpu, APIC_BASE_MSR + (offset >> 4), value), 0);
	else
		mica_apic_write(&vcpu->apic, offset, value);
}

int wrmsr(struct mica_vcpu *vcpu, u32 msr, u64 value)
{
	return mica_apic_msr_write(&vcpu->apic, msr, value);
}

u64 rdmsr(struct mica_vcpu *vcpu, u32 msr)
{
	u64 value = 0;

	assert_int_equal(mica_apic_msr_read(&vcpu->apic, msr, &value), 0);
	return value;
}

int rdmsr_error(struct mica_vcpu *vcpu, u32 msr)
{
	u64 value;

	return mica_apic_msr_read(&vcpu->apic, msr, &value);
}

static bool in(struct mica_vcpu *vcpu, u32 base, u8 vector)
{
	return mica_apic_reg(&vcpu->apic, base + vector / 32 * 16) >> (vector % 32) & 1;
}

bool in_irr(struct mica_vcpu *vcpu, u8 vector)
{
	return in(vcpu, APIC_IRR, vector);
}

bool in_isr(struct mica_vcpu *vcpu, u8 vector)
{
	return in(vcpu, APIC_ISR, vector);
}

void drop_irr(struct mica_vcpu *vcpu, u8 vector)
{
	u32 offset = APIC_IRR + vector / 32 * 16;

	mica_apic_set_reg(&vcpu->apic, offset,
			  mica_apic_reg(&vcpu->apic, offset) & ~(1u << (vector % 32)));
}

int take(struct mica_vcpu *vcpu)
{
	int vector = mica_apic_pending(&vcpu->apic);

	if (vector >= 0)
		mica_apic_accept(&vcpu->apic, vector);
	return vector;
}

void interrupt(struct mica_vcpu *vcpu, u8 vector, bool level)
{
	struct mica_irq irq = { .dest = vcpu->id, .vector = vector, .level = level,
				.assert = true };

	assert_int_equal(mica_apic_deliver(&machine.vm, NULL, &irq), 1);
}

/* ------------------------------------------------------------ invariants */

static u32 slow_highest(struct mica_vcpu *vcpu, u32 base, u32 *count)
{
	u32 vector, highest = 0;

	*count = 0;
	for (vector = 0; vector < 256; vector++) {
		if (in(vcpu, base, vector)) {
			highest = vector;
			++*count;
		}
	}
	return highest;
}

static void check_lvts(struct mica_vcpu *vcpu)
{
	u32 offset, lvt;

	for (offset = APIC_LVTT; offset <= APIC_LVTERR; offset += 16) {
		lvt = mica_apic_reg(&vcpu->apic, offset);
		assert_false(lvt & ~mica_apic_writable(&vcpu->apic, offset));
		assert_true(mica_apic_software_enabled(&vcpu->apic) || (lvt & APIC_LVT_MASKED));
	}
}

static void check_timer(struct mica_vcpu *vcpu)
{
	struct mica_timer *timer = &vcpu->apic.timer;
	u32 mode = timer->lvt >> 17 & 3;

	assert_int_equal(timer->lvt, mica_apic_reg(&vcpu->apic, APIC_LVTT));
	assert_int_equal(timer->initial, mica_apic_reg(&vcpu->apic, APIC_TMICT));
	assert_true(mode != 3 || !timer->deadline);
	assert_true(mode == MICA_TIMER_PERIODIC || !timer->period);
	assert_true(!timer->period || timer->period >= TSC_KHZ / 1000 * 20);
	assert_true(mica_timer_current(&vcpu->apic) <= timer->initial);
	/* Whatever runs unmasked will be heard of. */
	if (timer->deadline && !(timer->lvt & APIC_LVT_MASKED))
		assert_true(timer->hrtimer.queued || timer->rearm ||
			    machine.backend_deadline[vcpu->id] ||
			    test_bit(MICA_REQ_TIMER, &vcpu->requests));
}

void check_invariants(struct mica_vcpu *vcpu)
{
	struct mica_apic *apic = &vcpu->apic;
	u32 isrv, count, vector;

	isrv = slow_highest(vcpu, APIC_ISR, &count);
	assert_int_equal(apic->isrv, isrv);
	assert_int_equal(apic->isr_count, count);
	for (vector = 0; vector < 16; vector++)
		assert_false(in_irr(vcpu, vector) || in_isr(vcpu, vector));
	assert_int_equal(mica_apic_reg(apic, APIC_ID),
			 mica_apic_is_x2(apic) ? vcpu->id : vcpu->id << 24);
	assert_int_equal(mica_apic_reg(apic, APIC_LVR), 0x50014);
	assert_int_equal(apic->base & ~0xd00ull, APIC_DEFAULT_PHYS_BASE);
	assert_true(mica_apic_enabled(apic) || (apic->base & 0xd00) <= 0x100);
	assert_in_range(atomic_read(&vcpu->nmi_pending), 0, 2);
	assert_int_equal(mica_apic_reg(apic, APIC_PROCPRI),
			 mica_apic_ppr(mica_apic_reg(apic, APIC_TASKPRI), isrv));
	check_lvts(vcpu);
	check_timer(vcpu);
}
