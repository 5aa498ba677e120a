/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_CLI_VSOCK_OPTION_H
#define MICA_VMM_CLI_VSOCK_OPTION_H

#include <glib.h>

#include "../machine_virtio.h"

/* path=SOCKET[,cid=N]; a comma that belongs to SOCKET is written twice.  NULL with an error;
 * else the caller's: vsock_option_free(). */
struct machine_vsock *vsock_option_parse(const char *value, GError **error);
/* NULL is fine. */
void vsock_option_free(struct machine_vsock *vsock);

#endif
