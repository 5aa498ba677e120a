// SPDX-License-Identifier: GPL-2.0-or-later
#include "../error.h"
#include "../exit_status.h"
#include "cli.h"
#include "guest_verb.h"

#define SECONDS_MIN	10u	/* as the command has it */
#define SECONDS_MAX	600u
#define SECONDS_DEFAULT	30u

static gboolean take_force(void *target, const char *value, GError **error)
{
	struct guest_words *words = target;

	(void)value;
	(void)error;
	json_object_set_boolean_member(words->arguments, "force", TRUE);
	return TRUE;
}

static gboolean take_timeout(void *target, const char *value, GError **error)
{
	struct guest_words *words = target;

	return cli_parse_number(value, SECONDS_MIN, SECONDS_MAX, &words->seconds, error);
}

static const struct cli_option options[] = {
	{ "force", NULL, "take it away without asking the guest", take_force },
	{ "timeout", "SECONDS", "how long to wait for the guest, 10 to 600 (30)", take_timeout },
};

static const struct guest_verb verb = {
	.name = "detach",
	.about = "Asks the guest to let go of a device that `mica attach` gave it, and waits until it has.\n"
		 "`mica ps --json` shows the ids.  A guest whose device is taken away by force may lose\n"
		 "what it has not flushed.\n",
	.options = options,
	.option_count = G_N_ELEMENTS(options),
	.operands = "DEVICE-ID",
	.operand_min = 1,
	.operand_max = 1,
};

static int detach(struct guest_words *words)
{
	unsigned int seconds = words->seconds ? words->seconds : SECONDS_DEFAULT;
	const struct control_extra extra = { .seconds = seconds + CLIENT_SECONDS };
	g_autoptr(JsonObject) result = NULL;

	json_object_set_string_member(words->arguments, "device",
				      g_ptr_array_index(words->operands, 0));
	json_object_set_int_member(words->arguments, "timeout", seconds);
	result = guest_words_call(words, "detach", &extra);
	return result ? EXIT_STATUS_OK : EXIT_STATUS_ERROR;
}

int cli_detach(int argc, char **argv)
{
	struct guest_words words;
	int status;

	if (guest_verb_parse(&verb, argc, argv, &words, &status))
		status = detach(&words);
	guest_words_clear(&words);
	return status;
}
