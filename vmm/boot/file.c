// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kept.h"
#include "boot.h"
#include "file.h"

#define FIRST_CAPACITY	(1u << 20)

static int open_file(const char *path, GError **error)
{
	int fd = kept_open(path, O_RDONLY | O_CLOEXEC, 0);
	struct stat st;

	if (fd < 0) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE, "%s: cannot open it: %s", path,
			    g_strerror(errno));
		return -1;
	}
	/* /dev/zero has no end, and more than this machine's memory before our limit. */
	if (!fstat(fd, &st) && S_ISCHR(st.st_mode)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE,
			    "%s: is a device; give a file or a pipe", path);
		close(fd);
		return -1;
	}
	return fd;
}

/* One byte more than a regular file has, so that its end is seen without a second
 * allocation; only a hint, the file may grow or shrink.  0: it is too long. */
static size_t first_capacity(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return FIRST_CAPACITY;
	return (uint64_t)st.st_size > BOOT_FILE_MAX ? 0 : (size_t)st.st_size + 1;
}

/* Up to BOOT_FILE_MAX bytes; 0 or -errno, -EFBIG if there are more. */
static int read_all(int fd, uint8_t **data, size_t *size)
{
	size_t capacity = first_capacity(fd);
	g_autofree uint8_t *buffer = NULL;
	size_t used = 0;

	if (capacity == 0)
		return -EFBIG;
	buffer = g_try_malloc(capacity);
	if (!buffer)
		return -ENOMEM;
	for (;;) {
		ssize_t got;

		if (used > BOOT_FILE_MAX)
			return -EFBIG;
		if (used == capacity) {
			uint8_t *larger;

			capacity = MIN(2 * capacity, BOOT_FILE_MAX + 1);
			larger = g_try_realloc(buffer, capacity);
			if (!larger)
				return -ENOMEM;
			buffer = larger;
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

static void set_read_error(const char *path, int result, GError **error)
{
	if (result == -EFBIG)
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_SPACE,
			    "%s: the file is longer than %llu MiB, the most that is read", path,
			    BOOT_FILE_MAX >> 20);
	else
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE, "%s: cannot read it: %s", path,
			    g_strerror(-result));
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
		set_read_error(path, result, error);
		return NULL;
	}
	if (size == 0) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE, "%s: the file is empty", path);
		g_free(data);
		return NULL;
	}
	return g_bytes_new_take(data, size);
}
