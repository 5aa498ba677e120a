/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module that runs no guest: it stands in for /dev/mica in the linker (--wrap=open64,
 * as programs are built with 64-bit file offsets, and --wrap=ioctl) and answers
 * MICA_VCPU_RUN with exits from a script.
 */
#ifndef MICA_TEST_FAKE_KERNEL_H
#define MICA_TEST_FAKE_KERNEL_H

#include <mica.h>
#include <stddef.h>
#include <stdint.h>

/* One exit.  `number` is an errno instead; `repeat` says how often, 0 counts as 1. */
struct fake_exit {
	uint32_t reason;
	struct mica_exit_io io;
	struct mica_exit_mmio mmio;
	struct mica_exit_fail fail;
	int number;
	uint32_t repeat;
};

#define FAKE_OUT(p, bytes, value) \
	{ .reason = MICA_EXIT_IO, \
	  .io = { .port = (p), .size = (bytes), .flags = MICA_IO_WRITE, .data = (value) } }
#define FAKE_IN(p, bytes) \
	{ .reason = MICA_EXIT_IO, .io = { .port = (p), .size = (bytes) } }

struct fake_kernel {
	/* for the test to set */
	const struct fake_exit *script;	/* of vCPU 0; then, and for the others, HLT */
	size_t length;
	unsigned int fail_at;		/* the n-th ioctl but _RUN gives ENOMEM; 0: none */
	uint32_t api_version;
	uint32_t max_vcpus;
	/* for the test to look at */
	unsigned int ioctls;
	unsigned int opens;
	uint64_t last_in;		/* what the VMM answered to the last IN */
	uint32_t extint_vector;		/* what it answered to the last MICA_EXIT_EXTINT */
	struct mica_apic_state apic;	/* of vCPU 0 */
	struct mica_apic_access access;	/* the last one */
	struct mica_vcpu_state state;	/* of vCPU 0, with what the VMM committed */
	uint64_t committed;		/* all groups that it ever did */
	uint64_t mp_state[MICA_MAX_VCPUS];
	unsigned int pin_changes;
	unsigned int io_bindings;
	struct mica_io_binding io_binding;	/* the last one */
	int64_t moved_tsc[MICA_MAX_VCPUS];	/* by MICA_VCPU_MOVE_TSC, in all */
	uint64_t runs;			/* of vCPU 0; what MICA_VCPU_GET_STATS calls "entries" */
	int running;			/* eventfd: vCPU 0 is at the end of its script */
};

extern struct fake_kernel fake_kernel;

/* Forgets all, with an empty script and a module that can everything. */
void fake_kernel_reset(void);

#endif
