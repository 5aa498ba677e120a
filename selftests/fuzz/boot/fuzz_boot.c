// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz_boot.h"

#include "../input.h"
#include "harness.h"

#define CHANGES_MAX	32u

static const uint64_t interesting[] = {
	0, 1, 0x7f, 0x80, 0xff, 0xfff, 0x1000, 0x7000, 0x7fff, 0x8000, 0xffff, 0x20000, 0x9fc00,
	0xfffff, 0x100000, 0x200000, 0x4000000, 0x7fffffff, 0x80000000, 0xbfffffff, 0xc0000000,
	0xfffff000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
	0xfffffffffffff000, 0xffffffffffffffff,
};

static uint64_t some_value(struct input *input, size_t width)
{
	uint8_t which = take8(input);

	return which < G_N_ELEMENTS(interesting) ? interesting[which] : take_value(input, width);
}

/* Most of what the loaders look at is in the first few KiB. */
static void change(struct input *input, uint8_t *bytes, size_t size)
{
	uint8_t how = take8(input);
	size_t width = (size_t)1 << how % 4;
	size_t at = how & 0x10 ? 0x1f0u + take8(input) : take_value(input, 2);
	uint64_t value = some_value(input, width);

	at %= size;
	width = MIN(width, size - at);
	if (how & 0x20)
		value ^= bytes[at];
	memcpy(bytes + at, &value, width);
}

static void load_damaged(const struct harness *harness, struct input *input,
			 const GByteArray *image)
{
	g_autofree uint8_t *bytes = g_memdup2(image->data, image->len);
	size_t length = take8(input) % 4 ? image->len : take_below(input, image->len + 1);

	for (unsigned int i = 0; i < CHANGES_MAX && input->left; i++)
		change(input, bytes, image->len);
	harness_load(harness, bytes, length, image->len, NULL);
}

static void load_as_it_is(const struct harness *harness, const struct input *input)
{
	g_autofree uint8_t *bytes = g_memdup2(input->at, input->left);

	if (input->left)
		harness_load(harness, bytes, input->left, input->left, NULL);
}

void fuzz_boot(const uint8_t *data, size_t size, unsigned int first, unsigned int count)
{
	static struct harness_image images[HARNESS_IMAGES];
	static struct harness harness;
	struct input input = { data, size };
	unsigned int which = take_below(&input, count + 1);

	if (!harness.memory) {
		harness_images(images);
		harness.memory = guest_memory_new(-1, 64 * MIB, NULL);
		CHECK(harness.memory);
	}
	CHECK(first + count <= HARNESS_IMAGES);
	if (which < count)
		load_damaged(&harness, &input, images[first + which].bytes);
	else
		load_as_it_is(&harness, &input);
}
