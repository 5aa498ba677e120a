/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the device share.  All but the life of the device belongs to its thread,
 * or to who paused it.
 *
 * What a hostile guest can make this hold is bounded: VSOCK_CONNECTIONS_MAX connections, each
 * with a descriptor and at most VSOCK_BUFFER_SIZE bytes that the host's program has not taken,
 * and VSOCK_RESETS_MAX answers that wait for a buffer of the guest.
 */
#ifndef MICA_VMM_DEVICES_VSOCK_INTERNAL_H
#define MICA_VMM_DEVICES_VSOCK_INTERNAL_H

#include <linux/virtio_vsock.h>

#include "../../virtio/iothread.h"
#include "device.h"

#define VSOCK_RECEIVE		0u	/* queues */
#define VSOCK_TRANSMIT		1u
#define VSOCK_EVENT		2u
#define VSOCK_HOST_CID		2u

#define VSOCK_CONNECTIONS_MAX	256u
/* What the guest may send before the host's program has taken it. */
#define VSOCK_BUFFER_SIZE	(128u << 10)
/* Packets of the guest are taken while fewer answers than this wait. */
#define VSOCK_RESETS_SOFT	64u
/* Beyond those each connection may end once: see vsock_refuse(). */
#define VSOCK_RESETS_MAX	(VSOCK_RESETS_SOFT + VSOCK_CONNECTIONS_MAX)
/* Packets in one direction before the other one has its turn. */
#define VSOCK_BATCH		64u

enum vsock_state {
	VSOCK_GREETING,			/* a program of the host has not yet said which port */
	VSOCK_REQUESTED,		/* the guest was asked, or is about to be */
	VSOCK_OPEN,
	VSOCK_DRAINING,			/* the guest is done; its last bytes are not yet taken */
};

/* Packets that wait for a buffer of the guest; an RST waits elsewhere. */
enum vsock_pending {
	VSOCK_SEND_REQUEST = 1,
	VSOCK_SEND_RESPONSE = 2,
	VSOCK_SEND_CREDIT = 4,
	VSOCK_ASK_CREDIT = 8,
};

struct vsock;

struct vsock_connection {
	struct vsock *vsock;
	GList in_all;			/* link of vsock->connections */
	GList in_ready;			/* link of vsock->ready, if `ready` */
	bool ready;
	enum vsock_state state;
	int fd;				/* non-blocking; in vsock->epoll, edge-triggered */
	uint32_t guest_port;
	uint32_t host_port;
	bool known;			/* in vsock->table, by its two ports */
	bool requested;			/* the guest has been asked: it must hear of an end */
	unsigned int pending;		/* enum vsock_pending */
	int64_t deadline;		/* CLOCK_MONOTONIC, microseconds; 0: none */

	/* From the host to the guest. */
	bool readable;			/* the descriptor may have bytes, or its end */
	bool asked;			/* for credit, since there was some */
	uint32_t sent;			/* bytes, modulo 2^32; so are the next two */
	uint32_t guest_size;		/* of the guest's buffer, as it says */
	uint32_t guest_taken;		/* bytes that its program took, as it says */
	unsigned int shut;		/* enum virtio_vsock_shutdown: what the host is done with, */
	unsigned int shut_told;		/* and what the guest knows of it */

	/* From the guest to the host. */
	unsigned int guest_shut;	/* what the guest is done with */
	uint32_t received;		/* bytes, modulo 2^32 */
	uint32_t taken;			/* of them, by the descriptor */
	uint32_t taken_told;		/* as the guest knows it */
	uint8_t *buffer;		/* VSOCK_BUFFER_SIZE bytes; NULL: `held` is 0 */
	size_t first;			/* the first byte held; they go on at the beginning */
	size_t held;
};

/* An answer to a packet: who it comes from, and who gets it, both as the guest sees it. */
struct vsock_reset {
	uint64_t source_cid;
	uint32_t source_port;
	uint32_t port;
	uint16_t type;
};

