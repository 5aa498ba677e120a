/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys that a terminal's user has for mica itself: Ctrl-A and one more.  Everything
 * else is the guest's.
 */
#ifndef MICA_VMM_CONSOLE_ESCAPE_H
#define MICA_VMM_CONSOLE_ESCAPE_H

#include <stdbool.h>
#include <stdint.h>

#define CONSOLE_ESCAPE_KEY	0x01	/* Ctrl-A */

enum console_key {
	CONSOLE_KEY_GUEST,		/* the byte goes to the guest */
	CONSOLE_KEY_NOTHING,		/* swallowed: the first key, or an unknown second one */
	CONSOLE_KEY_LEAVE,		/* x */
	CONSOLE_KEY_POWER,		/* p: the power button */
	CONSOLE_KEY_HELP,		/* h or ? */
};

struct console_escape {
	bool armed;			/* the last byte was the escape key */
};

/* Takes the next byte.  Ctrl-A a and Ctrl-A Ctrl-A give the guest a Ctrl-A, in *byte. */
enum console_key console_escape_take(struct console_escape *escape, uint8_t *byte);

/* What h prints; lines end with \n. */
extern const char console_escape_help[];

#endif
