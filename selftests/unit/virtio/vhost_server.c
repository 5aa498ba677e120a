// SPDX-License-Identifier: GPL-2.0-or-later
#include "vhost_server.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver.h"

#define NEED_REPLY	8u
#define REPLY		5u		/* version 1, and the flag */
#define FDS_MAX		8u

struct head {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct message {
	struct head head;
	uint64_t words[64];
	int fds[FDS_MAX];
	unsigned int fd_count;
};

/* False: the other end has gone. */
static bool receive(struct vhost_server *server, struct message *message)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec iov = { &message->head, sizeof(message->head) };
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	memset(message, 0, sizeof(*message));
	if (recvmsg(server->fd, &header, MSG_WAITALL) != sizeof(message->head))
		return false;
	cmsg = CMSG_FIRSTHDR(&header);
	if (cmsg) {
		message->fd_count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(message->fds, CMSG_DATA(cmsg), message->fd_count * sizeof(int));
	}
	assert_in_range(message->head.size, 0, sizeof(message->words));
	assert_int_equal(message->head.flags & 7, 1);
	return !message->head.size ||
	       recv(server->fd, message->words, message->head.size, MSG_WAITALL) ==
	       message->head.size;
}

static void take_fds(struct vhost_server *server, struct message *message)
{
	unsigned int index = message->words[0] % VHOST_SERVER_QUEUES;
	int *place = NULL;

	if (message->head.request == 5)
		place = &server->memory;
	else if (message->head.request == 12)
		place = &server->kicks[index];
	else if (message->head.request == 13)
		place = &server->calls[index];
	for (unsigned int i = 0; i < message->fd_count; i++) {
		if (place && *place >= 0)
			close(*place);
		if (place)
			*place = message->fds[i];
		else
			close(message->fds[i]);
		place = NULL;
	}
}

static void note(struct vhost_server *server, const struct message *message)
{
	struct vhost_note *note = &server->notes[server->count++];

	assert_true(server->count < VHOST_SERVER_NOTES);
	note->request = message->head.request;
	note->fds = message->fd_count;
	memcpy(note->words, message->words, sizeof(note->words));
}

/* False: it ends the connection. */
static bool spoil(const struct vhost_server *server, struct head *head, uint64_t *value)
{
	switch (server->fault) {
	case FAULT_OTHER_REQUEST:
		head->request++;
		break;
	case FAULT_SHORT:
		head->size = 4;
		break;
	case FAULT_LONG:
		head->size = UINT32_MAX;
		break;
	case FAULT_NO_REPLY_FLAG:
		head->flags = 1;
		break;
	case FAULT_VERSION:
		head->flags = 6;
		break;
	case FAULT_REFUSAL:
		*value = 1;
		break;
	default:
		return false;
	}
	return true;
}

static bool answer(struct vhost_server *server, const struct message *message, bool wrong)
{
	struct head head = { message->head.request, REPLY, sizeof(uint64_t) };
	uint8_t bytes[sizeof(head) + sizeof(uint64_t)];
	uint64_t value = 0;

	if (message->head.request == 1)
		value = server->features;
	else if (message->head.request == 15)
		value = server->protocol_features;
	else if (message->head.request == 11)
		value = message->words[0] & UINT32_MAX;
	else if (!(message->head.flags & NEED_REPLY))
		return true;
	if (wrong && server->fault == FAULT_SILENCE)
		return true;
	if (wrong && !spoil(server, &head, &value))
		return false;
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), &value, sizeof(value));
	return send(server->fd, bytes, sizeof(bytes), MSG_NOSIGNAL) == sizeof(bytes);
}

static void *serve(void *opaque)
{
	struct vhost_server *server = opaque;
	struct message message;
	bool wrong;

	while (receive(server, &message)) {
		note(server, &message);
		take_fds(server, &message);
		wrong = server->fault != FAULT_NONE && server->fault_at == message.head.request;
		if (!answer(server, &message, wrong))
			break;
	}
	close(server->fd);
	return NULL;
}

int vhost_server_start(struct vhost_server *server)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	server->fd = ends[1];
	server->count = 0;
	server->memory = -1;
	memset(server->kicks, 0xff, sizeof(server->kicks));
	memset(server->calls, 0xff, sizeof(server->calls));
	server->thread = g_thread_new("vhost-server", serve, server);
	return ends[0];
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void vhost_server_join(struct vhost_server *server)
{
	g_thread_join(server->thread);
	close_fd(server->memory);
	for (unsigned int i = 0; i < VHOST_SERVER_QUEUES; i++) {
		close_fd(server->kicks[i]);
		close_fd(server->calls[i]);
	}
}
