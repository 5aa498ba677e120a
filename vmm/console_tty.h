/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal that the user sits at.  Its modes are a thing of the whole process, so
 * there is one of it, and all calls come from the main thread.
 *
 * Once in raw mode the modes come back with console_tty_leave(), and also if the
 * process dies of SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP or SIGABRT.
 */
#ifndef MICA_VMM_CONSOLE_TTY_H
#define MICA_VMM_CONSOLE_TTY_H

#include <stdbool.h>

/* Before confinement, which has no rule for what this asks. */
void console_tty_prepare(void);

/* Raw mode for input: no echo, no lines, no signals from keys; output is processed as
 * before.  True if `fd` is now in raw mode.  A terminal that another process group has
 * in the foreground is left alone, as a job in the background must. */
bool console_tty_enter(int fd);

/* The modes as they were before console_tty_enter(); nothing if it was not called. */
void console_tty_leave(void);

/* For a signal's handler that ends the process: async-signal-safe, any thread. */
void console_tty_restore(void);

#endif
