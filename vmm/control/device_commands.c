// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands for devices that come and go. */
#include <string.h>

#include "../backends/block.h"
#include "../backends/net.h"
#include "../device_words.h"
#include "../devices/block/device.h"
#include "../loop_lock.h"
#include "../machine_virtio.h"
#include "internal.h"

#define PATH_LENGTH_MAX		4096
#define MAC_LENGTH		17
#define SIZE_MAX_BYTES		G_GINT64_CONSTANT(999999999999999999)	/* JSON_DIGITS_MAX */
/* The first is more than the 5 seconds in which Linux takes a second press for a change of mind. */
#define SECONDS_MIN		10
#define SECONDS_MAX		600
#define SECONDS_DEFAULT		30

/* A client that waits until the guest has let go of a device. */
struct detach {
	struct control_server *server;
	struct control_call *call;
	char *id;
	unsigned int seconds;
	uv_timer_t timer;
};

static const char *text_of(JsonObject *arguments, const char *name)
{
	return json_object_get_string_member_with_default(arguments, name, NULL);
}

/* Answers with an error about one argument. */
static void refuse(struct control_call *call, const char *field, const GError *error)
{
	control_call_fail(call, field, "%s", error->message);
}

static gboolean good_id(struct control_call *call, JsonObject *arguments)
{
	const char *id = text_of(arguments, "id");
	g_autoptr(GError) error = NULL;

	if (!id || device_id_check(id, &error))
		return TRUE;
	refuse(call, "arguments.id", error);
	return FALSE;
}

/* How many there are; 0: another number than the arguments say. */
static unsigned int take_descriptors(struct control_call *call, int *fds)
{
	unsigned int count = control_call_descriptors(call, fds);

	if (!count)
		control_call_fail(call, "arguments." CONTROL_DESCRIPTORS,
				  "not as many have come with the request (SCM_RIGHTS)");
	return count;
}

/* ---------------------------------------------------------------- what there is */

static JsonObject *describe(const struct machine_function *function)
{
	JsonObject *object = json_object_new();
	struct machine_device_info info;

	machine_device_info(function, &info);
	json_object_set_string_member(object, "id", info.id);
	json_object_set_string_member(object, "kind", info.kind);
	json_object_set_string_member(object, "where", info.where);
	if (info.source)
		json_object_set_string_member(object, "source", info.source);
	if (info.size)
		json_object_set_int_member(object, "size", info.size);
	json_object_set_boolean_member(object, "hotplug", info.hot);
	json_object_set_boolean_member(object, "in_use", info.in_use);
	g_free(info.where);
	return object;
}

JsonArray *device_commands_describe(struct machine *machine)
{
	JsonArray *array = json_array_new();

	loop_lock(&machine->lock);
	for (unsigned int i = 0; i < machine_device_count(machine); i++)
		json_array_add_object_element(array, describe(machine_device_at(machine, i)));
	pthread_mutex_unlock(&machine->lock);
	return array;
}

static void append_stats(JsonObject *stats, void *opaque)
{
	struct control_server *server = opaque;

	json_object_set_array_member(stats, "devices", device_commands_describe(server->machine));
}

/* ---------------------------------------------------------------- attach */

/* `result` NULL: it could not be attached, and `error` says why. */
static void attached(struct control_call *call, struct control_server *server, JsonObject *result,
		     const GError *error)
{
	if (!result) {
		refuse(call, NULL, error);
		return;
	}
	server_broadcast(server, "attached", json_object_ref(result));
	control_call_done(call, result);
}

static gboolean take_cache(JsonObject *arguments, enum block_cache *cache)
{
	const char *text = text_of(arguments, "cache");

	*cache = BLOCK_CACHE_AUTO;
	if (!g_strcmp0(text, "none"))
		*cache = BLOCK_CACHE_NONE;
	else if (!g_strcmp0(text, "host"))
		*cache = BLOCK_CACHE_HOST;
	else
		return !text;
	return TRUE;
}

