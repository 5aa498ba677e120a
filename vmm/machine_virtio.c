// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_virtio_internal.h"

#include <string.h>

#include "backends/unix_socket.h"
#include "backends/virtiofsd.h"
#include "devices/balloon/device.h"
#include "devices/block/device.h"
#include "devices/fs/device.h"
#include "devices/net/device.h"
#include "devices/rng/device.h"
#include "devices/vsock/device.h"
#include "error.h"
#include "machine_balloon.h"
#include "machine_console.h"
#include "pci/host.h"

/* Queues of a disk: one for each vCPU, as far as there is a use for them. */
#define DISK_QUEUES_MAX	4u

static char *free_name(struct machine *machine, const char *kind, unsigned int number)
{
	char *name = g_strdup_printf("%s%u", kind, number);

	while (machine_find_device(machine, name)) {
		g_free(name);
		name = g_strdup_printf("%s%u", kind, ++number);
	}
	return name;
}

struct machine_function *machine_function_new(struct machine *machine, const char *kind,
					      const char *id, unsigned int number, GError **error)
{
	struct machine_function *function;

	if (id && machine_find_device(machine, id)) {
		error_set(error, "there is a device with the id '%s' already", id);
		return NULL;
	}
	function = g_new0(struct machine_function, 1);
	function->machine = machine;
	function->kind = kind;
	function->name = id ? g_strdup(id) : free_name(machine, kind, number);
	g_ptr_array_add(machine->virtio->functions, function);
	return function;
}

void machine_function_free(struct machine_function *function)
{
	virtio_pci_free(function->pci);
	g_free(function->name);
	g_free(function->source);
	g_free(function);
}

gboolean machine_function_make(struct machine_function *function, struct virtio_device *device,
			       GError **error)
{
	struct machine *machine = function->machine;

	if (!device)
		return FALSE;
	function->pci = virtio_pci_new(device, &machine->loop, &machine->lock, error);
	if (function->pci)
		function->device = device;
	return function->pci != NULL;
}

