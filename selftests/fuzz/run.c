// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a target without libFuzzer: on files, or on random inputs that depend on the seed
 * alone.
 *
 *     fuzz-X FILE...
 *     fuzz-X -n ITERATIONS [SEED]
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"

#define INPUT_MAX	2048u

/* xorshift64* */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

static void run_random(uint64_t iterations, uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15ull | 1;
	uint8_t bytes[INPUT_MAX];
	size_t size;

	for (uint64_t i = 0; i < iterations; i++) {
		size = next_random(&state) % INPUT_MAX;
		for (size_t j = 0; j < size; j++)
			bytes[j] = next_random(&state) >> 32;
		LLVMFuzzerTestOneInput(bytes, size);
	}
	printf("seed %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " runs\n", seed, iterations);
}

static int run_file(const char *path)
{
	g_autofree char *contents = NULL;
	gsize length;

	if (!g_file_get_contents(path, &contents, &length, NULL)) {
		fprintf(stderr, "cannot read %s\n", path);
		return 1;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)contents, length);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc >= 3 && !strcmp(argv[1], "-n")) {
		run_random(strtoull(argv[2], NULL, 0), argc > 3 ? strtoull(argv[3], NULL, 0) : 1);
		return 0;
	}
	for (int i = 1; i < argc; i++)
		failed |= run_file(argv[i]);
	return failed;
}
