// SPDX-License-Identifier: GPL-2.0-or-later
/* The command that writes the guest into a file. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "../loop_lock.h"
#include "../machine_pause.h"
#include "../machine_save.h"
#include "../message.h"
#include "internal.h"

static const struct control_argument save_arguments[] = {
	{ .name = CONTROL_DESCRIPTORS, .type = CONTROL_INTEGER, .required = TRUE, .low = 1, .high = 1,
	  .help = "an empty file, open for reading and writing" },
	{ .name = "go_on", .type = CONTROL_BOOLEAN, .help = "the guest runs on afterwards (false)" },
};

/* Not a pipe, and nothing that would be left between what is written. */
static gboolean check_file(int fd, GError **error)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !st.st_size && flags >= 0 &&
	    (flags & O_ACCMODE) == O_RDWR && !(flags & O_APPEND))
		return TRUE;
	return error_set(error, "not an empty file that is open for reading and writing, and not for "
			 "appending");
}

/* What an error leaves behind is in its text. */
static void resume(struct machine *machine, GError **error)
{
	g_autoptr(GError) other = NULL;

	if (machine_resume(machine, &other))
		return;
	if (error)
		g_prefix_error(error, "%s; ", other->message);
	else
		message("%s", other->message);
}

/* The guest stands still meanwhile; after an error it runs on, unless it was `paused` before. */
static gboolean save(struct machine *machine, int fd, bool paused, GError **error)
{
	if (!check_file(fd, error) || !machine_pause(machine, error))
		return FALSE;
	if (machine_save(machine, fd, error))
		return TRUE;
	if (!paused)
		resume(machine, error);
	return FALSE;
}

static void command_save(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	struct machine *machine = server->machine;
	bool go_on = json_object_get_boolean_member_with_default(arguments, "go_on", FALSE);
	bool paused = machine_paused(machine);
	g_autoptr(GError) error = NULL;
	gboolean saved;
	int fd;

	if (!control_call_descriptors(call, &fd)) {
		control_call_fail(call, "arguments." CONTROL_DESCRIPTORS,
				  "not as many have come with the request (SCM_RIGHTS)");
		return;
	}
	saved = save(machine, fd, paused, &error);
	close(fd);
	if (!saved) {
		control_call_fail(call, NULL, "%s", error->message);
		return;
	}
	if (go_on && !paused)
		resume(machine, NULL);
	server->saver = go_on ? NULL : control_call_connection(call);
	server->saver_resumes = !paused;
	control_call_done(call, NULL);
}

void save_command_abandon(struct control_server *server)
{
	server->saver = NULL;
	if (server->saver_resumes && !server->machine->stopped)
		resume(server->machine, NULL);
}

static void command_save_end(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	struct machine *machine = server->machine;

	(void)arguments;
	if (!server->saver || server->saver != control_call_connection(call)) {
		control_call_fail(call, NULL, "this connection has not saved the guest, or it has run "
				  "since");
		return;
	}
	server->saver = NULL;
	control_call_done(call, NULL);
	loop_lock(&machine->lock);
	machine_request_end(machine, MACHINE_SAVED, 0);
	pthread_mutex_unlock(&machine->lock);
}

static const struct control_command commands[] = {
	{ "save", "write the guest into a file; it stands still then", save_arguments,
	  G_N_ELEMENTS(save_arguments), command_save },
	{ "save-end", "end the guest that this connection has saved", NULL, 0, command_save_end },
};

/* It goes with the commands of every guest, which have the same owner. */
void save_command_add(struct control_server *server)
{
	control_registry_add(server->machine->commands, commands, G_N_ELEMENTS(commands), server);
}
