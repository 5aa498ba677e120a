// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests: from descriptors to the disk and back ("Block Device", "Device Operation").
 */
#include <string.h>

#include "../../message.h"
#include "internal.h"

/* ---------------------------------------------------------------- answers */

/* The status is the last byte that the guest lets us write, so no shorter length could say that
 * there is one.  Of a request that failed the bytes before it are what they were. */
static void answer(struct job *job, uint8_t status)
{
	struct block_device *device = job->device;
	struct virtqueue_chain *chain = job->chain;

	virtqueue_chain_write(chain, chain->writable_length - 1, &status, sizeof(status));
	virtqueue_push(virtio_queue(&device->virtio, job->queue), chain, chain->writable_length);
	device->answered |= 1ull << job->queue;
	atomic_fetch_sub(&device->requests, 1);
	g_free(job->segments);
	g_free(job);
}

static void complain(struct block_device *device, const struct block_request *request, int error)
{
	static const char *const names[] = {
		[BLOCK_READ] = "read", [BLOCK_WRITE] = "write", [BLOCK_FLUSH] = "flush",
		[BLOCK_DISCARD] = "discard", [BLOCK_WRITE_ZEROES] = "write zeroes",
	};

	if (device->complained)
		return;
	device->complained = true;
	message("%s: the host cannot %s at byte %" G_GUINT64_FORMAT ": %s; the guest is told so, "
		"and later errors are not shown", device->virtio.name, names[request->op],
		request->offset, g_strerror(-error));
}

static void done(struct block_request *request, int error)
{
	struct job *job = (struct job *)request;

	if (error)
		complain(job->device, request, error);
	answer(job, error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

/* ---------------------------------------------------------------- reads, writes, flushes */

static bool range_valid(const struct block_device *device, uint64_t sector, uint64_t length)
{
	uint64_t sectors = device->block->size / SECTOR_SIZE;

	return length % SECTOR_SIZE == 0 && sector <= sectors &&
	       length / SECTOR_SIZE <= sectors - sector;
}

static void submit(struct job *job, enum block_op op)
{
	job->request.op = op;
	job->request.durable = (op == BLOCK_WRITE || op == BLOCK_WRITE_ZEROES) &&
			       !atomic_load(&job->device->writeback);
	block_submit(job->device->block, &job->request);
}

static void transfer(struct job *job, uint64_t sector, bool write)
{
	struct virtqueue_chain *chain = job->chain;
	size_t start = write ? sizeof(struct virtio_blk_outhdr) : 0;
	uint32_t length = write ? chain->readable_length - start : chain->writable_length - 1;

	if (!range_valid(job->device, sector, length) || (write && job->device->block->read_only)) {
		answer(job, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!length) {
		answer(job, VIRTIO_BLK_S_OK);
		return;
	}
	job->request.offset = sector * SECTOR_SIZE;
	job->request.length = length;
	job->request.iov = job->iov;
	job->request.iov_count =
		virtqueue_iov_slice(write ? chain->readable : chain->writable,
				    write ? chain->readable_count : chain->writable_count,
				    start, length, job->iov);
	job->request.done = done;
	submit(job, write ? BLOCK_WRITE : BLOCK_READ);
}

static void flush(struct job *job)
{
	job->request.offset = 0;
	job->request.done = done;
	submit(job, BLOCK_FLUSH);
}

static void get_id(struct job *job)
{
	uint32_t room = job->chain->writable_length - 1;

	virtqueue_chain_write(job->chain, 0, job->device->serial, MIN(room, BLOCK_SERIAL_MAX));
	answer(job, VIRTIO_BLK_S_OK);
}

/* ---------------------------------------------------------------- discard, write zeroes */

/* The segments of one request are done one after the other. */
static void next_segment(struct job *job)
{
	const struct virtio_blk_discard_write_zeroes *segment = &job->segments[job->segment++];

	job->request.offset = segment->sector * SECTOR_SIZE;
	job->request.length = (uint64_t)segment->num_sectors * SECTOR_SIZE;
	job->request.may_unmap = segment->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	submit(job, job->request.op);
}

static void segment_done(struct block_request *request, int error)
{
	struct job *job = (struct job *)request;

	if (error || job->segment == job->segment_count)
		done(request, error);
	else
		next_segment(job);
}

static uint8_t check_segments(const struct job *job)
{
	const struct virtio_blk_discard_write_zeroes *segment;
	uint32_t known = job->request.op == BLOCK_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	for (unsigned int i = 0; i < job->segment_count; i++) {
		segment = &job->segments[i];
		if (segment->flags & ~known)
			return VIRTIO_BLK_S_UNSUPP;
		if (!segment->num_sectors || segment->num_sectors > SEGMENT_SECTORS_MAX ||
		    !range_valid(job->device, segment->sector,
				 (uint64_t)segment->num_sectors * SECTOR_SIZE))
			return VIRTIO_BLK_S_IOERR;
	}
	return VIRTIO_BLK_S_OK;
}

/* The segments are copied, then checked, then used. */
static void clear_ranges(struct job *job, enum block_op op)
{
	uint32_t length = job->chain->readable_length - sizeof(struct virtio_blk_outhdr);
	unsigned int count = length / sizeof(*job->segments);
	uint8_t status;

	if (job->device->block->read_only || !count || count > SEGMENTS_MAX ||
	    length % sizeof(*job->segments)) {
		answer(job, VIRTIO_BLK_S_IOERR);
		return;
	}
	job->segments = g_new(struct virtio_blk_discard_write_zeroes, count);
	job->segment_count = count;
	virtqueue_chain_read(job->chain, sizeof(struct virtio_blk_outhdr), job->segments, length);
	job->request.op = op;
	job->request.done = segment_done;
	status = check_segments(job);
	if (status == VIRTIO_BLK_S_OK)
		next_segment(job);
	else
		answer(job, status);
}

/* ---------------------------------------------------------------- the start */

static void dispatch(struct job *job, const struct virtio_blk_outhdr *header)
{
	switch (header->type) {
	case VIRTIO_BLK_T_IN:
		transfer(job, header->sector, false);
		break;
	case VIRTIO_BLK_T_OUT:
		transfer(job, header->sector, true);
		break;
	case VIRTIO_BLK_T_FLUSH:
		flush(job);
		break;
	case VIRTIO_BLK_T_GET_ID:
		get_id(job);
		break;
	case VIRTIO_BLK_T_DISCARD:
		clear_ranges(job, BLOCK_DISCARD);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		clear_ranges(job, BLOCK_WRITE_ZEROES);
		break;
	default:
		answer(job, VIRTIO_BLK_S_UNSUPP);
	}
}

void block_start(struct block_device *device, unsigned int queue, struct virtqueue_chain *chain)
{
	unsigned int places = MAX(chain->readable_count, chain->writable_count);
	struct virtio_blk_outhdr header;
	struct job *job;

	if (chain->readable_length < sizeof(header) || !chain->writable_length) {
		virtqueue_break(virtio_queue(&device->virtio, queue),
				"a request without a header or a place for its status");
		virtqueue_drop(virtio_queue(&device->virtio, queue), chain);
		return;
	}
	job = g_malloc(sizeof(*job) + places * sizeof(struct iovec));
	job->request = (struct block_request){ 0 };
	job->device = device;
	job->chain = chain;
	job->queue = queue;
	job->segment = 0;
	job->segments = NULL;
	atomic_fetch_add(&device->requests, 1);
	virtqueue_chain_read(chain, 0, &header, sizeof(header));
	dispatch(job, &header);
}
