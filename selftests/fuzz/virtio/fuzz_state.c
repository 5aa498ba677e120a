// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Saved states of virtio devices that were damaged: each is refused, with a device that is as it was
 * made, or is what the device has from then on; and with that it works for a driver that does
 * anything.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../../vmm/devices/balloon/device.h"
#include "../../../vmm/devices/block/device.h"
#include "../../../vmm/devices/console/device.h"
#include "../../../vmm/devices/net/device.h"
#include "../../../vmm/devices/rng/device.h"
#include "driver.h"
#include "iothread.h"
#include "loop.h"

#define DISK_SIZE	65536u
#define WORK_STEPS	16u
#define QUEUES		5u		/* the most of a kind here */

struct saved {
	struct virtio_state common;
	union {
		uint64_t aligned;
		uint8_t bytes[2048];
	} kind;
};

struct fuzz {
	struct fuzz_driver driver;	/* the first member */
	struct fuzz_loop loop;
	struct block block;
	struct net nets[2];
	unsigned int kind;
};

/* ---------------------------------------------------------------- hosts */

static void submit(struct block *block, struct block_request *request)
{
	(void)block;
	request->done(request, 0);
}

static bool submitted(struct block *block)
{
	(void)block;
	return true;
}

static void nothing(struct block *block)
{
	(void)block;
}

static const struct block_ops block_ops = {
	.submit = submit, .submitted = submitted, .reap = nothing, .drain = nothing,
	.close = nothing,
};

static int set_up(struct net *net, unsigned int header, unsigned int offloads)
{
	CHECK((header == 10 || header == 12) && !(offloads & ~net->offloads));
	return 0;
}

static ssize_t send_nothing(struct net *net, const struct iovec *iov, unsigned int count)
{
	(void)net;
	(void)iov;
	return count;
}

static ssize_t receive(struct net *net, void *buffer, size_t size)
{
	(void)net;
	memset(buffer, 0x33, MIN(size, 100));
	return MIN(size, 100);
}

static void close_net(struct net *net)
{
	close(net->fd);
}

static const struct net_ops net_ops = {
	.set_up = set_up, .send = send_nothing, .receive = receive, .close = close_net,
};

static size_t put(void *opaque, const uint8_t *bytes, size_t count)
{
	(void)opaque;
	(void)bytes;
	return count;
}

static void room(void *opaque)
{
	(void)opaque;
}

/* ---------------------------------------------------------------- devices */

static struct virtio_device *make_block(struct fuzz *fuzz)
{
	const struct block_device_config config = { .name = "disk0", .queues = 2 };

	fuzz->block = (struct block){ .ops = &block_ops, .size = DISK_SIZE, .fd = -1 };
	return block_device_new(&config, fuzz_memory(), &fuzz->block, NULL);
}

static struct virtio_device *make_net(struct fuzz *fuzz)
{
	const struct net_device_config config = { .name = "net0" };
	struct net *nets[] = { &fuzz->nets[0], &fuzz->nets[1] };

	for (size_t i = 0; i < G_N_ELEMENTS(nets); i++)
		*nets[i] = (struct net){
			.ops = &net_ops, .offloads = NET_CHECKSUM, .mtu = 1500,
			.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		};
	return net_device_new(&config, fuzz_memory(), nets, G_N_ELEMENTS(nets), NULL);
}

static struct virtio_device *make_console(struct fuzz *fuzz)
{
	const struct console_port_config ports[] = {
		{ .end = { put, room, NULL }, .connected = true },
	};
	const struct console_device_config config = { "console0", ports, G_N_ELEMENTS(ports) };

	return console_device_new(&config, fuzz_memory(), &fuzz->loop.loop, &fuzz->loop.lock,
				  NULL);
}

static struct virtio_device *make_balloon(struct fuzz *fuzz)
{
	const struct balloon_config config = { .name = "balloon0", .target = FUZZ_MEMORY_SIZE };

	(void)fuzz;
	return balloon_new(&config, fuzz_memory(), NULL);
}

static struct virtio_device *make_rng(struct fuzz *fuzz)
{
	return rng_new("rng0", fuzz_memory(), &fuzz->loop.loop, &fuzz->loop.lock, NULL);
}

