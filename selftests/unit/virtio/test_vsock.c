// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The socket device: the test is the guest's driver, packet by packet, and the programs of
 * the host at its UNIX sockets.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../../vmm/backends/unix_socket.h"
#include "../../../vmm/devices/vsock/internal.h"

#define RING_SIZE	64u
#define RX		0u
#define TX		1u
#define CID		42u
#define GUEST_PORT	1000u
#define SERVICE		77u
#define HEADER		((uint32_t)sizeof(struct virtio_vsock_hdr))
#define SLOT		0x2000u		/* for a buffer of each queue's entry */
#define RX_SIZE		0x1000u
#define TX_BASE		(BUFFER_BASE + RING_SIZE * SLOT)
#define GUEST_BUFFER	65536u
#define ROOM		(128u << 10)	/* what the device gives */
#define PATIENCE_MS	10000

struct fixture {
	struct bench bench;
	char *folder;
	char *path;
	char *service;			/* where the guest's port SERVICE leads */
	uint16_t tx_next;
};

struct packet {
	struct virtio_vsock_hdr header;
	uint8_t bytes[RX_SIZE];
	uint16_t id;
};

/* ---------------------------------------------------------------- the guest's side */

static void give_buffer(struct fixture *f, unsigned int slot)
{
	const struct buffer buffers[] = {
		{ BUFFER_BASE + slot * SLOT, HEADER, true },
		{ BUFFER_BASE + slot * SLOT + HEADER, RX_SIZE - HEADER, true },
	};

	driver_add_indirect(&f->bench.drivers[RX], buffers, 2, TX_BASE + 0x40000 + 64 * slot);
}

static void give_buffers(struct fixture *f, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		give_buffer(f, i);
	virtio_device_notify(f->bench.device, RX);
}

static struct virtio_device *make_vsock(struct fixture *f)
{
	const struct vsock_device_config config = { .name = "vsock0", .path = f->path, .cid = CID };

	return vsock_device_new(&config, &f->bench.virtio, NULL);
}

static void open_quietly(struct fixture *f, unsigned int buffers)
{
	memset(f, 0, sizeof(*f));
	f->folder = g_dir_make_tmp("mica-vsock-XXXXXX", NULL);
	assert_non_null(f->folder);
	f->path = g_build_filename(f->folder, "v", NULL);
	f->service = g_strdup_printf("%s_%u", f->path, SERVICE);
	bench_init(&f->bench);
	bench_attach(&f->bench, make_vsock(f));
	bench_start(&f->bench, SPLIT | INDIRECT, RING_SIZE);
	give_buffers(f, buffers);
}

static void open_vsock(struct fixture *f)
{
	open_quietly(f, RING_SIZE);
}

static void close_vsock(struct fixture *f)
{
	bench_free(&f->bench);
	assert_int_not_equal(g_access(f->path, F_OK), 0);
	g_unlink(f->service);
	assert_int_equal(g_rmdir(f->folder), 0);
	g_free(f->service);
	g_free(f->path);
	g_free(f->folder);
}

static struct virtio_vsock_hdr header(uint16_t op, uint32_t guest_port, uint32_t host_port)
{
	return (struct virtio_vsock_hdr){
		.src_cid = CID, .dst_cid = 2, .src_port = guest_port, .dst_port = host_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = op, .buf_alloc = GUEST_BUFFER,
	};
}

/* `length` of the bytes are there; the header says what it says. */
static void send_raw(struct fixture *f, const struct virtio_vsock_hdr *header, const void *bytes,
		     uint32_t length)
{
	uint64_t at = TX_BASE + f->tx_next++ % 2 * 0x20000;
	const struct buffer buffers[] = { { at, HEADER, false }, { at + HEADER, length, false } };
	uint32_t written;
	uint16_t id;

	memcpy(bench_at(&f->bench, at, HEADER), header, HEADER);
	if (length)
		memcpy(bench_at(&f->bench, at + HEADER, length), bytes, length);
	driver_add(&f->bench.drivers[TX], buffers, length ? 2 : 1);
	virtio_device_notify(f->bench.device, TX);
	bench_wait(&f->bench, TX, &id, &written);
	assert_int_equal(written, 0);
}