struct vsock {
	struct virtio_device virtio;	/* the first member */
	struct virtio_vsock_config config;	/* [i] */
	struct iothread *thread;	/* [i] */
	char *path;			/* [i] */
	bool bound;			/* [i] the socket at `path` is ours */
	int epoll;			/* [i] watched by the thread: what follows, connections */
	int listener;			/* [i] */
	int timer;			/* [i] a timerfd */
	bool acceptable;		/* the listener may have connections */
	int64_t alarm;			/* when the timer fires; 0: it does not */
	GQueue connections;		/* of struct vsock_connection */
	GQueue ready;			/* those with something for the guest, maybe */
	GHashTable *table;		/* by struct vsock_connection's guest_port, host_port */
	uint32_t next_port;		/* of the host, for its own connections */
	bool reset_event;		/* the guest has yet to hear that its connections are gone */
	struct vsock_reset resets[VSOCK_RESETS_MAX];	/* a ring */
	unsigned int first_reset;
	unsigned int reset_count;
	struct iovec iov[VIRTQUEUE_MAX_SEGMENTS];	/* scratch */
};

static inline uint32_t vsock_cid(const struct vsock *vsock)
{
	return vsock->config.guest_cid;
}

/* ---------------------------------------------------------------- connection.c */

/* Takes over `fd`.  NULL if there is no room. */
struct vsock_connection *vsock_connection_new(struct vsock *vsock, int fd, enum vsock_state state);
void vsock_connection_free(struct vsock_connection *connection);
/* The end at once; the guest is told if it knows the connection. */
void vsock_connection_reset(struct vsock_connection *connection);
/* The guest is told, and forgets it; what it has sent still goes to the host. */
void vsock_connection_finish(struct vsock_connection *connection);

/* The guest knows it by its ports from here on; false: they are taken. */
bool vsock_connection_register(struct vsock_connection *connection);
/* Gives a connection of the host's its port.  The guest's is set. */
void vsock_connection_choose_port(struct vsock_connection *connection);
GHashTable *vsock_table_new(void);
struct vsock_connection *vsock_find(struct vsock *vsock, uint32_t guest_port, uint32_t host_port);

/* There may be a packet for the guest. */
void vsock_connection_wake(struct vsock_connection *connection);
/* Tells the guest by and by what the host is done with (enum virtio_vsock_shutdown). */
void vsock_connection_shut(struct vsock_connection *connection, unsigned int what);

/* Ends it after this time, unless a later call changes that; 0: never. */
void vsock_connection_limit(struct vsock_connection *connection, unsigned int seconds);
void vsock_expire(struct vsock *vsock);

/* Answers that there is no such connection. */
void vsock_refuse(struct vsock *vsock, const struct vsock_reset *reset);
/* The end of all connections and answers; the guest is not told. */
void vsock_forget_all(struct vsock *vsock);

/* ---------------------------------------------------------------- flow.c: guest to host */

/* Room as the guest may use it. */
uint32_t vsock_room(const struct vsock_connection *connection);
/* Passes on `length` bytes at `offset` of the chain; there is room.  May end the connection. */
void vsock_pass(struct vsock_connection *connection, const struct virtqueue_chain *chain,
		size_t offset, size_t length);
/* The descriptor takes bytes again.  May end the connection. */
void vsock_flush(struct vsock_connection *connection);

/* ---------------------------------------------------------------- host.c, transmit.c, receive.c */

/* Each does a limited amount of work, and returns true if there is more. */
bool vsock_host_events(struct vsock *vsock);
bool vsock_take_packets(struct vsock *vsock);
bool vsock_fill_guest(struct vsock *vsock);

/* ---------------------------------------------------------------- state.c */

/* Likewise: the event that is due after a load. */
bool vsock_give_event(struct vsock *vsock);

gboolean vsock_quiesce(struct virtio_device *device, GError **error);
void vsock_go_on(struct virtio_device *device);
extern const struct virtio_state_ops vsock_state_ops;

#endif