static struct virtio_device *(*const makers[])(struct fuzz *fuzz) = {
	make_block, make_net, make_console, make_balloon, make_rng,
};

static void make(struct fuzz *fuzz)
{
	fuzz->driver.device = makers[fuzz->kind](fuzz);
	CHECK(fuzz->driver.device && fuzz->driver.device->queue_count <= QUEUES);
	fuzz->driver.queues = fuzz->driver.device->queue_count;
}

/* ---------------------------------------------------------------- states */

static void save(struct virtio_device *device, struct saved *saved)
{
	memset(saved, 0, sizeof(*saved));
	CHECK(virtio_device_quiesce(device, NULL));
	virtio_device_save(device, &saved->common);
	if (device->ops->state)
		device->ops->state->save(device, &saved->kind);
}

/* One that a driver can lead to. */
static void first_state(struct fuzz *fuzz, struct saved *saved)
{
	struct fuzz_driver nobody = fuzz->driver;
	const struct input input = fuzz->driver.input;

	make(fuzz);
	nobody = fuzz->driver;
	nobody.input.left = MIN(input.left, 5);
	fuzz->driver.input.at += nobody.input.left;
	fuzz->driver.input.left -= nobody.input.left;
	fuzz_driver_run(&nobody, NULL, 0);
	save(nobody.device, saved);
	virtio_device_free(nobody.device);
	make(fuzz);
	fuzz->driver.ram = nobody.ram;
}

static void damage(struct fuzz *fuzz, struct saved *saved)
{
	struct input *input = &fuzz->driver.input;
	size_t known = offsetof(struct virtio_state, queues[QUEUES]);
	unsigned int count = take8(input) % 8;
	uint8_t *at;

	for (unsigned int i = 0; i < count; i++) {
		if (take8(input) % 4)
			at = (uint8_t *)&saved->common + take_below(input, known);
		else
			at = saved->kind.bytes + take8(input);
		*at = take8(input) % 2 ? take8(input) : *at ^ 1u << take_below(input, 8);
	}
}

/* The transport's, which is not there. */
static void forget_transport(struct virtio_state *state)
{
	state->queue_select = state->config_vector = 0;
	state->isr = state->config_interrupt = 0;
	state->device_feature_select = state->driver_feature_select = 0;
	state->driver_features = 0;
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++)
		state->queues[i].vector = state->queues[i].interrupt = 0;
}

static void check_refused(const struct virtio_device *device, GError *error)
{
	CHECK(error && error->message[0]);
	CHECK(!device->active && !device->quiet && !device->enabled && !device->negotiated &&
	      !virtio_device_status(device));
	g_error_free(error);
}

static void check_loaded(struct fuzz *fuzz, struct saved *saved)
{
	struct saved again;

	forget_transport(&saved->common);
	save(fuzz->driver.device, &again);
	CHECK(!memcmp(&saved->common, &again.common, sizeof(again.common)));
}

static void work(struct fuzz *fuzz)
{
	for (unsigned int i = 0; i < WORK_STEPS && fuzz->driver.input.left; i++) {
		fuzz_driver_wild(&fuzz->driver);
		fuzz_iothread_work_all();
		fuzz_loop_turn(&fuzz->loop);
	}
	fuzz_driver_rest(&fuzz->driver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .driver = { .input = { data, MIN(size, 512) }, .notifies = true } };
	struct saved saved;
	GError *error = NULL;

	fuzz.kind = take_below(&fuzz.driver.input, G_N_ELEMENTS(makers));
	fuzz_loop_open(&fuzz.loop);
	first_state(&fuzz, &saved);
	damage(&fuzz, &saved);
	if (!virtio_device_check(fuzz.driver.device, &saved.common, &saved.kind, &error)) {
		check_refused(fuzz.driver.device, error);
	} else {
		virtio_device_load(fuzz.driver.device, &saved.common, &saved.kind);
		check_loaded(&fuzz, &saved);
		virtio_device_go_on(fuzz.driver.device);
		work(&fuzz);
	}
	virtio_device_free(fuzz.driver.device);
	fuzz_loop_close(&fuzz.loop);
	return 0;
}
