/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device without a transport: the test is the guest's driver and what carries its words.
 */
#ifndef MICA_TEST_VIRTIO_BENCH_H
#define MICA_TEST_VIRTIO_BENCH_H

#include "../../../vmm/virtio/state.h"
#include "driver.h"

#define BENCH_QUEUES	8u

struct bench {
	struct guest_memory *memory;
	struct virtio_memory virtio;
	struct virtio_device *device;
	struct driver drivers[BENCH_QUEUES];
	int interrupts;			/* eventfd: signalled for each queue's interrupt */
	atomic_uint config_interrupts;
};

/* Memory, before the device is made with &bench->virtio. */
void bench_init(struct bench *bench);
void bench_attach(struct bench *bench, struct virtio_device *device);
/* As a modern driver brings it up with these features besides VIRTIO_F_VERSION_1 and with
 * rings of `size` entries. */
void bench_start(struct bench *bench, uint64_t features, uint16_t size);
/* As a hostile driver does: all features by the modern registers, among them those that are not
 * offered, and DRIVER_OK by the legacy ones.  Then it notifies each queue that could exist. */
void bench_start_mixed(struct bench *bench);
void bench_reset(struct bench *bench);
void bench_free(struct bench *bench);

/* Waits for something to come back to the queue; fails the test after 10 seconds. */
void bench_wait(struct bench *bench, unsigned int queue, uint16_t *id, uint32_t *written);
/* Waits for DEVICE_NEEDS_RESET. */
void bench_wait_broken(struct bench *bench);

/* What a checkpoint has of the device. */
struct bench_state {
	struct virtio_state common;
	union {
		uint64_t aligned;
		uint8_t bytes[2048];
	} kind;
};
/* The device comes to rest, and is saved. */
void bench_save(struct bench *bench, struct bench_state *state);
/* `device` takes the place of the one that was saved, which has been freed, and goes on. */
void bench_load(struct bench *bench, struct virtio_device *device, const struct bench_state *state);

/* `length` bytes at `gpa`. */
void *bench_at(const struct bench *bench, uint64_t gpa, uint64_t length);

#endif
