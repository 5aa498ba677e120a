// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../error.h"
#include "../machine.h"
#include "../vcpu.h"

/* ------------------------------------------------------------ save */

static gboolean save_registers(struct vcpu *vcpu, struct state_writer *writer, GError **error)
{
	struct mica_get_set_state request = { .groups = MICA_STATE_ALL };

	if (ioctl(vcpu->fd, MICA_VCPU_GET_STATE, &request) < 0)
		return error_set_errno(error, errno, "cannot read the registers of vCPU %u",
				       vcpu->id);
	return state_vcpu_put_registers(writer, vcpu->id, &request.state, error);
}

static gboolean save_xsave(struct vcpu *vcpu, struct state_writer *writer, GError **error)
{
	g_autofree struct mica_xsave *xsave = g_new0(struct mica_xsave, 1);

	if (ioctl(vcpu->fd, MICA_VCPU_GET_XSAVE, xsave) < 0)
		return error_set_errno(error, errno, "cannot read the FPU of vCPU %u", vcpu->id);
	return state_writer_put(writer, STATE_CPU_XSAVE, vcpu->id, xsave->data, xsave->size, error);
}

static gboolean save_apic(struct vcpu *vcpu, struct state_writer *writer, GError **error)
{
	struct mica_apic_state apic;

	if (ioctl(vcpu->fd, MICA_VCPU_GET_APIC, &apic) < 0)
		return error_set_errno(error, errno, "cannot read the local APIC of vCPU %u",
				       vcpu->id);
	return state_writer_put(writer, STATE_CPU_APIC, vcpu->id, &apic, sizeof(apic), error);
}

static gboolean save_cpuid(struct vcpu *vcpu, struct state_writer *writer, GError **error)
{
	return state_writer_put(writer, STATE_CPU_CPUID, vcpu->id, vcpu->cpuid->entries,
				vcpu->cpuid->count * sizeof(vcpu->cpuid->entries[0]), error);
}

static gboolean save_tsc(struct vcpu *vcpu, struct state_writer *writer, GError **error)
{
	struct state_cpu_tsc tsc = { .khz = vcpu->machine->info.tsc_khz };

	return state_writer_put(writer, STATE_CPU_TSC, vcpu->id, &tsc, sizeof(tsc), error);
}

/* The local APIC first: an expiry of its timer becomes a bit in there, and MSRs tell the rest. */
gboolean vcpu_save(struct vcpu *vcpu, struct state_writer *writer, GError **error)
{
	return save_apic(vcpu, writer, error) && save_registers(vcpu, writer, error) &&
	       save_xsave(vcpu, writer, error) && save_cpuid(vcpu, writer, error) &&
	       save_tsc(vcpu, writer, error);
}

/* ------------------------------------------------------------ load */

static gboolean check_count(const struct vcpu *vcpu, const struct state_reader *reader,
			    GError **error)
{
	unsigned int count = state_vcpu_count(reader);

	if (count == vcpu->machine->vcpu_count)
		return TRUE;
	return error_set(error, "the checkpoint has the state of %u vCPUs, its configuration says %u",
			 count, vcpu->machine->vcpu_count);
}

static gboolean check_tsc(const struct vcpu *vcpu, const struct state_reader *reader,
			  GError **error)
{
	const struct state_cpu_tsc *tsc = state_reader_get(reader, STATE_CPU_TSC, vcpu->id,
							   sizeof(*tsc), error);
	uint64_t here = vcpu->machine->info.tsc_khz, difference;

	if (!tsc)
		return FALSE;
	difference = here > tsc->khz ? here - tsc->khz : tsc->khz - here;
	if (tsc->reserved || difference * 1000000 > here * STATE_TSC_TOLERANCE_PPM)
		return error_set(error, "the guest's time stamp counter runs at %" PRIu32 " kHz, this "
				 "host's at %" PRIu64 ": restore it on a host like the one where it "
				 "was saved", tsc->khz, here);
	return TRUE;
}

static gboolean load_cpuid(struct vcpu *vcpu, const struct state_reader *reader, GError **error)
{
	g_autofree struct mica_cpuid *cpuid = g_new0(struct mica_cpuid, 1);
	g_autofree char *lacks = NULL;

	if (!state_vcpu_cpuid(reader, vcpu->id, cpuid, error))
		return FALSE;
	lacks = state_vcpu_lacks(cpuid, vcpu->machine->offered);
	if (lacks)
		return error_set(error, "the guest uses CPU features that this host lacks: %s", lacks);
	return vcpu_set_cpuid(vcpu, cpuid, error);
}

/*
 * The module takes a TSC that is less than a second off the VM's for the same, so that those of
 * several vCPUs are alike.  A guest that was saved in its first second would be set back.
 */
static gboolean load_tsc(struct vcpu *vcpu, const struct mica_vcpu_state *saved, GError **error)
{
	struct mica_get_set_state request = { .groups = MICA_STATE_MSRS };
	struct mica_move_tsc move;

	if (ioctl(vcpu->fd, MICA_VCPU_GET_STATE, &request) < 0)
		return error_set_errno(error, errno, "cannot read the TSC of vCPU %u", vcpu->id);
	move.delta = saved->msrs.tsc - request.state.msrs.tsc;
	if (ioctl(vcpu->fd, MICA_VCPU_MOVE_TSC, &move) < 0)
		return error_set_errno(error, errno, "cannot set the TSC of vCPU %u", vcpu->id);
	return TRUE;
}

static gboolean load_registers(struct vcpu *vcpu, const struct state_reader *reader,
			       GError **error)
{
	struct mica_vcpu_state state;

	return state_vcpu_registers(reader, vcpu->id, &state, error) &&
	       vcpu_set_state(vcpu, &state, error) &&
	       (vcpu->id != 0 || load_tsc(vcpu, &state, error));
}

static gboolean load_xsave(struct vcpu *vcpu, const struct state_reader *reader, GError **error)
{
	g_autofree struct mica_xsave *xsave = g_new0(struct mica_xsave, 1);
	const void *payload;
	size_t length;

	payload = state_reader_find(reader, STATE_CPU_XSAVE, vcpu->id, &length);
	if (!payload)
		return error_set(error, "the checkpoint has no FPU of vCPU %u", vcpu->id);
	xsave->size = length;
	memcpy(xsave->data, payload, length);
	if (ioctl(vcpu->fd, MICA_VCPU_SET_XSAVE, xsave) < 0)
		return error_set_errno(error, errno, "the module refuses the FPU of vCPU %u",
				       vcpu->id);
	return TRUE;
}

static gboolean load_apic(struct vcpu *vcpu, const struct state_reader *reader, GError **error)
{
	const struct mica_apic_state *saved = state_reader_get(reader, STATE_CPU_APIC, vcpu->id,
							       sizeof(*saved), error);
	struct mica_apic_state apic;

	if (!saved)
		return FALSE;
	apic = *saved;
	if (ioctl(vcpu->fd, MICA_VCPU_SET_APIC, &apic) < 0)
		return error_set_errno(error, errno, "the module refuses the local APIC of vCPU %u",
				       vcpu->id);
	return TRUE;
}

/* The order matters: CPUID says what registers there are, IA32_APIC_BASE in what mode the local
 * APIC is, and its timer counts by the TSC. */
gboolean vcpu_load(struct vcpu *vcpu, const struct state_reader *reader, GError **error)
{
	return check_count(vcpu, reader, error) && check_tsc(vcpu, reader, error) &&
	       load_cpuid(vcpu, reader, error) && load_registers(vcpu, reader, error) &&
	       load_xsave(vcpu, reader, error) && load_apic(vcpu, reader, error);
}
