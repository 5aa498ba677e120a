// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>

#include "../exit_status.h"
#include "../message.h"
#include "cli.h"
#include "guest_verb.h"

static const struct guest_verb verb = {
	.name = "kill",
	.about = "Ends the guest at once, without asking it, as if its power were cut.  A process that\n"
		 "does not answer is killed.\n",
};

/* The connection is open, so the process that listens is still the one that it was. */
static int kill_process(struct control_client *client)
{
	pid_t pid = control_client_pid(client);
	int status = EXIT_STATUS_OK;

	if (kill(pid, SIGKILL) < 0 && errno != ESRCH) {
		message("cannot kill process %d: %s", pid, g_strerror(errno));
		status = EXIT_STATUS_ERROR;
	}
	return status;
}

/* Returns when the guest's process is gone or has had the time for it. */
static gboolean ask(const char *path)
{
	struct control_client *client = control_client_open(path, NULL);
	gint64 deadline = g_get_monotonic_time() + CLIENT_SECONDS * G_USEC_PER_SEC;
	enum control_wait waited = CONTROL_WAIT_EVENT;
	JsonObject *result;

	if (!client)
		return FALSE;
	result = control_client_call(client, "kill", NULL, NULL);
	g_clear_pointer(&result, json_object_unref);
	while (waited == CONTROL_WAIT_EVENT) {
		g_autoptr(JsonObject) event = NULL;

		waited = control_client_wait(client, deadline, &event);
	}
	control_client_free(client);
	return waited == CONTROL_WAIT_CLOSED;
}

static int kill_guest(const struct guest_words *words)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = guest_words_path(words, &error);
	struct control_client *client = path ? control_client_connect(path, &error) : NULL;
	int status;

	if (!client) {
		message("%s", error->message);
		return EXIT_STATUS_ERROR;
	}
	status = ask(path) ? EXIT_STATUS_OK : kill_process(client);
	control_client_free(client);
	return status;
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
