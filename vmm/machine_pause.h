/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stops a guest and lets it go on, without the guest noticing: its vCPUs leave the CPU, and
 * its clocks stand still, the TSC among them.  What shows the host's wall time, the RTC, goes
 * on.  All by the main thread, without the machine's lock, but for machine_park().
 */
#ifndef MICA_VMM_MACHINE_PAUSE_H
#define MICA_VMM_MACHINE_PAUSE_H

#include <glib.h>
#include <stdbool.h>

struct machine;

/* TRUE if the guest is now paused, also if it was before.  Waits until the last vCPU is out,
 * which takes as long as the longest access that a device answers; an error, and the guest
 * runs on, if that takes seconds or the guest is ending. */
gboolean machine_pause(struct machine *machine, GError **error);

/* TRUE if the guest runs, also if it did before. */
gboolean machine_resume(struct machine *machine, GError **error);

/* The TSCs of a guest that is paused go on to run, and are put back to where they were when it was
 * paused.  With the machine's lock. */
gboolean machine_settle_tsc(struct machine *machine, GError **error);

bool machine_paused(const struct machine *machine);

/* A vCPU's thread, without the lock: stays here as long as the guest is paused. */
void machine_park(struct machine *machine);

#endif
