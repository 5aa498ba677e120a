/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the program says to its user, on standard error: one line each, "mica: ...".
 * May be called from any thread; a line is one write(), so lines never mix.
 */
#ifndef MICA_VMM_MESSAGE_H
#define MICA_VMM_MESSAGE_H

#include <glib.h>

/* `format` has no newline at its end. */
void message(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Makes the socket that message_to_syslog() needs; the process is the one that will write. */
void message_prepare_syslog(void);
/* From here on to the system's log, facility "user", ident "mica": nobody sees standard
 * error. */
void message_to_syslog(void);

/* Several lines as they are, e.g. a register dump.  Async-signal-safe. */
void message_text(const char *text);

#endif
