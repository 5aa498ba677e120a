// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The network card; the host's end is a socket that keeps frames apart, with the test at its
 * other end.
 */
#include "bench.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../vmm/devices/net/device.h"

#define RING_SIZE	16u
#define HEADER		12u
#define RX		BUFFER_BASE
#define TX		(BUFFER_BASE + 0x100000)

struct wire {
	struct net net;			/* the first member */
	unsigned int header;
	unsigned int offloads;
	atomic_bool on;
};

#define WIRES	2u

struct fixture {
	struct bench bench;
	struct wire wires[WIRES];
	int fars[WIRES];
};

static int wire_set_up(struct net *net, unsigned int header, unsigned int offloads)
{
	struct wire *wire = (struct wire *)net;

	wire->header = header;
	wire->offloads = offloads;
	return 0;
}

static ssize_t wire_send(struct net *net, const struct iovec *iov, unsigned int count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };
	ssize_t done = sendmsg(net->fd, &message, MSG_NOSIGNAL);

	return done < 0 ? -errno : done;
}

static ssize_t wire_receive(struct net *net, void *buffer, size_t size)
{
	ssize_t done = recv(net->fd, buffer, size, 0);

	return done < 0 ? -errno : done;
}

static void wire_close(struct net *net)
{
	close(net->fd);
}

static int wire_enable(struct net *net, bool on)
{
	atomic_store(&((struct wire *)net)->on, on);
	return 0;
}

static const struct net_ops wire_ops = {
	.set_up = wire_set_up, .send = wire_send, .receive = wire_receive, .enable = wire_enable,
	.close = wire_close,
};

static struct net *open_wire(struct wire *wire, int *far)
{
	int size = 1 << 20;
	int ends[2];

	memset(wire, 0, sizeof(*wire));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	wire->net = (struct net){
		.ops = &wire_ops, .fd = ends[0], .offloads = NET_CHECKSUM | NET_TSO4, .mtu = 9000,
	};
	atomic_init(&wire->on, true);
	*far = ends[1];
	return &wire->net;
}

static struct virtio_device *make_net(struct fixture *f, unsigned int count, uint8_t mac)
{
	const struct net_device_config config = {
		.name = "net0", .mac = { 2, 0, 0, 0, 0, mac },
	};
	struct net *nets[WIRES];

	for (unsigned int i = 0; i < count; i++)
		nets[i] = open_wire(&f->wires[i], &f->fars[i]);
	for (unsigned int i = count; i < WIRES; i++)
		f->fars[i] = -1;
	return net_device_new(&config, &f->bench.virtio, nets, count, NULL);
}

static void open_pairs(struct fixture *f, unsigned int count)
{
	bench_init(&f->bench);
	bench_attach(&f->bench, make_net(f, count, 0x99));
}

static void open_net(struct fixture *f)
{
	open_pairs(f, 1);
}

static void close_net(struct fixture *f)
{
	bench_free(&f->bench);
	for (unsigned int i = 0; i < WIRES; i++)
		if (f->fars[i] >= 0)
			close(f->fars[i]);
}

static void add(struct fixture *f, unsigned int queue, const struct buffer *buffers,
		unsigned int count)
{
	driver_add(&f->bench.drivers[queue], buffers, count);
	virtio_device_notify(f->bench.device, queue);
}

/* From the far end, with a header of which `flags` is set. */
static void send_frame(struct fixture *f, unsigned int header, size_t length, uint8_t flags)
{
	g_autofree uint8_t *frame = g_malloc0(header + length);

	frame[0] = flags;
	for (size_t i = 0; i < length; i++)
		frame[header + i] = i * 11 + 5;
	assert_int_equal(send(f->fars[0], frame, header + length, 0), header + length);
}

static void assert_frame(const uint8_t *bytes, size_t start, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(bytes[i], (uint8_t)((start + i) * 11 + 5));
}

/* ---------------------------------------------------------------- from the guest */

