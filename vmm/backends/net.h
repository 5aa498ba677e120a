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
	void (*close)(struct net *net);
};

struct net {
	const struct net_ops *ops;
	int fd;				/* readable when net_receive() has a frame */
	unsigned int offloads;		/* NET_*: what the host can do, in both directions */
	uint16_t mtu;			/* of the host's interface; 0: unknown */
	bool tap;			/* fd is a tap's, and another may move the frames */
};

/* The header has `header` bytes, 10 or 12; frames to the guest may need `offloads` of it.
 * 0 or -errno. */
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

/* NULL is fine. */
static inline void net_close(struct net *net)
{
	if (net)
		net->ops->close(net);
}

/* tap.c: an Ethernet interface of the host, made if it does not exist and may be. */
struct net *net_tap_open(const char *name, GError **error);

/* stream.c: a program at the other end of a UNIX stream socket, which is taken over. */
struct net *net_stream_new(int fd);

/* A port of the host whose connections or datagrams go to one of the guest. */
struct net_forward {
	bool udp;			/* else TCP */
	uint16_t host;
	uint16_t guest;
};

/* passt.c: what an ordinary user of the host may do in the network, by the program passt,
 * which ends with the card.  Waits until it is ready. */
struct net *net_passt_open(const struct net_forward *forwards, unsigned int count,
			   GError **error);

#endif
