/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of a checkpoint that hold the machine's clock, chips and PCI functions
 * (docs/checkpoint-format.md, types 0x02xx and 0x03xx).
 *
 * Both with the machine's lock held, while it is paused: its clock stands still.
 */
#ifndef MICA_VMM_MACHINE_CHIPSET_STATE_H
#define MICA_VMM_MACHINE_CHIPSET_STATE_H

#include <glib.h>
#include <stdbool.h>

struct machine;
struct state_reader;
struct state_writer;

gboolean chipset_save(struct machine *machine, struct state_writer *writer, GError **error);

/*
 * Into a machine that was made and has never run, with all its devices attached and plugged
 * where they were (pci_device_place(), pci_host_plug_at()).  Before the devices behind PCI are
 * loaded: these find their function's registers there, and enable their doorbells then.
 * keep_time: as for rtc_load().
 *
 * Afterwards the guest's clock, all timers and wires are as they were.  The vCPUs are not told
 * of anything: the level of LINT0 is in the state of vCPU 0's local APIC.
 *
 * FALSE: the error says why; the machine can only be freed then.
 */
gboolean chipset_load(struct machine *machine, const struct state_reader *reader, bool keep_time,
		      GError **error);

#endif