static void send_op(struct fixture *f, uint16_t op, uint32_t guest_port, uint32_t host_port)
{
	const struct virtio_vsock_hdr head = header(op, guest_port, host_port);

	send_raw(f, &head, NULL, 0);
}

static void send_bytes(struct fixture *f, uint32_t guest_port, uint32_t host_port,
		       const void *bytes, uint32_t length)
{
	struct virtio_vsock_hdr head = header(VIRTIO_VSOCK_OP_RW, guest_port, host_port);

	head.len = length;
	send_raw(f, &head, bytes, length);
}

/* The next packet for the guest; its buffer is given back if `again`. */
static void get_packet(struct fixture *f, struct packet *packet, bool again)
{
	uint32_t written;
	unsigned int slot;
	const uint8_t *at;

	bench_wait(&f->bench, RX, &packet->id, &written);
	slot = packet->id;
	assert_in_range(slot, 0, RING_SIZE - 1);
	assert_in_range(written, HEADER, RX_SIZE);
	at = bench_at(&f->bench, BUFFER_BASE + slot * SLOT, RX_SIZE);
	memcpy(&packet->header, at, HEADER);
	memcpy(packet->bytes, at + HEADER, written - HEADER);
	assert_int_equal(packet->header.len, written - HEADER);
	assert_int_equal(packet->header.dst_cid, CID);
	if (again) {
		give_buffer(f, slot);
		virtio_device_notify(f->bench.device, RX);
	}
}

static void expect_op(struct fixture *f, struct packet *packet, uint16_t op, uint32_t guest_port,
		      uint32_t host_port)
{
	get_packet(f, packet, true);
	assert_int_equal(packet->header.op, op);
	assert_int_equal(packet->header.dst_port, guest_port);
	assert_int_equal(packet->header.src_port, host_port);
	assert_int_equal(packet->header.src_cid, 2);
	assert_int_equal(packet->header.type, VIRTIO_VSOCK_TYPE_STREAM);
}

static void expect_reset(struct fixture *f, uint32_t guest_port, uint32_t host_port)
{
	struct packet packet;

	expect_op(f, &packet, VIRTIO_VSOCK_OP_RST, guest_port, host_port);
}

/* ---------------------------------------------------------------- the host's side */

static void expect_line(int fd, const char *words)
{
	char line[64] = { 0 };

	for (size_t i = 0; i + 1 < sizeof(line) && !strchr(line, '\n'); i++)
		assert_int_equal(read(fd, line + i, 1), 1);
	assert_string_equal(line, words);
}

static int host_connect(const struct fixture *f, const char *line)
{
	int fd = unix_socket_connect(f->path);
	struct timeval limit = { .tv_sec = PATIENCE_MS / 1000 };

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	return fd;
}

static int listen_service(const struct fixture *f)
{
	int fd = unix_socket_listen(f->service, NULL);

	assert_true(fd >= 0);
	return fd;
}

static int accept_one(int listener)
{
	struct pollfd waits = { .fd = listener, .events = POLLIN };
	struct timeval limit = { .tv_sec = PATIENCE_MS / 1000 };
	int fd;

	assert_int_equal(poll(&waits, 1, PATIENCE_MS), 1);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void expect_bytes(int fd, const void *bytes, size_t length)
{
	g_autofree uint8_t *got = g_malloc(length);

	assert_int_equal(recv(fd, got, length, MSG_WAITALL), length);
	assert_memory_equal(got, bytes, length);
}

static void expect_end(int fd)
{
	char byte;

	assert_int_equal(read(fd, &byte, 1), 0);
}

/* A connection that the guest made; returns the host's descriptor. */
static int guest_connection(struct fixture *f)
{
	int listener = listen_service(f), fd;
	struct packet packet;

	send_op(f, VIRTIO_VSOCK_OP_REQUEST, GUEST_PORT, SERVICE);
	expect_op(f, &packet, VIRTIO_VSOCK_OP_RESPONSE, GUEST_PORT, SERVICE);
	assert_int_equal(packet.header.buf_alloc, ROOM);
	assert_int_equal(packet.header.fwd_cnt, 0);
	fd = accept_one(listener);
	close(listener);
	return fd;
}

/* ---------------------------------------------------------------- connecting */

static void host_connects(void **unused)
{
	struct packet packet;
	struct fixture f;
	char words[64];
	uint32_t port;
	int fd;

	(void)unused;
	open_vsock(&f);
	assert_int_equal(virtio_device_config_read(f.bench.device, 0, 8), CID);
	fd = host_connect(&f, "CONNECT 1000\nhello");
	get_packet(&f, &packet, true);
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(packet.header.dst_port, GUEST_PORT);
	assert_int_equal(packet.header.buf_alloc, ROOM);
	port = packet.header.src_port;
	send_op(&f, VIRTIO_VSOCK_OP_RESPONSE, GUEST_PORT, port);
	snprintf(words, sizeof(words), "OK %u\n", port);
	expect_line(fd, words);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_RW, GUEST_PORT, port);
	assert_int_equal(packet.header.len, 5);
	assert_memory_equal(packet.bytes, "hello", 5);
	send_bytes(&f, GUEST_PORT, port, "world", 5);
	expect_bytes(fd, "world", 5);
	send_op(&f, VIRTIO_VSOCK_OP_RST, GUEST_PORT, port);
	expect_end(fd);
	close(fd);
	close_vsock(&f);
}

