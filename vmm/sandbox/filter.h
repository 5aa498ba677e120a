/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter of a kind of thread.  libseccomp made it of the rules when Mica was built.
 */
#ifndef MICA_VMM_SANDBOX_FILTER_H
#define MICA_VMM_SANDBOX_FILTER_H

#include <glib.h>

#include "rules.h"

/* Stands for the process in what was built. */
#define SANDBOX_PID_MARK	0x4d1ca71du

/* kinds: of sandbox_filter_kinds().  Instructions as seccomp(2) takes them (struct sock_filter).
 * The caller owns the bytes. */
GBytes *sandbox_filter_new(unsigned int kinds, const struct sandbox_host *host);

/* For the calling thread and those that it makes.  0 or -errno.  PR_SET_NO_NEW_PRIVS must be
 * set.  Makes one system call. */
int sandbox_filter_load(GBytes *filter);

#endif
