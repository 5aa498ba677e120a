/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtualization off when the host crashes, while any CPU has it on. */
#ifndef MICA_EMERGENCY_H
#define MICA_EMERGENCY_H

#include "compat.h"

int mica_emergency_init(void);		/* module load, the backend is chosen; 0 or -errno */
void mica_emergency_exit(void);		/* not in use any more */
/* [P] CPUs are switched on from now on, or all are off. */
void mica_emergency_in_use(bool use);

#endif
