// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What happens after the guest has left the CPU: one function for each exit that the
 * kernel does not answer itself.  They run in the vCPU's thread; the path of a port
 * access is the one that guests notice, so it makes no system call of its own.
 */
#include <inttypes.h>

#include "chipset/chipset.h"
#include "loop_lock.h"
#include "machine.h"
#include "message.h"
#include "vcpu.h"

/* Tells the user once, by the vCPU that was first, why the guest is at its end. */
static void G_GNUC_PRINTF(4, 5) vcpu_end(struct vcpu *vcpu, enum machine_end end, bool dump,
					 const char *format, ...)
{
	struct machine *machine = vcpu->machine;
	g_autofree char *reason = NULL;
	g_autofree char *state = NULL;
	va_list args;
	bool first;

	vcpu_lock(&machine->lock);
	first = machine_request_end(machine, end, 0);
	pthread_mutex_unlock(&machine->lock);
	if (!first)
		return;
	va_start(args, format);
	reason = g_strdup_vprintf(format, args);
	va_end(args);
	message("guest %s, vCPU %u: %s", machine->config->name, vcpu->id, reason);
	if (!dump)
		return;
	state = vcpu_state_text(&vcpu->run->state);
	message_text(state);
}

void vcpu_cannot_go_on(struct vcpu *vcpu, const char *why)
{
	vcpu_end(vcpu, MACHINE_CRASH, true, "%s", why);
}

static void exit_io(struct vcpu *vcpu)
{
	struct machine *machine = vcpu->machine;
	struct mica_exit_io *io = &vcpu->run->io;
	uint64_t value;
	bool full;

	if (G_UNLIKELY(io->flags & MICA_IO_STRING)) {
		vcpu_emulate(vcpu);
		return;
	}
	vcpu_lock(&machine->lock);
	if (io->flags & MICA_IO_WRITE) {
		bus_write(machine->ports, io->port, io->size, io->data);
	} else {
		bus_read(machine->ports, io->port, io->size, &value);
		io->data = value;
	}
	full = machine->output_full;
	machine->output_full = false;
	pthread_mutex_unlock(&machine->lock);
	if (G_UNLIKELY(full))
		console_wait(machine->console);
}

static void exit_mmio(struct vcpu *vcpu)
{
	vcpu_emulate(vcpu);
}

static void exit_extint(struct vcpu *vcpu)
{
	struct machine *machine = vcpu->machine;

	vcpu_lock(&machine->lock);
	vcpu->run->extint_vector = pic_acknowledge(machine->pic) | MICA_EXTINT_VALID;
	pthread_mutex_unlock(&machine->lock);
}

static void exit_eoi(struct vcpu *vcpu)
{
	struct machine *machine = vcpu->machine;

	vcpu_lock(&machine->lock);
	ioapic_eoi(machine->ioapic, vcpu->run->eoi.vector);
	pthread_mutex_unlock(&machine->lock);
}

static void exit_shutdown(struct vcpu *vcpu)
{
	const struct mica_vcpu_state *state = &vcpu->run->state;

	vcpu_end(vcpu, MACHINE_CRASH, false, "crashed with a triple fault at %04x:0x%" PRIx64
		 " (cr0 0x%" PRIx64 ", cr3 0x%" PRIx64 ")", state->segs.cs.selector,
		 (uint64_t)state->gprs.rip, (uint64_t)state->crs.cr0, (uint64_t)state->crs.cr3);
}

static void exit_fail_entry(struct vcpu *vcpu)
{
	const struct mica_exit_fail *fail = &vcpu->run->fail;

	vcpu_end(vcpu, MACHINE_CRASH, true, "the CPU does not enter this state: %.64s is 0x%" PRIx64
		 ", expected 0x%" PRIx64 " (reason 0x%" PRIx64 ", qualification 0x%" PRIx64 ")",
		 fail->name, (uint64_t)fail->found, (uint64_t)fail->expected,
		 (uint64_t)fail->hw_reason, (uint64_t)fail->qualification);
}

static void exit_internal_error(struct vcpu *vcpu)
{
	const struct mica_exit_fail *fail = &vcpu->run->fail;

	vcpu_end(vcpu, MACHINE_CRASH, true, "left the CPU in a way that the module does not know: "
		 "%.64s (reason 0x%" PRIx64 ", qualification 0x%" PRIx64 ")", fail->name,
		 (uint64_t)fail->hw_reason, (uint64_t)fail->qualification);
}

/* MICA_VCPU_RUN says EINTR then; nothing is left to do if it should not. */
static void exit_interrupted(struct vcpu *vcpu)
{
	(void)vcpu;
}

static void exit_host_state(struct vcpu *vcpu)
{
	const struct mica_exit_fail *fail = &vcpu->run->fail;

	vcpu_end(vcpu, MACHINE_ERROR, false, "the host's %.64s was 0x%" PRIx64 " before the "
		 "guest ran and 0x%" PRIx64 " after it: please report this as a bug of mica.ko",
		 fail->name, (uint64_t)fail->expected, (uint64_t)fail->found);
}

static void exit_memory_fault(struct vcpu *vcpu)
{
	const struct mica_exit_mmio *mmio = &vcpu->run->mmio;

	vcpu_end(vcpu, MACHINE_ERROR, false, "the host cannot give the memory at 0x%" PRIx64 ": %s",
		 (uint64_t)mmio->gpa, g_strerror(-mmio->error));
}

static void (*const handlers[])(struct vcpu *vcpu) = {
	[MICA_EXIT_NONE] = exit_interrupted,
	[MICA_EXIT_IO] = exit_io,
	[MICA_EXIT_MMIO] = exit_mmio,
	[MICA_EXIT_EXTINT] = exit_extint,
	[MICA_EXIT_EOI] = exit_eoi,
	[MICA_EXIT_SHUTDOWN] = exit_shutdown,
	[MICA_EXIT_FAIL_ENTRY] = exit_fail_entry,
	[MICA_EXIT_INTERNAL_ERROR] = exit_internal_error,
	[MICA_EXIT_INTERRUPTED] = exit_interrupted,
	[MICA_EXIT_HOST_STATE] = exit_host_state,
	[MICA_EXIT_MEMORY_FAULT] = exit_memory_fault,
};

void vcpu_handle_exit(struct vcpu *vcpu)
{
	uint32_t reason = vcpu->run->exit_reason;

	if (G_LIKELY(reason < G_N_ELEMENTS(handlers)))
		handlers[reason](vcpu);
	else
		vcpu_end(vcpu, MACHINE_ERROR, false, "the module says exit %" PRIu32
			 ", which this program does not know: install both from one release",
			 reason);
}