/* Nobody at the guest's port; lines that are no good. */
static void host_is_refused(void **unused)
{
	static const char *const lines[] = {
		"CONNECT 4294967296\n", "CONNECT -1\n", "CONNECT 1x\n", "CONNECT \n", "HELLO 1\n", "\n",
		"CONNECT 111111111111111111111111111111111111111111",
	};
	struct packet packet;
	struct fixture f;
	int fd;

	(void)unused;
	open_vsock(&f);
	fd = host_connect(&f, "CONNECT 4294967295\r\n");
	get_packet(&f, &packet, true);
	assert_int_equal(packet.header.dst_port, UINT32_MAX);
	send_op(&f, VIRTIO_VSOCK_OP_RST, UINT32_MAX, packet.header.src_port);
	expect_end(fd);
	close(fd);
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		char byte;

		fd = host_connect(&f, lines[i]);
		assert_true(recv(fd, &byte, 1, 0) <= 0 && errno != EAGAIN);
		close(fd);
	}
	/* One that goes away is withdrawn. */
	fd = host_connect(&f, "CONNECT 5\n");
	get_packet(&f, &packet, true);
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_REQUEST);
	close(fd);
	expect_reset(&f, 5, packet.header.src_port);
	close_vsock(&f);
}

static void guest_connects(void **unused)
{
	struct packet packet;
	struct fixture f;
	int fd;

	(void)unused;
	open_vsock(&f);
	send_op(&f, VIRTIO_VSOCK_OP_REQUEST, GUEST_PORT, SERVICE);	/* nobody listens */
	expect_reset(&f, GUEST_PORT, SERVICE);
	fd = guest_connection(&f);
	send_bytes(&f, GUEST_PORT, SERVICE, "ping", 4);
	expect_bytes(fd, "ping", 4);
	assert_int_equal(write(fd, "pong!", 5), 5);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_RW, GUEST_PORT, SERVICE);
	assert_int_equal(packet.header.len, 5);
	assert_memory_equal(packet.bytes, "pong!", 5);
	assert_int_equal(packet.header.fwd_cnt, 4);
	close(fd);
	close_vsock(&f);
}

/* ---------------------------------------------------------------- ends */

static void guest_shuts_down(void **unused)
{
	struct virtio_vsock_hdr head = header(VIRTIO_VSOCK_OP_SHUTDOWN, GUEST_PORT, SERVICE);
	struct packet packet;
	struct fixture f;
	int fd;

	(void)unused;
	open_vsock(&f);
	fd = guest_connection(&f);
	head.flags = VIRTIO_VSOCK_SHUTDOWN_SEND;
	send_raw(&f, &head, NULL, 0);
	expect_end(fd);
	assert_int_equal(write(fd, "late", 4), 4);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_RW, GUEST_PORT, SERVICE);
	assert_memory_equal(packet.bytes, "late", 4);
	head.flags = VIRTIO_VSOCK_SHUTDOWN_RCV;		/* the other half, and so both */
	send_raw(&f, &head, NULL, 0);
	expect_reset(&f, GUEST_PORT, SERVICE);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	close(fd);
	/* It may not send behind that. */
	fd = guest_connection(&f);
	head.flags = VIRTIO_VSOCK_SHUTDOWN_SEND;
	send_raw(&f, &head, NULL, 0);
	send_bytes(&f, GUEST_PORT, SERVICE, "no", 2);
	expect_reset(&f, GUEST_PORT, SERVICE);
	close(fd);
	close_vsock(&f);
}

