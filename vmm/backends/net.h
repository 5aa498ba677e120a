/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's end of a network card: Ethernet frames, each behind a header in the format of
 * struct virtio_net_hdr_v1 (<linux/virtio_net.h>), which carries what is left to be done for
 * the frame: a checksum, segmentation.
 *
 * Threads: net_set_up() while nothing else is called; the rest by one thread at a time.
 */
#ifndef MICA_VMM_BACKENDS_NET_H
#define MICA_VMM_BACKENDS_NET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NET_FRAME_MAX	65550u		/* a segment to be cut up, with its Ethernet header */
#define NET_HEADER_MAX	12u
#define NET_QUEUES_MAX	8u		/* in each direction */
#define NET_NAME_SIZE	16u		/* IFNAMSIZ */

/* What the guest can take, or leave to the host. */
#define NET_CHECKSUM	1u
#define NET_TSO4	2u
#define NET_TSO6	4u
#define NET_ECN		8u

struct net;

struct net_ops {
	int (*set_up)(struct net *net, unsigned int header, unsigned int offloads);
	ssize_t (*send)(struct net *net, const struct iovec *iov, unsigned int count);
	ssize_t (*receive)(struct net *net, void *buffer, size_t size);
	/* NULL: it is always on. */
	int (*enable)(struct net *net, bool on);
	void (*close)(struct net *net);
};

struct net {
	const struct net_ops *ops;
	bool kept;			/* net_close() leaves it open, for the next who has it */
	int fd;				/* readable when net_receive() has a frame */
	unsigned int offloads;		/* NET_*: what the host can do, in both directions */
	uint16_t mtu;			/* of the host's interface; 0: unknown */
	bool tap;			/* fd is a tap's, and another may move the frames */
};

/* The header has `header` bytes, 10 or 12; frames to the guest may need `offloads` of it.  Of a
 * card with several queues: for all of them, by the first.  0 or -errno. */
static inline int net_set_up(struct net *net, unsigned int header, unsigned int offloads)
{
	return net->ops->set_up(net, header, offloads);
}

/* One frame with its header.  Never waits: what the host cannot take is lost, as on a wire.
 * -errno is for counting only. */
static inline ssize_t net_send(struct net *net, const struct iovec *iov, unsigned int count)
{
	return net->ops->send(net, iov, count);
}

/* The bytes of a header and a frame; -EAGAIN: there is none; -errno: no more will come. */
static inline ssize_t net_receive(struct net *net, void *buffer, size_t size)
{
	return net->ops->receive(net, buffer, size);
}

/* One of a card's several queues: whether the host may use it for frames to the guest.  While it
 * may not there is nothing to receive, and its descriptor is not worth looking at.  All are on at
 * first; the first one stays on.  Any thread; 0 or -errno. */
static inline int net_enable(struct net *net, bool on)
{
	return net->ops->enable ? net->ops->enable(net, on) : 0;
}

/* NULL is fine. */
static inline void net_close(struct net *net)
{
	if (net && !net->kept)
		net->ops->close(net);
}

/*
 * The host's end as descriptors, for a process that may open it and one that is given it.
 * net_tap_connect() and net_passt_connect() fill one in.
 */
struct net_end {
	int fds[NET_QUEUES_MAX];	/* one for each queue to the guest and its twin from it */
	unsigned int count;		/* of them */
	bool tap;			/* else a stream socket, of which there is one */
	uint16_t mtu;			/* as in struct net */
	char name[NET_NAME_SIZE];	/* of a tap interface */
};
void net_end_close(struct net_end *end);
/* Fills `nets` with end->count of them.  Takes the descriptors over, also on error: they may be of
 * another kind than `end` says. */
gboolean net_end_take(struct net_end *end, struct net **nets, GError **error);

/* NULL and 0 stand for what is not said. */
struct net_tap_config {
	const char *name;		/* of the interface; NULL: it is made for `bridge` */
	const char *bridge;		/* that it becomes a port of */
	unsigned int queues;		/* 1..NET_QUEUES_MAX */
	uint16_t mtu;			/* that it is to have */
};

/* tap.c: an Ethernet interface of the host, made if it does not exist and may be. */
gboolean net_tap_connect(const struct net_tap_config *config, struct net_end *end, GError **error);
struct net *net_tap_new(int fd, uint16_t mtu);
gboolean net_tap_check(int fd, GError **error);

/* stream.c: a program at the other end of a UNIX stream socket, which is taken over. */
struct net *net_stream_new(int fd, uint16_t mtu);
gboolean net_stream_check(int fd, GError **error);

/* A port of the host whose connections or datagrams go to one of the guest. */
struct net_forward {
	bool udp;			/* else TCP */
	uint16_t host;
	uint16_t guest;
};

/* passt.c: what an ordinary user of the host may do in the network, by the program passt,
 * which ends with the card.  Waits until it is ready. */
gboolean net_passt_connect(const struct net_forward *forwards, unsigned int count, uint16_t mtu,
			   struct net_end *end, GError **error);

#endif