static size_t far_receive(struct fixture *f, uint8_t *buffer, size_t size)
{
	struct pollfd fd = { .fd = f->fars[0], .events = POLLIN };

	assert_int_equal(poll(&fd, 1, 10000), 1);
	return recv(f->fars[0], buffer, size, 0);
}

static void transmits(void **unused)
{
	const struct buffer whole[] = { { TX, HEADER, false }, { TX + 0x100, 60, false } };
	const struct buffer nothing[] = { { TX, HEADER, false } };
	const struct buffer huge[] = { { TX, 70000, false } };
	const uint64_t ways[] = { SPLIT, PACKED | EVENT_IDX, SPLIT | EVENT_IDX };
	uint8_t bytes[100];
	struct fixture f;
	uint32_t written;
	uint16_t id;

	(void)unused;
	for (size_t way = 0; way < G_N_ELEMENTS(ways); way++) {
		open_net(&f);
		bench_start(&f.bench, ways[way], RING_SIZE);
		assert_int_equal(f.wires[0].header, HEADER);
		memset(bench_at(&f.bench, TX + 0x100, 60), 0x77, 60);
		add(&f, 1, nothing, 1);
		add(&f, 1, huge, 1);
		for (int i = 0; i < 50; i++) {
			*(uint8_t *)bench_at(&f.bench, TX + 0x100, 1) = i;
			add(&f, 1, whole, 2);
			assert_int_equal(far_receive(&f, bytes, sizeof(bytes)), HEADER + 60);
			assert_int_equal(bytes[HEADER], i);
			assert_int_equal(bytes[HEADER + 59], 0x77);
			bench_wait(&f.bench, 1, &id, &written);
			if (i < 2)
				bench_wait(&f.bench, 1, &id, &written);
			assert_int_equal(written, 0);
		}
		close_net(&f);
	}
}

/* ---------------------------------------------------------------- to the guest */

static void receives(void **unused)
{
	const struct buffer buffers[] = { { RX, HEADER, true }, { RX + 0x1000, 2000, true } };
	const struct virtio_net_hdr_v1 *header;
	struct fixture f;
	uint32_t written;
	uint16_t id;

	(void)unused;
	open_net(&f);
	bench_start(&f.bench, VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) |
			      VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4), RING_SIZE);
	assert_int_equal(f.wires[0].offloads, NET_CHECKSUM | NET_TSO4);
	header = bench_at(&f.bench, RX, HEADER);
	send_frame(&f, HEADER, 1000, VIRTIO_NET_HDR_F_DATA_VALID);	/* it waits */
	add(&f, 0, buffers, 2);
	bench_wait(&f.bench, 0, &id, &written);
	assert_int_equal(written, HEADER + 1000);
	assert_int_equal(header->num_buffers, 1);
	assert_int_equal(header->flags, VIRTIO_NET_HDR_F_DATA_VALID);
	assert_frame(bench_at(&f.bench, RX + 0x1000, 1000), 0, 1000);
	/* Too long for one buffer: lost, and the next one takes its place. */
	add(&f, 0, buffers, 2);
	send_frame(&f, HEADER, 2001, 0);
	send_frame(&f, HEADER, 2000, 0);
	bench_wait(&f.bench, 0, &id, &written);
	assert_int_equal(written, HEADER + 2000);
	bench_reset(&f.bench);
	/* Who did not negotiate checksums hears nothing of them. */
	bench_start(&f.bench, 0, RING_SIZE);
	add(&f, 0, buffers, 2);
	send_frame(&f, HEADER, 100, VIRTIO_NET_HDR_F_DATA_VALID);
	bench_wait(&f.bench, 0, &id, &written);
	assert_int_equal(header->flags, 0);
	close_net(&f);
}

/* When the second frame is out, the thread has looked at the other queue since the first. */
static void let_it_look(struct fixture *f)
{
	const struct buffer buffers[] = { { TX, HEADER, false }, { TX + 0x100, 60, false } };
	uint8_t bytes[100];
	uint32_t written;
	uint16_t id;

	for (int i = 0; i < 2; i++) {
		add(f, 1, buffers, 2);
		far_receive(f, bytes, sizeof(bytes));
		bench_wait(&f->bench, 1, &id, &written);
	}
}