static JsonObject *attach_disk(struct machine *machine, const struct machine_disk *disk, int fd,
			       GError **error)
{
	struct machine_function *function;
	JsonObject *result = NULL;
	struct block *block;

	block = block_file_take(fd, disk->path, disk->read_only, disk->cache, error);
	if (!block)
		return NULL;
	loop_lock(&machine->lock);
	function = machine_attach_disk(machine, disk, block, error);
	if (function)
		result = describe(function);
	pthread_mutex_unlock(&machine->lock);
	return result;
}

static void command_attach_disk(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	struct machine_disk disk = {
		.id = (char *)text_of(arguments, "id"),
		.path = (char *)text_of(arguments, "path"),
		.serial = (char *)text_of(arguments, "serial"),
		.read_only = json_object_get_boolean_member_with_default(arguments, "read_only",
									 FALSE),
	};
	g_autoptr(GError) error = NULL;
	JsonObject *result;
	int fd;

	if (!good_id(call, arguments))
		return;
	if (!take_cache(arguments, &disk.cache)) {
		control_call_fail(call, "arguments.cache", "none or host is expected");
	} else if (take_descriptors(call, &fd)) {
		result = attach_disk(server->machine, &disk, fd, &error);
		attached(call, server, result, error);
	}
}

static gboolean take_mac(struct control_call *call, JsonObject *arguments, struct machine_net *net)
{
	const char *mac = text_of(arguments, "mac");
	g_autoptr(GError) error = NULL;

	if (!mac)
		return TRUE;
	net->mac_given = device_mac_parse(mac, net->mac, &error);
	if (!net->mac_given)
		refuse(call, "arguments.mac", error);
	return net->mac_given;
}

static JsonObject *attach_net(struct machine *machine, const struct machine_net *net,
			      struct net_end *end, GError **error)
{
	struct machine_function *function;
	JsonObject *result = NULL;

	loop_lock(&machine->lock);
	function = machine_attach_net(machine, net, end, error);
	if (function)
		result = describe(function);
	pthread_mutex_unlock(&machine->lock);
	return result;
}

static void command_attach_net(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	const char *backend = text_of(arguments, "backend");
	struct net_end end = {
		.tap = !g_strcmp0(backend, "tap"),
		.mtu = json_object_get_int_member_with_default(arguments, "mtu", 0),
	};
	struct machine_net net = {
		.id = (char *)text_of(arguments, "id"),
		.tap = (char *)text_of(arguments, "source"),
	};
	g_autoptr(GError) error = NULL;
	JsonObject *result;

	if (!good_id(call, arguments) || !take_mac(call, arguments, &net))
		return;
	if (!end.tap && json_object_get_int_member(arguments, CONTROL_DESCRIPTORS) != 1) {
		control_call_fail(call, "arguments." CONTROL_DESCRIPTORS, "a stream has one");
	} else if (!end.tap && g_strcmp0(backend, "stream")) {
		control_call_fail(call, "arguments.backend", "tap or stream is expected");
	} else if ((end.count = take_descriptors(call, end.fds))) {
		result = attach_net(server->machine, &net, &end, &error);
		attached(call, server, result, error);
	}
}

/* ---------------------------------------------------------------- detach */

static void detach_closed(uv_handle_t *handle)
{
	struct detach *detach = handle->data;

	g_free(detach->id);
	g_free(detach);
}

/* Its call has been answered. */
static void detach_end(struct detach *detach)
{
	g_ptr_array_remove(detach->server->detaches, detach);
	uv_close((uv_handle_t *)&detach->timer, detach_closed);
}

static void detach_late(uv_timer_t *timer)
{
	struct detach *detach = timer->data;

	control_call_fail(detach->call, NULL, "the guest has not let go of '%s' in %u seconds: it is "
			  "busy, or knows no hot-plug slots; it may still do so, and force takes the "
			  "device away", detach->id, detach->seconds);
	detach_end(detach);
}

