// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices that come and go while the guest runs.
 *
 * The guest lets go of one by turning its slot off, in a vCPU's thread.  Its threads and
 * descriptors are freed by the main loop, which alone may close what libuv has.
 */
#include "loop_lock.h"
#include "machine_virtio_internal.h"

#include <string.h>

#include "devices/block/device.h"
#include "error.h"
#include "machine_pause.h"
#include "pci/host.h"

/* How long a guest may take to let go of a device that it sees vanish, and how often to look. */
#define PULL_MS		5000u
#define LOOK_MS		500u

struct hotplug_wake {
	uv_async_t async;
	uv_timer_t timer;		/* runs while devices are being pulled */
	unsigned int open_handles;	/* of the two */
	struct machine *machine;
};

/* ---------------------------------------------------------------- the end of a device */

static struct machine_function *take_released(struct machine *machine)
{
	struct machine_function *function = NULL;

	loop_lock(&machine->lock);
	if (machine->virtio->released->len)
		function = g_ptr_array_remove_index(machine->virtio->released, 0);
	pthread_mutex_unlock(&machine->lock);
	return function;
}

static void free_released(uv_async_t *handle)
{
	struct hotplug_wake *wake = handle->data;
	struct machine *machine = wake->machine;
	const struct machine_listener *listener = machine->listener;
	struct machine_function *function;

	while ((function = take_released(machine))) {
		g_autofree char *id = g_strdup(function->name);

		loop_lock(&machine->lock);
		machine_function_free(function);
		pthread_mutex_unlock(&machine->lock);
		if (listener && listener->released)
			listener->released(listener->opaque, id);
	}
}

/* It is on the bus no more.  Any thread, with the lock held. */
static void release(struct machine_function *function)
{
	struct machine_virtio *virtio = function->machine->virtio;

	function->attached = false;
	g_ptr_array_remove(virtio->functions, function);
	g_ptr_array_add(virtio->released, function);
	uv_async_send(&virtio->wake->async);
}

static void removed(void *opaque)
{
	release(opaque);
}

gboolean machine_hotplug_init(struct machine *machine, GError **error)
{
	struct hotplug_wake *wake = g_new0(struct hotplug_wake, 1);

	wake->machine = machine;
	if (uv_async_init(&machine->loop, &wake->async, free_released) < 0) {
		g_free(wake);
		return error_set(error, "the host has no eventfd left");
	}
	uv_timer_init(&machine->loop, &wake->timer);
	wake->async.data = wake;
	wake->timer.data = wake;
	wake->open_handles = 2;
	uv_unref((uv_handle_t *)&wake->async);
	machine->virtio->wake = wake;
	return TRUE;
}

static void wake_closed(uv_handle_t *handle)
{
	struct hotplug_wake *wake = handle->data;

	if (--wake->open_handles == 0)
		g_free(wake);
}

void machine_hotplug_clear(struct machine_virtio *virtio)
{
	if (!virtio->wake)
		return;
	uv_close((uv_handle_t *)&virtio->wake->async, wake_closed);
	uv_close((uv_handle_t *)&virtio->wake->timer, wake_closed);
	virtio->wake = NULL;
}

/* ---------------------------------------------------------------- attaching */

static gboolean plug(struct machine_function *function, GError **error)
{
	virtio_pci_set_removed(function->pci, removed, function);
	function->hot = true;
	function->attached = pci_host_plug(function->machine->pci,
					   virtio_pci_function(function->pci), error);
	return function->attached;
}

static struct machine_function *finish(struct machine_function *function,
				       struct virtio_device *device, GError **error)
{
	if (machine_function_make(function, device, error) && plug(function, error))
		return function;
	g_ptr_array_remove(function->machine->virtio->functions, function);
	machine_function_free(function);
	return NULL;
}

struct machine_function *machine_attach_disk(struct machine *machine,
					     const struct machine_disk *disk, struct block *block,
					     GError **error)
{
	struct machine_function *function;

	function = machine_function_new(machine, "disk", disk->id, 0, error);
	if (function)
		return finish(function, machine_make_disk(function, disk, block, error), error);
	block_close(block);
	return NULL;
}

