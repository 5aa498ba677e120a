/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands that every guest has: both the guest's process and the verbs of `mica` that
 * send them use this table.
 */
#ifndef MICA_VMM_CONTROL_GUEST_COMMANDS_H
#define MICA_VMM_CONTROL_GUEST_COMMANDS_H

#include "command.h"

extern const struct control_command guest_commands[];
extern const size_t guest_command_count;

/* NULL if there is none of that name. */
const struct control_command *guest_command_find(const char *name);

#endif
