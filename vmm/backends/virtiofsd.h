/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtiofsd(1), which serves a directory of the host: that of QEMU, as Debian 12 has it, or that
 * of its own package.
 */
#ifndef MICA_VMM_BACKENDS_VIRTIOFSD_H
#define MICA_VMM_BACKENDS_VIRTIOFSD_H

#include <glib.h>

/* Starts one for `directory`, and returns a connection for vhost_user_new(), or -1.  The program
 * ends when that is closed, however this process ends. */
int virtiofsd_start(const char *directory, gboolean read_only, GError **error);

#endif
