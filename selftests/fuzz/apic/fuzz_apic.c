// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module's local APICs and their timers, four of them: registers in both modes, messages,
 * pins, time, modes and images.  apic_test.h has the machine around them and says what must hold.
 */
#include "../../unit/apic/apic_test.h"
#include "../input.h"

#define VCPUS	4u

static u32 some_offset(struct input *input)
{
	static const u16 hot[] = { 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310, 0x320, 0x350,
				   0x360, 0x370, 0x380, 0x390, 0x3e0, 0x3f0 };
	u8 which = take8(input);

	return which < 0xe0 ? hot[which % ARRAY_SIZE(hot)] : take_value(input, 2) & 0x1fff;
}

static void registers(struct mica_vcpu *vcpu, struct input *input)
{
	u32 offset = some_offset(input);

	if (take8(input) & 1)
		mica_apic_write(&vcpu->apic, offset, take_value(input, 4));
	mica_apic_read(&vcpu->apic, offset);
}

static void msrs(struct mica_vcpu *vcpu, struct input *input)
{
	u8 how = take8(input);
	u32 msr = how & 4 ? 0x7f8 + take_value(input, 2) % 0x110 :
			    0x800 + (some_offset(input) >> 4);
	u64 value;

	if (how & 1)
		wrmsr(vcpu, msr, take_value(input, how & 2 ? 4 : 8));
	mica_apic_msr_read(&vcpu->apic, msr, &value);
}

static void deadline(struct mica_vcpu *vcpu, struct input *input)
{
	bool any = take8(input) & 1;
	u64 at = any ? take_value(input, 8) : mica_vcpu_tsc(vcpu) + take_value(input, 2);

	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, at);
}

/* Writes by the CPU itself, at the offsets that it virtualizes. */
static void written(struct mica_vcpu *vcpu, struct input *input)
{
	static const u16 offsets[] = { 0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310,
				       0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0 };
	u32 offset = offsets[take_below(input, ARRAY_SIZE(offsets))];

	if (!mica_apic_enabled(&vcpu->apic) || mica_apic_is_x2(&vcpu->apic))
		return;
	mica_apic_set_reg(&vcpu->apic, offset, take_value(input, 4));
	mica_apic_written(&vcpu->apic, offset);
}

static void message(struct mica_vcpu *vcpu, struct input *input)
{
	u8 how = take8(input);
	u64 address = how & 1 ? 0xfee00000 | take_value(input, 3) : take_value(input, 8);
	struct mica_irq irq;

	if (!mica_apic_decode_msi(address, take_value(input, how & 2 ? 2 : 4), &irq)) {
		CHECK(address >> 20 == 0xfee || address >> 32);
		CHECK(mica_apic_deliver(&machine.vm, NULL, &irq) <= (int)VCPUS);
	}
	(void)vcpu;
}

static void pins(struct mica_vcpu *vcpu, struct input *input)
{
	u8 how = take8(input);

	mica_apic_set_pin(vcpu, how & 3, how & 4);
	if (how & 8)
		mica_apic_set_cr8(&vcpu->apic, how >> 4);
	CHECK(mica_apic_get_cr8(&vcpu->apic) < 16);
}

/* What is taken is above what was in service; a request to tell of an EOI has one. */
static void run(struct mica_vcpu *vcpu, struct input *input)
{
	u8 how = take8(input);
	u32 before;
	int vector;

	machine_run_requests(vcpu);
	if (machine_take_request(vcpu, MICA_REQ_EOI))
		CHECK(mica_apic_take_eoi(&vcpu->apic) >= 16);
	if (machine_take_request(vcpu, MICA_REQ_INIT) && (how & 1))
		mica_apic_reset(vcpu, how & 2);
	vcpu->requests &= BIT(MICA_REQ_EOI);
	atomic_set(&vcpu->nmi_pending, 0);
	if (how & 4)
		return;
	before = vcpu->apic.isrv;
	vector = take(vcpu);
	if (vector >= 0)
		CHECK(vector >= 16 && (u32)vector >> 4 > before >> 4 && in_isr(vcpu, vector));
}

static void end_interrupt(struct mica_vcpu *vcpu, struct input *input)
{
	u32 before = vcpu->apic.isrv;

	(void)input;
	if (!mica_apic_enabled(&vcpu->apic))
		return;
	wr(vcpu, APIC_EOI, 0);
	CHECK(!before || !in_isr(vcpu, before));
}

static void pass_time(struct mica_vcpu *vcpu, struct input *input)
{
	u8 how = take8(input);

	if (how & 1) {
		mica_timer_to_hrtimer(vcpu);
		mica_apic_has_work(&vcpu->apic);
	}
	if (how & 2) {
		vcpu->tsc_offset = take_value(input, 4);
		mica_timer_tsc_changed(vcpu);
	}
	machine_advance(1 + take_value(input, 2) % 20000);
}

static void base(struct mica_vcpu *vcpu, struct input *input)
{
	static const u64 bases[] = { 0xfee00000, 0xfee00800, 0xfee00900, 0xfee00c00, 0xfee00400 };
	u8 which = take8(input);

	mica_apic_set_base(&vcpu->apic, which & 0x40 ? take_value(input, 8) :
			   bases[which % ARRAY_SIZE(bases)], which & 0x80);
	if (mica_apic_enabled(&vcpu->apic) && (which & 0x20))
		wr(vcpu, APIC_SPIV, 0x1ff);
}

/* An image of a file: what is refused has changed nothing. */
static void image(struct mica_vcpu *vcpu, struct input *input)
{
	struct mica_apic_state before, state, after;
	unsigned int changes = take_below(input, 4);

	mica_apic_get_state(&vcpu->apic, &before);
	state = before;
	for (unsigned int i = 0; i < changes; i++)
		((u8 *)&state)[take_value(input, 2) % sizeof(state)] ^= take8(input);
	if (mica_apic_set_state(&vcpu->apic, &state)) {
		CHECK(changes);
		mica_apic_get_state(&vcpu->apic, &after);
		CHECK(!memcmp(&before, &after, sizeof(after)));
	}
}

static void (*const steps[])(struct mica_vcpu *vcpu, struct input *input) = {
	registers, registers, registers, msrs, msrs, deadline, written, message, message, pins, run,
	run, run, end_interrupt, pass_time, pass_time, base, image,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size < 512 ? size : 512 };
	struct mica_vcpu *vcpu;
	void *state;
	u8 which;

	machine_setup_4(&state);
	if (take8(&input) & 1)
		machine_x2apic();
	while (input.left) {
		which = take8(&input);
		vcpu = machine_vcpu(which >> 6);
		steps[which % 64 % ARRAY_SIZE(steps)](vcpu, &input);
		for (unsigned int i = 0; i < VCPUS; i++)
			check_invariants(machine_vcpu(i));
	}
	machine_teardown(&state);
	return 0;
}
