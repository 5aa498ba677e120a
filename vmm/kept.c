// SPDX-License-Identifier: GPL-2.0-or-later
#include "kept.h"

#include <glib.h>
#include <unistd.h>

/* Path to descriptor.  As descriptors are, this is the whole process's. */
static GHashTable *kept;

static void kept_close(gpointer fd)
{
	close(GPOINTER_TO_INT(fd));
}

void kept_start(void)
{
	if (!kept)
		kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, kept_close);
}

void kept_end(void)
{
	g_clear_pointer(&kept, g_hash_table_unref);
}

bool kept_has(const char *path)
{
	return kept && g_hash_table_contains(kept, path);
}

int kept_open(const char *path, int flags, mode_t mode)
{
	int fd, copy;

	if (kept_has(path)) {
		fd = fcntl(GPOINTER_TO_INT(g_hash_table_lookup(kept, path)), F_DUPFD_CLOEXEC, 0);
		if (fd >= 0)
			lseek(fd, 0, SEEK_SET);		/* a pipe has no beginning */
		return fd;
	}
	fd = open(path, flags, mode);
	if (fd < 0 || !kept)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy >= 0)
		g_hash_table_insert(kept, g_strdup(path), GINT_TO_POINTER(copy));
	return fd;
}
