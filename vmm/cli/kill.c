// SPDX-License-Identifier: GPL-2.0-or-later
#include "../exit_status.h"
#include "../message.h"
#include "cli.h"
#include "guest_verb.h"

static const struct guest_verb verb = {
	.name = "kill",
	.about = "Ends the guest at once, without asking it, as if its power were cut.  A process that\n"
		 "does not answer is killed.\n",
};

static gint64 deadline(void)
{
	return g_get_monotonic_time() + CLIENT_SECONDS * G_USEC_PER_SEC;
}

/* TRUE if its process is gone.  What it answers does not matter: it may be ending already. */
static gboolean ask(const char *path)
{
	struct control_client *client = control_client_open(path, NULL);
	gboolean gone = FALSE;
	JsonObject *result;

	if (!client)
		return FALSE;
	result = control_client_call(client, "kill", NULL, NULL);
	g_clear_pointer(&result, json_object_unref);
	gone = control_client_wait_exit(client, deadline());
	control_client_free(client);
	return gone;
}

static int kill_guest(const struct guest_words *words)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = guest_words_path(words, &error);
	struct control_client *client = path ? control_client_connect(path, &error) : NULL;

	if (client && !ask(path) && control_client_kill(client, &error))
		control_client_wait_exit(client, deadline());
	control_client_free(client);
	if (!error)
		return EXIT_STATUS_OK;
	message("%s", error->message);
	return EXIT_STATUS_ERROR;
}

int cli_kill(int argc, char **argv)
{
	struct guest_words words;
	int status;

	if (guest_verb_parse(&verb, argc, argv, &words, &status))
		status = kill_guest(&words);
	guest_words_clear(&words);
	return status;
}
