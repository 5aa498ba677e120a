/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a guest's CPUs are arranged, and the APIC ids that say so.
 *
 * An APIC id is thread, core and socket, from the lowest bits on, each in as many bits as its
 * count needs (SDM volume 3, "Hierarchical Mapping of CPUID Extended Topology Leaf"); counts that
 * are no powers of two leave gaps.  vCPUs are numbered as ACPI wants the MADT ordered ("MADT
 * Processor Local APIC Structure Entry Order"): the first threads of all cores, then the
 * second ones, so that a guest's Linux counts its CPUs as we do.
 */
#ifndef MICA_VMM_CPU_TOPOLOGY_H
#define MICA_VMM_CPU_TOPOLOGY_H

#include <glib.h>
#include <stdbool.h>

struct cpu_topology {
	unsigned int sockets;
	unsigned int cores;	/* of a socket */
	unsigned int threads;	/* of a core */
};

unsigned int cpu_topology_cpus(const struct cpu_topology *topology);

/* Bits of an APIC id. */
unsigned int cpu_topology_thread_bits(const struct cpu_topology *topology);
unsigned int cpu_topology_package_bits(const struct cpu_topology *topology); /* threads and cores */

/* Of vCPU `index`, which is below cpu_topology_cpus(). */
unsigned int cpu_topology_apic_id(const struct cpu_topology *topology, unsigned int index);

/* Counts that are 0 are found from the others and the number of CPUs; one that is not given is
 * 1, but cores (if these are given sockets, then threads) take what is left.  An error is
 * VMM_ERROR_USAGE: the counts do not make `cpus`, or need an APIC id of `ids` or more. */
gboolean cpu_topology_complete(struct cpu_topology *topology, unsigned int cpus, unsigned int ids,
			       GError **error);

#endif
