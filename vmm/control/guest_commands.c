// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands of every guest. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../chipset/chipset.h"
#include "../error.h"
#include "../loop_lock.h"
#include "../machine_pause.h"
#include "../vcpu.h"
#include "guest_commands.h"
#include "internal.h"

static const char *const console_names[] = {
	[CONSOLE_STDIO] = "stdio",
	[CONSOLE_PTY] = "pty",
	[CONSOLE_FILE] = "file",
	[CONSOLE_SOCKET] = "socket",
};

const char *guest_end_name(enum machine_end end)
{
	static const char *const names[] = {
		[MACHINE_OFF] = "shutdown",
		[MACHINE_RESET] = "reset",
		[MACHINE_CRASH] = "crash",
		[MACHINE_DEBUG_EXIT] = "debug-exit",
		[MACHINE_ERROR] = "error",
		[MACHINE_LEFT] = "killed",
		[MACHINE_SIGNAL] = "signal",
		[MACHINE_SAVED] = "saved",
	};

	return end < G_N_ELEMENTS(names) && names[end] ? names[end] : "error";
}

/* ---------------------------------------------------------------- status */

static JsonObject *describe_console(const struct machine *machine)
{
	const struct console_config *config = &machine->config->console;
	JsonObject *object = json_object_new();
	const char *path = config->path;

	if (config->kind == CONSOLE_PTY)
		path = console_pty_path(machine->console);
	json_object_set_string_member(object, "kind", console_names[config->kind]);
	if (path)
		json_object_set_string_member(object, "path", path);
	return object;
}

static const char *state_name(struct machine *machine)
{
	const char *name = machine_paused(machine) ? "paused" : "running";

	loop_lock(&machine->lock);
	if (machine->end != MACHINE_RUNS)
		name = "ending";
	pthread_mutex_unlock(&machine->lock);
	return name;
}

static JsonObject *describe_topology(const struct cpu_topology *topology)
{
	JsonObject *object = json_object_new();

	json_object_set_int_member(object, "sockets", topology->sockets);
	json_object_set_int_member(object, "cores", topology->cores);
	json_object_set_int_member(object, "threads", topology->threads);
	return object;
}

static void command_status(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	struct machine *machine = server->machine;
	JsonObject *result = json_object_new();

	(void)arguments;
	json_object_set_string_member(result, "name", machine->config->name);
	json_object_set_int_member(result, "pid", getpid());
	json_object_set_string_member(result, "state", state_name(machine));
	json_object_set_int_member(result, "cpus", machine->config->cpus);
	json_object_set_object_member(result, "topology", describe_topology(&machine->topology));
	json_object_set_string_member(result, "cpu", cpu_model_text(&machine->config->cpu));
	json_object_set_int_member(result, "memory", machine->config->memory);
	json_object_set_int_member(result, "uptime_ms", machine_uptime_ms(machine));
	json_object_set_object_member(result, "console", describe_console(machine));
	json_object_set_array_member(result, "devices", device_commands_describe(machine));
	control_call_done(call, result);
}

static void command_commands(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	JsonObject *result = json_object_new();

	(void)arguments;
	json_object_set_array_member(result, "commands",
				     control_registry_describe(server->machine->commands));
	control_call_done(call, result);
}

/* ---------------------------------------------------------------- running and ending */

static void command_pause(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	g_autoptr(GError) error = NULL;

	(void)arguments;
	if (machine_pause(server->machine, &error))
		control_call_done(call, NULL);
	else
		control_call_fail(call, NULL, "%s", error->message);
}

static void command_resume(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	g_autoptr(GError) error = NULL;

	(void)arguments;
	if (machine_resume(server->machine, &error))
		control_call_done(call, NULL);
	else
		control_call_fail(call, NULL, "%s", error->message);
}

static void command_stop(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	struct machine *machine = server->machine;

	(void)arguments;
	if (machine_paused(machine)) {
		control_call_fail(call, NULL, "the guest is paused and cannot see its power "
				  "button: resume it first");
		return;
	}
	loop_lock(&machine->lock);
	pm_press_power_button(machine->pm);
	pthread_mutex_unlock(&machine->lock);
	control_call_done(call, NULL);
}

static void end_machine(struct control_call *call, void *opaque, enum machine_end end)
{
	struct control_server *server = opaque;
	struct machine *machine = server->machine;
	bool first;

	loop_lock(&machine->lock);
	first = machine_request_end(machine, end, 0);
	pthread_mutex_unlock(&machine->lock);
	if (first)
		control_call_done(call, NULL);
	else
		control_call_fail(call, NULL, "the guest is ending already");
}

static void command_kill(struct control_call *call, JsonObject *arguments, void *opaque)
{
	(void)arguments;
	end_machine(call, opaque, MACHINE_LEFT);
}

