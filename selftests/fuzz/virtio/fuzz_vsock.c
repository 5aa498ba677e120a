// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A socket device whose driver sends any packets, and whose host has programs that come and
 * go.  The device's thread is never resumed and its work is done here, so that a run depends on
 * its input alone.
 */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../vmm/backends/unix_socket.h"
#include "../../../vmm/devices/vsock/internal.h"
#include "input.h"

#define MEMORY_SIZE	(2ull << 20)
#define RINGS		0x10000ull
#define STRIDE		0x8000ull
#define AVAIL		0x4000ull
#define USED		0x5000ull
#define SIZE		16u
#define QUEUES		3u
#define CID		3u
#define PORTS		3u		/* of each side */
#define PROGRAMS	4u

#define CHECK(condition)	\
	do {			\
		if (!(condition))	\
			abort();	\
	} while (0)

struct fuzz {
	struct input input;
	uint8_t *ram;
	struct virtio_device *device;
	uint16_t avail[QUEUES];
	int programs[PROGRAMS];		/* of the host; -1: none */
};

/* The same for all runs. */
static struct {
	char *path;
	char *service;
	int listener;			/* at the host's port 1 */
	struct virtio_memory virtio;
	struct virtio_device_ops ops;
	struct virtio_device *device;
} host;

static void no_interrupt(void *opaque, uint32_t queue)
{
	(void)opaque;
	(void)queue;
}

static const struct virtio_transport_ops transport_ops = { .interrupt = no_interrupt };

static void work(struct fuzz *fuzz)
{
	struct vsock *vsock = (struct vsock *)fuzz->device;

	if (!fuzz->device->active)
		return;
	for (unsigned int i = 0; i < 4; i++) {
		vsock_host_events(vsock);
		vsock_take_packets(vsock);
		vsock_fill_guest(vsock);
	}
	CHECK(vsock->connections.length <= VSOCK_CONNECTIONS_MAX);
	CHECK(vsock->reset_count <= VSOCK_RESETS_SOFT + vsock->virtio.queue_size);
}

/* ---------------------------------------------------------------- the guest */

static void reset(struct fuzz *fuzz)
{
	virtio_device_set_status(fuzz->device, 0, false);
	memset(fuzz->ram + RINGS, 0, QUEUES * STRIDE);
	memset(fuzz->avail, 0, sizeof(fuzz->avail));
}

static void start(struct fuzz *fuzz)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	uint64_t base;

	reset(fuzz);
	virtio_device_set_status(fuzz->device, status, false);
	virtio_device_set_features(fuzz->device, (take(&fuzz->input, 5) & fuzz->device->offered &
						  ~VIRTIO_BIT(VIRTIO_F_RING_PACKED)) |
						 VIRTIO_BIT(VIRTIO_F_VERSION_1));
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	virtio_device_set_status(fuzz->device, status, false);
	for (unsigned int i = 0; i < QUEUES; i++) {
		base = RINGS + STRIDE * i;
		*virtio_device_queue(fuzz->device, i) = (struct virtqueue_config){
			.descriptors = base, .driver = base + AVAIL, .device = base + USED,
			.size = SIZE,
		};
		virtio_device_enable_queue(fuzz->device, i);
	}
	virtio_device_set_status(fuzz->device, status | VIRTIO_CONFIG_S_DRIVER_OK, false);
}

static void make_available(struct fuzz *fuzz, unsigned int queue, uint16_t head)
{
	uint8_t *ring = fuzz->ram + RINGS + STRIDE * queue + AVAIL;

	memcpy(ring + 4 + 2 * (fuzz->avail[queue] % SIZE), &head, 2);
	fuzz->avail[queue]++;
	__atomic_store_n((uint16_t *)(ring + 2), fuzz->avail[queue], __ATOMIC_RELEASE);
}

static void write_descriptor(struct fuzz *fuzz, unsigned int queue, uint16_t index,
			     const struct vring_desc *desc)
{
	memcpy(fuzz->ram + RINGS + STRIDE * queue + 16 * index, desc, sizeof(*desc));
}

/* Mostly of a connection that there may be: one of the guest's, or of the host's own. */
static void make_header(struct fuzz *fuzz, struct virtio_vsock_hdr *header, uint32_t length)
{
	static const uint16_t ops[] = {
		VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE,
		VIRTIO_VSOCK_OP_RST, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_OP_CREDIT_UPDATE,
		VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, 99,
	};
	const struct vsock *vsock = (const struct vsock *)fuzz->device;
	uint8_t odd = take8(&fuzz->input);

	*header = (struct virtio_vsock_hdr){
		.src_cid = odd == 1 ? take(&fuzz->input, 8) : CID,
		.dst_cid = odd == 2 ? take(&fuzz->input, 8) : VSOCK_HOST_CID,
		.src_port = take_below(&fuzz->input, PORTS),
		.dst_port = odd & 0x80 ? (1u << 30 | (vsock->next_port - 1 - odd % 4)) :
					 take_below(&fuzz->input, PORTS),
		.len = odd == 3 ? take(&fuzz->input, 4) : length,
		.type = odd == 4 ? take8(&fuzz->input) : VIRTIO_VSOCK_TYPE_STREAM,
		.op = ops[take_below(&fuzz->input, G_N_ELEMENTS(ops))],
		.flags = take8(&fuzz->input),
		.buf_alloc = take_length(&fuzz->input),
		.fwd_cnt = take_length(&fuzz->input),
	};
}

