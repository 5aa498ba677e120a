/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the threads of a confined process may ask of the host, as data: docs/confinement.md.
 */
#ifndef MICA_VMM_SANDBOX_RULES_H
#define MICA_VMM_SANDBOX_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thread.h"

/* Bits of sandbox_rule.kinds.  The main thread has the rules of all: a thread is born with the
 * filter of the one that makes it, and can only add to it. */
#define SANDBOX_MAIN	(1u << THREAD_MAIN)
#define SANDBOX_VCPU	(1u << THREAD_VCPU)
#define SANDBOX_IO	(1u << THREAD_IO)
#define SANDBOX_ALL	(SANDBOX_MAIN | SANDBOX_VCPU | SANDBOX_IO)
/* The main thread of a guest that a reset starts anew. */
#define SANDBOX_RESTART	(1u << THREAD_KINDS)
/* The I/O threads of a guest that has a vsock device. */
#define SANDBOX_CONNECTS	(1u << (THREAD_KINDS + 1))

/* The errno of PR_GET_NO_NEW_PRIVS in a thread that was made by the confined main thread. */
#define SANDBOX_BORN_CONFINED	EALREADY

enum sandbox_check {
	SANDBOX_ANY,
	SANDBOX_MASKED,			/* (argument & mask) == value */
	SANDBOX_OWN_PID,		/* the low half of the argument is this process */
};

/* A call that matches no rule ends the process. */
struct sandbox_rule {
	const char *name;		/* the call's, as manuals and the kernel have it */
	const char *detail;		/* the argument that is checked; NULL: none */
	int call;			/* SYS_* */
	unsigned int kinds;		/* SANDBOX_* */
	int error;			/* 0: allowed; else the errno that it fails with */
	const char *why;
	const char *unmet;		/* why no test on a host meets it; NULL: one does */
	enum sandbox_check check;
	unsigned int argument;		/* 0..5 */
	uint64_t mask;
	uint64_t value;
};

extern const struct sandbox_rule sandbox_rules[];
extern const size_t sandbox_rule_count;

/* What is known only when the process runs. */
struct sandbox_host {
	uint32_t pid;
};

/* Which rules a filter is made of: SANDBOX_* of the thread. */
static inline unsigned int sandbox_filter_kinds(enum thread_kind kind, bool restart, bool connects)
{
	unsigned int more = connects ? SANDBOX_CONNECTS : 0;

	switch (kind) {
	case THREAD_MAIN:
		return SANDBOX_ALL | more | (restart ? SANDBOX_RESTART : 0);
	case THREAD_IO:
		return SANDBOX_IO | more;
	default:
		return 1u << kind;
	}
}

/* What the rule's argument must be under the mask.  The mask is 0 if anything goes. */
void sandbox_rule_match(const struct sandbox_rule *rule, const struct sandbox_host *host,
			uint64_t *mask, uint64_t *value);

#endif
