// SPDX-License-Identifier: GPL-2.0-or-later
#include "topology.h"

#include "../error.h"

static unsigned int bits_for(unsigned int count)
{
	unsigned int bits = 0;

	while (1u << bits < count)
		bits++;
	return bits;
}

unsigned int cpu_topology_cpus(const struct cpu_topology *topology)
{
	return topology->sockets * topology->cores * topology->threads;
}

unsigned int cpu_topology_thread_bits(const struct cpu_topology *topology)
{
	return bits_for(topology->threads);
}

unsigned int cpu_topology_package_bits(const struct cpu_topology *topology)
{
	return bits_for(topology->threads) + bits_for(topology->cores);
}

unsigned int cpu_topology_apic_id(const struct cpu_topology *topology, unsigned int index)
{
	unsigned int core = index % topology->cores;
	unsigned int socket = index / topology->cores % topology->sockets;
	unsigned int thread = index / topology->cores / topology->sockets;

	return socket << cpu_topology_package_bits(topology) |
	       core << cpu_topology_thread_bits(topology) | thread;
}

static gboolean fill_in(struct cpu_topology *topology, unsigned int cpus, GError **error)
{
	unsigned int *const counts[] = {
		&topology->cores, &topology->sockets, &topology->threads
	};
	unsigned int *rest = NULL;
	unsigned int given = 1;

	for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
		if (!*counts[i]) {
			*counts[i] = 1;
			rest = rest ? rest : counts[i];
		}
		given *= *counts[i];
	}
	if (rest && cpus % given == 0)
		*rest = cpus / given;
	else if (given != cpus)
		return error_set_usage(error, "%u sockets x %u cores x %u threads %s %u CPUs",
				       topology->sockets, topology->cores, topology->threads,
				       rest ? "do not divide" : "do not make", cpus);
	return TRUE;
}

gboolean cpu_topology_complete(struct cpu_topology *topology, unsigned int cpus, unsigned int ids,
			       GError **error)
{
	unsigned int last;

	if (!fill_in(topology, cpus, error))
		return FALSE;
	last = cpu_topology_apic_id(topology, cpus - 1);
	if (last >= ids)
		return error_set_usage(error, "%u sockets of %u cores of %u threads need APIC ids up "
				       "to %u, and a guest has them up to %u: take powers of two for "
				       "cores and threads, which leave no gaps", topology->sockets,
				       topology->cores, topology->threads, last, ids - 1);
	return TRUE;
}
