// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The port with which test kernels end: a write stops the machine, and the program's
 * exit status is (value << 1) | 1.
 */
#include "chipset.h"
#include "port8.h"

#define DEBUG_EXIT_LENGTH	4	/* so that a 32-bit OUT reaches it */

struct debug_exit {
	struct power_sink power;
};

static uint64_t debug_exit_read(void *opaque, uint64_t offset, unsigned int size)
{
	(void)opaque;
	(void)offset;
	(void)size;
	return 0;
}

static void debug_exit_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	const struct debug_exit *debug_exit = opaque;

	(void)size;
	if (offset == 0)
		power_request(&debug_exit->power, POWER_DEBUG_EXIT, value);
}

static const struct bus_ops debug_exit_ops = {
	.read = debug_exit_read,
	.write = debug_exit_write,
};

struct debug_exit *debug_exit_new(struct bus *ports, const struct power_sink *power)
{
	struct debug_exit *debug_exit = g_new0(struct debug_exit, 1);

	debug_exit->power = *power;
	chip_claim(ports, "debug exit", DEBUG_EXIT_PORT, DEBUG_EXIT_LENGTH, &debug_exit_ops,
		   debug_exit);
	return debug_exit;
}

void debug_exit_free(struct debug_exit *debug_exit)
{
	g_free(debug_exit);
}
