// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_balloon.h"

#include <inttypes.h>
#include <string.h>

#include "control/command.h"
#include "devices/balloon/device.h"
#include "loop_lock.h"
#include "machine.h"

struct machine_balloon {
	struct machine *machine;
	struct virtio_device *device;
};

/* ---------------------------------------------------------------- status */

static const char *const statistics[VIRTIO_BALLOON_S_NR] = {
	[VIRTIO_BALLOON_S_SWAP_IN] = "swap_in",
	[VIRTIO_BALLOON_S_SWAP_OUT] = "swap_out",
	[VIRTIO_BALLOON_S_MAJFLT] = "major_faults",
	[VIRTIO_BALLOON_S_MINFLT] = "minor_faults",
	[VIRTIO_BALLOON_S_MEMFREE] = "free",
	[VIRTIO_BALLOON_S_MEMTOT] = "total",
	[VIRTIO_BALLOON_S_AVAIL] = "available",
	[VIRTIO_BALLOON_S_CACHES] = "caches",
	[VIRTIO_BALLOON_S_HTLB_PGALLOC] = "hugetlb_allocations",
	[VIRTIO_BALLOON_S_HTLB_PGFAIL] = "hugetlb_failures",
};

/* JSON has no unsigned numbers, and what a guest says may be anything. */
static gint64 json_number(uint64_t value)
{
	return MIN(value, (uint64_t)INT64_MAX);
}

static JsonObject *describe_guest(const struct balloon_status *status)
{
	JsonObject *object = json_object_new();

	json_object_set_int_member(object, "age_ms", json_number(status->age_ms));
	for (unsigned int i = 0; i < G_N_ELEMENTS(statistics); i++)
		if (status->known >> i & 1)
			json_object_set_int_member(object, statistics[i],
						   json_number(status->guest[i]));
	return object;
}

static JsonObject *describe(const struct machine_balloon *balloon)
{
	JsonObject *object = json_object_new();
	struct balloon_status status;

	loop_lock(&balloon->machine->lock);
	balloon_get_status(balloon->device, &status);
	pthread_mutex_unlock(&balloon->machine->lock);
	json_object_set_int_member(object, "target", json_number(status.target));
	json_object_set_int_member(object, "current", json_number(status.current));
	json_object_set_int_member(object, "reported", json_number(status.reported));
	if (status.known)
		json_object_set_object_member(object, "guest", describe_guest(&status));
	return object;
}

static void append_stats(JsonObject *stats, void *opaque)
{
	json_object_set_object_member(stats, "balloon", describe(opaque));
}

/* ---------------------------------------------------------------- the command */

static void command_balloon(struct control_call *call, JsonObject *arguments, void *opaque)
{
	struct machine_balloon *balloon = opaque;
	struct machine *machine = balloon->machine;
	gint64 target;

	if (json_object_has_member(arguments, "target")) {
		target = json_object_get_int_member(arguments, "target");
		if ((uint64_t)target > machine->config->memory) {
			control_call_fail(call, "arguments.target", "the guest has %" PRIu64
					  " MiB of memory, not more",
					  machine->config->memory >> 20);
			return;
		}
		loop_lock(&machine->lock);
		balloon_set_target(balloon->device, target);
		pthread_mutex_unlock(&machine->lock);
	}
	control_call_done(call, describe(balloon));
}

static const struct control_argument balloon_arguments[] = {
	{ .name = "target", .type = CONTROL_INTEGER, .low = MACHINE_BALLOON_LOWEST,
	  .high = INT64_MAX, .value = "SIZE", .help = "bytes of memory that the guest shall keep" },
};

static const struct control_command balloon_commands[] = {
	{ "balloon", "what the guest keeps of its memory, and how much it shall keep",
	  balloon_arguments, G_N_ELEMENTS(balloon_arguments), command_balloon },
};

struct machine_balloon *machine_balloon_new(struct machine *machine, struct virtio_device *device)
{
	struct machine_balloon *balloon = g_new0(struct machine_balloon, 1);

	balloon->machine = machine;
	balloon->device = device;
	control_registry_add(machine->commands, balloon_commands,
			     G_N_ELEMENTS(balloon_commands), balloon);
	control_registry_add_stats(machine->commands, append_stats, balloon);
	return balloon;
}

void machine_balloon_free(struct machine_balloon *balloon)
{
	if (!balloon)
		return;
	control_registry_remove(balloon->machine->commands, balloon);
	g_free(balloon);
}
