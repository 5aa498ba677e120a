/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_CLI_CPU_OPTION_H
#define MICA_VMM_CLI_CPU_OPTION_H

#include <glib.h>

#include "../cpu/topology.h"

/* N[,sockets=S][,cores=C][,threads=T], for --cpus; what is left out is worked out. */
gboolean cpus_option_parse(unsigned int *cpus, struct cpu_topology *topology, const char *value,
			   GError **error);

#endif
