/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPUs in a checkpoint: docs/checkpoint-format.md, "vCPUs".  The instance of all these records
 * is the vCPU's number, struct vcpu's id.
 */
#ifndef MICA_VMM_STATE_VCPU_H
#define MICA_VMM_STATE_VCPU_H

#include <mica.h>

#include "stream.h"

struct vcpu;

/*
 * STATE_CPU_GPRS ... STATE_CPU_EVENTS are the groups of struct mica_vcpu_state as they are
 * (kmod/uapi/vcpu_state.def); STATE_CPU_APIC is a struct mica_apic_state.  STATE_CPU_XSAVE is
 * the valid part of struct mica_xsave's data, STATE_CPU_CPUID the entries of a struct
 * mica_cpuid.
 */

/* STATE_CPU_TSC */
struct state_cpu_tsc {
	uint32_t khz;			/* of the guest's TSC */
	uint32_t reserved;		/* 0 */
};
static_assert(sizeof(struct state_cpu_tsc) == 8, "record of the format");

/* What TSCs may differ by: clocks are kept right up to 500 ppm (adjtimex(2)). */
#define STATE_TSC_TOLERANCE_PPM	500u

/*
 * The machine is paused (machine_pause()): the vCPU's thread has settled with the module and is
 * parked.  Devices come to rest before: what they do may still reach the local APIC.
 */
gboolean vcpu_save(struct vcpu *vcpu, struct state_writer *writer, GError **error);

/*
 * The vCPU has never run; vCPU 0 is the first that is loaded: its TSC is that of all.  The guest's
 * TSCs go on from the saved value at once: who lets it stand still takes the time back with
 * MICA_VCPU_MOVE_TSC before it runs.  FALSE: this host or module cannot run it, by name if it is
 * for a CPU feature; the machine cannot be used then.
 */
gboolean vcpu_load(struct vcpu *vcpu, const struct state_reader *reader, GError **error);

/* vcpu_records.c: how many vCPUs there are, and the registers of one.  FALSE: a group is not
 * there. */
unsigned int state_vcpu_count(const struct state_reader *reader);
gboolean state_vcpu_registers(const struct state_reader *reader, unsigned int id,
			      struct mica_vcpu_state *state, GError **error);
gboolean state_vcpu_put_registers(struct state_writer *writer, unsigned int id,
				  const struct mica_vcpu_state *state, GError **error);
/* The policy as the ioctl wants it; `cpuid` is filled. */
gboolean state_vcpu_cpuid(const struct state_reader *reader, unsigned int id,
			  struct mica_cpuid *cpuid, GError **error);
/* Names of features that `needed` has and `offered` lacks, with spaces between; NULL: none. */
char *state_vcpu_lacks(const struct mica_cpuid *needed, const struct mica_cpuid *offered);

#endif
