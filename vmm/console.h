/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's serial console on the host: standard input and output, a pseudo-terminal
 * of its own, a file for the output alone, or a socket that somebody else in this process
 * serves.
 *
 * To the guest: what comes in waits in a buffer of fixed size until the UART has room.
 * When that is full a pipe, file or pseudo-terminal is not read any more; a terminal is,
 * because of the keys of console_escape.h, and what is typed then is dropped.
 * From the guest: see console_output.h.
 *
 * Locks: console_put() and console_room() are for the UART's callbacks and are called with
 * the machine's lock held; console_wait() from a vCPU's thread without it; the others from
 * the main thread without it.
 */
#ifndef MICA_VMM_CONSOLE_H
#define MICA_VMM_CONSOLE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "console_escape.h"

struct console;
struct uv_loop_s;

enum console_kind {
	CONSOLE_STDIO,
	CONSOLE_PTY,
	CONSOLE_FILE,
	CONSOLE_SOCKET,			/* see console_take_link() */
};

struct console_config {
	enum console_kind kind;
	char *path;			/* CONSOLE_FILE: made, or emptied */
};

/* The other end.  All are called by the main thread, without the machine's lock. */
struct console_guest {
	/* Gives bytes to the UART, or to what is in its place; returns how many it took. */
	size_t (*input)(void *opaque, const uint8_t *bytes, size_t count);
	/* CONSOLE_KEY_LEAVE or CONSOLE_KEY_POWER was pressed. */
	void (*key)(void *opaque, enum console_key key);
	/* There is room again, after console_put() was true.  May be NULL. */
	void (*room)(void *opaque);
	/* console_drain() is done. */
	void (*drained)(void *opaque);
	void *opaque;
};

/* `guest` must outlive it.  Nothing is read before console_start(). */
struct console *console_new(struct uv_loop_s *loop, const struct console_config *config,
			    const struct console_guest *guest, GError **error);

/* The guest is about to run: what it prints replaces what the console's file held. */
void console_empty_file(struct console *console);

/* Gives the terminal its modes back.  Output that was not drained is thrown away.  The
 * loop must run once more to close what the console holds. */
void console_free(struct console *console);

/* The path of the pseudo-terminal, NULL for other kinds. */
const char *console_pty_path(const struct console *console);

/* The size of the terminal in characters.  False: it is none, or does not know. */
bool console_size(const struct console *console, uint16_t *columns, uint16_t *rows);

/* Puts a terminal into raw mode and begins to read. */
void console_start(struct console *console);

/* Like console_output_put() and console_output_wait(). */
bool console_put(struct console *console, const uint8_t *bytes, size_t count);
void console_wait(struct console *console);

/* The UART has room again. */
void console_room(struct console *console);

/* The other end of CONSOLE_SOCKET, which does not block, and the caller's to close; -1 for
 * other kinds.  Once. */
int console_take_link(struct console *console);

/* The guest is being stopped or paused: console_wait() returns, now and from now on, until
 * console_hold(). */
void console_release(struct console *console);
void console_hold(struct console *console);

/* Nobody puts anything any more: stops reading, and calls console_guest.drained once all
 * output is written or cannot be. */
void console_drain(struct console *console);

/* Around a stop of the whole process (SIGTSTP), and after SIGCONT. */
void console_suspend(struct console *console);
void console_resume(struct console *console);

#endif
