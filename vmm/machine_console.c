// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_console.h"

#include "backends/port.h"
#include "control/command.h"
#include "devices/console/device.h"
#include "loop_lock.h"
#include "machine.h"

#define SIZE_MAX_CHARACTERS	10000

/* A named port: between its device and its end on the host. */
struct named_port {
	struct machine_console *console;
	const struct machine_port *config;
	unsigned int number;		/* among the device's ports */
	struct port *port;
	struct port_guest guest;
};

struct machine_console {
	struct machine *machine;
	struct virtio_device *device;
	bool has_console;		/* port 0 */
	bool full;			/* the console's output is */
	unsigned int count;
	struct named_port ports[MACHINE_PORTS_MAX];
};

/* ---------------------------------------------------------------- the console */

static size_t put_console(void *opaque, const uint8_t *bytes, size_t count)
{
	struct machine_console *console = opaque;

	if (console->full)
		return 0;
	console->full = console_put(console->machine->console, bytes, count);
	return count;
}

static void ask_console(void *opaque)
{
	struct machine_console *console = opaque;

	console_room(console->machine->console);
}

size_t machine_console_input(struct machine_console *console, const uint8_t *bytes, size_t count)
{
	return console && console->device ? console_input(console->device, 0, bytes, count) : 0;
}

void machine_console_room(struct machine_console *console)
{
	if (!console || !console->has_console)
		return;
	console->full = false;
	if (console->device)
		console_writable(console->device, 0);
}

static void set_size(struct machine_console *console, uint16_t columns, uint16_t rows)
{
	loop_lock(&console->machine->lock);
	console_resize(console->device, columns, rows);
	pthread_mutex_unlock(&console->machine->lock);
}

void machine_console_resized(struct machine_console *console)
{
	uint16_t columns, rows;

	if (console && console->has_console &&
	    console_size(console->machine->console, &columns, &rows))
		set_size(console, columns, rows);
}

/* ---------------------------------------------------------------- named ports */

static size_t put_port(void *opaque, const uint8_t *bytes, size_t count)
{
	struct named_port *port = opaque;

	return port_put(port->port, bytes, count);
}

static void ask_port(void *opaque)
{
	struct named_port *port = opaque;

	port_room(port->port);
}

static size_t port_input(void *opaque, const uint8_t *bytes, size_t count)
{
	struct named_port *port = opaque;

	return console_input(port->console->device, port->number, bytes, count);
}

static void port_writable(void *opaque)
{
	struct named_port *port = opaque;

	console_writable(port->console->device, port->number);
}

static void port_connected_now(void *opaque, bool connected)
{
	struct named_port *port = opaque;

	console_connected(port->console->device, port->number, connected);
}

void machine_console_each_pty(struct machine_console *console,
			      void (*each)(const char *name, const char *path))
{
	for (unsigned int i = 0; console && i < console->count; i++)
		if (console->ports[i].config->kind == PORT_PTY)
			each(console->ports[i].config->name, port_path(console->ports[i].port));
}

/* ---------------------------------------------------------------- commands */

static JsonObject *describe_port(struct named_port *port)
{
	static const char *const kinds[] = {
		[PORT_SOCKET] = "socket", [PORT_FILE] = "file", [PORT_PTY] = "pty",
	};
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "name", port->config->name);
	json_object_set_string_member(object, "kind", kinds[port->config->kind]);
	json_object_set_string_member(object, "path", port_path(port->port));
	json_object_set_boolean_member(object, "host", port_connected(port->port));
	json_object_set_boolean_member(object, "guest",
				       console_guest_open(port->console->device, port->number));
	return object;
}

static void command_ports(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct machine_console *console = opaque;
	JsonObject *result = json_object_new();
	JsonArray *ports = json_array_new();

	(void)arguments;
	loop_lock(&console->machine->lock);
	for (unsigned int i = 0; i < console->count; i++)
		json_array_add_object_element(ports, describe_port(&console->ports[i]));
	pthread_mutex_unlock(&console->machine->lock);
	json_object_set_array_member(result, "ports", ports);
	control_call_done(call, result);
}

