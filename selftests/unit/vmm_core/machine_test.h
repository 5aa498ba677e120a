/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole machine with all its threads, above a module that plays exits from a script
 * (fake_kernel.h) and with stand-ins for the loaders of vmm/boot.
 */
#ifndef MICA_TEST_MACHINE_TEST_H
#define MICA_TEST_MACHINE_TEST_H

#include "core_test.h"

#include <stdbool.h>

#include "../../../vmm/chipset/chipset.h"
#include "../../../vmm/machine.h"
#include "fake_kernel.h"

#define COM1		0x3f8
#define PM1A_CNT	(PM_BASE + 4)
#define S5		(1u << 13 | PM_S5_SLEEP_TYPE << 10)
#define POWER_OFF_EXIT	FAKE_OUT(PM1A_CNT, 2, S5)

/* The first vCPU starts at CODE, in flat 32-bit protected mode without paging, with RSI =
 * DATA, where "string" is, RCX = 6, RDX = COM1. */
#define CODE		0x1000
#define DATA		0x2000

struct fixture {
	struct machine_config config;	/* one vCPU, 2 MiB, the console in a file */
	char *path;			/* of that file */
	int messages;			/* a file with what went to standard error */
	int stderr_before;
	const char *code;		/* what is put at CODE, and its length */
	size_t code_length;
	gboolean boot_fails;
	int boot_signal;		/* comes while the kernel is loaded; 0: none */
};

#define MACHINE_TEST(test) \
	cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)
int machine_setup(void **state);
int machine_teardown(void **state);

void assert_message(struct fixture *fixture, const char *text);
void assert_no_message(struct fixture *fixture);
void assert_console(struct fixture *fixture, const char *expected);

/* Makes a machine, which must succeed. */
struct machine *make_machine(struct fixture *fixture);

/* Runs a machine with this script to its end, and frees it. */
enum machine_end play(struct fixture *fixture, const struct fake_exit *script, size_t length,
		      uint32_t *value);

#endif
