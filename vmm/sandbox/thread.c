// SPDX-License-Identifier: GPL-2.0-or-later
#include "thread.h"

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "rules.h"

/* As confinement is, this is the whole process's. */
static void (*thread_confine_by)(enum thread_kind kind);

void thread_set_confine(void (*confine)(enum thread_kind kind))
{
	thread_confine_by = confine;
}

bool thread_born_confined(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) < 0 && errno == SANDBOX_BORN_CONFINED;
}

void thread_confine(enum thread_kind kind)
{
	if (thread_confine_by)
		thread_confine_by(kind);
}
