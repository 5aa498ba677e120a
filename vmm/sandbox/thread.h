/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of threads, which differ in what they may ask of the host (rules.h).
 */
#ifndef MICA_VMM_SANDBOX_THREAD_H
#define MICA_VMM_SANDBOX_THREAD_H

#include <stdbool.h>

enum thread_kind {
	THREAD_MAIN,
	THREAD_VCPU,
	THREAD_IO,			/* of a device or the console */
	THREAD_KINDS,
};

/* Of the one that makes a main loop, and ends. */
#define LOOP_THREAD	"loop"

/* Whether the calling thread was made by the confined main thread, or is that. */
bool thread_born_confined(void);

/* The calling thread is set up and gives up what its kind has no use for; nothing happens
 * without confinement.  Does not return if the host refuses that. */
void thread_confine(enum thread_kind kind);

/* What thread_confine() does; before there is a second thread.  NULL: nothing. */
void thread_set_confine(void (*confine)(enum thread_kind kind));

#endif
