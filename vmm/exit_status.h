/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The exit statuses of `mica`.  A guest that writes V to the debug-exit port chooses
 * (V << 1) | 1 itself, of which the system keeps the low 8 bits: always odd.  Ours are
 * even, so that the two never meet.  Part of the command's interface: docs/man/mica.1.
 */
#ifndef MICA_VMM_EXIT_STATUS_H
#define MICA_VMM_EXIT_STATUS_H

#include <stdint.h>

enum exit_status {
	EXIT_STATUS_OK = 0,		/* the guest powered off; other verbs: done */
	EXIT_STATUS_USAGE = 2,		/* the command line is wrong */
	EXIT_STATUS_ERROR = 4,		/* the guest could not be started, or mica failed */
	EXIT_STATUS_CRASH = 6,		/* triple fault, or a vCPU that cannot go on */
	EXIT_STATUS_RESET = 8,		/* the guest asked for a reset */
	EXIT_STATUS_LEFT = 10,		/* the user left with Ctrl-A x */
	EXIT_STATUS_FORBIDDEN = 12,	/* a thread made a system call that it may not make */
};

static inline int exit_status_debug(uint32_t value)
{
	return (int)(((value << 1) | 1) & 0xff);
}

#endif
