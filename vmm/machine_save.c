// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_save.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <x86intrin.h>

#include "error.h"
#include "loop_lock.h"
#include "machine.h"
#include "machine_chipset_state.h"
#include "machine_disk_state.h"
#include "machine_pause.h"
#include "machine_virtio.h"
#include "machine_virtio_state.h"
#include "state/memory.h"
#include "state/stream.h"
#include "state/vcpu.h"
#include "vcpu.h"

/* ---------------------------------------------------------------- the configuration */

static char *describe_machine(const struct machine_config *config)
{
	g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
	JsonObject *object = json_object_new();
	JsonArray *options = json_array_new();

	for (char **option = config->options; *option; option++)
		json_array_add_string_element(options, *option);
	json_object_set_string_member(object, "name", config->name);
	json_object_set_int_member(object, "cpus", config->cpus);
	json_object_set_int_member(object, "memory", config->memory);
	json_object_set_array_member(object, "options", options);
	json_node_take_object(root, object);
	return json_to_string(root, FALSE);
}

static gboolean save_configuration(struct machine *machine, struct state_writer *writer,
				   GError **error)
{
	g_autofree char *text = describe_machine(machine->config);

	return state_writer_put(writer, STATE_MACHINE, 0, text, strlen(text), error);
}

static gboolean bad_configuration(GError **error)
{
	return error_set(error, "the checkpoint does not say what machine its guest had");
}

static gboolean take_options(JsonArray *array, GPtrArray *options)
{
	for (guint i = 0; i < json_array_get_length(array); i++) {
		JsonNode *node = json_array_get_element(array, i);

		if (json_node_get_value_type(node) != G_TYPE_STRING)
			return FALSE;
		g_ptr_array_add(options, g_strdup(json_node_get_string(node)));
	}
	g_ptr_array_add(options, NULL);
	return TRUE;
}

static JsonNode *member(JsonNode *root, const char *name, JsonNodeType type)
{
	JsonNode *node = NULL;

	if (root && JSON_NODE_HOLDS_OBJECT(root))
		node = json_object_get_member(json_node_get_object(root), name);
	return node && json_node_get_node_type(node) == type ? node : NULL;
}

gboolean machine_saved_options(const struct state_reader *reader, char **name, char ***options,
			       GError **error)
{
	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	JsonNode *root = NULL, *array, *text;
	const char *json;
	size_t length;

	json = state_reader_find(reader, STATE_MACHINE, 0, &length);
	if (json && json_parser_load_from_data(parser, json, length, NULL))
		root = json_parser_get_root(parser);
	array = member(root, "options", JSON_NODE_ARRAY);
	text = member(root, "name", JSON_NODE_VALUE);
	if (!array || !text || json_node_get_value_type(text) != G_TYPE_STRING ||
	    !take_options(json_node_get_array(array), words))
		return bad_configuration(error);
	*name = g_strdup(json_node_get_string(text));
	*options = (char **)g_ptr_array_free(g_steal_pointer(&words), FALSE);
	return TRUE;
}

/* ---------------------------------------------------------------- vCPUs */

static gboolean save_vcpus(struct machine *machine, struct state_writer *writer, GError **error)
{
	if (!machine_settle_tsc(machine, error))
		return FALSE;
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		if (!vcpu_save(machine->vcpus[i], writer, error))
			return FALSE;
	return TRUE;
}

/* When the first is loaded, whose TSC is that of all, the guest's TSCs stand still as far as the
 * guest can tell. */
static gboolean load_vcpus(struct machine *machine, const struct state_reader *reader,
			   GError **error)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		if (!vcpu_load(machine->vcpus[i], reader, error))
			return FALSE;
		if (i == 0)
			machine->paused_tsc = __rdtsc();
	}
	return TRUE;
}

/* ---------------------------------------------------------------- all of it */

/* With the lock. */
static gboolean save_parts(struct machine *machine, struct state_writer *writer, GError **error)
{
	return save_configuration(machine, writer, error) &&
	       save_vcpus(machine, writer, error) &&
	       chipset_save(machine, writer, error) &&
	       machine_virtio_save(machine, writer, error) &&
	       disks_save(machine, writer, error) &&
	       state_memory_save(writer, machine->memory, error);
}

static uint64_t now_ns(void)
{
	return g_get_real_time() * 1000;
}

/* With the lock, while devices are at rest. */
static gboolean write_all(struct machine *machine, int fd, GError **error)
{
	g_autoptr(state_writer) writer = state_writer_new(fd);

	return state_writer_put_origin(writer, machine->config->name, now_ns(), error) &&
	       save_parts(machine, writer, error) && state_writer_finish(writer, error);
}

/* A restored guest gets the devices of the options that it was started with. */
static gboolean has_options_for_all(struct machine *machine, GError **error)
{
	struct machine_device_info info;

	for (unsigned int i = 0; i < machine_device_count(machine); i++) {
		machine_device_info(machine_device_at(machine, i), &info);
		g_free(info.where);
		if (info.hot)
			return error_set(error, "the device '%s' was attached to the running guest, and a "
					 "checkpoint has no place for it: `mica detach` it first", info.id);
	}
	return TRUE;
}

static gboolean save_at_rest(struct machine *machine, int fd, GError **error)
{
	gboolean saved;

	if (!machine_virtio_quiesce(machine, error))
		return FALSE;
	saved = write_all(machine, fd, error);
	machine_virtio_go_on(machine);
	return saved;
}

gboolean machine_save(struct machine *machine, int fd, GError **error)
{
	gboolean saved;

	loop_lock(&machine->lock);
	saved = (machine->end == MACHINE_RUNS || error_set(error, "the guest is ending")) &&
		has_options_for_all(machine, error) && save_at_rest(machine, fd, error);
	pthread_mutex_unlock(&machine->lock);
	return saved;
}

/* With the lock.  PCI, which is among the chips, comes before what sits on it. */
static gboolean load_parts(struct machine *machine, const struct state_reader *reader,
			   GError **error)
{
	return disks_check(machine, reader, error) && load_vcpus(machine, reader, error) &&
	       chipset_load(machine, reader, machine->config->keep_time, error) &&
	       machine_virtio_load(machine, reader, error);
}

gboolean machine_load(struct machine *machine, const struct state_reader *reader, GError **error)
{
	gboolean loaded;

	if (!state_memory_load(reader, machine->memory, machine->config->eager, error))
		return FALSE;
	loop_lock(&machine->lock);
	clock_pause(machine->clock);
	loaded = load_parts(machine, reader, error);
	if (loaded)
		machine_virtio_go_on(machine);
	pthread_mutex_unlock(&machine->lock);
	machine->paused = loaded;
	return loaded;
}
