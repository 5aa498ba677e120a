// SPDX-License-Identifier: GPL-2.0-or-later
#include "cpu_option.h"

#include <mica.h>
#include <string.h>

#include "../error.h"
#include "options.h"

static gboolean take_part(struct cpu_topology *topology, char *part, GError **error)
{
	const struct {
		const char *name;
		unsigned int *count;
	} parts[] = {
		{ "sockets", &topology->sockets },
		{ "cores", &topology->cores },
		{ "threads", &topology->threads },
	};
	char *value = strchr(part, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; value && i < G_N_ELEMENTS(parts); i++) {
		if (strcmp(part, parts[i].name))
			continue;
		if (cli_parse_number(value, 1, MICA_MAX_VCPUS, parts[i].count, error))
			return TRUE;
		g_prefix_error(error, "%s=: ", part);
		return FALSE;
	}
	return error_set_usage(error, "'%s' is none of sockets=, cores=, threads=", part);
}

gboolean cpus_option_parse(unsigned int *cpus, struct cpu_topology *topology, const char *value,
			   GError **error)
{
	g_autofree char *number = cli_next_part(&value);

	*topology = (struct cpu_topology){ 0 };
	if (!cli_parse_number(number, 1, MICA_MAX_VCPUS, cpus, error))
		return FALSE;
	while (value) {
		g_autofree char *part = cli_next_part(&value);

		if (!take_part(topology, part, error))
			return FALSE;
	}
	return cpu_topology_complete(topology, *cpus, MICA_MAX_VCPUS, error);
}
