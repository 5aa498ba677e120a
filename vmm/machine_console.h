/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio console: the guest's console in the place of the serial port's input, and named
 * ports, with the commands `ports` and `console-size`.
 */
#ifndef MICA_VMM_MACHINE_CONSOLE_H
#define MICA_VMM_MACHINE_CONSOLE_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

struct machine;
struct machine_console;
struct virtio_memory;
struct virtio_device;

/* What machine->config asks for.  In the main thread with the machine's lock held, as
 * machine_console_free() is.  The device becomes *device and is the caller's, also if it is never
 * attached; it must be freed after machine_console_free().  `name` and `memory` must outlive it. */
struct machine_console *machine_console_new(struct machine *machine, const char *name,
					    const struct virtio_memory *memory,
					    struct virtio_device **device, GError **error);
/* NULL is fine. */
void machine_console_free(struct machine_console *console);

/* For struct console_guest: with the lock held.  Without effect on NULL. */
size_t machine_console_input(struct machine_console *console, const uint8_t *bytes, size_t count);
void machine_console_room(struct machine_console *console);

/* The terminal of port 0 may have another size.  Without the lock.  NULL is fine. */
void machine_console_resized(struct machine_console *console);

/* Calls for each pseudo-terminal of a port.  NULL is fine. */
void machine_console_each_pty(struct machine_console *console,
			      void (*each)(const char *name, const char *path));

#endif
