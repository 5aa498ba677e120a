// SPDX-License-Identifier: GPL-2.0-or-later
#include "filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

struct built_filter {
	unsigned int kinds;
	size_t count;
	const struct sock_filter *code;
};

/* By make-tables.c. */
static const struct built_filter sandbox_filters[] = {
#include "sandbox-filters.inc"
};

static const struct built_filter *find(unsigned int kinds)
{
	for (size_t i = 0; i < G_N_ELEMENTS(sandbox_filters); i++)
		if (sandbox_filters[i].kinds == kinds)
			return &sandbox_filters[i];
	g_assert_not_reached();
}

GBytes *sandbox_filter_new(unsigned int kinds, const struct sandbox_host *host)
{
	const struct built_filter *built = find(kinds);
	gsize size = built->count * sizeof(*built->code);
	struct sock_filter *code = g_memdup2(built->code, size);

	for (size_t i = 0; i < built->count; i++)
		if (code[i].k == SANDBOX_PID_MARK)
			code[i].k = host->pid;
	return g_bytes_new_take(code, size);
}

int sandbox_filter_load(GBytes *filter)
{
	gsize size;
	const void *code = g_bytes_get_data(filter, &size);
	const struct sock_fprog program = {
		.len = size / sizeof(struct sock_filter),
		.filter = (struct sock_filter *)code,
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}
