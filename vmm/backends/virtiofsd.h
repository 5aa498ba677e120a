/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtiofsd(1), which serves a directory of the host: that of QEMU, as Debian 12 has it, or that
 * of its own package.
 */
#ifndef MICA_VMM_BACKENDS_VIRTIOFSD_H
#define MICA_VMM_BACKENDS_VIRTIOFSD_H

#include <glib.h>

/*
 * Starts one for `directory`, and returns a connection for vhost_user_new(), or -1.  The program
 * ends when that is closed, however this process ends.  *words is what it says, for
 * virtiofsd_failed(); the caller closes it when virtiofsd serves, which is not heard any more then:
 * a guest in the background must not keep the standard error of who started it.
 */
int virtiofsd_start(const char *directory, gboolean read_only, int *words, GError **error);

/* After vhost_user_new() has failed with *error: puts what virtiofsd said there, if it ended, and
 * what to do.  Closes `words`. */
void virtiofsd_failed(int words, GError **error);

#endif
