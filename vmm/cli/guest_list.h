/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All guests that this user may control, for `mica ps` and `mica top`. */
#ifndef MICA_VMM_CLI_GUEST_LIST_H
#define MICA_VMM_CLI_GUEST_LIST_H

#include <json-glib/json-glib.h>

/*
 * The answers to `status`, in the order of names, each with a member "stats", the answer to
 * that command, if `stats`.  A guest whose process does not answer has name, pid and the state
 * "silent".  One that ends meanwhile is left out.  The caller unrefs it.
 */
JsonArray *guest_list(gboolean stats);

#endif
