// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk in a file or on a block device of the host: opening, what both ways of doing I/O
 * share, and the plain way, which does each request at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "file_internal.h"

#define SECTOR		512u
#define BOUNCE_PART	(256u << 10)	/* bytes of a request that are bounced at once */
/* Bytes of a WRITE_ZEROES that must be written: the thread does nothing else meanwhile. */
#define PLAIN_ZEROES_MAX	(1u << 20)
#define LOCK_WAIT_MS	3000
#define LOCK_TRY_MS	10

static struct file *file_of(struct block *block)
{
	return (struct file *)((char *)block - offsetof(struct file, block));
}

/* ---------------------------------------------------------------- transfers */

static bool is_aligned(const struct block_request *request)
{
	for (unsigned int i = 0; i < request->iov_count; i++)
		if ((uintptr_t)request->iov[i].iov_base % FILE_ALIGNMENT ||
		    request->iov[i].iov_len % FILE_ALIGNMENT)
			return false;
	return true;
}

int file_prepare(struct file *file, struct block_request *request)
{
	request->left = request->iov;
	request->left_count = request->iov_count;
	request->left_length = request->length;
	if (!file->direct || is_aligned(request))
		return 0;
	return bounce_take(&file->bounces, request, MIN(request->length, BOUNCE_PART));
}

uint64_t file_part_offset(const struct block_request *request)
{
	return request->offset + (request->length - request->left_length);
}

/* Parts end where a multiple of BOUNCE_PART is in the file, so that no block of the file system
 * is in two of them. */
const struct iovec *file_part(struct block_request *request, unsigned int *count)
{
	uint64_t part;

	if (!request->bounce) {
		*count = request->left_count;
		return request->left;
	}
	part = BOUNCE_PART - file_part_offset(request) % BOUNCE_PART;
	request->bounce_iov.iov_base = request->bounce;
	request->bounce_iov.iov_len = MIN(part, request->left_length);
	if (request->op == BLOCK_WRITE)
		bounce_fill(request, request->bounce_iov.iov_len);
	*count = 1;
	return &request->bounce_iov;
}

void file_finish(struct file *file, struct block_request *request, int error)
{
	if (block_breaks_promise(request, error) && !file->block.read_only)
		file->failed = true;
	bounce_put(&file->bounces, request);
	request->done(request, error);
}

bool file_refuses(const struct file *file, const struct block_request *request)
{
	return file->failed && (request->op == BLOCK_FLUSH || request->durable);
}

/* ---------------------------------------------------------------- holes */

int file_fallocate_mode(const struct block_request *request)
{
	bool hole = request->op == BLOCK_DISCARD || request->may_unmap;

	return (hole ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE) | FALLOC_FL_KEEP_SIZE;
}

static bool cannot(int error)
{
	return error == -EOPNOTSUPP || error == -ENOSYS || error == -EINVAL;
}

bool file_must_write_zeroes(struct file *file, const struct block_request *request, int error)
{
	if (request->op != BLOCK_WRITE_ZEROES || !cannot(error))
		return false;
	if (file->zeroes)
		return true;
	if (posix_memalign(&file->zeroes, 4096, FILE_ZEROES))
		file->zeroes = NULL;
	else
		memset(file->zeroes, 0, FILE_ZEROES);
	return file->zeroes;
}

/* A host that makes no holes ignores a DISCARD, which is a wish. */
int file_cleared(struct file *file, const struct block_request *request, int error)
{
	if (request->op == BLOCK_DISCARD && cannot(error))
		error = 0;
	if (!error && request->durable && fdatasync(file->fd) < 0)
		error = -errno;
	return error;
}

/* ---------------------------------------------------------------- the plain way */

int file_transfer(struct file *file, struct block_request *request)
{
	int flags = request->durable ? RWF_DSYNC : 0;
	const struct iovec *part;
	unsigned int parts;
	off_t offset;
	ssize_t count;

	while (request->left_length) {
		offset = file_part_offset(request);
		part = file_part(request, &parts);
		if (request->op == BLOCK_READ)
			count = preadv2(file->fd, part, parts, offset, 0);
		else
			count = pwritev2(file->fd, part, parts, offset, flags);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -errno : -EIO;
		bounce_advance(request, count);
	}
	return 0;
}

ssize_t file_write_zeroes(struct file *file, uint64_t offset, uint64_t length)
{
	const struct iovec zeroes = { file->zeroes, MIN(FILE_ZEROES, length) };
	ssize_t count = pwritev2(file->fd, &zeroes, 1, offset, 0);

	return count < 0 ? -errno : count;
}

static int write_zeroes(struct file *file, const struct block_request *request)
{
	uint64_t done = 0;
	ssize_t count;

	if (request->length > PLAIN_ZEROES_MAX)
		return -EOPNOTSUPP;
	while (done < request->length) {
		count = file_write_zeroes(file, request->offset + done, request->length - done);
		if (count > 0)
			done += count;
		else if (count != -EINTR)
			return count ? count : -EIO;
	}
	return 0;
}

