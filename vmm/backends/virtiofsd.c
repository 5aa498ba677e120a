// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtiofsd gets a socket that listens, in which our connection waits already: it takes one and no
 * more.  The socket had a name in a folder that only this user can enter, and has none when
 * virtiofsd is started.
 */
#include "virtiofsd.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "unix_socket.h"

#define WORDS_MAX	2048u
#define WORDS_MS	2000	/* from the connection's end to that of the program */

static const struct program {
	const char *path;		/* or a name, to be found in $PATH */
	bool of_qemu;			/* the C program, whose options differ */
} programs[] = {
	{ "/usr/libexec/virtiofsd", false },
	{ "/usr/lib/virtiofsd", false },
	{ "virtiofsd", false },
	{ "/usr/lib/qemu/virtiofsd", true },
};

/* The first that there is; *path is the caller's. */
static const struct program *find_program(char **path)
{
	for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
		*path = g_find_program_in_path(programs[i].path);
		if (*path)
			return &programs[i];
	}
	return NULL;
}

/* "-o source=": a comma or a backslash would begin something else. */
static char *escape(const char *directory)
{
	GString *text = g_string_new("source=");

	for (; *directory; directory++) {
		if (*directory == ',' || *directory == '\\')
			g_string_append_c(text, '\\');
		g_string_append_c(text, *directory);
	}
	return g_string_free(text, FALSE);
}

static char **make_arguments(const struct program *program, const char *path, int fd,
			     const char *directory, gboolean read_only)
{
	GPtrArray *arguments = g_ptr_array_new();

	g_ptr_array_add(arguments, g_strdup(path));
	g_ptr_array_add(arguments, g_strdup_printf("--fd=%d", fd));
	if (program->of_qemu) {
		g_ptr_array_add(arguments, g_strdup("-f"));
		g_ptr_array_add(arguments, g_strdup("-o"));
		g_ptr_array_add(arguments, g_strdup("log_level=err"));
		g_ptr_array_add(arguments, g_strdup("-o"));
		g_ptr_array_add(arguments, escape(directory));
	} else {
		g_ptr_array_add(arguments, g_strdup("--log-level=error"));
		g_ptr_array_add(arguments, g_strdup("--shared-dir"));
		g_ptr_array_add(arguments, g_strdup(directory));
		if (read_only)
			g_ptr_array_add(arguments, g_strdup("--readonly"));
	}
	g_ptr_array_add(arguments, NULL);
	return (char **)g_ptr_array_free(arguments, FALSE);
}

/* In the child, before virtiofsd: the socket stays open in it, and the terminal's signals, which
 * are for the guest or for us, do not end it; nor does a message that nobody hears. */
static void keep_socket(gpointer opaque)
{
	setsid();
	signal(SIGPIPE, SIG_IGN);
	fcntl(GPOINTER_TO_INT(opaque), F_SETFD, 0);
}

/* Both ends: *fd is ours. */
static int make_socket(int *fd, GError **error)
{
	g_autofree char *folder = g_dir_make_tmp("mica-share-XXXXXX", error);
	g_autofree char *path = NULL;
	int listener;

	if (!folder)
		return -1;
	path = g_build_filename(folder, "socket", NULL);
	listener = unix_socket_listen(path, error);
	if (listener >= 0) {
		*fd = unix_socket_connect(path);
		if (*fd < 0) {
			error_set_errno(error, -*fd, "cannot connect to '%s'", path);
			close(listener);
			listener = -1;
		}
		unlink(path);
	}
	g_rmdir(folder);
	return listener;
}

static gboolean spawn(const struct program *program, const char *path, int listener,
		      const char *directory, gboolean read_only, int *words, GError **error)
{
	g_auto(GStrv) arguments = make_arguments(program, path, listener, directory, read_only);
	g_autoptr(GError) cause = NULL;

	/* It waits for its connection, so the socket must. */
	fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) & ~O_NONBLOCK);
	return g_spawn_async_with_pipes(NULL, arguments, NULL, G_SPAWN_STDOUT_TO_DEV_NULL,
					keep_socket, GINT_TO_POINTER(listener), NULL, NULL, NULL,
					words, &cause) ||
	       error_set(error, "share of '%s': %s", directory, cause->message);
}

static int start(const char *directory, gboolean read_only, int *words, GError **error)
{
	g_autofree char *path = NULL;
	const struct program *program = find_program(&path);
	gboolean started;
	int listener, fd = -1;

	if (!program) {
		error_set(error, "share of '%s': there is no program virtiofsd; it is in the package "
			  "virtiofsd (Debian 13) or qemu-system-common (Debian 12)", directory);
		return -1;
	}
	if (read_only && program->of_qemu) {
		error_set(error, "share of '%s': '%s' knows no ro; mount the directory elsewhere "
			  "read-only and share that, or install the package virtiofsd", directory,
			  path);
		return -1;
	}
	listener = make_socket(&fd, error);
	if (listener < 0)
		return -1;
	started = spawn(program, path, listener, directory, read_only, words, error);
	close(listener);
	if (started)
		return fd;
	close(fd);
	return -1;
}

/* virtiofsd goes to the root before it looks for the directory. */
int virtiofsd_start(const char *directory, gboolean read_only, int *words, GError **error)
{
	char *absolute = realpath(directory, NULL);
	int fd;

	if (!absolute) {
		error_set_errno(error, errno, "share of '%s'", directory);
		return -1;
	}
	if (g_file_test(absolute, G_FILE_TEST_IS_DIR)) {
		fd = start(absolute, read_only, words, error);
	} else {
		error_set(error, "share of '%s': it is not a directory", directory);
		fd = -1;
	}
	free(absolute);
	return fd;
}

/* ---------------------------------------------------------------- what it says */

/* Until its end, which it is near. */
static char *hear(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	const gint64 deadline = g_get_monotonic_time() + WORDS_MS * 1000;
	char words[WORDS_MAX + 1];
	size_t length = 0;
	gint64 left;
	ssize_t count;

	while (length < WORDS_MAX) {
		left = (deadline - g_get_monotonic_time()) / 1000;
		if (left <= 0 || poll(&wait, 1, left) <= 0)
			break;
		count = read(fd, words + length, WORDS_MAX - length);
		if (count <= 0)
			break;
		length += count;
	}
	words[length] = '\0';
	return g_utf8_make_valid(g_strstrip(words), -1);
}

void virtiofsd_failed(int words, GError **error)
{
	g_autofree char *path = NULL;
	const struct program *program = find_program(&path);
	g_autofree char *said = hear(words);
	const char *advice = program && program->of_qemu && geteuid() != 0 ?
		"; that of qemu-system-common must be started by root: the one of the package "
		"virtiofsd need not" : "";

	close(words);
	g_strdelimit(said, "\n", ' ');
	if (!*said) {
		g_prefix_error(error, "virtiofsd does not say why%s: ", advice);
		return;
	}
	g_clear_error(error);
	error_set(error, "virtiofsd does not serve it: %s%s", said, advice);
}
