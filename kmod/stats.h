/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MICA_STATS_H
#define MICA_STATS_H

#include "compat.h"
#include "uapi/mica.h"

struct mica_vcpu;

/* Appends all counters to a zeroed structure.  Caller holds vcpu->mutex, or accepts that the
 * vCPU counts on meanwhile. */
void mica_stats_get(struct mica_vcpu *vcpu, struct mica_stats *stats);

#endif