static void packet(struct fuzz *fuzz)
{
	uint32_t length = take8(&fuzz->input) % 4 ? take(&fuzz->input, 2) : 0;
	uint16_t index = take_below(&fuzz->input, SIZE / 2) * 2;
	uint64_t at = MEMORY_SIZE / 2 + 64ull * index;
	struct virtio_vsock_hdr header;

	make_header(fuzz, &header, length);
	memcpy(fuzz->ram + at, &header, sizeof(header));
	write_descriptor(fuzz, VSOCK_TRANSMIT, index, &(struct vring_desc){
		at, sizeof(header), length ? VRING_DESC_F_NEXT : 0, index + 1 });
	write_descriptor(fuzz, VSOCK_TRANSMIT, index + 1, &(struct vring_desc){
		MEMORY_SIZE / 2 + 0x10000, length, 0, 0 });
	make_available(fuzz, VSOCK_TRANSMIT, index);
}

static void buffers(struct fuzz *fuzz)
{
	uint16_t index = take_below(&fuzz->input, SIZE);
	uint32_t length = take8(&fuzz->input) % 64 ? 4096 : take8(&fuzz->input);

	write_descriptor(fuzz, VSOCK_RECEIVE, index, &(struct vring_desc){
		MEMORY_SIZE / 2 + 0x40000 + 4096ull * index, length, VRING_DESC_F_WRITE, 0 });
	make_available(fuzz, VSOCK_RECEIVE, index);
}

static void wild(struct fuzz *fuzz)
{
	unsigned int queue = take_below(&fuzz->input, QUEUES);

	write_descriptor(fuzz, queue, take_below(&fuzz->input, SIZE), &(struct vring_desc){
		take_address(&fuzz->input, RINGS, MEMORY_SIZE), take_length(&fuzz->input),
		take8(&fuzz->input) & 7, take_below(&fuzz->input, SIZE + 1) });
	make_available(fuzz, queue, take_below(&fuzz->input, SIZE + 1));
}

static void again(struct fuzz *fuzz)
{
	if (take8(&fuzz->input) % 8 == 0)
		start(fuzz);
}

/* ---------------------------------------------------------------- the host */

static void hang_up(int *program)
{
	if (*program >= 0)
		close(*program);
	*program = -1;
}

static int *any_program(struct fuzz *fuzz)
{
	return &fuzz->programs[take_below(&fuzz->input, PROGRAMS)];
}

static void put(int fd, const void *bytes, size_t length)
{
	if (send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void dial(struct fuzz *fuzz)
{
	int *program = any_program(fuzz);
	char line[32];

	hang_up(program);
	*program = unix_socket_connect(host.path);
	g_snprintf(line, sizeof(line), "CONNECT %u\n%c", take_below(&fuzz->input, PORTS),
		   take8(&fuzz->input));
	if (*program >= 0)
		put(*program, line, 1 + take_below(&fuzz->input, strlen(line)));
}

static void answer(struct fuzz *fuzz)
{
	int *program = any_program(fuzz);

	hang_up(program);
	*program = accept4(host.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void talk(struct fuzz *fuzz)
{
	static const uint8_t bytes[70000];

	put(*any_program(fuzz), bytes, take(&fuzz->input, 2));
}

static void listen_to(struct fuzz *fuzz)
{
	static uint8_t bytes[70000];

	if (recv(*any_program(fuzz), bytes, take(&fuzz->input, 2), MSG_DONTWAIT) < 0)
		return;
}

static void end(struct fuzz *fuzz)
{
	int *program = any_program(fuzz);
	unsigned int how = take8(&fuzz->input) % 4;

	if (how < 3)
		shutdown(*program, how);	/* SHUT_RD, SHUT_WR, SHUT_RDWR */
	else
		hang_up(program);
}

static void (*const steps[])(struct fuzz *fuzz) = {
	packet, packet, packet, packet, buffers, buffers, buffers, work, work, work, wild, again,
	dial, answer, talk, listen_to, end,
};

static void activate(struct virtio_device *device)
{
	(void)device;
}

static void forget(struct virtio_device *device)
{
	vsock_forget_all((struct vsock *)device);
}

static void make_device(void)
{
	const struct vsock_device_config config = {
		.name = "vsock0", .cid = CID, .path = host.path,
	};

	host.device = vsock_device_new(&config, &host.virtio, NULL);
	CHECK(host.device);
	host.ops = *host.device->ops;
	host.ops.activate = activate;
	host.ops.reset = forget;
	host.device->ops = &host.ops;
	virtio_device_attach(host.device, &transport_ops, NULL);
}

static void make_host(void)
{
	g_autofree char *folder = g_dir_make_tmp("mica-fuzz-XXXXXX", NULL);

	CHECK(folder);
	host.path = g_build_filename(folder, "v", NULL);
	host.service = g_strdup_printf("%s_1", host.path);
	host.virtio.ram = guest_memory_new(-1, MEMORY_SIZE, NULL);
	CHECK(host.virtio.ram);
	make_device();
}

static void remove_host(void)
{
	g_autofree char *folder = g_path_get_dirname(host.path);

	virtio_device_free(host.device);
	g_rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .input = { data, MIN(size, 512) } };

	if (!host.path) {
		make_host();
		atexit(remove_host);
	}
	memset(fuzz.programs, 0xff, sizeof(fuzz.programs));
	host.listener = unix_socket_listen(host.service, NULL);
	CHECK(host.listener >= 0);
	fuzz.device = host.device;
	fuzz.ram = guest_memory_pointer(host.virtio.ram, 0, MEMORY_SIZE);
	start(&fuzz);
	while (fuzz.input.left)
		steps[take_below(&fuzz.input, G_N_ELEMENTS(steps))](&fuzz);
	work(&fuzz);
	reset(&fuzz);
	for (unsigned int i = 0; i < PROGRAMS; i++)
		hang_up(&fuzz.programs[i]);
	close(host.listener);
	unlink(host.service);
	return 0;
}
