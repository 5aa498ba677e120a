// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network card whose other end is a program at a UNIX stream socket: each frame behind its
 * length, 4 bytes, most significant first.  QEMU's "stream" network back end and passt(1)
 * speak this.
 *
 * The guest's header is not sent: this end offers no offloads, so it is always zero.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"
#include "net.h"

#define LENGTH_SIZE	4u
#define IN_SIZE		(128u << 10)	/* one read gets several frames */
#define SEGMENTS_MAX	1024u		/* of one sendmsg(): IOV_MAX */

struct stream {
	struct net net;			/* the first member */
	unsigned int header;
	size_t in_start;		/* [in_start, in_end) of `in` was read and not taken */
	size_t in_end;
	size_t out_start;		/* likewise, of a frame that the socket took in part */
	size_t out_end;
	uint8_t in[IN_SIZE];
	uint8_t out[LENGTH_SIZE + NET_FRAME_MAX];
};

G_STATIC_ASSERT(IN_SIZE >= LENGTH_SIZE + NET_FRAME_MAX);

static struct stream *stream_of(struct net *net)
{
	return (struct stream *)net;
}

static int stream_set_up(struct net *net, unsigned int header, unsigned int offloads)
{
	stream_of(net)->header = header;
	return offloads ? -EINVAL : 0;
}

/* ---------------------------------------------------------------- to the host */

static ssize_t send_some(struct net *net, const struct iovec *iov, unsigned int count)
{
	const struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };
	ssize_t done;

	do {
		done = sendmsg(net->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : done;
}

/* The rest of a frame must be out before the next one begins.  0 or -errno. */
static int send_rest(struct stream *stream)
{
	struct iovec iov;
	ssize_t done;

	while (stream->out_start < stream->out_end) {
		iov.iov_base = stream->out + stream->out_start;
		iov.iov_len = stream->out_end - stream->out_start;
		done = send_some(&stream->net, &iov, 1);
		if (done < 0)
			return done;
		stream->out_start += done;
	}
	return 0;
}

/* Puts [offset, the end) of `iov` into `out`. */
static void keep_rest(struct stream *stream, const struct iovec *iov, unsigned int count,
		      size_t offset)
{
	size_t part;

	stream->out_start = 0;
	stream->out_end = 0;
	for (unsigned int i = 0; i < count; i++) {
		part = MIN(offset, iov[i].iov_len);
		memcpy(stream->out + stream->out_end, (uint8_t *)iov[i].iov_base + part,
		       iov[i].iov_len - part);
		stream->out_end += iov[i].iov_len - part;
		offset -= part;
	}
}

/* Copies `from` without its first `skip` bytes behind `to`'s first entry, which becomes the
 * length.  Returns how many entries there are. */
static unsigned int frame_iov(const struct iovec *from, unsigned int count, size_t skip,
			      struct iovec *to, uint32_t *length)
{
	unsigned int used = 1;
	size_t part, total = 0;

	for (unsigned int i = 0; i < count; i++) {
		part = MIN(skip, from[i].iov_len);
		skip -= part;
		if (part == from[i].iov_len)
			continue;
		to[used].iov_base = (uint8_t *)from[i].iov_base + part;
		to[used].iov_len = from[i].iov_len - part;
		total += to[used++].iov_len;
	}
	*length = GUINT32_TO_BE((uint32_t)total);
	to[0] = (struct iovec){ length, LENGTH_SIZE };
	return total && total <= NET_FRAME_MAX ? used : 0;
}

static ssize_t stream_send(struct net *net, const struct iovec *iov, unsigned int count)
{
	struct stream *stream = stream_of(net);
	struct iovec frame[SEGMENTS_MAX];
	uint32_t length;
	ssize_t done;

	if (count >= SEGMENTS_MAX)
		return -EMSGSIZE;
	count = frame_iov(iov, count, stream->header, frame, &length);
	if (!count)
		return -EMSGSIZE;
	done = send_rest(stream);
	if (!done)
		done = send_some(net, frame, count);
	if (done < 0)
		return done;
	if ((size_t)done < LENGTH_SIZE + GUINT32_FROM_BE(length))
		keep_rest(stream, frame, count, done);
	return done;
}

/* ---------------------------------------------------------------- from the host */

/* Reads more behind what there is.  Returns a count, or as net_receive() does. */
static ssize_t read_more(struct stream *stream)
{
	ssize_t done;

	memmove(stream->in, stream->in + stream->in_start, stream->in_end - stream->in_start);
	stream->in_end -= stream->in_start;
	stream->in_start = 0;
	done = recv(stream->net.fd, stream->in + stream->in_end, IN_SIZE - stream->in_end,
		    MSG_DONTWAIT);
	if (done < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	stream->in_end += done;
	return done ? done : -ECONNRESET;
}

/* The length of the frame at in_start, whole; 0: it is not whole. */
static ssize_t frame_length(const struct stream *stream)
{
	size_t there = stream->in_end - stream->in_start;
	uint32_t length;

	if (there < LENGTH_SIZE)
		return 0;
	memcpy(&length, stream->in + stream->in_start, LENGTH_SIZE);
	length = GUINT32_FROM_BE(length);
	if (!length || length > NET_FRAME_MAX)
		return -EPROTO;
	return there - LENGTH_SIZE < length ? 0 : length;
}

static ssize_t stream_receive(struct net *net, void *buffer, size_t size)
{
	struct stream *stream = stream_of(net);
	ssize_t length, done;

	send_rest(stream);
	while (!(length = frame_length(stream))) {
		done = read_more(stream);
		if (done < 0)
			return done;
	}
	if (length < 0)
		return length;
	if (stream->header + (size_t)length > size)
		return -EPROTO;
	memset(buffer, 0, stream->header);
	memcpy((uint8_t *)buffer + stream->header, stream->in + stream->in_start + LENGTH_SIZE,
	       length);
	stream->in_start += LENGTH_SIZE + length;
	return stream->header + length;
}

static void stream_close(struct net *net)
{
	close(net->fd);
	g_free(net);
}

static const struct net_ops stream_ops = {
	.set_up = stream_set_up,
	.send = stream_send,
	.receive = stream_receive,
	.close = stream_close,
};

struct net *net_stream_new(int fd, uint16_t mtu)
{
	struct stream *stream = g_new0(struct stream, 1);

	stream->net.ops = &stream_ops;
	stream->net.fd = fd;
	stream->net.mtu = mtu;
	return &stream->net;
}

gboolean net_stream_check(int fd, GError **error)
{
	int domain = 0, type = 0;
	socklen_t length = sizeof(int);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
	return (domain == AF_UNIX && type == SOCK_STREAM) ||
	       error_set(error, "its descriptor is not a UNIX stream socket");
}