static void merges(void **unused)
{
	struct fixture f;
	uint32_t written;
	uint16_t id;

	(void)unused;
	open_net(&f);
	bench_start(&f.bench, VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) | PACKED, RING_SIZE);
	send_frame(&f, HEADER, 3500, 0);
	for (unsigned int i = 0; i < 3; i++)
		add(&f, 0, &(struct buffer){ RX + 0x1000 * i, 1000, true }, 1);
	let_it_look(&f);
	assert_false(driver_get(&f.bench.drivers[0], &id, &written));
	add(&f, 0, &(struct buffer){ RX + 0x3000, 1000, true }, 1);
	for (unsigned int i = 0; i < 4; i++) {
		bench_wait(&f.bench, 0, &id, &written);
		assert_int_equal(written, i < 3 ? 1000 : 512);
		if (i)
			assert_frame(bench_at(&f.bench, RX + 0x1000 * i, written),
				     1000 * i - HEADER, written);
	}
	assert_int_equal(((struct virtio_net_hdr_v1 *)bench_at(&f.bench, RX, HEADER))->num_buffers,
			 4);
	close_net(&f);
}

static void goes_away(void **unused)
{
	const struct buffer buffers[] = { { TX, HEADER, false }, { TX + 0x100, 60, false } };
	struct fixture f;
	uint32_t written;
	uint16_t id;

	(void)unused;
	open_net(&f);
	bench_start(&f.bench, 0, RING_SIZE);
	shutdown(f.fars[0], SHUT_RDWR);
	add(&f, 0, &(struct buffer){ RX, 2000, true }, 1);
	add(&f, 1, buffers, 2);
	bench_wait(&f.bench, 1, &id, &written);
	close_net(&f);
}

static void bad_buffers(void **unused)
{
	struct fixture f;

	(void)unused;
	open_net(&f);
	bench_start(&f.bench, 0, RING_SIZE);
	add(&f, 0, &(struct buffer){ RX, 100, false }, 1);
	send_frame(&f, HEADER, 100, 0);
	bench_wait_broken(&f.bench);
	bench_reset(&f.bench);
	bench_start(&f.bench, 0, RING_SIZE);
	add(&f, 1, &(struct buffer){ MEMORY_SIZE, 100, false }, 1);
	bench_wait_broken(&f.bench);
	bench_reset(&f.bench);
	close_net(&f);
}

static void configuration(void **unused)
{
	struct fixture f;

	(void)unused;
	open_net(&f);
	assert_int_equal(virtio_device_config_read(f.bench.device, 0, 4), 2);
	assert_int_equal(virtio_device_config_read(f.bench.device, 5, 1), 0x99);
	assert_int_equal(virtio_device_config_read(f.bench.device, 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(virtio_device_config_read(f.bench.device, 10, 2), 9000);
	assert_int_equal(virtio_device_config_read(f.bench.device, 11, 8), 9000 >> 8);
	assert_int_equal(virtio_device_config_read(f.bench.device, 12, 4), 0);
	assert_true(f.bench.device->offered & VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4));
	assert_false(f.bench.device->offered & VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO6));
	close_net(&f);
}

/* ---------------------------------------------------------------- several queues */

#define COMMAND		(TX + 0x1000)
#define MQ		(VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_BIT(VIRTIO_NET_F_MQ))

static uint8_t command(struct fixture *f, unsigned int queue, uint8_t class, uint16_t pairs,
		       uint32_t length)
{
	const struct virtio_net_ctrl_hdr header = { class, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET };
	const struct buffer buffers[] = { { COMMAND, length, false }, { COMMAND + 64, 1, true } };
	uint8_t *bytes = bench_at(&f->bench, COMMAND, 128);
	uint32_t written;
	uint16_t id;

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), &pairs, sizeof(pairs));
	bytes[64] = 0xee;
	add(f, queue, buffers, 2);
	bench_wait(&f->bench, queue, &id, &written);
	assert_int_equal(written, 1);
	return bytes[64];
}

