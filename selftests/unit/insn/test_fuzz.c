// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random machines: the input decides the mode, registers, segments, page tables and code.
 * Whatever it is, the executor must end soon, keep to the contract of its operations, and
 * change nothing when it says that it did nothing.
 *
 * The test runs a fixed number of inputs from a fixed seed.  With -DMICA_LIBFUZZER it has
 * no main() and is what `clang -fsanitize=fuzzer` wants.
 */
#include "insn_test.h"

#include <stdlib.h>

#define CASES		10000	/* or $MICA_INSN_CASES */
#define STEPS		4
#define TABLES		0x70000u
#define INPUT_SIZE	512

/* Most accesses that one call can make: two loads and two stores of 8 parts each, for
 * every byte of a string, and what precedes. */
#define ACCESS_BOUND	(INSN_STRING_BYTES * 4 * 8 + 64)

struct input {
	const uint8_t *data;
	size_t left;
};

static uint64_t take(struct input *input, unsigned int size)
{
	uint64_t value = 0;

	if (size > input->left)
		size = input->left;
	memcpy(&value, input->data, size);
	input->data += size;
	input->left -= size;
	return value;
}

/* Addresses near something, or anything. */
static uint64_t take_address(struct input *input)
{
	uint8_t kind = take(input, 1);

	switch (kind & 7) {
	case 0:
		return DEVICE + take(input, 2) % (DEVICE_SIZE + 16);
	case 1:
		return take(input, 3);
	case 2:
		return CODE + take(input, 1);
	case 3:
		return (int64_t)take(input, 2) - 64;
	case 4:
		return (1ull << 47) - 8 + take(input, 1);
	default:
		return kind & 8 ? take(input, 8) : take(input, 4);
	}
}

static void take_segments(struct input *input, struct world *world)
{
	struct mica_segment *segments = &world->state.segs.es;

	for (unsigned int i = 0; i < 10; i++) {
		uint8_t choice = take(input, 1);

		if (choice & 1)
			segments[i].attr = take(input, 2) & 0xf0ff;
		if (choice & 2)
			segments[i].base = take_address(input);
		if (choice & 4)
			segments[i].limit = take(input, 4);
	}
}

static void take_mode(struct input *input, struct world *world)
{
	uint8_t mode = take(input, 1);

	switch (mode & 3) {
	case 0:
		world_real_mode(world);
		break;
	case 1:
		world_protected(world, mode & 4);
		break;
	default:
		world_long_mode(world);
		break;
	}
	if (mode & 8)
		world->state.crs.cr4 = take(input, 3);
	if (mode & 16)
		world->state.crs.cr0 |= CR0_PG | (take(input, 4) & CR0_WP);
	if (mode & 32)
		world->state.msrs.efer ^= take(input, 2);
	if (mode & 64)
		take_segments(input, world);
	if (mode & 128)
		world->state.gprs.rflags = take(input, 4) | FIXED;
}

/* Every level maps everything to the next table and the last one to RAM or the device. */
static void make_tables(struct input *input, struct world *world)
{
	world->state.crs.cr3 = TABLES;
	for (unsigned int level = 0; level < 5; level++)
		for (unsigned int i = 0; i < 4096; i += 8)
			world_put(world, TABLES + level * 4096 + i,
				  (TABLES + 0x1000 + level * 4096) | 7, 8);
	for (unsigned int i = 0; i < 8; i++) {
		uint64_t entry = take(input, 8);
		uint64_t at = TABLES + take(input, 2) % 0x5000 / 8 * 8;

		world_put(world, at, entry & 0x80000000d01fffff, 8);
	}
	world_put(world, TABLES + take(input, 2) % 0x5000, take(input, 8), 8);
}

static void make_world(struct input *input, struct world *world)
{
	__u64 *regs = (__u64 *)&world->state.gprs;
	unsigned int length;

	world_reset(world);
	take_mode(input, world);
	for (unsigned int i = 0; i < 16; i++)
		regs[i] = take_address(input);
	make_tables(input, world);
	world->state.gprs.rip = CODE;
	if (take(input, 1) == 0)
		world->state.gprs.rip = take_address(input);
	length = input->left < 4096 ? input->left : 4096;
	memcpy(world->ram + CODE, input->data, length);
}

static void step(struct world *world)
{
	struct mica_vcpu_state before = world->state;
	enum insn_result result;

	world->count = 0;
	world->state.events.exception = 0;
	before.events.exception = 0;
	result = world_execute(world);
	assert_in_range(result, INSN_DONE, INSN_FAILED);
	assert_in_range(world->count, 0, ACCESS_BOUND);
	assert_in_range(world->report.length, 0, INSN_MAX_LENGTH);
	assert_non_null(memchr(world->report.mnemonic, 0, sizeof(world->report.mnemonic)));
	if (result == INSN_UNSUPPORTED)
		assert_memory_equal(&before, &world->state, sizeof(before));
	if (result == INSN_EXCEPTION) {
		assert_true(world->state.events.exception & MICA_EVENT_VALID);
		assert_true(world->state.gprs.rip == before.gprs.rip);
	} else {
		assert_true(world->state.events.exception == 0);
	}
	/* Nothing here loads a segment, a control register (but CR2) or an MSR. */
	assert_memory_equal(&before.segs, &world->state.segs, sizeof(before.segs));
	assert_memory_equal(&before.msrs, &world->state.msrs, sizeof(before.msrs));
	before.crs.cr2 = world->state.crs.cr2;
	assert_memory_equal(&before.crs, &world->state.crs, sizeof(before.crs));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *world = malloc(sizeof(*world));
	struct input input = { data, size };

	make_world(&input, world);
	for (unsigned int i = 0; i < STEPS; i++)
		step(world);
	free(world);
	return 0;
}

#ifndef MICA_LIBFUZZER
/* Opcodes that are executed come more often than in random bytes. */
static void add_code(uint64_t *seed, uint8_t *at)
{
	static const uint8_t common[] = {
		0x89, 0x8b, 0x88, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xae, 0x6c, 0x6d,
		0x6e, 0x6f, 0x01, 0x21, 0x81, 0x83, 0x87, 0xc7, 0xc1, 0xff, 0x8f, 0x50, 0xa1,
	};
	static const uint8_t prefixes[] = { 0xf3, 0xf2, 0x66, 0x67, 0x48, 0x4f, 0x2e, 0x64, 0xf0 };
	uint64_t r = next_random(seed);

	if (r & 1)
		*at++ = prefixes[(r >> 8) % sizeof(prefixes)];
	if (r & 2)
		*at++ = prefixes[(r >> 16) % sizeof(prefixes)];
	if (r & 4)
		*at++ = 0x0f;
	else if (r & 0x18)
		*at++ = common[(r >> 24) % sizeof(common)];
}

static void test_random_machines(void **state)
{
	const char *wanted = getenv("MICA_INSN_CASES");
	unsigned int cases = wanted ? strtoul(wanted, NULL, 10) : CASES;
	uint64_t seed = 0xda942042e4dd58b5;
	uint8_t data[INPUT_SIZE];

	(void)state;
	for (unsigned int i = 0; i < cases; i++) {
		for (unsigned int at = 0; at < INPUT_SIZE; at += 8) {
			uint64_t r = next_random(&seed);

			memcpy(data + at, &r, 8);
		}
		for (unsigned int at = 128; at < INPUT_SIZE - 16; at += 8 + (data[at] & 7))
			add_code(&seed, data + at);
		LLVMFuzzerTestOneInput(data, INPUT_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
