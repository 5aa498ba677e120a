/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of a process one of whose threads made a call that no rule allows.
 */
#ifndef MICA_VMM_SANDBOX_REPORT_H
#define MICA_VMM_SANDBOX_REPORT_H

#include "thread.h"

/* Installs the handler of SIGSYS, which names the call and the kind of thread and ends the
 * process with EXIT_STATUS_FORBIDDEN. */
void report_prepare(void);

/* Of the calling thread: its kind; and the signal reaches it. */
void report_thread(enum thread_kind kind);

#endif
