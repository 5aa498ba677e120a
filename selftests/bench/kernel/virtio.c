// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Source: VIRTIO 1.2, "Virtio Over PCI Bus" and "Split Virtqueues"; PCI Local Bus
 * Specification 3.0, "Configuration Space" and "MSI-X Capability and Table Structures".
 */
#include "virtio.h"

#define VIRTIO_VENDOR		0x1af4u
#define PCI_ADDRESS		0xcf8
#define PCI_DATA		0xcfc
#define PCI_ENABLE		0x80000000u
#define PCI_COMMAND		0x04u
#define COMMAND_ALL		0x7u		/* ports, memory, bus master */
#define PCI_BARS		0x10u
#define PCI_CAPABILITIES	0x34u
#define CAP_VENDOR		0x09u
#define CAP_MSIX		0x11u
#define MSIX_ENABLE		0x80000000u	/* in the capability's first dword */

#define CFG_COMMON		1u
#define CFG_NOTIFY		2u

/* Offsets in the common configuration structure. */
#define DRIVER_FEATURE_SELECT	8u
#define DRIVER_FEATURE		12u
#define DEVICE_STATUS		20u
#define QUEUE_SELECT		22u
#define QUEUE_SIZE		24u
#define QUEUE_VECTOR		26u
#define QUEUE_ENABLE		28u
#define QUEUE_NOTIFY_OFF	30u
#define QUEUE_DESC		32u
#define QUEUE_DRIVER		40u
#define QUEUE_DEVICE		48u

#define STATUS_DRIVER		3u		/* and ACKNOWLEDGE */
#define STATUS_FEATURES_OK	8u
#define STATUS_DRIVER_OK	4u
#define RING_F_EVENT_IDX	(1u << 29)
#define F_VERSION_1		1u		/* in the high word */

static void barrier(void)
{
	asm volatile("mfence" : : : "memory");
}

/* ------------------------------------------------------------ PCI */

static uint32_t config_read(uint32_t function, uint32_t offset)
{
	outl(PCI_ADDRESS, PCI_ENABLE | function | (offset & ~3u));
	return inl(PCI_DATA);
}

static void config_write(uint32_t function, uint32_t offset, uint32_t value)
{
	outl(PCI_ADDRESS, PCI_ENABLE | function | (offset & ~3u));
	outl(PCI_DATA, value);
}

static uint64_t bar_address(uint32_t function, unsigned int bar, bool *port)
{
	uint32_t low = config_read(function, PCI_BARS + 4 * bar);
	uint64_t high = 0;

	*port = low & 1;
	if (*port)
		return low & ~3u;
	if ((low & 6) == 4)
		high = config_read(function, PCI_BARS + 4 * bar + 4);
	if (high)
		fail("a BAR above 4 GiB");
	return low & ~15u;
}

static void virtio_capability(struct virtio *virtio, uint32_t at, uint32_t head)
{
	uint32_t bar = config_read(virtio->function, at + 4) & 0xff;
	uint32_t offset = config_read(virtio->function, at + 8);
	uintptr_t address;
	bool port;

	if (bar > 5)
		return;
	address = bar_address(virtio->function, bar, &port) + offset;
	if (head >> 24 == CFG_COMMON) {
		virtio->common = address;
	} else if (head >> 24 == CFG_NOTIFY) {
		virtio->notify = address;
		virtio->notify_by_port = port;
		virtio->notify_multiplier = config_read(virtio->function, at + 16);
	}
}

static void msix_capability(struct virtio *virtio, uint32_t at, uint32_t head)
{
	uint32_t table = config_read(virtio->function, at + 4);
	bool port;

	virtio->msix_table = bar_address(virtio->function, table & 7, &port) + (table & ~7u);
	config_write(virtio->function, at, head | MSIX_ENABLE);
}

static void walk_capabilities(struct virtio *virtio)
{
	uint32_t at = config_read(virtio->function, PCI_CAPABILITIES) & 0xfc, head;

	for (; at; at = head >> 8 & 0xfc) {
		head = config_read(virtio->function, at);
		if ((head & 0xff) == CAP_VENDOR)
			virtio_capability(virtio, at, head);
		else if ((head & 0xff) == CAP_MSIX)
			msix_capability(virtio, at, head);
	}
	if (!virtio->common || !virtio->notify || !virtio->msix_table)
		fail("a virtio function that lacks a structure");
}

