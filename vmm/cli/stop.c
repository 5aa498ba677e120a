// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "../exit_status.h"
#include "../message.h"
#include "cli.h"
#include "guest_verb.h"

#define DEFAULT_SECONDS	60

static const struct cli_option options[] = {
	{ "timeout", "SECONDS", "how long to wait for the guest's end (60)", guest_take_seconds },
};

static const struct guest_verb verb = {
	.name = "stop",
	.about = "Presses the guest's power button and waits until it has powered off.  What a guest\n"
		 "makes of the button is its own affair; `mica kill` does not ask.\n",
	.options = options,
	.option_count = G_N_ELEMENTS(options),
};

/* What there is to say about an event: TRUE if the guest has ended otherwise than asked. */
static gboolean ended_badly(const struct control_client *client, JsonObject *event)
{
	JsonObject *data = json_object_get_object_member(event, "data");
	const char *reason = json_object_get_string_member_with_default(data, "reason", "");

	if (!g_strcmp0(reason, "shutdown"))
		return FALSE;
	message("%s ended, but did not power off: %s", control_client_name(client), reason);
	return TRUE;
}

static int wait_for_end(struct control_client *client, unsigned int seconds)
{
	gint64 deadline = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;

	for (;;) {
		g_autoptr(JsonObject) event = NULL;

		switch (control_client_wait(client, deadline, &event)) {
		case CONTROL_WAIT_EVENT:
			if (g_strcmp0(json_object_get_string_member_with_default(event, "event", ""),
				      "ended"))
				continue;
			return ended_badly(client, event) ? EXIT_STATUS_ERROR : EXIT_STATUS_OK;
		case CONTROL_WAIT_TIMEOUT:
			message("%s has not powered off in %u seconds: `mica stop` presses again, "
				"`mica kill` ends it", control_client_name(client), seconds);
			return EXIT_STATUS_ERROR;
		case CONTROL_WAIT_CLOSED:
		case CONTROL_WAIT_ERROR:
			message("%s ended without a word", control_client_name(client));
			return EXIT_STATUS_ERROR;
		}
	}
}

static int stop(const struct guest_words *words)
{
	struct control_client *client = guest_words_open(words);
	g_autoptr(JsonObject) result = NULL;
	g_autoptr(GError) error = NULL;
	int status = EXIT_STATUS_ERROR;

	if (!client)
		return status;
	result = control_client_call(client, "stop", NULL, &error);
	if (result)
		status = wait_for_end(client, words->seconds ? words->seconds : DEFAULT_SECONDS);
	else
		message("%s: %s", control_client_name(client), error->message);
	control_client_free(client);
	return status;
}

int cli_stop(int argc, char **argv)
{
	struct guest_words words;
	int status;

	if (guest_verb_parse(&verb, argc, argv, &words, &status))
		status = stop(&words);
	guest_words_clear(&words);
	return status;
}
