/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest prints, on its way to a file descriptor.
 *
 * A ring of fixed size is between the guest and a thread that writes.  The descriptor is
 * used as it is, blocking or not: others have it too, and their modes are not ours to
 * change.  A guest that prints faster than the descriptor takes is made to wait (see
 * console_output_put()); nothing is lost, and memory does not grow.  If writing fails for
 * good (the reader closed its end, the disk is full) the user is told once, and what the
 * guest prints from then on is thrown away.
 *
 * Locks: its own; all functions may be called from any thread, with or without the
 * machine's lock, but for console_output_wait(), which blocks.
 */
#ifndef MICA_VMM_CONSOLE_OUTPUT_H
#define MICA_VMM_CONSOLE_OUTPUT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console_output;

/* `drained` is called from the writing thread, see console_output_drain(), and so is `room`, with
 * locks held: after console_output_put() was true, once there is room again.  `pty`: `fd` is
 * a pseudo-terminal's master side; while nobody has the other side open, output is thrown
 * away.  The caller keeps `fd` and closes it after console_output_free(). */
struct console_output *console_output_new(int fd, bool pty, void (*drained)(void *opaque),
					  void (*room)(void *opaque), void *opaque,
					  GError **error);

/* Does not wait for what is still in the ring. */
void console_output_free(struct console_output *output);

/*
 * Takes all bytes.  True if the ring is so full that the caller must call
 * console_output_wait() before the guest may print more; a caller that does not loses
 * what does not fit, and the user is told how much.
 */
bool console_output_put(struct console_output *output, const uint8_t *bytes, size_t count);

/* Returns when there is room again, or console_output_release() was called and not taken
 * back by console_output_hold(). */
void console_output_wait(struct console_output *output);
void console_output_release(struct console_output *output);
void console_output_hold(struct console_output *output);

/* Nobody puts anything any more: calls `drained` once everything is written or has failed. */
void console_output_drain(struct console_output *output);

#endif