static void host_shuts_down(void **unused)
{
	struct packet packet;
	struct fixture f;
	int fd;

	(void)unused;
	open_vsock(&f);
	fd = guest_connection(&f);
	assert_int_equal(write(fd, "last", 4), 4);
	shutdown(fd, SHUT_WR);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_RW, GUEST_PORT, SERVICE);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST_PORT, SERVICE);
	assert_int_equal(packet.header.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_bytes(&f, GUEST_PORT, SERVICE, "still", 5);
	expect_bytes(fd, "still", 5);
	close(fd);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST_PORT, SERVICE);
	assert_int_equal(packet.header.flags,
			 VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	send_bytes(&f, GUEST_PORT, SERVICE, "lost", 4);	/* it did not know yet */
	send_op(&f, VIRTIO_VSOCK_OP_RST, GUEST_PORT, SERVICE);
	send_op(&f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, GUEST_PORT, SERVICE);
	expect_reset(&f, GUEST_PORT, SERVICE);		/* it is gone */
	close_vsock(&f);
}

/* Bytes of the connection that the host's socket has not taken. */
static size_t held(const struct fixture *f)
{
	struct vsock *vsock = (struct vsock *)f->bench.device;
	size_t count;

	iothread_pause(vsock->thread);
	count = vsock_find(vsock, GUEST_PORT, SERVICE)->held;
	iothread_resume(vsock->thread);
	return count;
}

/* What the guest sent before it shut down arrives, however slowly the host reads. */
static void check_last_bytes(uint32_t done_with)
{
	struct virtio_vsock_hdr head = header(VIRTIO_VSOCK_OP_SHUTDOWN, GUEST_PORT, SERVICE);
	g_autofree uint8_t *bytes = g_malloc(ROOM);
	struct packet packet;
	struct fixture f;
	size_t sent = 0;
	int fd;

	for (unsigned int i = 0; i < ROOM; i++)
		bytes[i] = i * 7 + i / 256;
	open_vsock(&f);
	fd = guest_connection(&f);
	while (held(&f) <= ROOM / 2) {		/* the socket has a limit as well */
		send_bytes(&f, GUEST_PORT, SERVICE, bytes + sent % ROOM, ROOM / 4);
		sent += ROOM / 4;
	}
	head.flags = done_with;
	send_raw(&f, &head, NULL, 0);
	while (done_with & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		get_packet(&f, &packet, true);
		if (packet.header.op == VIRTIO_VSOCK_OP_RST)
			break;
		assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	}
	for (size_t got = 0; got < sent; got += ROOM / 4)
		expect_bytes(fd, bytes + got % ROOM, ROOM / 4);
	expect_end(fd);
	close(fd);
	close_vsock(&f);
}

