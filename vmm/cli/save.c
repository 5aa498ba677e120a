// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `mica save`: the guest writes itself into FILE.part, which this user can write and the guest's
 * process cannot open; when all of it is on the disk, it becomes FILE.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../control/command.h"
#include "../error.h"
#include "../exit_status.h"
#include "../message.h"
#include "../state/stream.h"
#include "cli.h"
#include "guest_verb.h"

#define SAVE_SECONDS	(24 * 3600)
#define END_SECONDS	60

struct save {
	struct guest_words words;	/* the first member: options of the two share a target */
	struct control_client *client;
	char *part;
	int fd;				/* of it */
	gboolean go_on;			/* nobody is left to be ended */
};

static gboolean take_go_on(void *target, const char *value, GError **error)
{
	struct save *save = target;

	(void)value;
	(void)error;
	save->go_on = TRUE;
	json_object_set_boolean_member(save->words.arguments, "go_on", TRUE);
	return TRUE;
}

static const struct cli_option options[] = {
	{ "go-on", NULL, "the guest runs on when the file is complete (it ends)", take_go_on },
};

static const struct guest_verb verb = {
	.name = "save",
	.about = "Stops a guest, writes all of it but its disks into FILE, and ends it: `mica restore FILE`\n"
		 "lets it go on from there.  If anything fails the guest runs on and FILE is not touched.\n",
	.options = options,
	.option_count = G_N_ELEMENTS(options),
	.operands = "FILE",
	.operand_min = 1,
	.operand_max = 1,
};

/* A guest that is half saved is not to be left alone with it. */
static void ignore_signals(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
}

static int open_part(const char *part, GError **error)
{
	int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		error_set(error, "there is a file '%s': of a save that is under way, or was interrupted "
			  "and left a checkpoint there (`mica inspect` tells)", part);
	else if (fd < 0)
		error_set_errno(error, errno, "cannot make the file '%s'", part);
	return fd;
}

/* The name is on the disk as well. */
static gboolean publish(const char *part, const char *file, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(file);
	int fd;

	if (rename(part, file) < 0)
		return error_set_errno(error, errno, "the checkpoint is complete and called '%s'; "
				       "cannot call it '%s'", part, file);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return TRUE;
}

/* FILE is replaced if it is a checkpoint, and nothing else. */
static gboolean may_replace(const char *file, GError **error)
{
	char magic[sizeof(STATE_MAGIC) - 1];
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = fd < 0 ? 0 : read(fd, magic, sizeof(magic));
	bool is_none = fd < 0 && errno == ENOENT;

	if (fd >= 0)
		close(fd);
	if (is_none || (fd >= 0 && !got) ||
	    (got == sizeof(magic) && !memcmp(magic, STATE_MAGIC, sizeof(magic))))
		return TRUE;
	return error_set(error, "there is a '%s', which is not a checkpoint: remove it, or choose another "
			 "name", file);
}

/* The guest's process is gone, but not before it was done. */
static bool is_whole(struct control_client *client, int fd)
{
	g_autoptr(state_reader) reader = NULL;

	if (!control_client_wait_exit(client, g_get_monotonic_time() + G_USEC_PER_SEC))
		return false;
	reader = state_reader_new(fd, NULL);
	return reader != NULL;
}

/* FALSE: there is no checkpoint, and the guest runs on if it can. */
static gboolean write_part(struct save *save, GError **error)
{
	const struct control_extra extra = { .fds = &save->fd, .fd_count = 1, .seconds = SAVE_SECONDS };
	JsonObject *arguments = save->words.arguments;
	g_autoptr(JsonObject) result = NULL;

	json_object_set_int_member(arguments, CONTROL_DESCRIPTORS, 1);
	result = control_client_call_with(save->client, "save", json_object_ref(arguments), &extra, error);
	if (result)
		return TRUE;
	g_prefix_error(error, "%s: ", control_client_name(save->client));
	if (!is_whole(save->client, save->fd)) {
		unlink(save->part);
		return FALSE;
	}
	message("%s has ended by itself, but its checkpoint is complete", control_client_name(save->client));
	g_clear_error(error);
	save->go_on = TRUE;
	return TRUE;
}

/* Until its process is gone, and all that it had is free for the one that goes on. */
static gboolean end_guest(struct save *save, const char *file, GError **error)
{
	g_autoptr(JsonObject) result = control_client_call(save->client, "save-end", NULL, error);

	if (!result) {
		g_prefix_error(error, "%s is complete, but %s may run on: ", file,
			       control_client_name(save->client));
		return FALSE;
	}
	control_client_wait_exit(save->client, g_get_monotonic_time() + END_SECONDS * G_USEC_PER_SEC);
	return TRUE;
}

/* The guest is ended when its checkpoint has its name, on the disk. */
static gboolean save_to(struct save *save, const char *file, GError **error)
{
	ignore_signals();
	return write_part(save, error) && publish(save->part, file, error) &&
	       (save->go_on || end_guest(save, file, error));
}

static int run_save(struct save *save)
{
	const char *file = g_ptr_array_index(save->words.operands, 0);
	g_autoptr(GError) error = NULL;

	save->client = guest_words_open(&save->words);
	if (!save->client)
		return EXIT_STATUS_ERROR;
	save->part = g_strconcat(file, ".part", NULL);
	save->fd = may_replace(file, &error) ? open_part(save->part, &error) : -1;
	if (save->fd >= 0) {
		save_to(save, file, &error);
		close(save->fd);
	}
	if (error)
		message("%s", error->message);
	control_client_free(save->client);
	g_free(save->part);
	return error ? EXIT_STATUS_ERROR : EXIT_STATUS_OK;
}

int cli_save(int argc, char **argv)
{
	struct save save = { 0 };
	int status;

	if (guest_verb_parse(&verb, argc, argv, &save.words, &status))
		status = run_save(&save);
	guest_words_clear(&save.words);
	return status;
}
