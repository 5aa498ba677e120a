// SPDX-License-Identifier: GPL-2.0-or-later
#include "inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../error.h"
#include "../exit_status.h"
#include "../message.h"
#include "../state/memory.h"
#include "cli.h"
#include "options.h"

struct inspect_words {
	const char *path;
	gboolean json;
	gboolean verify;
};

static gboolean take_json(void *target, const char *value, GError **error)
{
	struct inspect_words *words = target;

	(void)value;
	(void)error;
	words->json = TRUE;
	return TRUE;
}

static gboolean take_verify(void *target, const char *value, GError **error)
{
	struct inspect_words *words = target;

	(void)value;
	(void)error;
	words->verify = TRUE;
	return TRUE;
}

static const struct cli_option options[] = {
	{ "json", NULL, "one object in place of text", take_json },
	{ "verify", NULL, "read all of the guest's memory and check it, too", take_verify },
};

static gboolean take_file(void *target, const char *word, GError **error)
{
	struct inspect_words *words = target;

	if (words->path)
		return error_set_usage(error, "one file at a time: '%s' is the second", word);
	words->path = word;
	return TRUE;
}

static int print_help(void)
{
	g_autoptr(GString) text = g_string_new("Usage: mica inspect FILE [OPTION]...\n\n"
		"Shows what is in a checkpoint: the guest, its memory, its records, the registers\n"
		"of its virtual CPUs.  All records are checked; nothing is started.\n\n");

	cli_append_options(text, options, G_N_ELEMENTS(options));
	printf("%s", text->str);
	return EXIT_STATUS_OK;
}

/* Not a pipe that nobody writes to, which open(2) would wait for. */
static int open_checkpoint(const char *path, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		error_set_errno(error, errno, "cannot open the checkpoint");
	return fd;
}

static gboolean verify(const struct state_reader *reader, GError **error)
{
	const struct state_memory *range;

	for (uint32_t i = 0; ; i++) {
		GError *problem = NULL;

		range = state_memory_range(reader, i, &problem);
		if (problem) {
			g_propagate_error(error, problem);
			return FALSE;
		}
		if (!range)
			return TRUE;
		if (!state_memory_read(reader, range, NULL, error))
			return FALSE;
	}
}

static gboolean inspect(const struct inspect_words *words, int fd, GError **error)
{
	g_autoptr(state_reader) reader = state_reader_new(fd, error);
	g_autofree char *text = NULL;

	if (!reader || (words->verify && !verify(reader, error)))
		return FALSE;
	text = words->json ? inspect_json(reader, words->verify, error)
			   : inspect_text(reader, error);
	if (!text)
		return FALSE;
	printf("%s", text);
	if (words->verify && !words->json)
		printf("\nverified         all records, and every page of memory\n");
	return TRUE;
}

int cli_inspect(int argc, char **argv)
{
	struct inspect_words words = { 0 };
	g_autoptr(GError) error = NULL;
	gboolean good;
	int fd;

	if (cli_wants_help(argc, argv))
		return print_help();
	if (!cli_parse_operands(options, G_N_ELEMENTS(options), argc, argv, &words, take_file,
				&error) ||
	    (!words.path && !error_set_usage(&error, "which file?"))) {
		message("%s (see `mica inspect --help`)", error->message);
		return EXIT_STATUS_USAGE;
	}
	fd = open_checkpoint(words.path, &error);
	good = fd >= 0 && inspect(&words, fd, &error);
	if (!good)
		message("%s: %s", words.path, error->message);
	if (fd >= 0)
		close(fd);
	return good ? EXIT_STATUS_OK : EXIT_STATUS_ERROR;
}
