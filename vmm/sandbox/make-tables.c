// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs while Mica is built, so that guests start without libseccomp.
 *	make-tables filters	what it makes of the rules, for each kind of thread in each kind of
 *				guest: rows of `sandbox_filters` (filter.c).  A mark stands in for
 *				what is known only when a guest runs
 *	make-tables calls	the names of system calls: rows of `call_names` (report.c)
 */
#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter.h"

#define FILTERS_MAX	16
#define CALLS		512		/* more than x86-64 has */

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

/* The mark is compared with, and is no number of a rule's. */
static bool has_plain_marks(const struct sock_filter *code, size_t count)
{
	for (size_t i = 0; i < sandbox_rule_count; i++)
		if ((uint32_t)sandbox_rules[i].value == SANDBOX_PID_MARK)
			return false;
	for (size_t i = 0; i < count; i++)
		if (code[i].k == SANDBOX_PID_MARK && code[i].code != (BPF_JMP | BPF_JEQ | BPF_K))
			return false;
	return true;
}

static int print_filter(unsigned int kinds, const struct sock_filter *code, size_t count)
{
	if (!count || count > BPF_MAXINSNS || !has_plain_marks(code, count))
		return -EINVAL;
	printf("{ 0x%x, %zu, (const struct sock_filter[]) {\n", kinds, count);
	for (size_t i = 0; i < count; i++)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", code[i].code, code[i].jt, code[i].jf, code[i].k);
	printf("} },\n");
	return 0;
}

static int export(scmp_filter_ctx context, unsigned int kinds)
{
	static struct sock_filter code[BPF_MAXINSNS];
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t size;
	int status;

	if (fd < 0)
		return -errno;
	status = seccomp_export_bpf(context, fd);
	size = status ? 0 : pread(fd, code, sizeof(code), 0);
	close(fd);
	return status ? status : print_filter(kinds, code, size / (ssize_t)sizeof(code[0]));
}

static int make_filter(unsigned int kinds)
{
	const struct sandbox_host host = { .pid = SANDBOX_PID_MARK };
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_TRAP);
	int status;

	if (!context)
		return -ENOMEM;
	status = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);
	if (!status)
		status = add_rules(context, kinds, &host);
	if (!status)
		status = export(context, kinds);
	seccomp_release(context);
	return status;
}

static bool is_new(unsigned int kinds)
{
	static unsigned int made[FILTERS_MAX];
	static size_t count;

	for (size_t i = 0; i < count; i++)
		if (made[i] == kinds)
			return false;
	made[count++] = kinds;
	return true;
}

static int make_filters(void)
{
	unsigned int kinds;
	int status = 0;

	for (enum thread_kind kind = 0; kind < THREAD_KINDS; kind++)
		for (unsigned int guest = 0; guest < 4 && !status; guest++) {
			kinds = sandbox_filter_kinds(kind, guest & 1, guest & 2);
			if (is_new(kinds))
				status = make_filter(kinds);
		}
	return status;
}

static int name_calls(void)
{
	char *name;

	for (int call = 0; call < CALLS; call++) {
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, call);
		if (name)
			printf("[%d] = \"%s\",\n", call, name);
		free(name);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int status = -EINVAL;

	if (argc == 2 && !strcmp(argv[1], "filters"))
		status = make_filters();
	else if (argc == 2 && !strcmp(argv[1], "calls"))
		status = name_calls();
	if (!status && fflush(stdout))
		status = -errno;
	if (status)
		fprintf(stderr, "make-tables: %s\n", strerror(-status));
	return status ? 1 : 0;
}
