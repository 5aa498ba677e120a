// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an emulated instruction (vmm/insn.h) reaches: RAM, the MMIO and port buses, the
 * page of the local APIC, XMM registers.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "chipset/chipset.h"
#include "insn.h"
#include "loop_lock.h"
#include "machine.h"
#include "vcpu.h"

#define LAPIC_PAGE_SIZE		4096u
#define LAPIC_REGISTERS_END	0x400u
#define VECTOR_UD		6u

/* The XSAVE image (SDM volume 1, "Legacy Region of an XSAVE Area", "XSAVE Header"). */
#define XSAVE_XMM		160u
#define XSAVE_XSTATE_BV		512u
#define XSTATE_SSE		2u

static bool is_lapic(uint64_t gpa)
{
	return gpa - LAPIC_BASE < LAPIC_PAGE_SIZE;
}

/*
 * Registers are 32 bits wide and 16 bytes apart; anything else there is reserved and reads
 * as zero, and only whole registers can be written (SDM volume 3, "The Local APIC Block
 * Diagram").  If the kernel has no such register, or the APIC is not in xAPIC mode, nobody
 * claims the address.
 */
static uint64_t lapic_read(struct vcpu *vcpu, uint32_t offset, unsigned int size)
{
	struct mica_apic_access access = { .offset = offset & ~15u };
	unsigned int within = offset & 15;

	if (offset >= LAPIC_REGISTERS_END || within >= 4)
		return 0;
	if (ioctl(vcpu->fd, MICA_VCPU_APIC_ACCESS, &access) < 0)
		return UINT64_MAX;
	return (uint64_t)access.value >> (8 * within) & UINT64_MAX >> (64 - 8 * size);
}

static void lapic_write(struct vcpu *vcpu, uint32_t offset, unsigned int size, uint64_t value)
{
	struct mica_apic_access access = { .offset = offset, .write = 1, .value = value };

	if (size == 4 && offset < LAPIC_REGISTERS_END && offset % 16 == 0)
		ioctl(vcpu->fd, MICA_VCPU_APIC_ACCESS, &access);
}

/* Values of the buses are little-endian in memory, as this CPU is. */
static int emulate_read(void *opaque, uint64_t gpa, void *to, unsigned int size)
{
	struct vcpu *vcpu = opaque;
	uint64_t value;

	if (guest_memory_read(vcpu->machine->memory, gpa, to, size))
		return 0;
	if (is_lapic(gpa))
		value = lapic_read(vcpu, gpa - LAPIC_BASE, size);
	else
		bus_read(vcpu->machine->mmio, gpa, size, &value);
	memcpy(to, &value, size);
	return 0;
}

static int emulate_write(void *opaque, uint64_t gpa, const void *from, unsigned int size)
{
	struct vcpu *vcpu = opaque;
	uint64_t value = 0;

	if (guest_memory_write(vcpu->machine->memory, gpa, from, size))
		return 0;
	memcpy(&value, from, size);
	if (is_lapic(gpa))
		lapic_write(vcpu, gpa - LAPIC_BASE, size, value);
	else
		bus_write(vcpu->machine->mmio, gpa, size, value);
	return 0;
}

/* Paging structures in a hole or a device: no kernel has them there, and what a CPU makes
 * of them differs from one to the next. */
static int emulate_entry_load(void *opaque, uint64_t gpa, unsigned int size, uint64_t *entry)
{
	struct vcpu *vcpu = opaque;
	void *at = guest_memory_pointer(vcpu->machine->memory, gpa, size);

	if (!at)
		return -EFAULT;
	*entry = size == 8 ? __atomic_load_n((uint64_t *)at, __ATOMIC_RELAXED) :
			     __atomic_load_n((uint32_t *)at, __ATOMIC_RELAXED);
	return 0;
}

