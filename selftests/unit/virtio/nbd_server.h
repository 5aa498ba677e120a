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
#define SERVER_ALL		(SERVER_FLUSH | SERVER_FUA | SERVER_TRIM | SERVER_ZEROES)

enum server_mood {
	SERVER_ANSWERS,
	SERVER_REFUSES,			/* each command fails with `error` */
	SERVER_LEAVES,			/* closes the connection at the next command */
	SERVER_IS_SILENT,		/* reads commands and answers none */
	SERVER_BREAKS_OFF,		/* closes the connection in the middle of its answer */
	SERVER_PAUSES,			/* falls silent there */
	SERVER_RAVES,			/* answers by what is no answer */
	SERVER_CONFUSES,		/* answers a command that it was not given */
	SERVER_IS_SLOW,			/* thinks for half a second about each command */
};

/* How it receives who connects. */
enum server_greeting {
	SERVER_IS_POLITE,
	SERVER_IS_MUTE,			/* accepts, and no more */
	SERVER_HANGS_UP,		/* closes the connection at once */
	SERVER_MUMBLES,			/* says what is no greeting */
	SERVER_IGNORES_OPTIONS,		/* greets, then answers no more */
	SERVER_HAS_NO_DISK,		/* by that name */
	SERVER_IS_EMPTY,		/* its disk has no bytes */
	SERVER_WANTS_PAGES,		/* takes no requests of less than 4 KiB */
};

struct server {
	char *directory;
	char *path;			/* of its socket */
	char *name;			/* for block_nbd_open() */
	uint16_t flags;
	enum server_greeting greeting;
	_Atomic(enum server_mood) mood;	/* any thread */
	_Atomic(uint32_t) good;		/* any thread: commands that it answers in spite of `mood` */
	uint32_t error;			/* of SERVER_REFUSES; 0: EIO */
	int listener;
	int connection;
	pthread_t thread;
	uint8_t *disk;			/* SERVER_DISK bytes */
	GString *log;			/* the server's until server_stop() */
};

/* All of `server` but the greeting and the error is zero. */
void server_start(struct server *server, uint16_t flags);
/* After the client has closed the connection, or to make it see that.  The log, a letter for
 * each command (r, w, f, t, z), with ! for FUA and . for "no hole" behind it, and the disk are
 * still there. */
void server_stop(struct server *server);
void server_free(struct server *server);

#endif
