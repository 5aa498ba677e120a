/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests for the disk of an NBD server, as the tests make them.
 */
#ifndef MICA_TEST_VIRTIO_NBD_DISK_H
#define MICA_TEST_VIRTIO_NBD_DISK_H

#include "../../../vmm/backends/block.h"
#include "nbd_server.h"

struct task {
	struct block_request request;	/* the first member */
	struct iovec iov[3];
	int error;
	bool done;
};

/* Fails the test if it cannot; so do all here that wait, after 10 seconds without an event. */
struct block *open_disk(struct server *server, bool read_only);
void begin(struct block *block, struct task *task);
void wait_for(struct block *block, const struct task *task);
/* begin() and wait_for(); returns the error. */
int run(struct block *block, struct task *task);
/* One buffer, or three of which the second is tiny. */
void fill_iov(struct task *task, uint8_t *buffer, size_t length, bool split);
int transfer(struct block *block, enum block_op op, uint64_t offset, uint8_t *buffer,
	     size_t length, bool split);

#endif