void virtio_find(struct virtio *virtio, uint16_t device_id)
{
	uint32_t function;

	for (function = 0; function < 0x10000; function += 0x800) {
		if (config_read(function, 0) != ((uint32_t)device_id << 16 | VIRTIO_VENDOR))
			continue;
		virtio->function = function;
		config_write(function, PCI_COMMAND, COMMAND_ALL);
		walk_capabilities(virtio);
		return;
	}
	fail("no such virtio function");
}

/* ------------------------------------------------------------ starting */

static void write8(uintptr_t address, uint8_t value)
{
	asm volatile("movb %0, (%1)" : : "q" (value), "r" (address) : "memory");
}

static void write16(uintptr_t address, uint16_t value)
{
	asm volatile("movw %0, (%1)" : : "r" (value), "r" (address) : "memory");
}

static uint16_t read16(uintptr_t address)
{
	uint16_t value;

	asm volatile("movw (%1), %0" : "=r" (value) : "r" (address) : "memory");
	return value;
}

static void write_address(uintptr_t address, const volatile void *what)
{
	mmio_write(address, (uintptr_t)what);
	mmio_write(address + 4, 0);
}

static void start_queue(struct virtio *virtio, struct virtqueue *queue, uint16_t number)
{
	uintptr_t common = virtio->common, entry = virtio->msix_table + 16 * number;

	mmio_write(entry, APIC_PAGE);
	mmio_write(entry + 4, 0);
	mmio_write(entry + 8, VECTOR_DEVICE + number);
	mmio_write(entry + 12, 0);
	write16(common + QUEUE_SELECT, number);
	if (read16(common + QUEUE_SIZE) < QUEUE_MAX)
		fail("a queue that is too short");
	write16(common + QUEUE_SIZE, QUEUE_MAX);
	write16(common + QUEUE_VECTOR, number);
	write_address(common + QUEUE_DESC, queue->descriptors);
	write_address(common + QUEUE_DRIVER, queue->avail);
	write_address(common + QUEUE_DEVICE, &queue->used);
	queue->number = number;
	queue->notify_by_port = virtio->notify_by_port;
	queue->notify = virtio->notify +
			virtio->notify_multiplier * read16(common + QUEUE_NOTIFY_OFF);
	write16(common + QUEUE_ENABLE, 1);
}

void virtio_start(struct virtio *virtio, uint32_t features, struct virtqueue *queues,
		  unsigned int count)
{
	uintptr_t common = virtio->common;
	unsigned int i;

	write8(common + DEVICE_STATUS, 0);
	write8(common + DEVICE_STATUS, STATUS_DRIVER);
	mmio_write(common + DRIVER_FEATURE_SELECT, 0);
	mmio_write(common + DRIVER_FEATURE, features | RING_F_EVENT_IDX);
	mmio_write(common + DRIVER_FEATURE_SELECT, 1);
	mmio_write(common + DRIVER_FEATURE, F_VERSION_1);
	write8(common + DEVICE_STATUS, STATUS_DRIVER | STATUS_FEATURES_OK);
	for (i = 0; i < count; i++)
		start_queue(virtio, &queues[i], i);
	write8(common + DEVICE_STATUS, STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
	if (!(read16(common + DEVICE_STATUS) & STATUS_FEATURES_OK))
		fail("features that the device refuses");
}

/* ------------------------------------------------------------ the rings */

void virtqueue_add(struct virtqueue *queue, uint16_t head)
{
	queue->avail[2 + queue->added++ % QUEUE_MAX] = head;
}

/* "Available Buffer Notification Suppression": only if the device's wish has been passed. */
void virtqueue_kick(struct virtqueue *queue)
{
	uint16_t before = queue->kicked, event;

	barrier();
	queue->avail[1] = queue->added;
	queue->kicked = queue->added;
	barrier();
	event = queue->used.avail_event;
	if ((uint16_t)(queue->added - event - 1) >= (uint16_t)(queue->added - before))
		return;
	if (queue->notify_by_port)
		outw(queue->notify, queue->number);
	else
		write16(queue->notify, queue->number);
}

void virtqueue_wait(struct virtqueue *queue, unsigned int count)
{
	uint16_t last = queue->taken + count - 1;

	asm volatile("cli");
	queue->avail[2 + QUEUE_MAX] = last;
	barrier();
	while ((int16_t)(queue->used.index - last) <= 0)
		wait_for_interrupt();
	asm volatile("sti");
	queue->taken += count;
}
