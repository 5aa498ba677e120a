// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_virtio.h"

#include <string.h>

#include "devices/balloon/device.h"
#include "devices/block/device.h"
#include "devices/net/device.h"
#include "devices/rng/device.h"
#include "error.h"
#include "machine.h"
#include "machine_balloon.h"
#include "machine_console.h"
#include "pci/host.h"
#include "virtio/pci_transport.h"

/* Queues of a disk: one for each vCPU, as far as there is a use for them. */
#define DISK_QUEUES_MAX	4u

struct machine_function {
	struct virtio_pci *pci;
	char *name;
	bool attached;
};

struct machine_virtio {
	struct virtio_memory memory;
	GPtrArray *functions;		/* of struct machine_function */
	struct machine_balloon *balloon;	/* NULL: none */
	struct machine_console *console;	/* NULL: none */
};

static struct machine_function *new_function(struct machine *machine, const char *kind,
					     unsigned int number)
{
	struct machine_function *function = g_new0(struct machine_function, 1);

	function->name = g_strdup_printf("%s%u", kind, number);
	g_ptr_array_add(machine->virtio->functions, function);
	return function;
}

static gboolean attach(struct machine *machine, struct machine_function *function,
		       struct virtio_device *device, GError **error)
{
	if (!device)
		return FALSE;
	function->pci = virtio_pci_new(device, &machine->loop, &machine->lock, error);
	if (!function->pci)
		return FALSE;
	function->attached = pci_host_attach(machine->pci, virtio_pci_function(function->pci),
					     error);
	return function->attached;
}

static struct block *open_disk(const struct machine_disk *disk, GError **error)
{
	if (!block_is_nbd(disk->path))
		return block_file_open(disk->path, disk->read_only, disk->cache, error);
#ifdef MICA_HAVE_LIBNBD
	return block_nbd_open(disk->path, disk->read_only, error);
#else
	error_set(error, "disk %s: this mica was built without libnbd", disk->path);
	return NULL;
#endif
}

static gboolean add_disk(struct machine *machine, const struct machine_disk *disk,
			 unsigned int number, GError **error)
{
	struct machine_function *function = new_function(machine, "disk", number);
	const struct block_device_config config = {
		.name = function->name,
		.serial = disk->serial,
		.queues = MIN(machine->config->cpus, DISK_QUEUES_MAX),
	};
	struct block *block;

	block = open_disk(disk, error);
	return block && attach(machine, function,
			       block_device_new(&config, &machine->virtio->memory, block, error),
			       error);
}

/* A locally administered address ("I/G and U/L address bits" of IEEE 802). */
static void choose_mac(uint8_t *mac)
{
	for (unsigned int i = 0; i < NET_MAC_SIZE; i++)
		mac[i] = g_random_int();
	mac[0] = (mac[0] & ~1u) | 2;
}

static struct net *open_net(const struct machine_net *net, GError **error)
{
	const GArray *forwards = net->forwards;

	if (!net->user)
		return net_tap_open(net->tap, error);
	return net_passt_open(forwards ? (const void *)forwards->data : NULL,
			      forwards ? forwards->len : 0, error);
}

static gboolean add_net(struct machine *machine, const struct machine_net *net,
			unsigned int number, GError **error)
{
	struct machine_function *function = new_function(machine, "net", number);
	struct net_device_config config = { .name = function->name };
	struct net *end = open_net(net, error);

	if (!end)
		return FALSE;
	if (net->mac_given)
		memcpy(config.mac, net->mac, NET_MAC_SIZE);
	else
		choose_mac(config.mac);
	return attach(machine, function,
		      net_device_new(&config, &machine->virtio->memory, end, error), error);
}

static gboolean add_rng(struct machine *machine, GError **error)
{
	struct machine_function *function = new_function(machine, "rng", 0);

	return attach(machine, function,
		      rng_new(function->name, &machine->virtio->memory, &machine->loop,
			      &machine->lock, error), error);
}

static gboolean add_balloon(struct machine *machine, GError **error)
{
	const struct machine_balloon_config *wanted = &machine->config->balloon;
	struct machine_function *function = new_function(machine, "balloon", 0);
	const struct balloon_config config = {
		.name = function->name,
		.target = wanted->target ? wanted->target : machine->config->memory,
		.no_oom = wanted->no_oom,
		.no_reporting = wanted->no_reporting,
	};
	struct virtio_device *device;

	device = balloon_new(&config, &machine->virtio->memory, error);
	if (!attach(machine, function, device, error))
		return FALSE;
	machine->virtio->balloon = machine_balloon_new(machine, device);
	return TRUE;
}

static gboolean add_console(struct machine *machine, GError **error)
{
	struct machine_function *function = new_function(machine, "console", 0);
	struct machine_virtio *virtio = machine->virtio;
	struct virtio_device *device = NULL;

	virtio->console = machine_console_new(machine, function->name, &virtio->memory, &device,
					      error);
	return attach(machine, function, device, error);
}

static bool wants_console(const struct machine_config *config)
{
	return config->console_virtio || (config->ports && config->ports->len);
}

gboolean machine_add_virtio(struct machine *machine, GError **error)
{
	const GArray *disks = machine->config->disks;
	const GArray *nets = machine->config->nets;

	machine->virtio = g_new0(struct machine_virtio, 1);
	machine->virtio->memory.ram = machine->memory;
	machine->virtio->functions = g_ptr_array_new();
	for (guint i = 0; disks && i < disks->len; i++)
		if (!add_disk(machine, &g_array_index(disks, struct machine_disk, i), i, error))
			return FALSE;
	for (guint i = 0; nets && i < nets->len; i++)
		if (!add_net(machine, &g_array_index(nets, struct machine_net, i), i, error))
			return FALSE;
	if (machine->config->balloon.wanted && !add_balloon(machine, error))
		return FALSE;
	if (wants_console(machine->config) && !add_console(machine, error))
		return FALSE;
	return !machine->config->rng || add_rng(machine, error);
}

static void free_function(struct machine *machine, struct machine_function *function)
{
	if (function->attached)
		pci_host_detach(machine->pci, virtio_pci_function(function->pci));
	virtio_pci_free(function->pci);
	g_free(function->name);
	g_free(function);
}

void machine_free_virtio(struct machine *machine)
{
	struct machine_virtio *virtio = g_steal_pointer(&machine->virtio);

	if (!virtio)
		return;
	machine_balloon_free(virtio->balloon);
	machine_console_free(virtio->console);
	for (guint i = 0; i < virtio->functions->len; i++)
		free_function(machine, g_ptr_array_index(virtio->functions, i));
	g_ptr_array_unref(virtio->functions);
	g_free(virtio);
}

struct machine_console *machine_virtio_console(const struct machine *machine)
{
	return machine->virtio ? machine->virtio->console : NULL;
}
