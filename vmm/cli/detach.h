/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `mica run --detach`: the guest's process goes into the background once the guest is started,
 * and the one that was called ends.  Until then the two behave as one: what goes wrong is told
 * on standard error, is the exit status, and Ctrl-C ends both.
 */
#ifndef MICA_VMM_CLI_DETACH_H
#define MICA_VMM_CLI_DETACH_H

#include <stdbool.h>

/*
 * Splits the process in two, which must have one thread.  In the guest's process it returns a
 * descriptor for detach_finish().  In the one that was called it returns -1 when the other has
 * detached or ended; *status is what to exit with.
 */
int detach_begin(int *status);

/* The guest is started: leaves the session, lets go of standard input, output and error,
 * sends further messages to syslog(3), and tells the other process. */
void detach_finish(int fd);

#endif
