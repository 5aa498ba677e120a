// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "file.h"

#define FIRST_CAPACITY	(1u << 20)

static int open_file(const char *path, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE, "%s: cannot open it: %s", path,
			    g_strerror(errno));
	return fd;
}

/* One byte more than a regular file has, so that its end is seen without a second
 * allocation; only a hint, the file may grow or shrink. */
static size_t first_capacity(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		return MIN((uint64_t)st.st_size, BOOT_FILE_MAX) + 1;
	return FIRST_CAPACITY;
}

/* Up to BOOT_FILE_MAX + 1 bytes; -errno or 0. */
static int read_all(int fd, uint8_t **data, size_t *size)
{
	size_t capacity = first_capacity(fd);
	g_autofree uint8_t *buffer = g_malloc(capacity);
	size_t used = 0;

	while (used <= BOOT_FILE_MAX) {
		ssize_t got;

		if (used == capacity) {
			capacity = MIN(2 * capacity, BOOT_FILE_MAX + 1);
			buffer = g_realloc(buffer, capacity);
		}
		got = read(fd, buffer + used, capacity - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	*data = g_steal_pointer(&buffer);
	*size = used;
	return 0;
}

GBytes *boot_file_read(const char *path, GError **error)
{
	uint8_t *data = NULL;
	size_t size = 0;
	int fd = open_file(path, error);
	int result;

	if (fd < 0)
		return NULL;
	result = read_all(fd, &data, &size);
	close(fd);
	if (result < 0) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE, "%s: cannot read it: %s", path,
			    g_strerror(-result));
		return NULL;
	}
	if (size == 0) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE, "%s: the file is empty", path);
		g_free(data);
		return NULL;
	}
	if (size > BOOT_FILE_MAX) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
			    "%s: the file is longer than %llu MiB, the most that is read", path,
			    BOOT_FILE_MAX >> 20);
		g_free(data);
		return NULL;
	}
	return g_bytes_new_take(data, size);
}
