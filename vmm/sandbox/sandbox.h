/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Confinement of the process that runs a guest: docs/confinement.md.
 *
 * sandbox_prepare() is called while there is one thread and before the guest is made; then each
 * thread gives up its rights by thread_confine() (thread.h).  The main thread does so last,
 * when all that is opened by its name is open.
 */
#ifndef MICA_VMM_SANDBOX_SANDBOX_H
#define MICA_VMM_SANDBOX_SANDBOX_H

#include <glib.h>

struct sandbox_config {
	gboolean restart;		/* a reset starts the guest anew */
	gboolean connects;		/* the guest's vsock, to UNIX sockets of the host */
	GPtrArray *folders;		/* of paths: where sockets are removed at the end */
};

/* Once.  Fails if the kernel has no seccomp. */
gboolean sandbox_prepare(const struct sandbox_config *config, GError **error);

/* For `mica info`: what the kernel has of it; the caller frees it. */
char *sandbox_describe(void);

#endif