static void send_on(struct fixture *f, unsigned int wire)
{
	const uint8_t frame[HEADER + 60] = { [HEADER] = 1 + wire };

	assert_int_equal(send(f->fars[wire], frame, sizeof(frame), 0), sizeof(frame));
}

static void several_queues(void **unused)
{
	const struct buffer buffers[] = { { TX, HEADER, false }, { TX + 0x100, 60, false } };
	struct fixture f;
	uint8_t bytes[100];
	uint32_t written;
	uint16_t id;

	(void)unused;
	open_pairs(&f, 2);
	assert_int_equal(f.bench.device->queue_count, 5);
	assert_int_equal(virtio_device_config_read(f.bench.device, 8, 2), 2);
	bench_start(&f.bench, MQ, RING_SIZE);
	/* One pair at first. */
	assert_false(atomic_load(&f.wires[1].on));
	add(&f, 2, &(struct buffer){ RX + 0x1000, 2000, true }, 1);
	send_on(&f, 1);
	assert_int_equal(command(&f, 4, VIRTIO_NET_CTRL_MQ, 1, 4), VIRTIO_NET_OK);
	assert_false(driver_get(&f.bench.drivers[2], &id, &written));
	assert_int_equal(command(&f, 4, VIRTIO_NET_CTRL_MQ, 2, 4), VIRTIO_NET_OK);
	assert_true(atomic_load(&f.wires[1].on));
	bench_wait(&f.bench, 2, &id, &written);
	assert_int_equal(*(uint8_t *)bench_at(&f.bench, RX + 0x1000 + HEADER, 1), 2);
	/* What the guest sends on the second pair is sent on the second wire. */
	add(&f, 3, buffers, 2);
	bench_wait(&f.bench, 3, &id, &written);
	assert_int_equal(recv(f.fars[1], bytes, sizeof(bytes), 0), HEADER + 60);
	/* Wrong commands change nothing. */
	assert_int_equal(command(&f, 4, VIRTIO_NET_CTRL_MQ, 0, 4), VIRTIO_NET_ERR);
	assert_int_equal(command(&f, 4, VIRTIO_NET_CTRL_MQ, 3, 4), VIRTIO_NET_ERR);
	assert_int_equal(command(&f, 4, VIRTIO_NET_CTRL_MQ, 1, 3), VIRTIO_NET_ERR);
	assert_int_equal(command(&f, 4, VIRTIO_NET_CTRL_MQ, 1, 1), VIRTIO_NET_ERR);
	assert_int_equal(command(&f, 4, VIRTIO_NET_CTRL_RX, 1, 4), VIRTIO_NET_ERR);
	assert_true(atomic_load(&f.wires[1].on));
	/* A reset goes back to one. */
	bench_reset(&f.bench);
	bench_start(&f.bench, MQ, RING_SIZE);
	assert_false(atomic_load(&f.wires[1].on));
	assert_true(atomic_load(&f.wires[0].on));
	close_net(&f);
}

/* The queue of commands is the third one of a driver that knows of one pair. */
static void commands_alone(void **unused)
{
	struct fixture f;

	(void)unused;
	open_pairs(&f, 2);
	bench_start(&f.bench, VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ), RING_SIZE);
	assert_int_equal(command(&f, 2, VIRTIO_NET_CTRL_MQ, 1, 4), VIRTIO_NET_ERR);
	close_net(&f);
}

#define REFILLS_MAX	1000000u

struct refill {
	struct fixture *f;
	atomic_uint count;
};

static void add_command(struct fixture *f)
{
	const struct buffer buffers[] = { { COMMAND, 4, false }, { COMMAND + 64, 1, true } };

	driver_add(&f->bench.drivers[4], buffers, 2);
}

/* In the device's thread, and each time before it looks whether there is more. */
static void refill(void *opaque, uint32_t queue)
{
	struct refill *refill = opaque;
	uint32_t written;
	uint16_t id;

	if (queue != 4 || atomic_fetch_add(&refill->count, 1) > REFILLS_MAX)
		return;
	while (driver_get(&refill->f->bench.drivers[4], &id, &written))
		add_command(refill->f);
}

