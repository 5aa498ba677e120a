// SPDX-License-Identifier: GPL-2.0-or-later
#include "filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../error.h"

/* What a vCPU's thread does all the time comes first in the filter. */
#define PRIORITY_OFTEN	200

static int add_rule(scmp_filter_ctx context, const struct sandbox_rule *rule,
		    const struct sandbox_host *host)
{
	struct scmp_arg_cmp compare = { .arg = rule->argument, .op = SCMP_CMP_MASKED_EQ };
	uint32_t action = rule->error ? SCMP_ACT_ERRNO(rule->error) : SCMP_ACT_ALLOW;
	uint64_t mask, value;

	sandbox_rule_match(rule, host, &mask, &value);
	compare.datum_a = mask;
	compare.datum_b = value;
	return seccomp_rule_add_array(context, action, rule->call, mask != 0, &compare);
}

/* A rule that two rows have, for different threads, is one rule of a filter. */
static int add_rules(scmp_filter_ctx context, unsigned int kinds, const struct sandbox_host *host)
{
	int status = 0;

	for (size_t i = 0; !status && i < sandbox_rule_count; i++) {
		if (sandbox_rules[i].kinds & kinds)
			status = add_rule(context, &sandbox_rules[i], host);
		if (status == -EEXIST)
			status = 0;
	}
	return status ? status : seccomp_syscall_priority(context, SYS_ioctl, PRIORITY_OFTEN);
}

static GBytes *export(scmp_filter_ctx context)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	uint8_t *code = NULL;
	off_t size = -1;

	if (fd >= 0 && seccomp_export_bpf(context, fd) == 0)
		size = lseek(fd, 0, SEEK_END);
	if (size > 0) {
		code = g_malloc(size);
		if (pread(fd, code, size, 0) != size)
			g_clear_pointer(&code, g_free);
	}
	if (fd >= 0)
		close(fd);
	return code ? g_bytes_new_take(code, size) : NULL;
}

GBytes *sandbox_filter_new(unsigned int kinds, const struct sandbox_host *host, GError **error)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_TRAP);
	GBytes *filter = NULL;
	int status = -ENOMEM;

	if (context)
		status = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);
	if (!status)
		status = add_rules(context, kinds, host);
	if (!status)
		filter = export(context);
	if (context)
		seccomp_release(context);
	if (!filter)
		error_set_errno(error, status ? -status : EIO, "cannot make the confinement's filter");
	return filter;
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
