/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory a guest's process takes besides the guest's RAM: hundreds of them may run on a host.
 */
#ifndef MICA_VMM_FOOTPRINT_H
#define MICA_VMM_FOOTPRINT_H

/* First of all, before there is another thread. */
void footprint_init(void);

/* The start is over: gives back what only that needed, free heap and pages of code and constants.
 * They are the host's page cache, and those that are needed again come from there.  Any thread. */
void footprint_settle(void);

#endif