static struct detach *detach_new(struct control_server *server, struct control_call *call,
				 JsonObject *arguments)
{
	struct detach *detach = g_new0(struct detach, 1);

	detach->server = server;
	detach->call = call;
	detach->id = g_strdup(text_of(arguments, "device"));
	detach->seconds = json_object_get_int_member_with_default(arguments, "timeout",
								  SECONDS_DEFAULT);
	uv_timer_init(&server->machine->loop, &detach->timer);
	detach->timer.data = detach;
	uv_timer_start(&detach->timer, detach_late, detach->seconds * 1000, 0);
	g_ptr_array_add(server->detaches, detach);
	return detach;
}

static gboolean is_waited_for(const struct control_server *server, const char *id)
{
	for (guint i = 0; i < server->detaches->len; i++)
		if (!strcmp(((struct detach *)g_ptr_array_index(server->detaches, i))->id, id))
			return TRUE;
	return FALSE;
}

/* With the lock held; answers if there is none. */
static struct machine_function *find(struct machine *machine, struct control_call *call,
				     const char *id)
{
	struct machine_function *function = machine_find_device(machine, id);

	if (!function)
		control_call_fail(call, "arguments.device", "there is no device '%s': `mica ps "
				  "--json` and the command `status` list them", id);
	return function;
}

/* The answer comes when the device is gone, never before the handler returns. */
static void command_detach(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	struct machine *machine = server->machine;
	const char *id = text_of(arguments, "device");
	bool force = json_object_get_boolean_member_with_default(arguments, "force", FALSE);
	struct machine_function *function;
	g_autoptr(GError) error = NULL;

	loop_lock(&machine->lock);
	function = find(machine, call, id);
	if (!function)
		goto out;
	if (!force && is_waited_for(server, id))
		control_call_fail(call, "arguments.device", "the guest is asked to let go of '%s' "
				  "already", id);
	else if (machine_detach_device(machine, function, force, &error))
		detach_new(server, call, arguments);
	else
		refuse(call, "arguments.device", error);
out:
	pthread_mutex_unlock(&machine->lock);
}

void device_commands_released(struct control_server *server, const char *id)
{
	struct detach *detach;

	for (guint i = server->detaches->len; i > 0; i--) {
		detach = g_ptr_array_index(server->detaches, i - 1);
		if (strcmp(detach->id, id))
			continue;
		control_call_done(detach->call, NULL);
		detach_end(detach);
	}
}

/* ---------------------------------------------------------------- resize */

static void command_resize(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct control_server *server = opaque;
	struct machine *machine = server->machine;
	gint64 size = json_object_get_int_member_with_default(arguments, "size", 0);
	bool shrink = json_object_get_boolean_member_with_default(arguments, "shrink", FALSE);
	struct machine_function *function;
	g_autoptr(GError) error = NULL;
	JsonObject *result = NULL;

	loop_lock(&machine->lock);
	function = find(machine, call, text_of(arguments, "device"));
	if (function && machine_resize_disk(function, size, shrink, &error))
		result = describe(function);
	pthread_mutex_unlock(&machine->lock);
	if (result)
		control_call_done(call, result);
	else if (function)
		refuse(call, NULL, error);
}

/* ---------------------------------------------------------------- the table */

static const struct control_argument disk_arguments[] = {
	{ .name = CONTROL_DESCRIPTORS, .type = CONTROL_INTEGER, .required = TRUE, .low = 1, .high = 1,
	  .help = "how many come with the request: the file's or block device's" },
	{ .name = "path", .type = CONTROL_STRING, .required = TRUE, .low = 1,
	  .high = PATH_LENGTH_MAX, .help = "what the descriptor was opened from, for messages" },
	{ .name = "id", .type = CONTROL_STRING, .low = 1, .high = DEVICE_ID_MAX,
	  .help = "the device's id (disk and a number)" },
	{ .name = "read_only", .type = CONTROL_BOOLEAN, .help = "the guest cannot write (false)" },
	{ .name = "serial", .type = CONTROL_STRING, .low = 1, .high = BLOCK_SERIAL_MAX,
	  .help = "serial number (none)" },
	{ .name = "cache", .type = CONTROL_STRING, .low = 1, .high = 8,
	  .help = "none or host (none where it can)" },
};