static void last_bytes_arrive(void **unused)
{
	(void)unused;
	check_last_bytes(VIRTIO_VSOCK_SHUTDOWN_SEND);
	check_last_bytes(VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
}

/* ---------------------------------------------------------------- credit */

/* The guest's buffer is never sent more than it has room for, and the device asks. */
static void respects_credit(void **unused)
{
	struct virtio_vsock_hdr head = header(VIRTIO_VSOCK_OP_CREDIT_UPDATE, GUEST_PORT, SERVICE);
	uint8_t bytes[3000];
	struct packet packet;
	struct fixture f;
	int fd;

	(void)unused;
	memset(bytes, 0x5a, sizeof(bytes));
	open_vsock(&f);
	fd = guest_connection(&f);
	head.buf_alloc = 1000;
	send_raw(&f, &head, NULL, 0);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_RW, GUEST_PORT, SERVICE);
	assert_int_equal(packet.header.len, 1000);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_CREDIT_REQUEST, GUEST_PORT, SERVICE);
	head.fwd_cnt = 400;
	send_raw(&f, &head, NULL, 0);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_RW, GUEST_PORT, SERVICE);
	assert_int_equal(packet.header.len, 400);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_CREDIT_REQUEST, GUEST_PORT, SERVICE);
	/* Lies: more taken than was sent, a buffer that shrank.  It waits. */
	head.fwd_cnt = 500000;
	send_raw(&f, &head, NULL, 0);
	head.fwd_cnt = 400;
	head.buf_alloc = 10;
	send_raw(&f, &head, NULL, 0);
	head.fwd_cnt = 1400;
	head.buf_alloc = UINT32_MAX;
	send_raw(&f, &head, NULL, 0);
	expect_op(&f, &packet, VIRTIO_VSOCK_OP_RW, GUEST_PORT, SERVICE);
	assert_int_equal(packet.header.len, 1600);
	close(fd);
	close_vsock(&f);
}

/* More than there is room for ends the connection, and nothing else. */
static void enforces_credit(void **unused)
{
	g_autofree uint8_t *bytes = g_malloc0(ROOM);
	struct packet packet = { 0 };
	struct fixture f;
	unsigned int i;
	int fd;

	(void)unused;
	open_vsock(&f);
	fd = guest_connection(&f);
	for (i = 0; i < 1000 && packet.header.op != VIRTIO_VSOCK_OP_RST; i++) {
		send_bytes(&f, GUEST_PORT, SERVICE, bytes, ROOM / 2);
		send_op(&f, VIRTIO_VSOCK_OP_CREDIT_REQUEST, GUEST_PORT, SERVICE);
		get_packet(&f, &packet, true);
	}
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_RST);
	assert_in_range(i, 3, 999);
	assert_false(virtio_device_status(f.bench.device) & VIRTIO_CONFIG_S_NEEDS_RESET);
	close(fd);
	close_vsock(&f);
}

/* ---------------------------------------------------------------- hostile packets */

static void answers_nonsense(void **unused)
{
	struct virtio_vsock_hdr head = header(VIRTIO_VSOCK_OP_RST, GUEST_PORT, SERVICE);
	struct packet packet;
	struct fixture f;
	int fd;

	(void)unused;
	open_vsock(&f);
	fd = guest_connection(&f);
	head.src_cid = CID + 1;				/* dropped, without an answer */
	send_raw(&f, &head, NULL, 0);
	head.src_cid = CID | 1ull << 32;
	send_raw(&f, &head, NULL, 0);
	send_op(&f, VIRTIO_VSOCK_OP_RST, 9, 9);
	send_op(&f, VIRTIO_VSOCK_OP_RW, 9, 9);
	expect_reset(&f, 9, 9);
	head.src_cid = CID;
	head.dst_cid = 77;
	head.op = VIRTIO_VSOCK_OP_REQUEST;
	send_raw(&f, &head, NULL, 0);
	get_packet(&f, &packet, true);
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(packet.header.src_cid, 77);
	head.dst_cid = 2;
	head.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	send_raw(&f, &head, NULL, 0);
	get_packet(&f, &packet, true);
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(packet.header.type, VIRTIO_VSOCK_TYPE_SEQPACKET);
	send_bytes(&f, GUEST_PORT, SERVICE, "here", 4);	/* none of that was its business */
	expect_bytes(fd, "here", 4);
	send_op(&f, 99, GUEST_PORT, SERVICE);
	expect_reset(&f, GUEST_PORT, SERVICE);
	close(fd);
	fd = guest_connection(&f);
	send_op(&f, VIRTIO_VSOCK_OP_REQUEST, GUEST_PORT, SERVICE);	/* once more */
	expect_reset(&f, GUEST_PORT, SERVICE);
	close(fd);
	close_vsock(&f);
}

