// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network card for users without privileges: passt(1) answers the guest's ARP and DHCP and
 * makes its connections, as ordinary sockets of its own.
 *
 * passt gets one end of a socket pair.  It goes into the background once it is ready, which
 * the end of the program that was started tells, and ends when the socket is closed, however
 * this process ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../error.h"
#include "net.h"

#define PASST	"passt"

/* In the child, before passt: the socket stays open in it. */
static void keep_socket(gpointer opaque)
{
	fcntl(GPOINTER_TO_INT(opaque), F_SETFD, 0);
}

static void add_forwards(GPtrArray *arguments, const struct net_forward *forwards,
			 unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		g_ptr_array_add(arguments, g_strdup(forwards[i].udp ? "-u" : "-t"));
		g_ptr_array_add(arguments, g_strdup_printf("%u:%u", forwards[i].host,
							   forwards[i].guest));
	}
}

static char **make_arguments(int fd, const struct net_forward *forwards, unsigned int count,
			     uint16_t mtu)
{
	GPtrArray *arguments = g_ptr_array_new();

	g_ptr_array_add(arguments, g_strdup(PASST));
	g_ptr_array_add(arguments, g_strdup("--quiet"));
	g_ptr_array_add(arguments, g_strdup("--fd"));
	g_ptr_array_add(arguments, g_strdup_printf("%d", fd));
	if (mtu) {
		g_ptr_array_add(arguments, g_strdup("--mtu"));
		g_ptr_array_add(arguments, g_strdup_printf("%u", mtu));
	}
	add_forwards(arguments, forwards, count);
	g_ptr_array_add(arguments, NULL);
	return (char **)g_ptr_array_free(arguments, FALSE);
}

/* Not every passt says that it cannot have a port, so it is tried before. */
static gboolean check_port(const struct net_forward *forward, GError **error)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(forward->host),
	};
	int type = forward->udp ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	int on = 1, status;

	if (fd < 0)
		return error_set_errno(error, errno, "user network: cannot make a socket");
	if (!forward->udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	status = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
	close(fd);
	if (!status)
		return TRUE;
	return error_set_errno(error, status, "user network: cannot take port %s:%u of the host",
			       forward->udp ? "udp" : "tcp", forward->host);
}

/* One line, without what passt says of itself at each start. */
static char *reasons(const char *words)
{
	static const char *const noise[] = { "Can't run AVX2 build", "Don't run as root",
					     "Failed to send" };
	g_auto(GStrv) lines = g_strsplit(words, "\n", -1);
	g_autoptr(GString) text = g_string_new(NULL);

	for (unsigned int i = 0; lines[i]; i++) {
		bool wanted = *g_strstrip(lines[i]);

		for (size_t j = 0; j < G_N_ELEMENTS(noise); j++)
			wanted = wanted && !g_str_has_prefix(lines[i], noise[j]);
		if (wanted)
			g_string_append_printf(text, "%s%s", text->len ? "; " : "", lines[i]);
	}
	return g_strdup(text->len ? text->str : "it does not say why");
}

/* Returns when passt is ready. */
static gboolean start(int fd, const struct net_forward *forwards, unsigned int count, uint16_t mtu,
		      GError **error)
{
	g_auto(GStrv) arguments = make_arguments(fd, forwards, count, mtu);
	g_autofree char *words = NULL, *why = NULL;
	g_autoptr(GError) cause = NULL;
	int status;

	if (!g_spawn_sync(NULL, arguments, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL,
			  keep_socket, GINT_TO_POINTER(fd), NULL, &words, &status, &cause)) {
		if (g_error_matches(cause, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT))
			return error_set(error, "user network: there is no program " PASST
					 "; it is in the package of that name");
		return error_set(error, "user network: %s", cause->message);
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return TRUE;
	why = reasons(words);
	return error_set(error, "user network: passt does not start: %s", why);
}

gboolean net_passt_connect(const struct net_forward *forwards, unsigned int count, uint16_t mtu,
			   struct net_end *end, GError **error)
{
	int ends[2];
	gboolean started;

	for (unsigned int i = 0; i < count; i++)
		if (!check_port(&forwards[i], error))
			return FALSE;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set_errno(error, errno, "user network: cannot make a socket");
	started = start(ends[1], forwards, count, mtu, error);
	close(ends[1]);
	if (started)
		*end = (struct net_end){ .fds = { ends[0] }, .count = 1, .mtu = mtu };
	else
		close(ends[0]);
	return started;
}
