// SPDX-License-Identifier: GPL-2.0-or-later
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"
#include "command.h"
#include "endpoint.h"
#include "protocol.h"

#define READ_SIZE	16384u
/* The guest's answers are longer than requests, but not without end. */
#define ANSWER_MAX	(4u << 20)

struct control_client {
	int fd;
	pid_t pid;
	int pidfd;			/* -1: the process cannot be watched */
	char *name;
	gint64 id;
	GString *input;
};

enum line_status { LINE_GOOD, LINE_CLOSED, LINE_TIMEOUT, LINE_BAD };

static gint64 client_deadline(unsigned int seconds)
{
	return g_get_monotonic_time() + MAX(seconds, CLIENT_SECONDS) * G_USEC_PER_SEC;
}

/* False at `deadline`. */
static bool client_poll(int fd, gint64 deadline)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	gint64 left;
	int wait, status;

	do {
		left = deadline - g_get_monotonic_time();
		wait = deadline == CLIENT_FOREVER ? -1 : CLAMP((left + 999) / 1000, 0, G_MAXINT);
		status = poll(&poll_fd, 1, wait);
	} while (status < 0 && errno == EINTR);
	return status > 0;
}

static enum line_status client_fill(struct control_client *client, gint64 deadline)
{
	char bytes[READ_SIZE];
	ssize_t count;

	if (client->input->len > ANSWER_MAX)
		return LINE_BAD;
	if (!client_poll(client->fd, deadline))
		return LINE_TIMEOUT;
	count = recv(client->fd, bytes, sizeof(bytes), 0);
	if (count < 0 && errno == EINTR)
		return LINE_GOOD;
	if (count <= 0)
		return LINE_CLOSED;
	g_string_append_len(client->input, bytes, count);
	return LINE_GOOD;
}

static enum line_status client_line(struct control_client *client, gint64 deadline,
				    JsonObject **object)
{
	enum line_status status;
	const char *newline;
	size_t length;

	while (!(newline = memchr(client->input->str, '\n', client->input->len))) {
		status = client_fill(client, deadline);
		if (status != LINE_GOOD)
			return status;
	}
	length = newline - client->input->str;
	*object = control_parse_object(client->input->str, length, NULL);
	g_string_erase(client->input, 0, length + 1);
	return *object ? LINE_GOOD : LINE_BAD;
}

/* ---------------------------------------------------------------- the greeting */

static const char *failure_of(JsonObject *line)
{
	JsonObject *error = NULL;

	if (json_object_has_member(line, "error") &&
	    JSON_NODE_HOLDS_OBJECT(json_object_get_member(line, "error")))
		error = json_object_get_object_member(line, "error");
	return error ? json_object_get_string_member_with_default(error, "message", "") : NULL;
}

static gboolean client_take_greeting(struct control_client *client, JsonObject *line,
				     GError **error)
{
	const char *refusal = failure_of(line);
	JsonNode *node = json_object_get_member(line, "mica");
	JsonObject *mica;
	gint64 protocol;

	if (refusal)
		return error_set(error, "%s", refusal);
	if (!node || !JSON_NODE_HOLDS_OBJECT(node))
		return error_set(error, "what listens there is no guest of mica");
	mica = json_node_get_object(node);
	protocol = json_object_get_int_member_with_default(mica, "protocol", 0);
	if (protocol != CONTROL_PROTOCOL)
		return error_set(error, "the guest speaks version %" G_GINT64_FORMAT " of the control "
				 "protocol, this program version %d: use the mica that started it",
				 protocol, CONTROL_PROTOCOL);
	client->name = g_strdup(json_object_get_string_member_with_default(mica, "name", ""));
	return TRUE;
}

static gboolean client_greet(struct control_client *client, GError **error)
{
	g_autoptr(JsonObject) line = NULL;

	switch (client_line(client, client_deadline(0), &line)) {
	case LINE_GOOD:
		return client_take_greeting(client, line, error);
	case LINE_CLOSED:
		return error_set(error, "the guest has just ended");
	case LINE_TIMEOUT:
		return error_set(error, "the guest (process %d) does not answer: it is still being "
				 "started, or its process is stopped", client->pid);
	case LINE_BAD:
		break;
	}
	return error_set(error, "what listens there is no guest of mica");
}

static pid_t client_peer(int fd)
{
	struct ucred peer = { 0 };
	socklen_t length = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	return peer.pid;
}

struct control_client *control_client_connect(const char *path, GError **error)
{
	struct control_client *client;
	int fd = control_connect(path, error);