static int emulate_entry_update(void *opaque, uint64_t gpa, unsigned int size, uint64_t expected,
				uint64_t desired)
{
	struct vcpu *vcpu = opaque;
	void *at = guest_memory_pointer(vcpu->machine->memory, gpa, size);
	uint32_t expected_32 = expected;

	if (!at)
		return -EFAULT;
	if (size == 8)
		__atomic_compare_exchange_n((uint64_t *)at, &expected, desired, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	else
		__atomic_compare_exchange_n((uint32_t *)at, &expected_32, (uint32_t)desired, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return 0;
}

static int emulate_port_in(void *opaque, uint16_t port, void *to, unsigned int size)
{
	struct vcpu *vcpu = opaque;
	uint64_t value;

	bus_read(vcpu->machine->ports, port, size, &value);
	memcpy(to, &value, size);
	return 0;
}

static int emulate_port_out(void *opaque, uint16_t port, const void *from, unsigned int size)
{
	struct vcpu *vcpu = opaque;
	uint64_t value = 0;

	memcpy(&value, from, size);
	bus_write(vcpu->machine->ports, port, size, value);
	return 0;
}

static int emulate_vector_load(void *opaque, unsigned int index, uint8_t bytes[16])
{
	g_autofree struct mica_xsave *image = g_new0(struct mica_xsave, 1);
	struct vcpu *vcpu = opaque;

	if (ioctl(vcpu->fd, MICA_VCPU_GET_XSAVE, image) < 0)
		return -errno;
	/* A component that is in its initial state is not stored: XMM registers are 0 then. */
	if (image->data[XSAVE_XSTATE_BV] & XSTATE_SSE)
		memcpy(bytes, image->data + XSAVE_XMM + 16 * index, 16);
	else
		memset(bytes, 0, 16);
	return 0;
}

static int emulate_vector_store(void *opaque, unsigned int index, const uint8_t bytes[16])
{
	g_autofree struct mica_xsave *image = g_new0(struct mica_xsave, 1);
	struct vcpu *vcpu = opaque;

	if (ioctl(vcpu->fd, MICA_VCPU_GET_XSAVE, image) < 0)
		return -errno;
	if (!(image->data[XSAVE_XSTATE_BV] & XSTATE_SSE))
		memset(image->data + XSAVE_XMM, 0, 16 * 16);
	image->data[XSAVE_XSTATE_BV] |= XSTATE_SSE;
	memcpy(image->data + XSAVE_XMM + 16 * index, bytes, 16);
	return ioctl(vcpu->fd, MICA_VCPU_SET_XSAVE, image) < 0 ? -errno : 0;
}

static const struct insn_ops emulate_ops = {
	.read = emulate_read,
	.write = emulate_write,
	.entry_load = emulate_entry_load,
	.entry_update = emulate_entry_update,
	.port_in = emulate_port_in,
	.port_out = emulate_port_out,
	.vector_load = emulate_vector_load,
	.vector_store = emulate_vector_store,
};

/* Bytes that are no instruction: what the guest jumped to, or put there meanwhile. */
static void raise_invalid_opcode(struct mica_run *run)
{
	run->state.events.exception = MICA_EVENT_VALID | MICA_EVENT_EXCEPTION | VECTOR_UD;
	run->state.events.exception_error = 0;
	run->state_commit |= MICA_STATE_EVENTS;
}

static void emulate_gave_up(struct vcpu *vcpu, const struct insn_report *report)
{
	const struct mica_run *run = vcpu->run;
	g_autoptr(GString) why = g_string_new("cannot do in place of the CPU:");

	for (unsigned int i = 0; i < report->length; i++)
		g_string_append_printf(why, " %02x", report->bytes[i]);
	if (report->mnemonic[0])
		g_string_append_printf(why, " (%.24s)", report->mnemonic);
	g_string_append_printf(why, " at 0x%" PRIx64, (uint64_t)run->state.gprs.rip);
	if (run->exit_reason == MICA_EXIT_MMIO)
		g_string_append_printf(why, ", accessing guest-physical address 0x%" PRIx64,
				       (uint64_t)run->mmio.gpa);
	if (report->error)
		g_string_append_printf(why, ": %s", g_strerror(-report->error));
	vcpu_cannot_go_on(vcpu, why->str);
}

void vcpu_emulate(struct vcpu *vcpu)
{
	struct machine *machine = vcpu->machine;
	struct mica_run *run = vcpu->run;
	struct insn_report report = { 0 };
	enum insn_result result;
	uint64_t changed = 0;
	bool full;

	/* Held throughout, so that read and write of one instruction belong together. */
	vcpu_lock(&machine->lock);
	result = insn_execute(&run->state, &emulate_ops, vcpu, &changed, &report);
	full = machine->output_full;
	machine->output_full = false;
	pthread_mutex_unlock(&machine->lock);
	run->state_commit |= changed;
	if (result == INSN_UNSUPPORTED && !report.mnemonic[0])
		raise_invalid_opcode(run);
	else if (result == INSN_UNSUPPORTED || result == INSN_FAILED)
		emulate_gave_up(vcpu, &report);
	if (full)
		console_wait(machine->console);
}
