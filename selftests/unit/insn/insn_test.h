/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine for the tests of vmm/insn.c: a little RAM at 0, a device at DEVICE that is
 * plain storage and logs what reaches it, ports that answer and log, XMM registers.
 */
#ifndef MICA_TEST_INSN_TEST_H
#define MICA_TEST_INSN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../../../vmm/insn.h"

#define RAM_SIZE	0x90000u
#define DEVICE		0xd0000000ull
#define DEVICE_SIZE	0x2000u
#define CODE		0x1000u		/* where the harness puts the instruction */
#define LOG_SIZE	64

#define CF	0x001ull
#define PF	0x004ull
#define AF	0x010ull
#define ZF	0x040ull
#define SF	0x080ull
#define TF	0x100ull
#define DF	0x400ull
#define OF	0x800ull
#define RF	0x10000ull
#define VM	0x20000ull
#define AC	0x40000ull
#define FIXED	0x002ull	/* the bit of RFLAGS that is always 1 */

#define CR0_PE	0x00000001ull
#define CR0_WP	0x00010000ull
#define CR0_PG	0x80000000ull
#define CR4_PSE	0x00000010ull
#define CR4_PAE	0x00000020ull
#define EFER_LMA 0x00000400ull
#define EFER_NXE 0x00000800ull

#define ATTR_CODE32	0xc09bu
#define ATTR_CODE16	0x009bu
#define ATTR_CODE64	0xa09bu
#define ATTR_DATA32	0xc093u
#define ATTR_DATA16	0x0093u

struct access {
	bool port;
	bool write;
	uint64_t address;
	unsigned int size;
	uint64_t value;
};

struct world {
	struct mica_vcpu_state state;
	struct insn_report report;
	uint64_t changed;
	unsigned int count;		/* accesses to the device and to ports */
	struct access log[LOG_SIZE];	/* the first ones */
	uint64_t entry_updates;
	uint64_t port_value;		/* what ports answer; grows by 1 */
	bool no_vectors;
	int fail;			/* what the device and the ports answer */
	int fail_write;			/* what the device answers to writes */
	uint8_t xmm[16][16];
	uint8_t device[DEVICE_SIZE];
	uint8_t ram[RAM_SIZE];
};

enum insn_result world_execute(struct world *world);
/* Puts the bytes at CODE and executes them there. */
enum insn_result world_run(struct world *world, const void *bytes, size_t length);

/* All clear, RIP at CODE, flat segments; no paging, so that addresses are physical. */
void world_reset(struct world *world);
void world_real_mode(struct world *world);
void world_protected(struct world *world, bool code32);
void world_long_mode(struct world *world);

int world_setup(void **state);
int world_teardown(void **state);

#define RUN(world, bytes)	world_run((world), (bytes), sizeof(bytes) - 1)

static inline uint64_t world_device64(const struct world *world, unsigned int offset)
{
	uint64_t value;

	memcpy(&value, world->device + offset, sizeof(value));
	return value;
}

static inline void world_put(struct world *world, uint64_t gpa, uint64_t value, unsigned int size)
{
	memcpy(world->ram + gpa, &value, size);
}

static inline uint64_t world_get(const struct world *world, uint64_t gpa, unsigned int size)
{
	uint64_t value = 0;

	memcpy(&value, world->ram + gpa, size);
	return value;
}

/* Fails the test unless the exception is exactly that one. */
void world_assert_fault(const struct world *world, enum insn_result result, unsigned int vector,
			bool has_error, uint32_t error);

/* Xorshift: the same numbers on every run. */
static inline uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