	if (fd < 0)
		return NULL;
	client = g_new0(struct control_client, 1);
	client->fd = fd;
	client->pid = client_peer(fd);
	client->pidfd = pidfd_open(client->pid, 0);
	client->input = g_string_new(NULL);
	return client;
}

struct control_client *control_client_open(const char *path, GError **error)
{
	struct control_client *client = control_client_connect(path, error);

	if (!client || client_greet(client, error))
		return client;
	g_prefix_error(error, "'%s': ", path);
	control_client_free(client);
	return NULL;
}

void control_client_free(struct control_client *client)
{
	if (!client)
		return;
	close(client->fd);
	if (client->pidfd >= 0)
		close(client->pidfd);
	g_string_free(client->input, TRUE);
	g_free(client->name);
	g_free(client);
}

const char *control_client_name(const struct control_client *client)
{
	return client->name;
}

pid_t control_client_pid(const struct control_client *client)
{
	return client->pid;
}

gboolean control_client_kill(struct control_client *client, GError **error)
{
	if (client->pidfd < 0)
		return error_set(error, "cannot see the guest's process from here");
	if (pidfd_send_signal(client->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_set_errno(error, errno, "cannot kill process %d", client->pid);
	return TRUE;
}

gboolean control_client_wait_exit(struct control_client *client, gint64 deadline)
{
	return client->pidfd < 0 || client_poll(client->pidfd, deadline);
}

/* ---------------------------------------------------------------- calls */

/* Descriptors go with the first byte. */
static ssize_t client_send_bytes(const struct control_client *client, char *bytes, size_t length,
				 const struct control_extra *extra)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(CONTROL_DESCRIPTORS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { bytes, length };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t size = extra->fd_count * sizeof(int);

	if (size) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(&control.header), extra->fds, size);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(size);
	}
	return sendmsg(client->fd, &message, MSG_NOSIGNAL);
}

static gboolean client_send(struct control_client *client, const char *command,
			    JsonObject *arguments, const struct control_extra *extra,
			    GError **error)
{
	g_autoptr(JsonObject) request = json_object_new();
	g_autofree char *line = NULL;
	size_t length;

	json_object_set_int_member(request, "id", ++client->id);
	json_object_set_string_member(request, "command", command);
	if (arguments)
		json_object_set_object_member(request, "arguments", arguments);
	line = control_line(request);
	length = strlen(line);
	if (client_send_bytes(client, line, length, extra) == (ssize_t)length)
		return TRUE;
	return error_set(error, "cannot send the guest a command: its process is stopped or gone");
}

static JsonObject *client_result(JsonObject *line, GError **error)
{
	const char *failure = failure_of(line);
	JsonNode *node = json_object_get_member(line, "result");

	if (failure)
		error_set(error, "%s", failure);
	else if (node && JSON_NODE_HOLDS_OBJECT(node))
		return json_object_ref(json_node_get_object(node));
	else
		error_set(error, "the guest's answer is none");
	return NULL;
}

JsonObject *control_client_call_with(struct control_client *client, const char *command,
				     JsonObject *arguments, const struct control_extra *extra,
				     GError **error)
{
	gint64 deadline = client_deadline(extra->seconds);
	enum line_status status;

	if (!client_send(client, command, arguments, extra, error))
		return NULL;
	for (;;) {
		g_autoptr(JsonObject) line = NULL;

		status = client_line(client, deadline, &line);
		if (status == LINE_GOOD && json_object_has_member(line, "event"))
			continue;
		if (status == LINE_GOOD)
			return client_result(line, error);
		if (status == LINE_TIMEOUT)
			error_set(error, "the guest (process %d) does not answer", client->pid);
		else
			error_set(error, "the guest ended before it answered");
		return NULL;
	}
}

JsonObject *control_client_call(struct control_client *client, const char *command,
				JsonObject *arguments, GError **error)
{
	const struct control_extra none = { 0 };

	return control_client_call_with(client, command, arguments, &none, error);
}

enum control_wait control_client_wait(struct control_client *client, gint64 deadline,
				      JsonObject **event)
{
	static const enum control_wait results[] = {
		[LINE_GOOD] = CONTROL_WAIT_EVENT,
		[LINE_CLOSED] = CONTROL_WAIT_CLOSED,
		[LINE_TIMEOUT] = CONTROL_WAIT_TIMEOUT,
		[LINE_BAD] = CONTROL_WAIT_ERROR,
	};

	return results[client_line(client, deadline, event)];
}

int control_client_raw(struct control_client *client, GBytes **ahead)
{
	*ahead = g_bytes_new(client->input->str, client->input->len);
	g_string_truncate(client->input, 0);
	return client->fd;
}
