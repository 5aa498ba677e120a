/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balloon on the control socket: the command `balloon`, and its part of `stats`.
 */
#ifndef MICA_VMM_MACHINE_BALLOON_H
#define MICA_VMM_MACHINE_BALLOON_H

/* Bytes that a guest is left with in any case: less is a slip of the finger. */
#define MACHINE_BALLOON_LOWEST	(2ll << 20)

struct machine;
struct machine_balloon;
struct virtio_device;

/* In the main thread, as machine_balloon_free() is, which comes before the device's end. */
struct machine_balloon *machine_balloon_new(struct machine *machine, struct virtio_device *device);
/* NULL is fine. */
void machine_balloon_free(struct machine_balloon *balloon);

#endif
