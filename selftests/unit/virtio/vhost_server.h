/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of a vhost-user connection, written from the specification alone: a thread that
 * notes what it is told and answers, or answers wrongly where a test wants that.
 */
#ifndef MICA_TEST_VIRTIO_VHOST_SERVER_H
#define MICA_TEST_VIRTIO_VHOST_SERVER_H

#include <glib.h>
#include <stdint.h>

#define VHOST_SERVER_NOTES	64u
#define VHOST_SERVER_QUEUES	2u

enum vhost_fault {
	FAULT_NONE,
	FAULT_SILENCE,			/* no answer */
	FAULT_END,			/* closes the connection */
	FAULT_OTHER_REQUEST,		/* answers to another request */
	FAULT_SHORT,			/* an answer of 4 bytes */
	FAULT_LONG,			/* one that says that it has 4 GiB */
	FAULT_NO_REPLY_FLAG,
	FAULT_VERSION,
	FAULT_REFUSAL,			/* acknowledges with an error */
};

struct vhost_note {
	uint32_t request;
	uint64_t words[5];		/* the payload's first */
	unsigned int fds;
};

struct vhost_server {
	int fd;
	GThread *thread;
	uint64_t features;
	uint64_t protocol_features;
	enum vhost_fault fault;		/* at the first `fault_at` */
	uint32_t fault_at;
	struct vhost_note notes[VHOST_SERVER_NOTES];	/* once the thread has ended, or answered */
	unsigned int count;
	int memory;			/* what it was given; -1: nothing */
	int kicks[VHOST_SERVER_QUEUES];
	int calls[VHOST_SERVER_QUEUES];
};

/* The fields up to fault_at are the test's.  Returns the other end of the connection. */
int vhost_server_start(struct vhost_server *server);
/* When the connection has ended. */
void vhost_server_join(struct vhost_server *server);

#endif
