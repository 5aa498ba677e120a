// SPDX-License-Identifier: GPL-2.0-or-later
#include "kept.h"

#include <errno.h>
#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

struct kept_file {
	int fd;
	char *remove;			/* NULL: nothing */
};

/* By their keys.  As descriptors are, this is the whole process's. */
static GHashTable *kept;

static void kept_close(gpointer data)
{
	struct kept_file *file = data;

	if (file->remove)
		unlink(file->remove);
	close(file->fd);
	g_free(file->remove);
	g_free(file);
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

static struct kept_file *kept_find(const char *key)
{
	return kept ? g_hash_table_lookup(kept, key) : NULL;
}

bool kept_has(const char *key)
{
	return kept_find(key);
}

int kept_again(const char *key)
{
	const struct kept_file *file = kept_find(key);
	int fd = file ? fcntl(file->fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);		/* a pipe has no beginning */
	return fd;
}

void kept_put(const char *key, int fd)
{
	struct kept_file *file;
	int copy = kept ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (copy < 0)
		return;
	file = g_new0(struct kept_file, 1);
	file->fd = copy;
	g_hash_table_insert(kept, g_strdup(key), file);
}

bool kept_claim(int fd)
{
	const struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;

	if (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return true;
	return fcntl(fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

void kept_remove_at_end(const char *path)
{
	struct kept_file *file = kept_find(path);

	if (file && !file->remove)
		file->remove = g_strdup(path);
}

int kept_open(const char *path, int flags, mode_t mode)
{
	int fd;

	if (kept_has(path))
		return kept_again(path);
	fd = open(path, flags, mode);
	if (fd >= 0)
		kept_put(path, fd);
	return fd;
}
