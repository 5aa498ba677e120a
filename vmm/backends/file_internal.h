/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What file.c shares with file_uring.c.
 */
#ifndef MICA_VMM_BACKENDS_FILE_INTERNAL_H
#define MICA_VMM_BACKENDS_FILE_INTERNAL_H

#include "bounce.h"

struct io_uring;

/* What O_DIRECT asks of addresses, offsets and lengths; probe_direct() tries it. */
#define FILE_ALIGNMENT	BOUNCE_ALIGNMENT

#define FILE_ZEROES	(256u << 10)	/* bytes of a WRITE_ZEROES that are written at once */

struct file {
	struct block block;
	int fd;
	bool direct;			/* open with O_DIRECT */
	bool failed;			/* a flush has: see block.h */
	struct bounces bounces;
	void *zeroes;			/* FILE_ZEROES bytes, once they were needed */
	struct io_uring *ring;		/* file_uring.c's */
	unsigned int under_way;		/* likewise; also those that wait */
	bool hurry;			/* likewise: a drain takes too long */
	GQueue waiting;			/* likewise: for a bounce buffer, or a place in the ring */
};

/* Puts `left` in place, and a bounce buffer if O_DIRECT needs one; errors of bounce_take(). */
int file_prepare(struct file *file, struct block_request *request);
/* What the next system call transfers: a part of what is left. */
const struct iovec *file_part(struct block_request *request, unsigned int *count);
/* Where that is in the file. */
uint64_t file_part_offset(const struct block_request *request);
/* Does the rest of a transfer at once; 0 or -errno. */
int file_transfer(struct file *file, struct block_request *request);
/* Looks at how it ended, undoes file_prepare() and calls `done`. */
void file_finish(struct file *file, struct block_request *request, int error);
/* The mode of fallocate() for a DISCARD or WRITE_ZEROES. */
int file_fallocate_mode(const struct block_request *request);
/* Whether the host cannot do this WRITE_ZEROES otherwise, as fallocate() has said `error`; then
 * there is file->zeroes. */
bool file_must_write_zeroes(struct file *file, const struct block_request *request, int error);

/* After that.  Writes at most `length` bytes; how many it were, or -errno. */
ssize_t file_write_zeroes(struct file *file, uint64_t offset, uint64_t length);
/* The end of a DISCARD or WRITE_ZEROES; returns the request's error. */
int file_cleared(struct file *file, const struct block_request *request, int error);
/* Whether the request must fail at once, because an earlier flush did. */
bool file_refuses(const struct file *file, const struct block_request *request);

/* For struct block_ops. */
void file_close(struct block *block);
gboolean file_resize(struct block *block, uint64_t size, bool shrink, GError **error);
bool file_changed(const struct block *block, int64_t *ns);

/* file_uring.c: makes I/O asynchronous, if the host can. */
void file_uring_start(struct file *file);

#endif
