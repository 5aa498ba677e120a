// SPDX-License-Identifier: GPL-2.0-or-later
#include "nbd_server.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAGIC		0x4e42444d41474943ull	/* "NBDMAGIC" */
#define OPTION_MAGIC	0x49484156454f5054ull	/* "IHAVEOPT" */
#define REPLY_MAGIC	0x0003e889045565a9ull
#define COMMAND_MAGIC	0x25609513u
#define ANSWER_MAGIC	0x67446698u
#define OPTION_GO	7u
#define REPLY_ACK	1u
#define REPLY_INFO	3u
#define REPLY_UNKNOWN	0x80000001u
#define REPLY_NO_DISK	0x80000006u
#define HAS_FLAGS	1u

struct option {
	uint64_t magic;
	uint32_t option;
	uint32_t length;
} __attribute__((packed));

struct reply {
	uint64_t magic;
	uint32_t option;
	uint32_t type;
	uint32_t length;
} __attribute__((packed));

struct command {
	uint32_t magic;
	uint16_t flags;
	uint16_t type;
	uint64_t cookie;
	uint64_t offset;
	uint32_t length;
} __attribute__((packed));

struct answer {
	uint32_t magic;
	uint32_t error;
	uint64_t cookie;
} __attribute__((packed));

static bool get(struct server *server, void *to, size_t length)
{
	return recv(server->connection, to, length, MSG_WAITALL) == (ssize_t)length;
}

