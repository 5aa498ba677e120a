/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checkpoints in files that exist in memory only. */
#ifndef MICA_STATE_TEST_H
#define MICA_STATE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../vmm/state/stream.h"

static inline int new_file(void)
{
	int fd = memfd_create("checkpoint", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static inline uint64_t size_of(int fd)
{
	struct stat stat;

	assert_int_equal(fstat(fd, &stat), 0);
	return stat.st_size;
}

/* The file is refused with these words. */
static inline void assert_refused(int fd, const char *words)
{
	g_autoptr(GError) error = NULL;

	assert_null(state_reader_new(fd, &error));
	assert_non_null(error);
	if (!strstr(error->message, words))
		fail_msg("\"%s\" does not say \"%s\"", error->message, words);
}

static inline state_reader *open_file(int fd)
{
	g_autoptr(GError) error = NULL;
	state_reader *reader = state_reader_new(fd, &error);

	if (!reader)
		fail_msg("%s", error->message);
	return reader;
}

#endif