static void command_reset(struct control_call *call, JsonObject *arguments, void *opaque)
{
	(void)arguments;
	end_machine(call, opaque, MACHINE_RESET);
}

/* ---------------------------------------------------------------- stats */

/* What the process has in memory, proc(5) "statm"; 0 if the host does not say. */
static gint64 resident_bytes(const struct control_server *server)
{
	char text[256] = "";
	gint64 size, resident;

	if (pread(server->statm_fd, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%" SCNd64 " %" SCNd64, &size, &resident) != 2)
		return 0;
	return resident * sysconf(_SC_PAGESIZE);
}

static gint64 cpu_time_ms(const struct vcpu *vcpu)
{
	struct timespec used;
	clockid_t clock;

	if (!vcpu->started || pthread_getcpuclockid(vcpu->thread, &clock) ||
	    clock_gettime(clock, &used))
		return 0;
	return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static JsonObject *describe_counters(const struct vcpu *vcpu)
{
	g_autofree struct mica_stats *stats = g_new0(struct mica_stats, 1);
	JsonObject *object = json_object_new();
	char name[sizeof(stats->stats[0].name) + 1];

	if (ioctl(vcpu->fd, MICA_VCPU_GET_STATS, stats) < 0)
		return object;
	for (uint32_t i = 0; i < MIN(stats->count, MICA_MAX_STATS); i++) {
		g_snprintf(name, sizeof(name), "%.*s", (int)sizeof(stats->stats[i].name),
			   stats->stats[i].name);
		json_object_set_int_member(object, name, stats->stats[i].value);
	}
	return object;
}

static JsonArray *describe_vcpus(const struct machine *machine)
{
	JsonArray *array = json_array_new();
	JsonObject *object;

	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		object = json_object_new();
		json_object_set_int_member(object, "id", i);
		json_object_set_int_member(object, "cpu_ms", cpu_time_ms(machine->vcpus[i]));
		json_object_set_object_member(object, "counters",
					      describe_counters(machine->vcpus[i]));
		json_array_add_object_element(array, object);
	}
	return array;
}

static void command_stats(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	struct machine *machine = server->machine;
	JsonObject *result = json_object_new();
	JsonObject *memory = json_object_new();

	(void)arguments;
	json_object_set_int_member(memory, "size", machine->config->memory);
	json_object_set_int_member(memory, "resident", resident_bytes(server));
	json_object_set_int_member(result, "uptime_ms", machine_uptime_ms(machine));
	json_object_set_object_member(result, "memory", memory);
	json_object_set_array_member(result, "vcpus", describe_vcpus(machine));
	control_registry_append_stats(machine->commands, result);
	control_call_done(call, result);
}

/* ---------------------------------------------------------------- console */

static const struct control_argument console_arguments[] = {
	{ .name = "backlog", .type = CONTROL_INTEGER, .high = LINK_BACKLOG, .value = "BYTES",
	  .help = "how much of what the guest has printed comes first (65536)" },
};

/* The answer is the last line; what follows it is the console's. */
static void command_console(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	struct connection *connection = control_call_connection(call);
	gint64 backlog = json_object_get_int_member_with_default(arguments, "backlog",
								 LINK_BACKLOG);

	if (!server->link) {
		control_call_fail(call, NULL, "the console of this guest is %s: it can be attached "
				  "to if the guest is started with --console socket",
				  console_names[server->machine->config->console.kind]);
		return;
	}
	control_call_done(call, NULL);
	link_attach(server->link, connection, backlog);
}

/* ---------------------------------------------------------------- the table */

const struct control_command guest_commands[] = {
	{ "status", "what the guest is and what it does", NULL, 0, command_status },
	{ "commands", "list all commands with their arguments", NULL, 0, command_commands },
	{ "pause", "let the guest's virtual CPUs and its time stand still", NULL, 0,
	  command_pause },
	{ "resume", "let a paused guest go on", NULL, 0, command_resume },
	{ "stop", "press the guest's power button", NULL, 0, command_stop },
	{ "kill", "end the guest at once, without asking it", NULL, 0, command_kill },
	{ "reset", "press the guest's reset button", NULL, 0, command_reset },
	{ "stats", "counters of the guest", NULL, 0, command_stats },
	{ "console", "attach to the guest's console", console_arguments,
	  G_N_ELEMENTS(console_arguments), command_console },
};

const size_t guest_command_count = G_N_ELEMENTS(guest_commands);

const struct control_command *guest_command_find(const char *name)
{
	for (size_t i = 0; i < guest_command_count; i++)
		if (!g_strcmp0(guest_commands[i].name, name))
			return &guest_commands[i];
	return NULL;
}

void guest_commands_add(struct control_server *server)
{
	control_registry_add(server->machine->commands, guest_commands, guest_command_count,
			     server);
}

void guest_commands_remove(struct control_server *server)
{
	control_registry_remove(server->machine->commands, server);
}
