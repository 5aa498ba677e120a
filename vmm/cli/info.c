// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "../cpu/model.h"
#include "../exit_status.h"
#include "../host.h"
#include "../message.h"
#include "../sandbox/sandbox.h"
#include "cli.h"
#include "options.h"

static const struct {
	uint32_t bit;
	const char *name;
} caps[] = {
	{ MICA_CAP_LARGE_2M, "2M-mappings" },
	{ MICA_CAP_LARGE_1G, "1G-mappings" },
	{ MICA_CAP_X2APIC, "x2apic" },
	{ MICA_CAP_TSC_SCALING, "tsc-scaling" },
	{ MICA_CAP_APIC_REGS, "apic-registers" },
	{ MICA_CAP_DIRTY_LOG, "dirty-log" },
	{ MICA_CAP_DELIVERY, "interrupt-delivery" },
};

static void info_print(const struct mica_info *info)
{
	printf("backend          %.16s\n", info->backend);
	printf("interface        %" PRIu32 "\n", info->api_version);
	printf("vcpus            at most %" PRIu32 "\n", info->max_vcpus);
	printf("memory slots     at most %" PRIu32 "\n", info->max_slots);
	printf("guest-physical   %" PRIu32 " bits\n", info->phys_bits);
	printf("tsc              %" PRIu32 " kHz\n", info->tsc_khz);
	printf("xcr0             0x%" PRIx64 "\n", (uint64_t)info->xcr0);
	printf("xss              0x%" PRIx64 "\n", (uint64_t)info->xss);
	printf("xsave image      %" PRIu32 " bytes\n", info->xsave_size);
	printf("capabilities    ");
	for (size_t i = 0; i < G_N_ELEMENTS(caps); i++)
		if (info->caps & caps[i].bit)
			printf(" %s", caps[i].name);
	printf("\n");
}

static void info_print_confinement(void)
{
	g_autofree char *text = sandbox_describe();

	printf("confinement      %s\n", text);
}

/* "host v1 v2", then why the next level is none of them. */
static gboolean info_print_models(int fd, const struct mica_info *info, GError **error)
{
	g_autofree struct mica_cpuid *offered = host_cpuid(fd, error);
	g_autoptr(GError) why = NULL;
	struct cpu_features features;

	if (!offered)
		return FALSE;
	printf("cpu models       host");
	for (unsigned int level = 1; !why && level <= CPU_LEVELS; level++) {
		struct cpu_model model = { 0 };
		g_autofree char *text = g_strdup_printf("v%u", level);

		if (cpu_model_parse(&model, text, &why) &&
		    cpu_model_resolve(&model, offered, info, &features, &why))
			printf(" %s", text);
		cpu_model_clear(&model);
	}
	printf("\n");
	if (why)
		printf("                 %s\n", why->message);
	return TRUE;
}

int cli_info(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct mica_info info = { 0 };
	int fd, status;

	if (cli_wants_help(argc, argv)) {
		printf("Usage: mica info\n\n"
		       "Shows what the module and this host offer, or what is missing.\n");
		return EXIT_STATUS_OK;
	}
	if (!cli_parse(NULL, 0, argc, argv, NULL, &error)) {
		message("%s (see `mica info --help`)", error->message);
		return EXIT_STATUS_USAGE;
	}
	fd = host_open(&info, &error);
	if (fd >= 0) {
		info_print(&info);
		info_print_confinement();
	}
	status = fd >= 0 && info_print_models(fd, &info, &error) ? EXIT_STATUS_OK : EXIT_STATUS_ERROR;
	if (error)
		message("%s", error->message);
	if (fd >= 0)
		close(fd);
	return status;
}
