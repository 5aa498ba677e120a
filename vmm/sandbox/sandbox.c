// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../error.h"
#include "../exit_status.h"
#include "../message.h"
#include "filter.h"
#include "landlock.h"
#include "report.h"

/*
 * Of malloc, for all threads.  Before it makes a further one glibc opens a file to count the
 * host's CPUs, and before it shrinks one it opens /proc/sys/vm/overcommit_memory.
 */
#define ARENAS		1
#define MANY		2048

/* Confinement is of the whole process. */
static struct {
	GBytes *filters[THREAD_KINDS];
	int ruleset;			/* Landlock's; -1: the kernel has none */
	bool main_confined;
} sandbox = { .ruleset = -1 };

/* ---------------------------------------------------------------- one thread */

/* The bounding set needs CAP_SETPCAP; who has none has nothing to lose there.  All calls are
 * for the calling thread alone. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

/* What threads have in common. */
static int give_up(void)
{
	int status;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	status = drop_capabilities();
	if (!status && sandbox.ruleset >= 0)
		status = landlock_restrict(sandbox.ruleset);
	return status;
}

/* A thread of the guest's first life may be older than the main thread's confinement. */
static int confine_thread(enum thread_kind kind)
{
	int status = thread_born_confined() ? 0 : give_up();

	return status ? status : sandbox_filter_load(sandbox.filters[kind]);
}

static void confine(enum thread_kind kind)
{
	int status;

	if (kind == THREAD_MAIN && sandbox.main_confined)
		return;
	report_thread(kind);
	status = confine_thread(kind);
	if (kind == THREAD_MAIN)
		sandbox.main_confined = true;
	if (!status)
		return;
	message("cannot confine a thread: %s; --no-sandbox runs the guest without confinement",
		strerrordesc_np(-status));
	_exit(EXIT_STATUS_ERROR);
}

/* ---------------------------------------------------------------- the process */

static bool has_seccomp(void)
{
	const uint32_t action = SECCOMP_RET_TRAP;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static int compare(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

/* GLib opens files when it first needs a random number, or a message of the system's; the
 * qsort() of glibc up to 2.36 asks how much memory there is when it first sorts 1 KiB or more;
 * the getrandom() of glibc from 2.41 on counts the CPUs when a thread first needs it, and only
 * the main one does. */
static void warm_up(void)
{
	g_autofree char *message = g_strdup(g_strerror(EIO));
	char many[MANY] = { 0 };

	(void)message;
	if (getrandom(many, 1, GRND_NONBLOCK) != 1)
		many[0] = 1;
	qsort(many, sizeof(many), 1, compare);
	mallopt(M_ARENA_MAX, ARENAS);
	g_random_int();
}

/* ---------------------------------------------------------------- GLib's messages */

/* GLib's own asks whether standard error is the journal, by calls that nobody may make. */
static GLogWriterOutput write_log(GLogLevelFlags level, const GLogField *fields, gsize count,
				  gpointer opaque)
{
	(void)opaque;
	for (gsize i = 0; i < count && !(level & (G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG)); i++)
		if (g_str_equal(fields[i].key, "MESSAGE"))
			message("%s", (const char *)fields[i].value);
	return G_LOG_WRITER_HANDLED;
}

/* A failed assertion says so a second time on standard output, for test programs. */
static void print_nothing(const char *text)
{
	(void)text;
}

static void take_messages(void)
{
	g_log_set_writer_func(write_log, NULL, NULL);
	g_set_printerr_handler(message_text);
	g_set_print_handler(print_nothing);
}

/* ---------------------------------------------------------------- all of it */

static void make_filters(const struct sandbox_config *config)
{
	const struct sandbox_host host = { .pid = getpid() };
	unsigned int kinds;

	for (enum thread_kind kind = 0; kind < THREAD_KINDS; kind++) {
		kinds = sandbox_filter_kinds(kind, config->restart, config->connects);
		sandbox.filters[kind] = sandbox_filter_new(kinds, &host);
	}
}

gboolean sandbox_prepare(const struct sandbox_config *config, GError **error)
{
	if (!has_seccomp())
		return error_set(error, "this kernel has no seccomp filters, by which guests are "
				 "confined: --no-sandbox runs the guest without confinement");
	make_filters(config);
	warm_up();
	take_messages();
	sandbox.ruleset = landlock_prepare(config->folders);
	if (sandbox.ruleset < 0)
		message("this kernel has no Landlock, or it is switched off: the guest is confined by "
			"seccomp alone (docs/confinement.md)");
	report_prepare();
	thread_set_confine(confine);
	return TRUE;
}

char *sandbox_describe(void)
{
	int version = landlock_version();

	if (!has_seccomp())
		return g_strdup("none: this kernel has no seccomp filters (--no-sandbox)");
	if (!version)
		return g_strdup("seccomp; this kernel has no Landlock, or it is switched off");
	return g_strdup_printf("seccomp, Landlock (version %d)", version);
}
