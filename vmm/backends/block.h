/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk is kept in, as block devices see it: an array of bytes with requests that
 * finish in any order.
 *
 * Threads: block_size() and the constants any time; the rest belongs to one thread at a
 * time, which also gets the calls of `done`.
 *
 * What is promised about a power cut of the host: a request with `durable`, and everything
 * that finished before a BLOCK_FLUSH was submitted, is on stable storage when `done` is
 * called without an error.  Once a flush has failed, data that the host had accepted may
 * be lost although a later flush would succeed: all later flushes and durable requests
 * fail as well, until the image is opened again.  So they do after EIO from a durable request,
 * which can have been about other data; that there was no room or memory for it harms it alone.
 */
#ifndef MICA_VMM_BACKENDS_BLOCK_H
#define MICA_VMM_BACKENDS_BLOCK_H

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum block_op {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,			/* what it reads as afterwards is not said */
	BLOCK_WRITE_ZEROES,
};

/* The caller fills in everything above the line, keeps it until `done`, and has checked that
 * the range is inside the disk and in sectors of 512 bytes. */
struct block_request {
	enum block_op op;
	bool durable;			/* WRITE, WRITE_ZEROES: on stable storage when done */
	bool may_unmap;			/* WRITE_ZEROES: as a hole, if that is cheaper */
	uint64_t offset;		/* bytes */
	uint64_t length;
	struct iovec *iov;		/* READ, WRITE: of `length` bytes; may be changed */
	unsigned int iov_count;
	/* `error`: 0 or -errno.  May be called by block_submit() or block_submitted() already. */
	void (*done)(struct block_request *request, int error);

	/* For backends only. */
	void *bounce;			/* bounce.h's */
	size_t bounce_size;
	struct iovec bounce_iov;	/* the part of it that is under way */
	bool begun;
	bool zeroing;			/* WRITE_ZEROES: by writing them */
	GList link;			/* while it waits for its turn */
	struct iovec *left;		/* what is still to be transferred */
	unsigned int left_count;
	uint64_t left_length;
};

/* For backends: whether no flush can be believed after this end of a request. */
static inline bool block_breaks_promise(const struct block_request *request, int error)
{
	return request->op == BLOCK_FLUSH ? error : request->durable && error == -EIO;
}

struct block;

struct block_ops {
	void (*submit)(struct block *block, struct block_request *request);
	bool (*submitted)(struct block *block);
	void (*reap)(struct block *block);
	void (*drain)(struct block *block);
	/* NULL: its size is what it was opened with. */
	gboolean (*resize)(struct block *block, uint64_t size, bool shrink, GError **error);
	/* False, or NULL: what it is kept in does not tell when it was changed. */
	bool (*changed)(const struct block *block, int64_t *ns);
	void (*close)(struct block *block);
};

struct block {
	const struct block_ops *ops;
	uint64_t size;			/* bytes, a multiple of 512 */
	bool read_only;
	bool kept;			/* block_close() leaves it open, for the next who has it */
	int fd;				/* readable when block_reap() has work; -1: never */
};

/* Starts a request; it may wait for block_submitted() in a batch with others. */
static inline void block_submit(struct block *block, struct block_request *request)
{
	block->ops->submit(block, request);
}

/* False: the host cannot take all of the batch now, and nothing will say when it can: call it
 * again in a moment. */
static inline bool block_submitted(struct block *block)
{
	return block->ops->submitted(block);
}

/* Calls `done` of what has finished; does not wait. */
static inline void block_reap(struct block *block)
{
	block->ops->reap(block);
}

/* Waits until everything has finished; what the host does not take meanwhile fails. */
static inline void block_drain(struct block *block)
{
	block->ops->drain(block);
}

/*
 * Changes block->size, and what the disk is kept in, to `size` bytes; 0: what it is kept in has
 * changed its size, and the disk follows.  A `size` that cuts something off needs `shrink`.
 * Nothing may be under way.
 */
gboolean block_resize(struct block *block, uint64_t size, bool shrink, GError **error);

/* When anybody last wrote to what the disk is kept in, in ns since 1970.  Nothing is under way.
 * False: that cannot be told. */
static inline bool block_changed(const struct block *block, int64_t *ns)
{
	return block->ops->changed && block->ops->changed(block, ns);
}

/* Nothing may be under way.  NULL is fine. */
static inline void block_close(struct block *block)
{
	if (block && !block->kept)
		block->ops->close(block);
}

enum block_cache {
	BLOCK_CACHE_AUTO,		/* NONE where the host's file system can, else HOST */
	BLOCK_CACHE_NONE,		/* O_DIRECT */
	BLOCK_CACHE_HOST,		/* the host's page cache */
};

/* file.c: a file or block device whose bytes are the disk's ("raw").  Locked against other
 * users while it is open, shared if it is read-only. */
struct block *block_file_open(const char *path, bool read_only, enum block_cache cache,
			      GError **error);
/* The two halves of that, for a process that may open files and one that was given the
 * descriptor.  -1 on error.  The first waits a little for the lock, the second does not. */
int block_file_fd(const char *path, bool read_only, GError **error);
/* Takes `fd` over, also on error; `path` is for messages. */
struct block *block_file_take(int fd, const char *path, bool read_only, enum block_cache cache,
			      GError **error);

#define BLOCK_NBD_UNIX	"nbd:unix:"	/* and the path of a socket */

/* Whether `path` names an NBD server: BLOCK_NBD_UNIX or a URI, nbd://, nbds://, nbd+unix://. */
static inline bool block_is_nbd(const char *path)
{
	return g_str_has_prefix(path, BLOCK_NBD_UNIX) || g_str_has_prefix(path, "nbd://") ||
	       g_str_has_prefix(path, "nbds://") || g_str_has_prefix(path, "nbd+unix://") ||
	       g_str_has_prefix(path, "nbds+unix://");
}

#ifdef MICA_HAVE_LIBNBD
/* nbd.c: what an NBD server has.  Waits for the connection. */
struct block *block_nbd_open(const char *name, bool read_only, GError **error);
#endif

#endif
