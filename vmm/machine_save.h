/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest into a checkpoint and out of it (docs/checkpoint-format.md): the order in which its
 * parts are written and loaded.
 *
 * Main thread, without the machine's lock.
 */
#ifndef MICA_VMM_MACHINE_SAVE_H
#define MICA_VMM_MACHINE_SAVE_H

#include <glib.h>

struct machine;
struct state_reader;

/* Writes the guest, which is paused, to the empty file `fd`, and makes sure that the file is on
 * its disk.  The guest can go on afterwards, also after an error. */
gboolean machine_save(struct machine *machine, int fd, GError **error);

/* Into a machine whose devices were made from the same configuration and that has never run.  It
 * is as if it had been paused until now. */
gboolean machine_load(struct machine *machine, const struct state_reader *reader, GError **error);

/* What the guest was started with: words of `mica run`, each "--NAME" or "--NAME=VALUE".  The
 * name's and the array's owner is the caller. */
gboolean machine_saved_options(const struct state_reader *reader, char **name, char ***options,
			       GError **error);

#endif
