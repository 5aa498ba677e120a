// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>

#include "../error.h"
#include "../exit_status.h"
#include "../message.h"
#include "cli.h"
#include "guest_verb.h"

static gboolean take_shrink(void *target, const char *value, GError **error)
{
	struct guest_words *words = target;

	(void)value;
	(void)error;
	json_object_set_boolean_member(words->arguments, "shrink", TRUE);
	return TRUE;
}

static const struct cli_option options[] = {
	{ "shrink", NULL, "the disk may become smaller, and loses what was behind its end",
	  take_shrink },
};

static const struct guest_verb verb = {
	.name = "resize",
	.about = "Gives a disk of a running guest and its file another size, and tells the guest.  Without\n"
		 "SIZE the disk follows its file or block device, which somebody else has changed.\n"
		 "Prints the disk's size in bytes.\n",
	.options = options,
	.option_count = G_N_ELEMENTS(options),
	.operands = "DEVICE-ID [SIZE]",
	.operand_min = 1,
	.operand_max = 2,
};

static int resize(struct guest_words *words)
{
	const struct control_extra none = { 0 };
	g_autoptr(JsonObject) result = NULL;
	g_autoptr(GError) error = NULL;
	uint64_t size = 0;

	if (words->operands->len > 1 &&
	    (!cli_parse_size(g_ptr_array_index(words->operands, 1), &size, &error) || !size)) {
		message("%s (see `mica resize --help`)", error ? error->message :
			"a disk has more than 0 bytes");
		return EXIT_STATUS_USAGE;
	}
	json_object_set_string_member(words->arguments, "device",
				      g_ptr_array_index(words->operands, 0));
	json_object_set_int_member(words->arguments, "size", MIN(size, INT64_MAX));
	result = guest_words_call(words, "resize", &none);
	if (result)
		printf("%" PRId64 "\n", guest_integer(result, "size"));
	return result ? EXIT_STATUS_OK : EXIT_STATUS_ERROR;
}

int cli_resize(int argc, char **argv)
{
	struct guest_words words;
	int status;

	if (guest_verb_parse(&verb, argc, argv, &words, &status))
		status = resize(&words);
	guest_words_clear(&words);
	return status;
}
