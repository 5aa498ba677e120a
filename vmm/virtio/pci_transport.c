// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The PCI function: identity, capabilities, interrupts, doorbells.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../error.h"
#include "../loop_lock.h"
#include "pci_internal.h"

#define VENDOR_ID		0x1af4u
#define MODERN_ID		0x1040u		/* + the kind's */
#define INDICATION(queue)	(1ul << (queue))

/* ---------------------------------------------------------------- identity */

struct identity {
	uint16_t type;
	uint16_t transitional_id;	/* 0: the kind has no legacy interface */
	uint32_t class_code;
};

/* "PCI Device Discovery"; class codes as the PCI Code and ID Assignment Specification has
 * them. */
static const struct identity identities[] = {
	{ VIRTIO_ID_NET, 0x1000, 0x020000 },
	{ VIRTIO_ID_BLOCK, 0x1001, 0x010000 },
	{ VIRTIO_ID_BALLOON, 0x1002, 0x00ff00 },
	{ VIRTIO_ID_CONSOLE, 0x1003, 0x078000 },
	{ VIRTIO_ID_RNG, 0x1005, 0x00ff00 },
	{ VIRTIO_ID_VSOCK, 0, 0x078000 },
	{ VIRTIO_ID_FS, 0, 0x018000 },
};

static const struct identity *identity_of(const struct virtio_device *device)
{
	for (size_t i = 0; i < G_N_ELEMENTS(identities); i++)
		if (identities[i].type == device->type)
			return &identities[i];
	g_assert_not_reached();
}

bool virtio_pci_transitional(const struct virtio_device *device)
{
	return identity_of(device)->transitional_id != 0;
}

/* ---------------------------------------------------------------- interrupts */

static void update_intx(struct virtio_pci *pci)
{
	pci_intx_set(pci->function, pci->isr != 0);
}

uint8_t virtio_pci_read_isr(struct virtio_pci *pci)
{
	uint8_t isr = pci->isr;

	pci->isr = 0;
	update_intx(pci);
	return isr;
}

static void deliver_queue(struct virtio_pci *pci, unsigned int queue)
{
	if (pci_msix_enabled(pci->function))
		pci_msix_notify(pci->function, pci->queue_vectors[queue]);
	else
		pci->isr |= 1;
}

/* "ISR status capability": the bit for the configuration is set with MSI-X as well. */
static void deliver_config(struct virtio_pci *pci)
{
	pci->isr |= VIRTIO_PCI_ISR_CONFIG;
	if (pci_msix_enabled(pci->function))
		pci_msix_notify(pci->function, pci->config_vector);
}

static void deliver(uv_async_t *handle)
{
	struct virtio_pci *pci = handle->data;
	unsigned long queues;

	loop_lock(pci->lock);
	queues = atomic_exchange(&pci->wanted_queues, 0);
	for (unsigned int i = 0; queues; i++, queues >>= 1)
		if (queues & 1)
			deliver_queue(pci, i);
	if (atomic_exchange(&pci->wanted_config, false))
		deliver_config(pci);
	update_intx(pci);
	pthread_mutex_unlock(pci->lock);
}

static bool is_routed(struct virtio_pci *pci, unsigned int queue)
{
	return atomic_load(&pci->routed) & INDICATION(queue);
}

/* False: the driver must be told in the other way.  Whoever ends the routing looks at the
 * eventfd after that, so one of the two sees what the other did. */
static bool tell_irqfd(struct virtio_pci *pci, unsigned int queue)
{
	if (!is_routed(pci, queue))
		return false;
	eventfd_write(pci->irqfds[queue], 1);
	return is_routed(pci, queue);
}

static void want_queue(struct virtio_pci *pci, unsigned int queue)
{
	atomic_fetch_or(&pci->wanted_queues, INDICATION(queue));
	uv_async_send(&pci->wanted);
}

/* Any thread.  A queue whose driver gave it a vector is told by its irqfd, if it has one. */
static void transport_interrupt(void *opaque, uint32_t queue)
{
	struct virtio_pci *pci = opaque;

	if (queue == VIRTIO_CONFIG_INTERRUPT) {
		atomic_store(&pci->wanted_config, true);
		uv_async_send(&pci->wanted);
	} else if (!tell_irqfd(pci, queue)) {
		want_queue(pci, queue);
	}
}

