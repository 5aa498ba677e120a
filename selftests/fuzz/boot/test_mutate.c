// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Kernels with a few bytes changed.  The sequence depends on the seed alone:
 *
 *     boot-mutate [ITERATIONS [SEED]]
 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_ITERATIONS	20000ull
#define CHANGES_MAX		6u

static uint64_t iterations = DEFAULT_ITERATIONS;
static uint64_t seed = 1;

/* xorshift64* */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

static size_t below(uint64_t *state, size_t limit)
{
	return next_random(state) % limit;
}

static const uint64_t interesting[] = {
	0, 1, 0x7f, 0x80, 0xff, 0xfff, 0x1000, 0x7000, 0x7fff, 0x8000, 0xffff, 0x20000, 0x9fc00,
	0xfffff, 0x100000, 0x200000, 0x4000000, 0x7fffffff, 0x80000000, 0xbfffffff, 0xc0000000,
	0xfffff000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
	0xfffffffffffff000, 0xffffffffffffffff,
};

/* Most of what the loaders look at is in the first few KiB. */
static size_t place(uint64_t *state, size_t size)
{
	size_t limit = below(state, 4) ? MIN(size, 0x700) : size;

	return below(state, limit);
}

static void change_byte(uint64_t *state, uint8_t *data, size_t size)
{
	data[place(state, size)] = next_random(state);
}

static void change_bit(uint64_t *state, uint8_t *data, size_t size)
{
	data[place(state, size)] ^= 1u << below(state, 8);
}

static void change_word(uint64_t *state, uint8_t *data, size_t size)
{
	size_t width = (size_t)1 << below(state, 4);
	size_t at = place(state, size);
	uint64_t value = interesting[below(state, G_N_ELEMENTS(interesting))];

	memcpy(data + at, &value, MIN(width, size - at));
}

static void copy_part(uint64_t *state, uint8_t *data, size_t size)
{
	size_t from = place(state, size);
	size_t to = place(state, size);
	size_t length = below(state, 64);

	memmove(data + to, data + from, MIN(length, size - MAX(from, to)));
}

static void (*const changes[])(uint64_t *state, uint8_t *data, size_t size) = {
	change_byte, change_bit, change_word, change_word, copy_part,
};

static gboolean run_one(const struct harness *harness, const struct harness_image *image,
			uint64_t *state)
{
	size_t size = image->bytes->len;
	g_autofree uint8_t *data = g_memdup2(image->bytes->data, size);
	unsigned int count = 1 + below(state, CHANGES_MAX);
	size_t length = below(state, 8) ? size : below(state, size + 1);

	for (unsigned int i = 0; i < count; i++)
		changes[below(state, G_N_ELEMENTS(changes))](state, data, size);
	return harness_load(harness, data, length, size, NULL);
}

static void mutations(void **unused)
{
	struct harness_image images[HARNESS_IMAGES];
	g_autofree char *path = guest_file("module", "contents", 8);
	const struct boot_module module = { path, NULL };
	struct harness harness = { guest_memory_new(-1, 64 * MIB, NULL), &module, 0 };
	uint64_t state = seed * 0x9e3779b97f4a7c15ull | 1;
	uint64_t loaded = 0;

	(void)unused;
	assert_non_null(harness.memory);
	harness_images(images);
	for (uint64_t i = 0; i < iterations; i++) {
		harness.module_count = i % 4 == 0;
		loaded += run_one(&harness, &images[i % HARNESS_IMAGES], &state);
	}
	print_message("seed %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
		      " were loaded\n", seed, loaded, iterations);
	/* Both outcomes must come up, or the changes do not reach anything. */
	if (iterations >= 1000)
		assert_in_range(loaded, iterations / 20, iterations - iterations / 20);
	harness_images_clear(images);
	guest_memory_free(harness.memory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutations),
	};

	if (argc > 1)
		iterations = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
