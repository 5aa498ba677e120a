/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of one run, taken apart.  Behind the end everything is zero.  And the end of a run
 * that has found something.
 */
#ifndef MICA_FUZZ_INPUT_H
#define MICA_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

/* One run; a finding ends the program.  The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be so whatever the input is. */
#define CHECK(condition)	check(condition, __FILE__, __LINE__, #condition)

static inline void check(bool good, const char *file, int line, const char *condition)
{
	if (good)
		return;
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
	abort();
}

static inline uint64_t take_value(struct input *input, size_t bytes)
{
	size_t count = bytes < input->left ? bytes : input->left;
	uint64_t value = 0;

	memcpy(&value, input->at, count);
	input->at += count;
	input->left -= count;
	return value;
}

static inline uint8_t take8(struct input *input)
{
	return take_value(input, 1);
}

/* A value below `limit`, which is at most 2^32. */
static inline uint32_t take_below(struct input *input, uint64_t limit)
{
	return take_value(input, limit <= 256 ? 1 : 4) % limit;
}

/* Mostly inside memory of `size` bytes, mostly near something interesting. */
static inline uint64_t take_address(struct input *input, uint64_t base, uint64_t size)
{
	switch (take8(input) % 8) {
	case 0:
		return size - take8(input);
	case 1:
		return take_value(input, 8);
	case 2:
		return UINT64_MAX - take8(input);
	case 3:
		return take_value(input, 4) % size;
	case 4:
		return base + take_value(input, 2) % 0x8000;	/* the rings themselves */
	default:
		return size / 2 + take_value(input, 2) * 16;
	}
}

static inline uint32_t take_length(struct input *input)
{
	switch (take8(input) % 8) {
	case 0:
		return take_value(input, 4);
	case 1:
		return UINT32_MAX - take8(input);
	case 2:
		return take_value(input, 2);
	case 3:
		return 16 * take8(input);
	case 4:
		return 512 * take8(input);
	default:
		return take8(input);
	}
}

#endif