static int transport_interrupt_fd(void *opaque, uint32_t queue)
{
	struct virtio_pci *pci = opaque;

	return is_routed(pci, queue) ? pci->irqfds[queue] : -1;
}

static const struct virtio_transport_ops transport_ops = {
	.interrupt = transport_interrupt,
	.interrupt_fd = transport_interrupt_fd,
};

/* ---------------------------------------------------------------- vectors */

static uint16_t checked_vector(const struct virtio_pci *pci, uint16_t vector)
{
	return vector <= pci->device->queue_count ? vector : VIRTIO_MSI_NO_VECTOR;
}

uint16_t virtio_pci_queue_vector(const struct virtio_pci *pci)
{
	if (pci->queue_select >= pci->device->queue_count)
		return VIRTIO_MSI_NO_VECTOR;
	return pci->queue_vectors[pci->queue_select];
}

/* Returns whether the eventfd held what nobody will take from there. */
static bool route(struct virtio_pci *pci, unsigned int queue, bool msix)
{
	eventfd_t count;

	if (msix && pci->queue_vectors[queue] != VIRTIO_MSI_NO_VECTOR) {
		atomic_fetch_or(&pci->routed, INDICATION(queue));
		return false;
	}
	atomic_fetch_and(&pci->routed, ~INDICATION(queue));
	return eventfd_read(pci->irqfds[queue], &count) == 0;
}

void virtio_pci_route_queue(struct virtio_pci *pci, unsigned int queue, uint16_t vector)
{
	pci->queue_vectors[queue] = vector;
	if (pci->irqfds[queue] < 0 || !pci_has_irqfd(pci->function))
		return;
	pci_irqfd_route(pci->function, pci->irqfd_handles[queue], vector);
	route(pci, queue, pci_msix_enabled(pci->function));
}

/* Without MSI-X the vectors stay what they are, but interrupts are INTx and the ISR status. */
static void function_msix_enabled(void *opaque, bool enabled)
{
	struct virtio_pci *pci = opaque;

	for (unsigned int i = 0; i < pci->device->queue_count; i++)
		if (pci->irqfds[i] >= 0 && pci_has_irqfd(pci->function) &&
		    route(pci, i, enabled))
			want_queue(pci, i);
}

void virtio_pci_set_queue_vector(struct virtio_pci *pci, uint16_t vector)
{
	if (pci->queue_select < pci->device->queue_count)
		virtio_pci_route_queue(pci, pci->queue_select, checked_vector(pci, vector));
}

void virtio_pci_set_config_vector(struct virtio_pci *pci, uint16_t vector)
{
	pci->config_vector = checked_vector(pci, vector);
}

/* ---------------------------------------------------------------- status */

/* A legacy driver's first notification activates the device: it must arrive here. */
void virtio_pci_sync_doorbells(struct virtio_pci *pci)
{
	bool on = pci->device->active;

	if (pci->doorbells_on == on)
		return;
	pci->doorbells_on = on;
	for (unsigned int i = 0; i < pci->doorbell_count; i++)
		pci_doorbell_enable(pci->function, pci->doorbells[i], on);
}

static void silence(struct virtio_pci *pci)
{
	atomic_store(&pci->wanted_queues, 0);
	atomic_store(&pci->wanted_config, false);
	virtio_pci_read_isr(pci);
}

void virtio_pci_halt(struct virtio_pci *pci)
{
	if (!pci->device->active)
		return;
	virtio_device_halt(pci->device);
	silence(pci);
	virtio_pci_sync_doorbells(pci);
}

static void reset_registers(struct virtio_pci *pci)
{
	pci->device_feature_select = 0;
	pci->driver_feature_select = 0;
	pci->driver_features = 0;
	pci->queue_select = 0;
	pci->config_vector = VIRTIO_MSI_NO_VECTOR;
	for (unsigned int i = 0; i < pci->device->queue_count; i++)
		virtio_pci_route_queue(pci, i, VIRTIO_MSI_NO_VECTOR);
	silence(pci);
}

