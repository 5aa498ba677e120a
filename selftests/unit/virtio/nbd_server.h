/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small NBD server for one connection, in a thread of the test: it keeps a disk in memory,
 * notes what it was asked, and goes away or falls silent when it is told to.
 *
 * Source: "The NBD protocol" (doc/proto.md of the NBD project), fixed newstyle.
 */
#ifndef MICA_TEST_VIRTIO_NBD_SERVER_H
#define MICA_TEST_VIRTIO_NBD_SERVER_H

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define SERVER_DISK	(4u << 20)

/* Transmission flags. */
#define SERVER_READ_ONLY	2u
#define SERVER_FLUSH		4u
#define SERVER_FUA		8u
#define SERVER_TRIM		32u
#define SERVER_ZEROES		64u

enum server_mood {
	SERVER_ANSWERS,
	SERVER_REFUSES,			/* each command fails with EIO */
	SERVER_LEAVES,			/* closes the connection at the next command */
	SERVER_IS_SILENT,		/* reads commands and answers none */
};

struct server {
	char *directory;
	char *path;			/* of its socket */
	char *name;			/* for block_nbd_open() */
	uint16_t flags;
	_Atomic(enum server_mood) mood;	/* any thread */
	int listener;
	int connection;
	pthread_t thread;
	uint8_t *disk;			/* SERVER_DISK bytes */
	GString *log;			/* the server's until server_stop() */
};

void server_start(struct server *server, uint16_t flags);
/* After the client has closed the connection, or to make it see that.  The log, a letter for
 * each command (r, w, f, t, z), with ! for FUA and . for "no hole" behind it, and the disk are
 * still there. */
void server_stop(struct server *server);
void server_free(struct server *server);

#endif
