/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a checkpoint remembers of the files that its guest's disks are: a guest goes on with what it has
 * in memory of them, and a disk that has changed meanwhile would be destroyed.
 *
 * With the machine's lock held, while devices are at rest.
 */
#ifndef MICA_VMM_MACHINE_DISK_STATE_H
#define MICA_VMM_MACHINE_DISK_STATE_H

#include <glib.h>

struct machine;
struct state_reader;
struct state_writer;

gboolean disks_save(const struct machine *machine, struct state_writer *writer, GError **error);
/* FALSE: a disk was written to since, and the error names it. */
gboolean disks_check(const struct machine *machine, const struct state_reader *reader, GError **error);

#endif