void virtio_pci_set_status(struct virtio_pci *pci, uint8_t status, bool legacy)
{
	virtio_device_set_status(pci->device, status, legacy);
	if (!status)
		reset_registers(pci);
	virtio_pci_sync_doorbells(pci);
}

/* ---------------------------------------------------------------- the BARs */

static uint64_t read_memory(struct virtio_pci *pci, uint64_t offset, unsigned int size)
{
	if (offset >= MEMORY_DEVICE)
		return virtio_device_config_read(pci->device, offset - MEMORY_DEVICE, size);
	if (offset >= MEMORY_ISR)
		return offset == MEMORY_ISR ? virtio_pci_read_isr(pci) : 0;
	return virtio_pci_common_read(pci, offset, size);
}

static void write_memory(struct virtio_pci *pci, uint64_t offset, unsigned int size,
			 uint64_t value)
{
	if (offset >= MEMORY_DEVICE)
		virtio_device_config_write(pci->device, offset - MEMORY_DEVICE, size, value);
	else if (offset < MEMORY_ISR)
		virtio_pci_common_write(pci, offset, size, value);
}

static uint64_t bar_read(void *opaque, unsigned int bar, uint64_t offset, unsigned int size)
{
	struct virtio_pci *pci = opaque;

	if (bar == BAR_MEMORY)
		return read_memory(pci, offset, size);
	if (offset < IO_NOTIFY && virtio_pci_transitional(pci->device))
		return virtio_pci_legacy_read(pci, offset, size);
	return 0;
}

static void bar_write(void *opaque, unsigned int bar, uint64_t offset, unsigned int size,
		      uint64_t value)
{
	struct virtio_pci *pci = opaque;

	if (bar == BAR_MEMORY)
		write_memory(pci, offset, size, value);
	else if (offset >= IO_NOTIFY)
		virtio_device_notify(pci->device, (offset - IO_NOTIFY) / NOTIFY_MULTIPLIER);
	else if (virtio_pci_transitional(pci->device))
		virtio_pci_legacy_write(pci, offset, size, value);
}

/* ---------------------------------------------------------------- VIRTIO_PCI_CAP_PCI_CFG */

/* "PCI configuration access capability": a window on the BARs for those who cannot reach
 * them.  The guest's own copy of the capability says where it looks. */
static bool window(struct virtio_pci *pci, unsigned int reg, struct virtio_pci_cfg_cap *cap)
{
	if (reg != offsetof(struct virtio_pci_cfg_cap, pci_cfg_data))
		return false;
	memcpy(cap, pci_capability_bytes(pci->function, pci->capability), sizeof(*cap));
	return (cap->cap.length == 1 || cap->cap.length == 2 || cap->cap.length == 4) &&
	       cap->cap.offset % cap->cap.length == 0;
}

static void capability_read(void *opaque, unsigned int capability, unsigned int reg,
			    unsigned int enables)
{
	struct virtio_pci *pci = opaque;
	struct virtio_pci_cfg_cap cap;
	uint32_t value;

	(void)capability;
	(void)enables;
	if (!window(pci, reg, &cap))
		return;
	value = pci_bar_read(pci->function, cap.cap.bar, cap.cap.offset, cap.cap.length);
	memcpy(pci_capability_bytes(pci->function, pci->capability) + reg, &value, sizeof(value));
}

static void capability_written(void *opaque, unsigned int capability, unsigned int reg,
			       unsigned int enables)
{
	struct virtio_pci *pci = opaque;
	struct virtio_pci_cfg_cap cap;
	uint32_t value;

	(void)capability;
	(void)enables;
	if (!window(pci, reg, &cap))
		return;
	memcpy(&value, cap.pci_cfg_data, sizeof(value));
	pci_bar_write(pci->function, cap.cap.bar, cap.cap.offset, cap.cap.length, value);
}

/* ---------------------------------------------------------------- making the function */