struct machine_function *machine_attach_net(struct machine *machine, const struct machine_net *net,
					    struct net_end *end, GError **error)
{
	struct machine_function *function;
	struct net *nets[NET_QUEUES_MAX];
	struct virtio_device *device = NULL;

	function = machine_function_new(machine, "net", net->id, 0, error);
	if (!function) {
		net_end_close(end);
		return NULL;
	}
	if (net_end_take(end, nets, error))
		device = machine_make_net(function, net, end, nets, error);
	return finish(function, device, error);
}

/* ---------------------------------------------------------------- detaching */

/* The work under way ends first, and the guest is told of it. */
static void take_away(struct machine_function *function)
{
	virtio_pci_reset(function->pci);
	pci_host_detach(function->machine->pci, virtio_pci_function(function->pci));
	release(function);
}

static void take_late(uv_timer_t *timer)
{
	struct hotplug_wake *wake = timer->data;
	GPtrArray *functions = wake->machine->virtio->functions;
	struct machine_function *function;
	unsigned int left = 0;

	loop_lock(&wake->machine->lock);
	for (guint i = functions->len; i > 0; i--) {
		function = g_ptr_array_index(functions, i - 1);
		if (!function->pull_by)
			continue;
		if (uv_now(timer->loop) < function->pull_by)
			left++;
		else
			take_away(function);
	}
	pthread_mutex_unlock(&wake->machine->lock);
	if (!left)
		uv_timer_stop(timer);
}

/* A driver that finds the device's registers gone may wait for them for ever (Linux does, when it
 * resets a device): the guest is told that the device is gone before it is. */
static void pull(struct machine_function *function)
{
	uv_timer_t *timer = &function->machine->virtio->wake->timer;

	if (function->pull_by)
		return;
	function->pull_by = uv_now(timer->loop) + PULL_MS;
	pci_host_pull(virtio_pci_function(function->pci));
	uv_timer_start(timer, take_late, LOOK_MS, LOOK_MS);
}

gboolean machine_detach_device(struct machine *machine, struct machine_function *function,
			       bool force, GError **error)
{
	struct pci_device *device = virtio_pci_function(function->pci);

	if (!function->hot)
		return error_set(error, "'%s' was there when the guest was started, in no hot-plug "
				 "slot, and stays", function->name);
	if (!pci_host_slot_on(device)) {
		take_away(function);
		return TRUE;
	}
	if (force || function->pull_by) {
		pull(function);
		return TRUE;
	}
	if (machine_paused(machine))
		return error_set(error, "the guest is paused and cannot let go of it: resume the guest "
				 "first, or use force");
	return pci_host_unplug(machine->pci, device, error);
}

/* ---------------------------------------------------------------- what there is */

gboolean machine_resize_disk(struct machine_function *function, uint64_t size, bool shrink,
			     GError **error)
{
	if (function->device->type == VIRTIO_ID_BLOCK)
		return block_device_resize(function->device, size, shrink, error);
	return error_set(error, "'%s' is no disk", function->name);
}

struct machine_function *machine_find_device(struct machine *machine, const char *id)
{
	struct machine_function *function;

	for (unsigned int i = 0; i < machine_device_count(machine); i++) {
		function = machine_device_at(machine, i);
		if (!strcmp(function->name, id))
			return function;
	}
	return NULL;
}

unsigned int machine_device_count(const struct machine *machine)
{
	return machine->virtio->functions->len;
}

struct machine_function *machine_device_at(const struct machine *machine, unsigned int index)
{
	return g_ptr_array_index(machine->virtio->functions, index);
}

void machine_device_info(const struct machine_function *function, struct machine_device_info *info)
{
	*info = (struct machine_device_info){
		.id = function->name,
		.kind = function->kind,
		.source = function->source,
		.where = pci_device_where(virtio_pci_function(function->pci)),
		.hot = function->hot,
		.in_use = function->device->active,
	};
	if (function->device->type == VIRTIO_ID_BLOCK)
		info->size = block_device_size(function->device);
}
