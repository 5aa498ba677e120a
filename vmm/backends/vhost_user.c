// SPDX-License-Identifier: GPL-2.0-or-later
#include "vhost_user.h"

#include <errno.h>
#include <linux/vhost_types.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"

/* One request and its answer; a program that takes longer does not work. */
#define PATIENCE_US	(5 * G_USEC_PER_SEC)
#define REGIONS_MAX	8u		/* "Memory regions description" */

#define F_PROTOCOL_FEATURES	30u	/* VHOST_USER_F_PROTOCOL_FEATURES */
#define PROTOCOL_F_REPLY_ACK	3u
#define KNOWN_PROTOCOL_FEATURES	(1ull << PROTOCOL_F_REPLY_ACK)

#define FLAG_VERSION		1u	/* "Header" */
#define FLAG_VERSION_MASK	3u
#define FLAG_REPLY		4u
#define FLAG_NEED_REPLY		8u

enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
};

struct region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user_address;
	uint64_t offset;
};

struct memory_table {
	uint32_t count;
	uint32_t padding;
	struct region regions[REGIONS_MAX];
};

union payload {
	uint64_t u64;
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct memory_table memory;
};

struct header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;			/* of the payload, which follows */
};

G_STATIC_ASSERT(sizeof(struct header) == 12);
G_STATIC_ASSERT(sizeof(struct region) == 32);
G_STATIC_ASSERT(sizeof(struct memory_table) == 8 + 8 * 32);
G_STATIC_ASSERT(sizeof(struct vhost_vring_state) == 8);
G_STATIC_ASSERT(sizeof(struct vhost_vring_addr) == 40);

struct vhost_user {
	int fd;				/* -1: the connection has ended */
	uint64_t features;
	uint64_t protocol_features;	/* that both know */
	bool has_protocol;
	bool kept;
};

void vhost_user_disconnect(struct vhost_user *vhost)
{
	if (vhost->fd >= 0)
		close(vhost->fd);
	vhost->fd = -1;
}

/* ---------------------------------------------------------------- messages */

/* 0 when `fd` is ready, or -errno. */
static int wait_for(int fd, short events, int64_t until)
{
	struct pollfd waits = { .fd = fd, .events = events };
	int64_t left;
	int count;

	do {
		left = until - g_get_monotonic_time();
		if (left <= 0)
			return -ETIMEDOUT;
		count = poll(&waits, 1, left / 1000 + 1);
	} while (count == 0 || (count < 0 && errno == EINTR));
	return count < 0 ? -errno : 0;
}

struct outgoing {
	struct header header;
	union payload payload;
	int fds[REGIONS_MAX];
	unsigned int fd_count;
};

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int) * REGIONS_MAX)];
};

static void attach_fds(struct msghdr *message, union control *control,
		       const struct outgoing *out)
{
	struct cmsghdr *header;

	memset(control, 0, sizeof(*control));
	message->msg_control = control->space;
	message->msg_controllen = CMSG_SPACE(sizeof(int) * out->fd_count);
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * out->fd_count);
	memcpy(CMSG_DATA(header), out->fds, sizeof(int) * out->fd_count);
}

