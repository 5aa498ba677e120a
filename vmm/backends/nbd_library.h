/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libnbd, loaded when the first disk of an NBD server is opened: with what it needs itself (TLS, XML,
 * Unicode) it takes as much memory as all the rest of a guest's process.  Who includes this
 * instead of <libnbd.h> calls the library as usual, once nbd_library_load() has returned TRUE.
 */
#ifndef MICA_VMM_BACKENDS_NBD_LIBRARY_H
#define MICA_VMM_BACKENDS_NBD_LIBRARY_H

#include <glib.h>
#include <libnbd.h>

/* The functions that are used, without their prefix. */
#define NBD_FUNCTIONS(use)	\
	use(aio_connect_unix) use(aio_connect_uri)	\
	use(aio_disconnect) use(aio_flush) use(aio_get_direction)	\
	use(aio_get_fd) use(aio_is_closed) use(aio_is_connecting)	\
	use(aio_is_dead) use(aio_is_ready) use(aio_notify_read)	\
	use(aio_notify_write) use(aio_pread) use(aio_pwrite)	\
	use(aio_trim) use(aio_zero) use(can_flush) use(can_fua)	\
	use(can_trim) use(can_zero) use(close) use(connect_unix)	\
	use(connect_uri) use(create) use(get_block_size)	\
	use(get_error) use(get_size) use(is_read_only) use(poll)

struct nbd_functions {
#define NBD_MEMBER(name) __typeof__(nbd_##name) *name;
	NBD_FUNCTIONS(NBD_MEMBER)
#undef NBD_MEMBER
};

/* Constant once it is loaded. */
extern struct nbd_functions nbd_functions;

/* FALSE: it cannot be loaded, and the error says what to do.  Stays loaded.  Any thread. */
gboolean nbd_library_load(GError **error);

#ifndef NBD_LIBRARY_NO_NAMES
#define nbd_aio_connect_unix	nbd_functions.aio_connect_unix
#define nbd_aio_connect_uri	nbd_functions.aio_connect_uri
#define nbd_aio_disconnect	nbd_functions.aio_disconnect
#define nbd_aio_flush	nbd_functions.aio_flush
#define nbd_aio_get_direction	nbd_functions.aio_get_direction
#define nbd_aio_get_fd	nbd_functions.aio_get_fd
#define nbd_aio_is_closed	nbd_functions.aio_is_closed
#define nbd_aio_is_connecting	nbd_functions.aio_is_connecting
#define nbd_aio_is_dead	nbd_functions.aio_is_dead
#define nbd_aio_is_ready	nbd_functions.aio_is_ready
#define nbd_aio_notify_read	nbd_functions.aio_notify_read
#define nbd_aio_notify_write	nbd_functions.aio_notify_write
#define nbd_aio_pread	nbd_functions.aio_pread
#define nbd_aio_pwrite	nbd_functions.aio_pwrite
#define nbd_aio_trim	nbd_functions.aio_trim
#define nbd_aio_zero	nbd_functions.aio_zero
#define nbd_can_flush	nbd_functions.can_flush
#define nbd_can_fua	nbd_functions.can_fua
#define nbd_can_trim	nbd_functions.can_trim
#define nbd_can_zero	nbd_functions.can_zero
#define nbd_close	nbd_functions.close
#define nbd_connect_unix	nbd_functions.connect_unix
#define nbd_connect_uri	nbd_functions.connect_uri
#define nbd_create	nbd_functions.create
#define nbd_get_block_size	nbd_functions.get_block_size
#define nbd_get_error	nbd_functions.get_error
#define nbd_get_size	nbd_functions.get_size
#define nbd_is_read_only	nbd_functions.is_read_only
#define nbd_poll	nbd_functions.poll
#endif

#endif
