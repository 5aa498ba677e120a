/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_BOOT_DSDT_H
#define MICA_VMM_BOOT_DSDT_H

#include <glib.h>

/* The AML of the DSDT, without the table's header.  The caller owns it. */
GByteArray *dsdt_build(unsigned int cpus);

#endif