static int plain_clear(struct file *file, struct block_request *request)
{
	int error = 0;

	if (fallocate(file->fd, file_fallocate_mode(request), request->offset,
		      request->length) < 0)
		error = -errno;
	if (file_must_write_zeroes(file, request, error))
		error = write_zeroes(file, request);
	return file_cleared(file, request, error);
}

static int plain(struct file *file, struct block_request *request)
{
	int error = 0;

	switch (request->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		error = file_prepare(file, request);
		return error ? error : file_transfer(file, request);
	case BLOCK_FLUSH:
		return fdatasync(file->fd) < 0 ? -errno : 0;
	case BLOCK_DISCARD:
	case BLOCK_WRITE_ZEROES:
		return plain_clear(file, request);
	}
	g_assert_not_reached();
}

static void plain_submit(struct block *block, struct block_request *request)
{
	struct file *file = file_of(block);

	request->bounce = NULL;
	file_finish(file, request, file_refuses(file, request) ? -EIO : plain(file, request));
}

static bool plain_submitted(struct block *block)
{
	(void)block;
	return true;
}

static void plain_nothing(struct block *block)
{
	(void)block;
}

void file_close(struct block *block)
{
	struct file *file = file_of(block);

	close(file->fd);
	free(file->zeroes);
	g_free(file);
}

/* A device's node has a time of its own. */
bool file_changed(const struct block *block, int64_t *ns)
{
	const struct file *file = (const struct file *)block;
	struct stat stat;

	if (fstat(file->fd, &stat) < 0 || !S_ISREG(stat.st_mode))
		return false;
	*ns = stat.st_mtim.tv_sec * INT64_C(1000000000) + stat.st_mtim.tv_nsec;
	return true;
}

static const struct block_ops plain_ops = {
	.submit = plain_submit,
	.submitted = plain_submitted,
	.reap = plain_nothing,
	.drain = plain_nothing,
	.resize = file_resize,
	.changed = file_changed,
	.close = file_close,
};

/* ---------------------------------------------------------------- opening */

/* The bytes that it has, which may be no multiple of a sector. */
static gboolean get_size(int fd, struct stat *stat, uint64_t *size, GError **error)
{
	if (fstat(fd, stat) < 0)
		return error_set_errno(error, errno, "cannot get its size");
	if (S_ISREG(stat->st_mode))
		*size = stat->st_size;
	else if (!S_ISBLK(stat->st_mode))
		return error_set(error, "is neither a file nor a block device");
	else if (ioctl(fd, BLKGETSIZE64, size) < 0)
		return error_set_errno(error, errno, "cannot get its size");
	return TRUE;
}

static gboolean check_kind(const char *path, int fd, uint64_t *size, GError **error)
{
	struct stat stat;

	if (!get_size(fd, &stat, size, error)) {
		g_prefix_error(error, "disk %s: ", path);
		return FALSE;
	}
	*size -= *size % SECTOR;
	if (!*size)
		return error_set(error, "disk %s: is smaller than a sector; `truncate -s 10G %s` "
				 "gives it a size", path, path);
	return TRUE;
}

/* What a VMM had under way when it was killed goes on in the kernel, and keeps its lock although the
 * process is gone.  The next one waits for that a little: it must not be refused, nor may it
 * read before the last of these writes has arrived. */
static int lock_soon(int fd, const struct flock *lock, int wait_ms)
{
	int status = fcntl(fd, F_OFD_SETLK, lock);

	for (int waited = 0; status < 0 && (errno == EAGAIN || errno == EACCES) &&
	     waited < wait_ms; waited += LOCK_TRY_MS) {
		g_usleep(LOCK_TRY_MS * 1000);
		status = fcntl(fd, F_OFD_SETLK, lock);
	}
	return status;
}

/* A descriptor that came from elsewhere may have been opened in any way. */
static gboolean check_access(const char *path, int fd, bool read_only, GError **error)
{
	int mode = fcntl(fd, F_GETFL) & O_ACCMODE;

	if (mode == O_RDWR || (read_only && mode == O_RDONLY))
		return TRUE;
	return error_set(error, "disk %s: its descriptor is not open for reading%s", path,
			 read_only ? "" : " and writing");
}