static gboolean attach(struct machine_function *function, struct virtio_device *device,
		       GError **error)
{
	if (!machine_function_make(function, device, error))
		return FALSE;
	function->attached = pci_host_attach(function->machine->pci,
					     virtio_pci_function(function->pci), error);
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

/* Confinement opens nothing by its name: what the first life of the guest has opened, its next
 * ones go on with, and the configuration closes. */
static struct block *keep_disk(struct machine_disk *disk, GError **error)
{
	if (!disk->block)
		disk->block = open_disk(disk, error);
	if (disk->block)
		disk->block->kept = true;
	return disk->block;
}

struct virtio_device *machine_make_disk(struct machine_function *function,
					const struct machine_disk *disk, struct block *block,
					GError **error)
{
	struct machine *machine = function->machine;
	const struct block_device_config config = {
		.name = function->name,
		.serial = disk->serial,
		.queues = MIN(machine->config->cpus, DISK_QUEUES_MAX),
	};

	function->source = g_strdup(disk->path);
	return block_device_new(&config, &machine->virtio->memory, block, error);
}

static gboolean add_disk(struct machine *machine, struct machine_disk *disk,
			 unsigned int number, GError **error)
{
	struct machine_function *function;
	struct block *block;

	function = machine_function_new(machine, "disk", disk->id, number, error);
	block = function ? keep_disk(disk, error) : NULL;
	return block && attach(function, machine_make_disk(function, disk, block, error), error);
}

/* A locally administered address ("I/G and U/L address bits" of IEEE 802). */
static void choose_mac(uint8_t *mac)
{
	for (unsigned int i = 0; i < NET_MAC_SIZE; i++)
		mac[i] = g_random_int();
	mac[0] = (mac[0] & ~1u) | 2;
}

gboolean machine_net_connect(const struct machine_net *net, struct net_end *end, GError **error)
{
	const struct net_tap_config tap = {
		.name = net->tap, .bridge = net->bridge, .queues = MAX(net->queues, 1),
		.mtu = net->mtu,
	};
	const GArray *forwards = net->forwards;

	if (!net->user)
		return net_tap_connect(&tap, end, error);
	return net_passt_connect(forwards ? (const void *)forwards->data : NULL,
				 forwards ? forwards->len : 0, net->mtu, end, error);
}

struct virtio_device *machine_make_net(struct machine_function *function,
				       const struct machine_net *net, const struct net_end *end,
				       struct net *const *nets, GError **error)
{
	struct net_device_config config = { .name = function->name, .vhost = net->vhost };

	if (net->mac_given)
		memcpy(config.mac, net->mac, NET_MAC_SIZE);
	else
		choose_mac(config.mac);
	function->source = g_strdup(*end->name ? end->name : net->user ? "user" : net->tap);
	return net_device_new(&config, &function->machine->virtio->memory, nets, end->count, error);
}

/* As keep_disk().  The last life may have turned queues off. */
static gboolean keep_net(struct machine_net *net, GError **error)
{
	struct net_end end;

	for (unsigned int i = 1; i < net->end.count; i++)
		net_enable(net->nets[i], true);
	if (net->end.count)
		return TRUE;
	if (!machine_net_connect(net, &end, error) || !net_end_take(&end, net->nets, error))
		return FALSE;
	net->end = end;
	for (unsigned int i = 0; i < end.count; i++)
		net->nets[i]->kept = true;
	return TRUE;
}

static gboolean add_net(struct machine *machine, struct machine_net *net,
			unsigned int number, GError **error)
{
	struct machine_function *function;

	function = machine_function_new(machine, "net", net->id, number, error);
	if (!function || !keep_net(net, error))
		return FALSE;
	return attach(function, machine_make_net(function, net, &net->end, net->nets, error), error);
}

/* Of a kind that has no ids: never refused. */
static struct machine_function *new_function(struct machine *machine, const char *kind,
					     unsigned int number)
{
	return machine_function_new(machine, kind, NULL, number, NULL);
}

static gboolean add_rng(struct machine *machine, GError **error)
{
	struct machine_function *function = new_function(machine, "rng", 0);

	return attach(function, rng_new(function->name, &machine->virtio->memory, &machine->loop,
					&machine->lock, error), error);
}

static gboolean add_vsock(struct machine *machine, GError **error)
{
	struct machine_function *function = new_function(machine, "vsock", 0);
	const struct vsock_device_config config = {
		.name = function->name,
		.path = machine->config->vsock->path,
		.cid = machine->config->vsock->cid,
	};

	return attach(function,
		      vsock_device_new(&config, &machine->virtio->memory, error), error);
}

static struct vhost_user *open_share(const struct machine_share *share, GError **error)
{
	struct vhost_user *vhost;
	int fd, words = -1;

	if (!share->socket) {
		fd = virtiofsd_start(share->path, share->read_only, &words, error);
	} else {
		fd = unix_socket_connect(share->path);
		if (fd < 0)
			error_set_errno(error, -fd, "share: cannot connect to '%s'", share->path);
	}
	if (fd < 0)
		return NULL;
	vhost = vhost_user_new(fd, error);
	if (!vhost && words >= 0)
		virtiofsd_failed(words, error);
	else if (words >= 0)
		close(words);
	if (!vhost)
		g_prefix_error(error, "share of '%s': ", share->path);
	return vhost;
}

/* As keep_disk(). */
static struct vhost_user *keep_share(struct machine_share *share, GError **error)
{
	if (!share->vhost)
		share->vhost = open_share(share, error);
	if (!share->vhost)
		return NULL;
	vhost_user_keep(share->vhost, true);
	if (vhost_user_fd(share->vhost) >= 0)
		return share->vhost;
	error_set(error, "share of '%s': the program that serves it has ended: start the guest anew",
		  share->path);
	return NULL;
}

static gboolean add_share(struct machine *machine, struct machine_share *share,
			  unsigned int number, GError **error)
{
	struct machine_function *function = new_function(machine, "share", number);
	const struct fs_device_config config = { .name = function->name, .tag = share->tag };
	struct vhost_user *vhost = keep_share(share, error);

	return vhost && attach(function,
			       fs_device_new(&config, &machine->virtio->memory, vhost, error),
			       error);
}

static gboolean add_shares(struct machine *machine, GError **error)
{
	const GArray *shares = machine->config->shares;

	for (guint i = 0; shares && i < shares->len; i++)
		if (!add_share(machine, &g_array_index(shares, struct machine_share, i), i, error))
			return FALSE;
	return TRUE;
}

gboolean machine_shares_memory(const struct machine_config *config)
{
	return config->shares && config->shares->len;
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
	if (!attach(function, device, error))
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
	return attach(function, device, error);
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
	machine->virtio->released = g_ptr_array_new();
	if (!machine_hotplug_init(machine, error))
		return FALSE;
	for (guint i = 0; disks && i < disks->len; i++)
		if (!add_disk(machine, &g_array_index(disks, struct machine_disk, i), i, error))
			return FALSE;
	for (guint i = 0; nets && i < nets->len; i++)
		if (!add_net(machine, &g_array_index(nets, struct machine_net, i), i, error))
			return FALSE;
	if (machine->config->vsock && !add_vsock(machine, error))
		return FALSE;
	if (!add_shares(machine, error))
		return FALSE;
	if (machine->config->balloon.wanted && !add_balloon(machine, error))
		return FALSE;
	if (wants_console(machine->config) && !add_console(machine, error))
		return FALSE;
	return !machine->config->rng || add_rng(machine, error);
}

static void free_functions(struct machine *machine, GPtrArray *functions)
{
	struct machine_function *function;

	for (guint i = 0; i < functions->len; i++) {
		function = g_ptr_array_index(functions, i);
		if (function->attached)
			pci_host_detach(machine->pci, virtio_pci_function(function->pci));
		machine_function_free(function);
	}
	g_ptr_array_unref(functions);
}

void machine_free_virtio(struct machine *machine)
{
	struct machine_virtio *virtio = machine->virtio;

	if (!virtio)
		return;
	machine_balloon_free(virtio->balloon);
	machine_console_free(virtio->console);
	free_functions(machine, virtio->functions);
	free_functions(machine, virtio->released);
	machine_hotplug_clear(virtio);
	g_clear_pointer(&machine->virtio, g_free);
}

struct machine_console *machine_virtio_console(const struct machine *machine)
{
	return machine->virtio ? machine->virtio->console : NULL;
}
