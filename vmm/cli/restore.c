// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `mica restore`: what the guest has comes from the checkpoint, in the words of `mica run`; where its
 * console is and the like from the command line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "../exit_status.h"
#include "../kept.h"
#include "../machine_save.h"
#include "../message.h"
#include "../state/stream.h"
#include "cli.h"
#include "options.h"
#include "run_options.h"

struct restore {
	struct run_config run;		/* the first member: options of the two share a target */
	char *file;
	gboolean trust;
};

static gboolean take_any_disk(void *target, const char *value, GError **error)
{
	struct restore *restore = target;

	(void)value;
	(void)error;
	restore->run.machine.any_disk = TRUE;
	return TRUE;
}

static gboolean take_eager(void *target, const char *value, GError **error)
{
	struct restore *restore = target;

	(void)value;
	(void)error;
	restore->run.machine.eager = TRUE;
	return TRUE;
}

static gboolean take_keep_time(void *target, const char *value, GError **error)
{
	struct restore *restore = target;

	(void)value;
	(void)error;
	restore->run.machine.keep_time = TRUE;
	return TRUE;
}

static gboolean take_paused(void *target, const char *value, GError **error)
{
	struct restore *restore = target;

	(void)value;
	(void)error;
	restore->run.machine.paused = TRUE;
	return TRUE;
}

static gboolean take_trust(void *target, const char *value, GError **error)
{
	struct restore *restore = target;

	(void)value;
	(void)error;
	restore->trust = TRUE;
	return TRUE;
}

static gboolean take_file(void *target, const char *word, GError **error)
{
	struct restore *restore = target;

	if (restore->file)
		return error_set_usage(error, "one FILE at a time");
	restore->file = g_strdup(word);
	return TRUE;
}

static const struct cli_option own_options[] = {
	{ "any-disk", NULL, "a disk may have been changed since: it is the same, copied back",
	  take_any_disk },
	{ "eager", NULL, "read all of the guest's memory before it runs (as it is touched)", take_eager },
	{ "keep-time", NULL, "the guest's clock of the day goes on where it was (the host's time)",
	  take_keep_time },
	{ "paused", NULL, "it waits for `mica resume`", take_paused },
	{ "trust", NULL, "use a file that others may have written: it names files of yours", take_trust },
};

/* Ours, and those of `mica run` that a checkpoint does not keep. */
static GArray *restore_options(void)
{
	GArray *options = g_array_new(FALSE, FALSE, sizeof(struct cli_option));
	const struct cli_option *run;
	size_t count;

	run = run_options_of_process(&count);
	g_array_append_vals(options, own_options, G_N_ELEMENTS(own_options));
	g_array_append_vals(options, run, count);
	return options;
}

static int print_help(void)
{
	g_autoptr(GArray) options = restore_options();
	g_autoptr(GString) text = g_string_new("Usage: mica restore FILE [OPTION]...\n\n"
		"Lets a guest go on that `mica save` has written into FILE.  Its disks must be what and\n"
		"where they were.  FILE must stay as it is while the guest runs, unless --eager is given.\n\n");

	cli_append_options(text, (const struct cli_option *)(void *)options->data, options->len);
	g_string_append(text, "  --help                  show this help\n\n"
			"The exit status is that of `mica run`.\n");
	return fputs(text->str, stdout) < 0 || fflush(stdout) ? EXIT_STATUS_ERROR : EXIT_STATUS_OK;
}

/* A checkpoint says what files of its user the guest may read and write. */
static gboolean is_ours(const struct restore *restore, int fd, GError **error)
{
	struct stat st;

	if (restore->trust)
		return TRUE;
	if (fstat(fd, &st) < 0)
		return error_set_errno(error, errno, "cannot look at '%s'", restore->file);
	if ((st.st_uid == geteuid() || !st.st_uid) && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return TRUE;
	return error_set(error, "'%s' belongs to another user, or others can write it, and it names files "
			 "that the guest will use as you: --trust if you know what is in it", restore->file);
}

static int open_file(const struct restore *restore, GError **error)
{
	int fd = open(restore->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		error_set_errno(error, errno, "cannot open the checkpoint '%s'", restore->file);
	if (fd < 0 || is_ours(restore, fd, error))
		return fd;
	close(fd);
	return -1;
}

static gboolean are_kept(char **words, GError **error)
{
	const struct cli_option *options;
	size_t count;

	options = run_options_of_machine(&count);
	for (; *words; words++) {
		g_autofree char *printable = g_strescape(*words, NULL);

		if (!cli_knows(options, count, *words))
			return error_set(error, "the checkpoint's machine has '%s', which this mica does "
					 "not know", printable);
	}
	return TRUE;
}

/* The words of the checkpoint, behind a first one that nobody looks at; a name of the command line
 * goes before its own. */
static gboolean take_words(struct restore *restore, const char *name, char **words, GError **error)
{
	struct run_config *run = &restore->run;
	g_autofree char *name_word = g_strconcat("--name=", name, NULL);
	g_autoptr(GPtrArray) all = g_ptr_array_new();

	g_ptr_array_add(all, NULL);
	if (!run->machine.name)
		g_ptr_array_add(all, name_word);
	for (; *words; words++)
		g_ptr_array_add(all, *words);
	if (run_options_take(all->len, (char **)all->pdata, run, error))
		return TRUE;
	g_prefix_error(error, "the checkpoint's machine: ");
	return FALSE;
}

static gboolean configure(struct restore *restore, const struct state_reader *reader, GError **error)
{
	g_auto(GStrv) words = NULL;
	g_autofree char *name = NULL;

	if (!machine_saved_options(reader, &name, &words, error) || !are_kept(words, error) ||
	    !take_words(restore, name, words, error))
		return FALSE;
	restore->run.machine.checkpoint = reader;
	return TRUE;
}

static int restore_from(struct restore *restore, int fd, GError **error)
{
	g_autoptr(state_reader) reader = state_reader_new(fd, error);
	int status = EXIT_STATUS_ERROR;

	if (!reader)
		g_prefix_error(error, "%s: ", restore->file);
	else if (configure(restore, reader, error))
		status = run_start(&restore->run);
	return status;
}

static int restore_parsed(struct restore *restore)
{
	g_autoptr(GError) error = NULL;
	int fd = open_file(restore, &error);
	int status = EXIT_STATUS_ERROR;

	if (fd >= 0) {
		status = restore_from(restore, fd, &error);
		close(fd);
	}
	if (error)
		message("%s", error->message);
	return status;
}

int cli_restore(int argc, char **argv)
{
	g_autoptr(GArray) options = restore_options();
	struct restore restore = { 0 };
	g_autoptr(GError) error = NULL;
	int status = EXIT_STATUS_USAGE;

	if (cli_wants_help(argc, argv))
		return print_help();
	run_options_init(&restore.run);
	if (cli_parse_operands((const struct cli_option *)(void *)options->data, options->len, argc, argv,
			       &restore, take_file, &error) && restore.file)
		status = restore_parsed(&restore);
	else
		message("%s (see `mica restore --help`)", error ? error->message :
			"the name of the checkpoint's file is missing");
	run_options_clear(&restore.run);
	g_free(restore.file);
	kept_end();
	return status;
}