static gboolean lock(const char *path, int fd, bool read_only, int wait_ms, GError **error)
{
	struct flock lock = { .l_type = read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	if (lock_soon(fd, &lock, wait_ms) == 0)
		return TRUE;
	if (errno == EAGAIN || errno == EACCES)
		return error_set(error, "disk %s: is in use by a guest, this one or another, or a program%s", path,
				 read_only ? "" : "; several can share it with `ro` only");
	return error_set_errno(error, errno, "disk %s: cannot lock it", path);
}

/* O_DIRECT asks for an alignment that only trying tells everywhere: a sector's read to an
 * address that is a multiple of FILE_ALIGNMENT and of nothing more. */
static bool probe_direct(int fd)
{
	void *buffer;
	bool works;

	if (posix_memalign(&buffer, 4096, 4096))
		return false;
	works = pread(fd, (uint8_t *)buffer + FILE_ALIGNMENT, FILE_ALIGNMENT, 0) ==
		(ssize_t)FILE_ALIGNMENT;
	free(buffer);
	return works;
}

static gboolean set_direct(struct file *file, const char *path, enum block_cache cache,
			   GError **error)
{
	int flags = fcntl(file->fd, F_GETFL) & ~O_NONBLOCK;

	fcntl(file->fd, F_SETFL, flags);
	if (cache == BLOCK_CACHE_HOST)
		return TRUE;
	file->direct = fcntl(file->fd, F_SETFL, flags | O_DIRECT) == 0 && probe_direct(file->fd);
	if (file->direct)
		return TRUE;
	fcntl(file->fd, F_SETFL, flags);
	if (cache == BLOCK_CACHE_AUTO)
		return TRUE;
	return error_set(error, "disk %s: its file system has no direct I/O in sectors of %u "
			 "bytes; use cache=host", path, SECTOR);
}

static gboolean set_up(struct file *file, const char *path, enum block_cache cache,
		       GError **error)
{
	struct block *block = &file->block;

	if (!check_kind(path, file->fd, &block->size, error) ||
	    !check_access(path, file->fd, block->read_only, error) ||
	    !lock(path, file->fd, block->read_only, 0, error) ||
	    !set_direct(file, path, cache, error))
		return FALSE;
#ifdef MICA_HAVE_LIBURING
	file_uring_start(file);
#endif
	return TRUE;
}

/* O_NONBLOCK is for opening only: a FIFO would wait for its other end.  The lock goes with the
 * descriptor: whoever takes it has it at once. */
int block_file_fd(const char *path, bool read_only, GError **error)
{
	int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		error_set_errno(error, errno, "disk %s", path);
	} else if (!lock(path, fd, read_only, LOCK_WAIT_MS, error)) {
		close(fd);
		return -1;
	}
	return fd;
}

struct block *block_file_take(int fd, const char *path, bool read_only, enum block_cache cache,
			      GError **error)
{
	struct file *file = g_new0(struct file, 1);

	file->fd = fd;
	file->block.ops = &plain_ops;
	file->block.read_only = read_only;
	file->block.fd = -1;
	if (!set_up(file, path, cache, error)) {
		file_close(&file->block);
		return NULL;
	}
	return &file->block;
}

struct block *block_file_open(const char *path, bool read_only, enum block_cache cache,
			      GError **error)
{
	int fd = block_file_fd(path, read_only, error);

	return fd < 0 ? NULL : block_file_take(fd, path, read_only, cache, error);
}

/* ---------------------------------------------------------------- another size */

gboolean block_resize(struct block *block, uint64_t size, bool shrink, GError **error)
{
	if (block->ops->resize)
		return block->ops->resize(block, size, shrink, error);
	return error_set(error, "an NBD server's disk keeps the size that it had when the guest was "
			 "started");
}

static gboolean check_resize(const struct block *block, const struct stat *stat, uint64_t now,
			     uint64_t size, bool shrink, GError **error)
{
	if (size % SECTOR)
		return error_set(error, "%" G_GUINT64_FORMAT " bytes are not a multiple of %u", size,
				 SECTOR);
	if (size > INT64_MAX)
		return error_set(error, "%" G_GUINT64_FORMAT " bytes are too many", size);
	if (size < block->size && !shrink)
		return error_set(error, "that would cut off the disk's last %" G_GUINT64_FORMAT
				 " bytes: `mica resize --shrink` (member `shrink`) does so", block->size - size);
	if (S_ISBLK(stat->st_mode) && size > now)
		return error_set(error, "the host's block device has %" G_GUINT64_FORMAT " bytes only: "
				 "give it another size first", now);
	if (!S_ISBLK(stat->st_mode) && size != now && block->read_only)
		return error_set(error, "the disk is read-only, and so is its file");
	return TRUE;
}

gboolean file_resize(struct block *block, uint64_t size, bool shrink, GError **error)
{
	struct file *file = file_of(block);
	struct stat stat;
	uint64_t now;

	if (!get_size(file->fd, &stat, &now, error))
		return FALSE;
	if (!size) {
		if (now < SECTOR)
			return error_set(error, "its file is smaller than a sector now");
		block->size = now - now % SECTOR;
		return TRUE;
	}
	if (!check_resize(block, &stat, now, size, shrink, error))
		return FALSE;
	if (S_ISREG(stat.st_mode) && size != now && ftruncate(file->fd, size) < 0)
		return error_set_errno(error, errno, "cannot change its file's size");
	block->size = size;
	return TRUE;
}