static bool put(struct server *server, const void *from, size_t length)
{
	return send(server->connection, from, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool reply(struct server *server, uint32_t option, uint32_t type, const void *data,
		  uint32_t length)
{
	const struct reply head = {
		GUINT64_TO_BE(REPLY_MAGIC), GUINT32_TO_BE(option), GUINT32_TO_BE(type),
		GUINT32_TO_BE(length),
	};

	return put(server, &head, sizeof(head)) && (!length || put(server, data, length));
}

static bool go(struct server *server)
{
	const struct {
		uint16_t type;
		uint64_t size;
		uint16_t flags;
	} __attribute__((packed)) export = {
		0, GUINT64_TO_BE(server->greeting == SERVER_IS_EMPTY ? 0ull : SERVER_DISK),
		GUINT16_TO_BE(server->flags | HAS_FLAGS),
	};
	const struct {
		uint16_t type;
		uint32_t smallest, best, largest;
	} __attribute__((packed)) sizes = {
		GUINT16_TO_BE(3), GUINT32_TO_BE(4096), GUINT32_TO_BE(4096), GUINT32_TO_BE(1 << 25),
	};

	if (server->greeting == SERVER_HAS_NO_DISK)
		return reply(server, OPTION_GO, REPLY_NO_DISK, NULL, 0);
	if (server->greeting == SERVER_WANTS_PAGES &&
	    !reply(server, OPTION_GO, REPLY_INFO, &sizes, sizeof(sizes)))
		return false;
	return reply(server, OPTION_GO, REPLY_INFO, &export, sizeof(export)) &&
	       reply(server, OPTION_GO, REPLY_ACK, NULL, 0);
}

/* What comes from a client that waits in vain. */
static bool listen_only(struct server *server)
{
	uint8_t byte;

	while (get(server, &byte, 1))
		;
	return false;
}

static bool rave(struct server *server)
{
	uint8_t noise[160];

	memset(noise, 0xa5, sizeof(noise));
	return put(server, noise, sizeof(noise)) && listen_only(server);
}

static bool negotiate(struct server *server)
{
	const struct {
		uint64_t magic, option_magic;
		uint16_t flags;
	} __attribute__((packed)) hello = {
		GUINT64_TO_BE(MAGIC), GUINT64_TO_BE(OPTION_MAGIC), GUINT16_TO_BE(3),
	};
	struct option option;
	uint8_t data[4096];
	uint32_t length;

	if (server->greeting == SERVER_HANGS_UP)
		return false;
	if (server->greeting == SERVER_IS_MUTE)
		return listen_only(server);
	if (server->greeting == SERVER_MUMBLES)
		return rave(server);
	if (!put(server, &hello, sizeof(hello)) || !get(server, data, 4))
		return false;
	if (server->greeting == SERVER_IGNORES_OPTIONS)
		return listen_only(server);
	while (get(server, &option, sizeof(option))) {
		length = GUINT32_FROM_BE(option.length);
		if (length > sizeof(data) || (length && !get(server, data, length)))
			return false;
		option.option = GUINT32_FROM_BE(option.option);
		if (option.option == OPTION_GO)
			return go(server);
		if (!reply(server, option.option, REPLY_UNKNOWN, NULL, 0))
			return false;
	}
	return false;
}

/* The first half of it, if it is cut. */
static bool put_answer(struct server *server, const struct command *command, uint64_t cookie,
		       uint32_t error, const uint8_t *data, uint32_t length, bool cut)
{
	const struct answer answer = {
		GUINT32_TO_BE(ANSWER_MAGIC), GUINT32_TO_BE(error), cookie,
	};
	bool has_data = command->type == 0 && !error;

	if (cut && !has_data)
		return put(server, &answer, sizeof(answer) / 2);
	return put(server, &answer, sizeof(answer)) &&
	       (!has_data || put(server, data, cut ? length / 2 : length));
}

static bool do_command(struct server *server, const struct command *command, uint64_t offset,
		       uint32_t length, enum server_mood mood)
{
	const uint8_t *data = server->disk + offset;
	uint64_t cookie = command->cookie;

	switch (mood) {
	case SERVER_ANSWERS:
		break;
	case SERVER_REFUSES:
		return put_answer(server, command, cookie, server->error ? server->error : EIO,
				  data, length, false);
	case SERVER_LEAVES:
		return false;
	case SERVER_IS_SILENT:
		return true;
	case SERVER_BREAKS_OFF:
		put_answer(server, command, cookie, 0, data, length, true);
		return false;
	case SERVER_PAUSES:
		return put_answer(server, command, cookie, 0, data, length, true) &&
		       listen_only(server);
	case SERVER_RAVES:
		return rave(server);
	case SERVER_CONFUSES:
		return put_answer(server, command, ~cookie, 0, data, length, false);
	case SERVER_IS_SLOW:
		g_usleep(G_USEC_PER_SEC / 2);
	}
	if (command->type == 6)
		memset(server->disk + offset, 0, length);
	return put_answer(server, command, cookie, 0, data, length, false);
}

/* Of the next command. */
static enum server_mood mood_of(struct server *server)
{
	if (!atomic_load(&server->good))
		return atomic_load(&server->mood);
	atomic_fetch_sub(&server->good, 1);
	return SERVER_ANSWERS;
}

static bool serve(struct server *server)
{
	static const char letters[] = "rw-ft?z";
	struct command command;
	uint32_t length;
	uint64_t offset;

	if (!get(server, &command, sizeof(command)))
		return false;
	command.type = GUINT16_FROM_BE(command.type);
	command.flags = GUINT16_FROM_BE(command.flags);
	offset = GUINT64_FROM_BE(command.offset);
	length = GUINT32_FROM_BE(command.length);
	if (command.type == 2 || command.type >= sizeof(letters) - 1 || offset > SERVER_DISK ||
	    length > SERVER_DISK - offset)
		return false;
	g_string_append_c(server->log, letters[command.type]);
	g_string_append(server->log, command.flags & 1 ? "!" : "");
	g_string_append(server->log, command.flags & 2 ? "." : "");
	if (command.type == 1 && !get(server, server->disk + offset, length))
		return false;
	return do_command(server, &command, offset, length, mood_of(server));
}

static void *run(void *opaque)
{
	struct server *server = opaque;

	server->connection = accept(server->listener, NULL, NULL);
	if (server->connection < 0)
		return NULL;
	if (negotiate(server))
		while (serve(server))
			;
	shutdown(server->connection, SHUT_RDWR);
	return NULL;
}

void server_start(struct server *server, uint16_t flags)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	server->directory = g_dir_make_tmp("mica-nbd-XXXXXX", NULL);
	server->path = g_build_filename(server->directory, "socket", NULL);
	server->name = g_strconcat("nbd:unix:", server->path, NULL);
	server->flags = flags;
	server->disk = g_malloc0(SERVER_DISK);
	server->log = g_string_new(NULL);
	server->connection = -1;
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_strlcpy(address.sun_path, server->path, sizeof(address.sun_path));
	g_assert(bind(server->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	g_assert(listen(server->listener, 1) == 0);
	g_assert(pthread_create(&server->thread, NULL, run, server) == 0);
}

void server_stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	if (server->connection >= 0)
		shutdown(server->connection, SHUT_RDWR);
	pthread_join(server->thread, NULL);
}

void server_free(struct server *server)
{
	close(server->listener);
	if (server->connection >= 0)
		close(server->connection);
	unlink(server->path);
	rmdir(server->directory);
	g_string_free(server->log, TRUE);
	g_free(server->directory);
	g_free(server->path);
	g_free(server->name);
	g_free(server->disk);
}