/* From `cap_len` on: struct pci_capability wants what is behind the ID and the link. */
static unsigned int add_capability(struct virtio_pci *pci, const struct virtio_pci_cap *cap,
				   const void *writable, bool hooked)
{
	const struct pci_capability capability = {
		.id = PCI_CAP_ID_VNDR,
		.body = &cap->cap_len,
		.writable = writable,
		.length = cap->cap_len - offsetof(struct virtio_pci_cap, cap_len),
		.hooked = hooked,
	};

	return pci_add_capability(pci->function, &capability);
}

static void add_structure(struct virtio_pci *pci, uint8_t type, uint32_t offset, uint32_t length)
{
	const struct virtio_pci_cap cap = {
		.cap_len = sizeof(cap), .cfg_type = type, .bar = BAR_MEMORY,
		.offset = offset, .length = length,
	};

	add_capability(pci, &cap, NULL, false);
}

static void add_notify(struct virtio_pci *pci)
{
	const struct virtio_pci_notify_cap notify = {
		.cap = {
			.cap_len = sizeof(notify), .cfg_type = VIRTIO_PCI_CAP_NOTIFY_CFG,
			.bar = BAR_IO, .offset = IO_NOTIFY,
			.length = NOTIFY_MULTIPLIER * VIRTIO_MAX_QUEUES,
		},
		.notify_off_multiplier = NOTIFY_MULTIPLIER,
	};

	add_capability(pci, &notify.cap, NULL, false);
}

static void add_window(struct virtio_pci *pci)
{
	const struct virtio_pci_cfg_cap cap = {
		.cap = { .cap_len = sizeof(cap), .cfg_type = VIRTIO_PCI_CAP_PCI_CFG },
	};
	const struct virtio_pci_cfg_cap writable = {
		.cap = { .bar = 0xff, .offset = UINT32_MAX, .length = UINT32_MAX },
		.pci_cfg_data = { 0xff, 0xff, 0xff, 0xff },
	};

	pci->capability = add_capability(pci, &cap.cap, &writable.cap.cap_len, true);
}

static void add_capabilities(struct virtio_pci *pci)
{
	add_structure(pci, VIRTIO_PCI_CAP_COMMON_CFG, MEMORY_COMMON,
		      sizeof(struct virtio_pci_common_cfg));
	add_structure(pci, VIRTIO_PCI_CAP_ISR_CFG, MEMORY_ISR, 1);
	if (pci->device->config_size)
		add_structure(pci, VIRTIO_PCI_CAP_DEVICE_CFG, MEMORY_DEVICE,
			      pci->device->config_size);
	add_notify(pci);
	add_window(pci);
}

static void add_doorbell(struct virtio_pci *pci, uint64_t offset, bool any, unsigned int queue,
			 int fd)
{
	const struct pci_doorbell doorbell = {
		.bar = BAR_IO, .offset = offset, .size = 2, .any = any, .value = queue, .fd = fd,
	};

	pci->doorbells[pci->doorbell_count++] = pci_add_doorbell(pci->function, &doorbell);
}

static void add_doorbells(struct virtio_pci *pci)
{
	const struct virtio_device *device = pci->device;
	int fd;

	for (unsigned int i = 0; i < device->queue_count; i++) {
		fd = device->ops->notify_fd ? device->ops->notify_fd(pci->device, i) : -1;
		if (fd < 0)
			continue;
		add_doorbell(pci, IO_NOTIFY + NOTIFY_MULTIPLIER * i, true, 0, fd);
		if (virtio_pci_transitional(device))
			add_doorbell(pci, VIRTIO_PCI_QUEUE_NOTIFY, false, i, fd);
	}
}

static gboolean add_irqfds(struct virtio_pci *pci, GError **error)
{
	for (unsigned int i = 0; i < pci->device->queue_count; i++) {
		pci->irqfds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (pci->irqfds[i] < 0)
			return error_set_errno(error, errno, "%s: cannot make an eventfd",
					       pci->device->name);
		pci->irqfd_handles[i] = pci_add_irqfd(pci->function, pci->irqfds[i]);
	}
	return TRUE;
}

static void function_reset(void *opaque)
{
	virtio_pci_set_status(opaque, 0, false);
}

