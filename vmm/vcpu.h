/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual CPU: its descriptor, its run page (struct mica_run) and the thread that
 * enters the guest.
 */
#ifndef MICA_VMM_VCPU_H
#define MICA_VMM_VCPU_H

#include <glib.h>
#include <mica.h>
#include <pthread.h>
#include <stdbool.h>

struct machine;

/* Everything is constant while the thread runs; `run` belongs to the thread, but for
 * immediate_exit. */
struct vcpu {
	struct machine *machine;
	unsigned int id;		/* counts from 0; what the user and ACPI call it */
	int fd;
	struct mica_run *run;
	struct mica_cpuid *cpuid;	/* what its guest sees */
	pthread_t thread;
	bool started;			/* there is a thread to join */
};

/* vCPU `id` with its CPUID policy.  For the module it goes by its APIC id, which the topology
 * gives. */
struct vcpu *vcpu_new(struct machine *machine, unsigned int id, GError **error);
/* The thread must have ended.  NULL is allowed. */
void vcpu_free(struct vcpu *vcpu);

/* Replaces the CPUID policy; before vcpu_start().  Nothing has changed if it fails. */
gboolean vcpu_set_cpuid(struct vcpu *vcpu, const struct mica_cpuid *cpuid, GError **error);

/* Registers for the start; before vcpu_start(). */
gboolean vcpu_set_state(struct vcpu *vcpu, const struct mica_vcpu_state *state, GError **error);
/* Leaves the local APIC of the first vCPU as firmware does: vmm/vcpu.c says how. */
gboolean vcpu_init_apic(struct vcpu *vcpu, GError **error);

gboolean vcpu_start(struct vcpu *vcpu, GError **error);
/* Makes the thread look at machine->stopping and ->pausing soon; any thread. */
void vcpu_kick(struct vcpu *vcpu);
/* Takes back what a kick left; with the machine's lock, when there is no reason to leave any
 * more. */
void vcpu_unkick(struct vcpu *vcpu);
void vcpu_join(struct vcpu *vcpu);

/* `pin` is MICA_PIN_*; any thread. */
void vcpu_set_pin(struct vcpu *vcpu, unsigned int pin, unsigned int level);

/* vcpu_exit.c: answers the exit that the run page holds. */
void vcpu_handle_exit(struct vcpu *vcpu);

/* Ends the guest as crashed and shows its registers; `why` is for the user. */
void vcpu_cannot_go_on(struct vcpu *vcpu, const char *why);

/* vcpu_emulate.c: does the instruction at rip in place of the CPU, and commits the state
 * that it changes.  Called without the machine's lock. */
void vcpu_emulate(struct vcpu *vcpu);

/* vcpu_dump.c: all of `state`, one line per register or pair; the caller frees it. */
char *vcpu_state_text(const struct mica_vcpu_state *state);
/* Counters that are not 0, one line each; appended to `text`. */
void vcpu_append_stats(const struct vcpu *vcpu, GString *text);

#endif
