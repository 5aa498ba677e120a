/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What file.c shares with file_uring.c.
 */
#ifndef MICA_VMM_BACKENDS_FILE_INTERNAL_H
#define MICA_VMM_BACKENDS_FILE_INTERNAL_H

#include "block.h"

struct io_uring;

/* What O_DIRECT asks of addresses, offsets and lengths; file_probe_direct() tries it. */
#define FILE_ALIGNMENT	512u

struct file {
	struct block block;
	int fd;
	bool direct;			/* open with O_DIRECT */
	bool failed;			/* a flush has: see block.h */
	struct io_uring *ring;		/* file_uring.c's */
	unsigned int under_way;		/* likewise */
};

/* Puts `left` in place, through an aligned copy if O_DIRECT needs one; false: no memory. */
bool file_prepare(struct file *file, struct block_request *request);
/* `count` more bytes were transferred; true: that was all. */
bool file_advance(struct block_request *request, size_t count);
/* Does the rest of a transfer at once; 0 or -errno. */
int file_transfer(struct file *file, struct block_request *request);
/* Looks at how it ended, undoes file_prepare() and calls `done`. */
void file_finish(struct file *file, struct block_request *request, int error);
/* The mode of fallocate() for a DISCARD or WRITE_ZEROES. */
int file_fallocate_mode(const struct block_request *request);
/* What is to be done once fallocate() has said `error`; returns the request's error. */
int file_after_fallocate(struct file *file, struct block_request *request, int error);
/* Whether the request must fail at once, because an earlier flush did. */
bool file_refuses(const struct file *file, const struct block_request *request);

/* For struct block_ops. */
gboolean file_resize(struct block *block, uint64_t size, bool shrink, GError **error);

/* file_uring.c: makes I/O asynchronous, if the host can. */
void file_uring_start(struct file *file);

#endif