static const struct control_argument net_arguments[] = {
	{ .name = CONTROL_DESCRIPTORS, .type = CONTROL_INTEGER, .required = TRUE, .low = 1,
	  .high = NET_QUEUES_MAX,
	  .help = "how many come with the request: of each queue of a tap, or of a stream socket" },
	{ .name = "source", .type = CONTROL_STRING, .required = TRUE, .low = 1,
	  .high = PATH_LENGTH_MAX, .help = "what the card is connected to, for messages" },
	{ .name = "backend", .type = CONTROL_STRING, .required = TRUE, .low = 1, .high = 8,
	  .help = "what the descriptor is: tap or stream" },
	{ .name = "id", .type = CONTROL_STRING, .low = 1, .high = DEVICE_ID_MAX,
	  .help = "the device's id (net and a number)" },
	{ .name = "mac", .type = CONTROL_STRING, .low = MAC_LENGTH, .high = MAC_LENGTH,
	  .help = "its address (a random one)" },
	{ .name = "mtu", .type = CONTROL_INTEGER, .high = 65535, .help = "0: it is not told (0)" },
};

static const struct control_argument detach_arguments[] = {
	{ .name = "device", .type = CONTROL_STRING, .required = TRUE, .low = 1,
	  .high = DEVICE_ID_MAX, .help = "its id" },
	{ .name = "force", .type = CONTROL_BOOLEAN, .help = "take it away without asking (false)" },
	{ .name = "timeout", .type = CONTROL_INTEGER, .low = SECONDS_MIN, .high = SECONDS_MAX,
	  .help = "seconds until the answer is an error (30)" },
};

static const struct control_argument resize_arguments[] = {
	{ .name = "device", .type = CONTROL_STRING, .required = TRUE, .low = 1,
	  .high = DEVICE_ID_MAX, .help = "its id" },
	{ .name = "size", .type = CONTROL_INTEGER, .high = SIZE_MAX_BYTES,
	  .help = "bytes; 0: what the file or block device has by now (0)" },
	{ .name = "shrink", .type = CONTROL_BOOLEAN, .help = "it may become smaller (false)" },
};

static const struct control_command commands[] = {
	{ "attach-disk", "give the guest a disk", disk_arguments,
	  G_N_ELEMENTS(disk_arguments), command_attach_disk },
	{ "attach-net", "give the guest a network card", net_arguments,
	  G_N_ELEMENTS(net_arguments), command_attach_net },
	{ "detach", "take a device from the guest", detach_arguments,
	  G_N_ELEMENTS(detach_arguments), command_detach },
	{ "resize", "change the size of a disk", resize_arguments,
	  G_N_ELEMENTS(resize_arguments), command_resize },
};

void device_commands_add(struct control_server *server)
{
	struct control_registry *registry = server->machine->commands;

	server->detaches = g_ptr_array_new();
	control_registry_add(registry, commands, G_N_ELEMENTS(commands), server);
	control_registry_add_stats(registry, append_stats, server);
}

/* What was added goes with the commands of every guest, which have the same owner. */
void device_commands_remove(struct control_server *server)
{
	struct detach *detach;

	while (server->detaches->len) {
		detach = g_ptr_array_index(server->detaches, 0);
		control_call_fail(detach->call, NULL, "the guest has ended");
		detach_end(detach);
	}
	g_clear_pointer(&server->detaches, g_ptr_array_unref);
}