/* A driver gives new commands as soon as the old ones are done: a reset ends that. */
static void commands_without_end(void **unused)
{
	static const struct virtio_transport_ops ops = { .interrupt = refill };
	struct fixture f;
	struct refill refill = { .f = &f };

	(void)unused;
	open_pairs(&f, 2);
	virtio_device_attach(f.bench.device, &ops, &refill);
	bench_start(&f.bench, MQ, RING_SIZE);
	memset(bench_at(&f.bench, COMMAND, 128), 0, 128);
	for (unsigned int i = 0; i < RING_SIZE / 2; i++)
		add_command(&f);
	virtio_device_notify(f.bench.device, 4);
	while (atomic_load(&refill.count) < 10)
		sched_yield();
	bench_reset(&f.bench);
	assert_in_range(atomic_load(&refill.count), 10, REFILLS_MAX);
	close_net(&f);
}

/* Commands need a queue that a card with one pair does not have. */
static void features_not_offered(void **unused)
{
	struct fixture f;

	(void)unused;
	open_net(&f);
	bench_start_mixed(&f.bench);
	assert_int_equal(f.wires[0].offloads, NET_CHECKSUM | NET_TSO4);
	bench_reset(&f.bench);
	bench_start(&f.bench, 0, RING_SIZE);
	let_it_look(&f);
	close_net(&f);
}

static void command_without_answer(void **unused)
{
	struct fixture f;

	(void)unused;
	open_pairs(&f, 2);
	bench_start(&f.bench, MQ, RING_SIZE);
	add(&f, 4, &(struct buffer){ COMMAND, 4, false }, 1);
	bench_wait_broken(&f.bench);
	close_net(&f);
}

/* ---------------------------------------------------------------- checkpoints */

static void receive_one(struct fixture *f)
{
	uint32_t written;
	uint16_t id;

	send_frame(f, HEADER, 100, 0);
	bench_wait(&f->bench, 0, &id, &written);
	assert_int_equal(written, HEADER + 100);
}

/* Buffers that were given before are filled after; the host's end is set up as it was. */
static void is_saved(void **unused)
{
	struct bench_state state;
	struct fixture f;

	(void)unused;
	open_pairs(&f, 2);
	bench_start(&f.bench, MQ | VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) | PACKED, RING_SIZE);
	for (unsigned int i = 0; i < 6; i++)
		add(&f, 0, &(struct buffer){ RX + 0x1000 * i, 2000, true }, 1);
	receive_one(&f);
	assert_false(atomic_load(&f.wires[1].on));
	for (uint16_t pairs = 2; pairs; pairs--) {
		assert_int_equal(command(&f, 4, VIRTIO_NET_CTRL_MQ, pairs, 4), VIRTIO_NET_OK);
		bench_save(&f.bench, &state);
		virtio_device_go_on(f.bench.device);
		receive_one(&f);
		bench_save(&f.bench, &state);
		virtio_device_free(f.bench.device);
		close(f.fars[0]);
		close(f.fars[1]);
		bench_load(&f.bench, make_net(&f, 2, 0x11), &state);
		assert_int_equal(atomic_load(&f.wires[1].on), pairs == 2);
		assert_int_equal(f.wires[0].offloads, NET_CHECKSUM);
		assert_int_equal(virtio_device_config_read(f.bench.device, 5, 1), 0x99);
		receive_one(&f);
	}
	let_it_look(&f);
	close_net(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transmits), cmocka_unit_test(receives),
		cmocka_unit_test(merges), cmocka_unit_test(goes_away),
		cmocka_unit_test(bad_buffers), cmocka_unit_test(configuration),
		cmocka_unit_test(several_queues), cmocka_unit_test(commands_alone),
		cmocka_unit_test(command_without_answer), cmocka_unit_test(commands_without_end),
		cmocka_unit_test(features_not_offered),
		cmocka_unit_test(is_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