static void command_console_size(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct machine_console *console = opaque;

	if (!console->has_console) {
		control_call_fail(call, NULL, "the guest's console is its serial port, which has no "
				  "size: start it with --console-device virtio");
		return;
	}
	set_size(console, json_object_get_int_member(arguments, "columns"),
		 json_object_get_int_member(arguments, "rows"));
	control_call_done(call, NULL);
}

static const struct control_argument size_arguments[] = {
	{ .name = "columns", .type = CONTROL_INTEGER, .required = TRUE, .low = 1,
	  .high = SIZE_MAX_CHARACTERS, .help = "characters in a line" },
	{ .name = "rows", .type = CONTROL_INTEGER, .required = TRUE, .low = 1,
	  .high = SIZE_MAX_CHARACTERS, .help = "lines" },
};

static const struct control_command commands[] = {
	{ "ports", "the named ports of the guest's virtio console", NULL, 0, command_ports },
	{ "console-size", "tell the guest the size of its console's terminal", size_arguments,
	  G_N_ELEMENTS(size_arguments), command_console_size },
};

/* ---------------------------------------------------------------- life */

static gboolean open_port(struct machine_console *console, const struct machine_port *config,
			  GError **error)
{
	struct named_port *port = &console->ports[console->count];
	struct machine *machine = console->machine;

	port->port = port_open(&machine->loop, &machine->lock, config->kind, config->name,
			       config->path, error);
	if (!port->port)
		return FALSE;
	port->console = console;
	port->config = config;
	port->number = console->count + console->has_console;
	port->guest = (struct port_guest){
		.input = port_input,
		.writable = port_writable,
		.connected = port_connected_now,
		.opaque = port,
	};
	console->count++;
	return TRUE;
}

static gboolean open_ports(struct machine_console *console, GError **error)
{
	const GArray *ports = console->machine->config->ports;

	for (guint i = 0; ports && i < ports->len; i++)
		if (!open_port(console, &g_array_index(ports, struct machine_port, i), error))
			return FALSE;
	return TRUE;
}

static struct virtio_device *make_device(struct machine_console *console, const char *name,
					 const struct virtio_memory *memory, GError **error)
{
	struct console_port_config ports[1 + MACHINE_PORTS_MAX] = { 0 };
	struct console_device_config config = { .name = name, .ports = ports };

	if (console->has_console)
		ports[config.count++] = (struct console_port_config){
			.end = { put_console, ask_console, console },
			.connected = true,
		};
	for (unsigned int i = 0; i < console->count; i++)
		ports[config.count++] = (struct console_port_config){
			.name = console->ports[i].config->name,
			.end = { put_port, ask_port, &console->ports[i] },
			.connected = port_connected(console->ports[i].port),
		};
	return console_device_new(&config, memory, &console->machine->loop,
				  &console->machine->lock, error);
}

struct machine_console *machine_console_new(struct machine *machine, const char *name,
					    const struct virtio_memory *memory,
					    struct virtio_device **device, GError **error)
{
	struct machine_console *console = g_new0(struct machine_console, 1);

	console->machine = machine;
	console->has_console = machine->config->console_virtio;
	if (open_ports(console, error))
		console->device = make_device(console, name, memory, error);
	if (!console->device) {
		machine_console_free(console);
		return NULL;
	}
	for (unsigned int i = 0; i < console->count; i++)
		port_start(console->ports[i].port, &console->ports[i].guest);
	control_registry_add(machine->commands, commands, G_N_ELEMENTS(commands), console);
	*device = console->device;
	return console;
}

void machine_console_free(struct machine_console *console)
{
	if (!console)
		return;
	control_registry_remove(console->machine->commands, console);
	for (unsigned int i = 0; i < console->count; i++)
		port_free(console->ports[i].port);
	g_free(console);
}