/* Answers that nobody takes stop the packets that they answer, until there are buffers. */
static void waits_for_buffers(void **unused)
{
	struct vsock *vsock;
	const struct virtio_vsock_hdr head = header(VIRTIO_VSOCK_OP_RW, 9, 9);
	const struct buffer buffer = { TX_BASE, HEADER, false };
	struct packet packet;
	uint32_t written;
	struct fixture f;
	uint16_t id;

	(void)unused;
	open_quietly(&f, 0);
	vsock = (struct vsock *)f.bench.device;
	iothread_pause(vsock->thread);
	memcpy(bench_at(&f.bench, TX_BASE, HEADER), &head, HEADER);
	for (unsigned int i = 0; i < RING_SIZE; i++)
		driver_add(&f.bench.drivers[TX], &buffer, 1);
	vsock_take_packets(vsock);
	assert_int_equal(vsock->reset_count, VSOCK_RESETS_SOFT);
	for (unsigned int i = 0; i < RING_SIZE; i++) {
		assert_true(driver_get(&f.bench.drivers[TX], &id, &written));
		driver_add(&f.bench.drivers[TX], &buffer, 1);
	}
	assert_false(vsock_take_packets(vsock));
	assert_false(driver_get(&f.bench.drivers[TX], &id, &written));
	iothread_resume(vsock->thread);
	give_buffers(&f, RING_SIZE);
	for (unsigned int i = 0; i < 2 * RING_SIZE; i++)
		expect_op(&f, &packet, VIRTIO_VSOCK_OP_RST, 9, 9);
	for (unsigned int i = 0; i < RING_SIZE; i++)
		bench_wait(&f.bench, TX, &id, &written);
	close_vsock(&f);
}

/* The last one that there is room for, and the one behind it. */
static void has_limits(void **unused)
{
	struct packet packet;
	struct fixture f;
	int listener, fds[256];

	(void)unused;
	open_vsock(&f);
	listener = listen_service(&f);
	for (unsigned int i = 0; i < G_N_ELEMENTS(fds); i++) {
		send_op(&f, VIRTIO_VSOCK_OP_REQUEST, i, SERVICE);
		expect_op(&f, &packet, VIRTIO_VSOCK_OP_RESPONSE, i, SERVICE);
		fds[i] = accept_one(listener);
	}
	send_op(&f, VIRTIO_VSOCK_OP_REQUEST, GUEST_PORT, SERVICE);
	expect_reset(&f, GUEST_PORT, SERVICE);
	/* A program of the host waits for a place. */
	close(listener);
	listener = host_connect(&f, "CONNECT 1\n");
	send_op(&f, VIRTIO_VSOCK_OP_RST, 17, SERVICE);
	get_packet(&f, &packet, true);
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_REQUEST);
	close(listener);
	for (unsigned int i = 0; i < G_N_ELEMENTS(fds); i++)
		close(fds[i]);
	close_vsock(&f);
}

static void breaks(void **unused)
{
	struct virtio_vsock_hdr head = header(VIRTIO_VSOCK_OP_RW, GUEST_PORT, SERVICE);
	const struct buffer small = { BUFFER_BASE, HEADER, true };
	const struct buffer half = { TX_BASE, HEADER - 1, false };
	const struct buffer more = { TX_BASE, HEADER + 4, false };
	struct fixture f;

	(void)unused;
	open_vsock(&f);
	head.len = 5;
	memcpy(bench_at(&f.bench, TX_BASE, HEADER), &head, HEADER);
	driver_add(&f.bench.drivers[TX], &more, 1);
	virtio_device_notify(f.bench.device, TX);
	bench_wait_broken(&f.bench);
	bench_reset(&f.bench);
	bench_start(&f.bench, SPLIT, RING_SIZE);
	driver_add(&f.bench.drivers[TX], &half, 1);
	virtio_device_notify(f.bench.device, TX);
	bench_wait_broken(&f.bench);
	bench_reset(&f.bench);
	bench_start(&f.bench, SPLIT, RING_SIZE);
	driver_add(&f.bench.drivers[RX], &small, 1);
	virtio_device_notify(f.bench.device, RX);
	send_op(&f, VIRTIO_VSOCK_OP_RW, 9, 9);
	bench_wait_broken(&f.bench);
	close_vsock(&f);
}

