// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A socket device whose driver sends any packets, and whose host has programs that come and
 * go.
 */
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../vmm/backends/unix_socket.h"
#include "../../../vmm/devices/vsock/internal.h"
#include "driver.h"
#include "iothread.h"

#define QUEUES		3u
#define CID		3u
#define PORTS		3u		/* of each side */
#define PROGRAMS	4u

struct fuzz {
	struct fuzz_driver driver;
	int programs[PROGRAMS];		/* of the host; -1: none */
};

/* The same for all runs. */
static struct {
	char *path;
	char *service;
	int listener;			/* at the host's port 1 */
	struct virtio_device *device;
} host;

static void work(struct fuzz_driver *driver)
{
	struct vsock *vsock = (struct vsock *)driver->device;

	fuzz_iothread_work(vsock->thread);
	CHECK(vsock->connections.length <= VSOCK_CONNECTIONS_MAX);
	CHECK(vsock->reset_count <= VSOCK_RESETS_SOFT + vsock->virtio.queue_size);
}

/* ---------------------------------------------------------------- the guest */

/* Mostly of a connection that there may be: one of the guest's, or of the host's own. */
static void make_header(struct fuzz_driver *driver, struct virtio_vsock_hdr *header,
			uint32_t length)
{
	static const uint16_t ops[] = {
		VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE,
		VIRTIO_VSOCK_OP_RST, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_OP_CREDIT_UPDATE,
		VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, 99,
	};
	const struct vsock *vsock = (const struct vsock *)driver->device;
	uint8_t odd = take8(&driver->input);

	*header = (struct virtio_vsock_hdr){
		.src_cid = odd == 1 ? take_value(&driver->input, 8) : CID,
		.dst_cid = odd == 2 ? take_value(&driver->input, 8) : VSOCK_HOST_CID,
		.src_port = take_below(&driver->input, PORTS),
		.dst_port = odd & 0x80 ? (1u << 30 | (vsock->next_port - 1 - odd % 4)) :
					 take_below(&driver->input, PORTS),
		.len = odd == 3 ? take_value(&driver->input, 4) : length,
		.type = odd == 4 ? take8(&driver->input) : VIRTIO_VSOCK_TYPE_STREAM,
		.op = ops[take_below(&driver->input, G_N_ELEMENTS(ops))],
		.flags = take8(&driver->input),
		.buf_alloc = take_length(&driver->input),
		.fwd_cnt = take_length(&driver->input),
	};
}

static void packet(struct fuzz_driver *driver)
{
	uint32_t length = take8(&driver->input) % 4 ? take_value(&driver->input, 2) : 0;
	uint16_t index = take_below(&driver->input, FUZZ_QUEUE_SIZE / 2) * 2;
	uint64_t at = FUZZ_BUFFERS + 64ull * index;
	struct virtio_vsock_hdr header;

	make_header(driver, &header, length);
	memcpy(driver->ram + at, &header, sizeof(header));
	fuzz_driver_describe(driver, VSOCK_TRANSMIT, index, &(struct vring_desc){
		at, sizeof(header), length ? VRING_DESC_F_NEXT : 0, index + 1 });
	fuzz_driver_describe(driver, VSOCK_TRANSMIT, index + 1, &(struct vring_desc){
		FUZZ_BUFFERS + 0x10000, length, 0, 0 });
	fuzz_driver_make_available(driver, VSOCK_TRANSMIT, index);
}

static void buffers(struct fuzz_driver *driver)
{
	uint16_t index = take_below(&driver->input, FUZZ_QUEUE_SIZE);
	uint32_t length = take8(&driver->input) % 64 ? 4096 : take8(&driver->input);

	fuzz_driver_describe(driver, VSOCK_RECEIVE, index, &(struct vring_desc){
		FUZZ_BUFFERS + 0x40000 + 4096ull * index, length, VRING_DESC_F_WRITE, 0 });
	fuzz_driver_make_available(driver, VSOCK_RECEIVE, index);
}

/* ---------------------------------------------------------------- the host */

static void hang_up(int *program)
{
	if (*program >= 0)
		close(*program);
	*program = -1;
}

static int *any_program(struct fuzz_driver *driver)
{
	return &((struct fuzz *)driver)->programs[take_below(&driver->input, PROGRAMS)];
}

static void put(int fd, const void *bytes, size_t length)
{
	if (send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void dial(struct fuzz_driver *driver)
{
	int *program = any_program(driver);
	char line[32];

	hang_up(program);
	*program = unix_socket_connect(host.path);
	g_snprintf(line, sizeof(line), "CONNECT %u\n%c", take_below(&driver->input, PORTS),
		   take8(&driver->input));
	if (*program >= 0)
		put(*program, line, 1 + take_below(&driver->input, strlen(line)));
}

static void answer(struct fuzz_driver *driver)
{
	int *program = any_program(driver);

	hang_up(program);
	*program = accept4(host.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void talk(struct fuzz_driver *driver)
{
	static const uint8_t bytes[70000];

	put(*any_program(driver), bytes, take_value(&driver->input, 2));
}

static void listen_to(struct fuzz_driver *driver)
{
	static uint8_t bytes[70000];

	if (recv(*any_program(driver), bytes, take_value(&driver->input, 2), MSG_DONTWAIT) < 0)
		return;
}

static void end(struct fuzz_driver *driver)
{
	int *program = any_program(driver);
	unsigned int how = take8(&driver->input) % 4;

	if (how < 3)
		shutdown(*program, how);	/* SHUT_RD, SHUT_WR, SHUT_RDWR */
	else
		hang_up(program);
}

static const fuzz_step steps[] = {
	packet, packet, packet, packet, buffers, buffers, buffers, work, work, work,
	dial, answer, talk, listen_to, end, fuzz_driver_wild, fuzz_driver_again, fuzz_driver_rest,
};

static void make_device(void)
{
	const struct vsock_device_config config = {
		.name = "vsock0", .cid = CID, .path = host.path,
	};

	host.device = vsock_device_new(&config, fuzz_memory(), NULL);
	CHECK(host.device);
}

static void make_host(void)
{
	g_autofree char *folder = g_dir_make_tmp("mica-fuzz-XXXXXX", NULL);

	CHECK(folder);
	host.path = g_build_filename(folder, "v", NULL);
	host.service = g_strdup_printf("%s_1", host.path);
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
	struct fuzz fuzz = {
		.driver = { .input = { data, MIN(size, 512) }, .queues = QUEUES, .patience = 8 },
	};

	if (!host.path) {
		make_host();
		atexit(remove_host);
	}
	memset(fuzz.programs, 0xff, sizeof(fuzz.programs));
	host.listener = unix_socket_listen(host.service, NULL);
	CHECK(host.listener >= 0);
	fuzz.driver.device = host.device;
	fuzz_driver_run(&fuzz.driver, steps, G_N_ELEMENTS(steps));
	work(&fuzz.driver);
	fuzz_driver_reset(&fuzz.driver);
	for (unsigned int i = 0; i < PROGRAMS; i++)
		hang_up(&fuzz.programs[i]);
	close(host.listener);
	unlink(host.service);
	return 0;
}