/*
 * "Command Register" of the PCI Local Bus Specification: without Bus Master a device must not
 * access memory.  Linux clears the bit when it starts another kernel by kexec, so that what lay in
 * the old one's buffers does not end in the new one's memory, and sets it again before its driver
 * resets the device: therefore only that reset ends the silence.  A bit that was never set says
 * nothing, as some legacy drivers do not know of it.  In D3hot the device keeps what it has, as
 * No_Soft_Reset promises, and drivers go on from there.
 */
static void function_master_off(void *opaque)
{
	virtio_pci_halt(opaque);
}

static void function_removed(void *opaque)
{
	struct virtio_pci *pci = opaque;

	if (pci->removed)
		pci->removed(pci->removed_opaque);
}

static const struct pci_device_ops function_ops = {
	.read = bar_read,
	.write = bar_write,
	.capability_read = capability_read,
	.capability_written = capability_written,
	.msix_enabled = function_msix_enabled,
	.master_off = function_master_off,
	.reset = function_reset,
	.removed = function_removed,
};

static struct pci_device *make_function(struct virtio_pci *pci)
{
	const struct virtio_device *device = pci->device;
	const struct identity *identity = identity_of(device);
	bool transitional = virtio_pci_transitional(device);
	uint16_t modern_id = MODERN_ID + device->type;
	const struct pci_device_config config = {
		.name = device->name,
		.vendor_id = VENDOR_ID,
		.device_id = transitional ? identity->transitional_id : modern_id,
		.subsystem_vendor_id = VENDOR_ID,
		.subsystem_id = transitional ? device->type : modern_id,
		.revision = transitional ? 0 : 1,
		.class_code = identity->class_code,
		.intx = true,
		.bars = {
			[BAR_IO] = { PCI_BAR_IO, IO_SIZE },
			[BAR_MEMORY] = { PCI_BAR_MEM32, MEMORY_SIZE },
		},
		.msix = {
			.vectors = device->queue_count + 1u, .bar = BAR_MEMORY,
			.table_offset = MEMORY_MSIX_TABLE, .pba_offset = MEMORY_MSIX_PBA,
		},
	};

	return pci_device_new(&config, &function_ops, pci);
}

struct virtio_pci *virtio_pci_new(struct virtio_device *device, struct uv_loop_s *loop,
				  pthread_mutex_t *lock, GError **error)
{
	struct virtio_pci *pci = g_new0(struct virtio_pci, 1);

	pci->device = device;
	pci->lock = lock;
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		pci->irqfds[i] = -1;
		pci->queue_vectors[i] = VIRTIO_MSI_NO_VECTOR;
	}
	pci->config_vector = VIRTIO_MSI_NO_VECTOR;
	if (uv_async_init(loop, &pci->wanted, deliver) < 0) {
		error_set(error, "%s: the host has no eventfd left", device->name);
		virtio_device_free(device);
		g_free(pci);
		return NULL;
	}
	pci->wanted.data = pci;
	uv_unref((uv_handle_t *)&pci->wanted);
	pci->function = make_function(pci);
	add_capabilities(pci);
	virtio_device_attach(device, &transport_ops, pci);
	add_doorbells(pci);
	if (!add_irqfds(pci, error)) {
		virtio_pci_free(pci);
		return NULL;
	}
	return pci;
}

struct pci_device *virtio_pci_function(struct virtio_pci *pci)
{
	return pci->function;
}

void virtio_pci_set_removed(struct virtio_pci *pci, void (*removed)(void *opaque), void *opaque)
{
	pci->removed = removed;
	pci->removed_opaque = opaque;
}

void virtio_pci_reset(struct virtio_pci *pci)
{
	virtio_pci_set_status(pci, 0, false);
}

static void closed(uv_handle_t *handle)
{
	g_free(handle->data);
}

/* The device first: its threads use everything else. */
void virtio_pci_free(struct virtio_pci *pci)
{
	if (!pci)
		return;
	virtio_device_free(pci->device);
	pci_device_free(pci->function);
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++)
		if (pci->irqfds[i] >= 0)
			close(pci->irqfds[i]);
	uv_close((uv_handle_t *)&pci->wanted, closed);
}