/* A reset ends all connections; a new driver has none, and the socket is still there. */
static void resets(void **unused)
{
	struct packet packet;
	struct fixture f;
	int fd, early;

	(void)unused;
	open_vsock(&f);
	fd = guest_connection(&f);
	bench_reset(&f.bench);
	expect_end(fd);
	close(fd);
	early = host_connect(&f, "CONNECT 1000\n");
	bench_start(&f.bench, SPLIT | INDIRECT, RING_SIZE);
	give_buffers(&f, RING_SIZE);
	get_packet(&f, &packet, true);
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_REQUEST);
	send_op(&f, VIRTIO_VSOCK_OP_RW, GUEST_PORT, SERVICE);
	expect_reset(&f, GUEST_PORT, SERVICE);
	close(early);
	close_vsock(&f);
}

/* ---------------------------------------------------------------- checkpoints */

/* A guest that goes on has its connections; one that is loaded hears that they are gone. */
static void is_saved(void **unused)
{
	const struct buffer buffer = { TX_BASE + 0x50000, sizeof(struct virtio_vsock_event), true };
	const struct virtio_vsock_event *event;
	struct bench_state state;
	uint32_t written;
	struct fixture f;
	uint16_t id;
	int fd;

	(void)unused;
	open_vsock(&f);
	event = memset(bench_at(&f.bench, buffer.gpa, buffer.length), 0xff, buffer.length);
	fd = guest_connection(&f);
	bench_save(&f.bench, &state);
	virtio_device_go_on(f.bench.device);
	send_bytes(&f, GUEST_PORT, SERVICE, "here", 4);
	expect_bytes(fd, "here", 4);
	bench_save(&f.bench, &state);
	virtio_device_free(f.bench.device);
	expect_end(fd);
	close(fd);
	bench_load(&f.bench, make_vsock(&f), &state);
	send_op(&f, VIRTIO_VSOCK_OP_RW, GUEST_PORT, SERVICE);
	expect_reset(&f, GUEST_PORT, SERVICE);
	/* The driver had no buffer for the event, and another checkpoint does not lose it. */
	bench_save(&f.bench, &state);
	assert_int_equal(((struct virtio_vsock_state *)&state.kind)->reset_event, 1);
	virtio_device_go_on(f.bench.device);
	driver_add(&f.bench.drivers[VSOCK_EVENT], &buffer, 1);
	virtio_device_notify(f.bench.device, VSOCK_EVENT);
	bench_wait(&f.bench, VSOCK_EVENT, &id, &written);
	assert_int_equal(written, sizeof(*event));
	assert_int_equal(event->id, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	fd = guest_connection(&f);
	close(fd);
	close_vsock(&f);
}

/* ---------------------------------------------------------------- the socket's file */

static void takes_place(void **unused)
{
	struct vsock_device_config config = { .name = "vsock1", .cid = CID };
	g_autofree char *stale = NULL, *file = NULL;
	g_autoptr(GError) error = NULL;
	struct fixture f;
	int fd;

	(void)unused;
	open_vsock(&f);
	config.path = f.path;
	assert_null(vsock_device_new(&config, &f.bench.virtio, &error));
	assert_non_null(strstr(error->message, "another guest or program does"));
	assert_int_equal(g_access(f.path, F_OK), 0);
	stale = g_build_filename(f.folder, "stale", NULL);
	fd = unix_socket_listen(stale, NULL);
	close(fd);
	fd = unix_socket_listen(stale, NULL);
	assert_true(fd >= 0);
	close(fd);
	g_unlink(stale);
	file = g_build_filename(f.folder, "file", NULL);
	assert_true(g_file_set_contents(file, "x", 1, NULL));
	assert_int_equal(unix_socket_listen(file, NULL), -1);
	assert_int_equal(g_unlink(file), 0);
	close_vsock(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_connects), cmocka_unit_test(host_is_refused),
		cmocka_unit_test(guest_connects), cmocka_unit_test(guest_shuts_down),
		cmocka_unit_test(host_shuts_down), cmocka_unit_test(last_bytes_arrive),
		cmocka_unit_test(respects_credit), cmocka_unit_test(enforces_credit),
		cmocka_unit_test(answers_nonsense), cmocka_unit_test(waits_for_buffers),
		cmocka_unit_test(has_limits), cmocka_unit_test(breaks), cmocka_unit_test(resets),
		cmocka_unit_test(takes_place), cmocka_unit_test(is_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