/* A message is far smaller than any socket's buffer: one that is taken in part is an error. */
static int send_message(struct vhost_user *vhost, struct outgoing *out, int64_t until)
{
	struct iovec iov[] = { { &out->header, sizeof(out->header) },
			       { &out->payload, out->header.size } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = G_N_ELEMENTS(iov) };
	union control control;
	ssize_t done;
	int status;

	if (out->fd_count)
		attach_fds(&message, &control, out);
	do {
		status = wait_for(vhost->fd, POLLOUT, until);
		if (status)
			return status;
		done = sendmsg(vhost->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (done < 0 && (errno == EINTR || errno == EAGAIN));
	if (done < 0)
		return -errno;
	return (size_t)done == sizeof(out->header) + out->header.size ? 0 : -EPROTO;
}

/* All of it.  Descriptors that come with it are not taken, and so are closed by the kernel. */
static int receive_all(struct vhost_user *vhost, void *buffer, size_t size, int64_t until)
{
	size_t got = 0;
	ssize_t done;
	int status;

	while (got < size) {
		status = wait_for(vhost->fd, POLLIN, until);
		if (status)
			return status;
		done = recv(vhost->fd, (uint8_t *)buffer + got, size - got, MSG_DONTWAIT);
		if (!done)
			return -ECONNRESET;
		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		got += MAX(done, 0);
	}
	return 0;
}

/* The answer to `request`, of a payload of exactly `size` bytes. */
static int receive_reply(struct vhost_user *vhost, uint32_t request, void *payload, size_t size,
			 int64_t until)
{
	struct header header;
	int status = receive_all(vhost, &header, sizeof(header), until);

	if (status)
		return status;
	if (header.request != request || header.size != size ||
	    (header.flags & FLAG_VERSION_MASK) != FLAG_VERSION || !(header.flags & FLAG_REPLY))
		return -EPROTO;
	return receive_all(vhost, payload, size, until);
}

/* Ends the connection if there was no good answer.  `reply` NULL: none but an acknowledgement,
 * if that was agreed on.  An error that the other end reports is -EREMOTEIO. */
static int call(struct vhost_user *vhost, struct outgoing *out, void *reply, size_t reply_size)
{
	int64_t until = g_get_monotonic_time() + PATIENCE_US;
	bool acknowledged = !reply && vhost->protocol_features >> PROTOCOL_F_REPLY_ACK & 1;
	uint64_t error = 0;
	int status;

	if (vhost->fd < 0)
		return -ENOTCONN;
	out->header.flags = FLAG_VERSION | (acknowledged ? FLAG_NEED_REPLY : 0);
	status = send_message(vhost, out, until);
	if (!status && acknowledged)
		status = receive_reply(vhost, out->header.request, &error, sizeof(error), until);
	else if (!status && reply)
		status = receive_reply(vhost, out->header.request, reply, reply_size, until);
	if (status) {
		vhost_user_disconnect(vhost);
		return status;
	}
	return error ? -EREMOTEIO : 0;
}

static int get_u64(struct vhost_user *vhost, enum request request, uint64_t *value)
{
	struct outgoing out = { .header.request = request };

	return call(vhost, &out, value, sizeof(*value));
}

static int set_u64(struct vhost_user *vhost, enum request request, uint64_t value)
{
	struct outgoing out = {
		.header = { .request = request, .size = sizeof(value) },
		.payload.u64 = value,
	};

	return call(vhost, &out, NULL, 0);
}

static int set_state(struct vhost_user *vhost, enum request request, unsigned int index,
		     unsigned int number)
{
	struct outgoing out = {
		.header = { .request = request, .size = sizeof(struct vhost_vring_state) },
		.payload.state = { .index = index, .num = number },
	};

	return call(vhost, &out, NULL, 0);
}

static int set_eventfd(struct vhost_user *vhost, enum request request, unsigned int index, int fd)
{
	struct outgoing out = {
		.header = { .request = request, .size = sizeof(uint64_t) },
		.payload.u64 = index,
		.fds = { fd },
		.fd_count = 1,
	};

	return call(vhost, &out, NULL, 0);
}

static int set_addresses(struct vhost_user *vhost, unsigned int index,
			 const struct vhost_user_queue *queue)
{
	struct outgoing out = {
		.header = { .request = SET_VRING_ADDR, .size = sizeof(struct vhost_vring_addr) },
		.payload.addr = {
			.index = index,
			.desc_user_addr = queue->descriptors,
			.used_user_addr = queue->device,
			.avail_user_addr = queue->driver,
		},
	};

	return call(vhost, &out, NULL, 0);
}

/* ---------------------------------------------------------------- life */

static int introduce(struct vhost_user *vhost)
{
	struct outgoing owner = { .header.request = SET_OWNER };
	uint64_t known = 0;
	int status;

	status = get_u64(vhost, GET_FEATURES, &vhost->features);
	vhost->has_protocol = vhost->features >> F_PROTOCOL_FEATURES & 1;
	if (!status && vhost->has_protocol)
		status = get_u64(vhost, GET_PROTOCOL_FEATURES, &known);
	known &= KNOWN_PROTOCOL_FEATURES;
	if (!status && vhost->has_protocol)
		status = set_u64(vhost, SET_PROTOCOL_FEATURES, known);
	vhost->protocol_features = known;
	return status ? status : call(vhost, &owner, NULL, 0);
}

struct vhost_user *vhost_user_new(int fd, GError **error)
{
	struct vhost_user *vhost = g_new0(struct vhost_user, 1);
	int status;

	vhost->fd = fd;
	status = introduce(vhost);
	if (!status)
		return vhost;
	vhost_user_free(vhost);
	if (status == -ECONNRESET || status == -EPIPE)
		error_set(error, "the other end closed the connection");
	else
		error_set_errno(error, -status, "the other end does not speak vhost-user");
	return NULL;
}

void vhost_user_free(struct vhost_user *vhost)
{
	if (!vhost || vhost->kept)
		return;
	vhost_user_disconnect(vhost);
	g_free(vhost);
}

void vhost_user_keep(struct vhost_user *vhost, bool keep)
{
	vhost->kept = keep;
}

uint64_t vhost_user_features(const struct vhost_user *vhost)
{
	return vhost->features & ~(1ull << F_PROTOCOL_FEATURES);
}

int vhost_user_fd(const struct vhost_user *vhost)
{
	return vhost->fd;
}

/* ---------------------------------------------------------------- what it serves */

/*
 * The protocol names rings by addresses of this process, of which the other end knows no more than
 * the table says.  Guest-physical ones do as well, and are the same in the guest's next life: virtiofsd
 * looks for the old rings in the new table, and ends if they are not in it.
 */
int vhost_user_set_memory(struct vhost_user *vhost, const struct guest_memory *memory)
{
	struct outgoing out = { .header.request = SET_MEM_TABLE };
	struct memory_table *table = &out.payload.memory;
	const struct memory_range *ranges;
	size_t count;

	ranges = guest_memory_ranges(memory, &count);
	g_assert(count <= REGIONS_MAX);
	for (size_t i = 0; i < count; i++) {
		g_assert(ranges[i].fd >= 0);
		table->regions[i] = (struct region){
			.gpa = ranges[i].gpa,
			.size = ranges[i].size,
			.user_address = ranges[i].gpa,
		};
		out.fds[i] = ranges[i].fd;
	}
	table->count = count;
	out.fd_count = count;
	out.header.size = offsetof(struct memory_table, regions) + count * sizeof(struct region);
	return call(vhost, &out, NULL, 0);
}

int vhost_user_set_features(struct vhost_user *vhost, uint64_t features)
{
	if (vhost->has_protocol)
		features |= 1ull << F_PROTOCOL_FEATURES;
	return set_u64(vhost, SET_FEATURES, features);
}

int vhost_user_start_queue(struct vhost_user *vhost, unsigned int index,
			   const struct vhost_user_queue *queue)
{
	int status;

	status = set_state(vhost, SET_VRING_NUM, index, queue->size);
	if (!status)
		status = set_state(vhost, SET_VRING_BASE, index, 0);
	if (!status)
		status = set_addresses(vhost, index, queue);
	if (!status)
		status = set_eventfd(vhost, SET_VRING_CALL, index, queue->call);
	if (!status)
		status = set_eventfd(vhost, SET_VRING_KICK, index, queue->kick);
	if (!status && vhost->has_protocol)
		status = set_state(vhost, SET_VRING_ENABLE, index, 1);
	return status;
}

int vhost_user_stop_queue(struct vhost_user *vhost, unsigned int index)
{
	struct outgoing out = {
		.header = { .request = GET_VRING_BASE, .size = sizeof(struct vhost_vring_state) },
		.payload.state.index = index,
	};
	struct vhost_vring_state state;
	int status;

	status = call(vhost, &out, &state, sizeof(state));
	if (status || state.index == index)
		return status;
	vhost_user_disconnect(vhost);
	return -EPROTO;
}
