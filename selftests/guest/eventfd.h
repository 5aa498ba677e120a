/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of ports and of interrupts that are bound to eventfds share. */
#ifndef MICA_GUEST_EVENTFD_H
#define MICA_GUEST_EVENTFD_H

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest.h"

static inline int eventfd_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		bail("eventfd: %s", strerror(errno));
	return fd;
}

/* Reads the counter, which is 0 then. */
static inline uint64_t eventfd_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static inline void eventfd_add(int fd, uint64_t count)
{
	if (write(fd, &count, sizeof(count)) != sizeof(count))
		check(false, "write to an eventfd: %s", strerror(errno));
}

static inline bool eventfd_is_set(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

/* Waits for a signal, as long as a case may take; then as eventfd_take(). */
static inline uint64_t eventfd_wait(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, -1) == 1 ? eventfd_take(fd) : 0;
}

/* 0 or the errno. */
static inline int bind_io(struct guest *g, struct mica_io_binding args)
{
	return ioctl(g->vm, MICA_VM_BIND_IO, &args) ? errno : 0;
}

/* As what was bound; the descriptor does not count. */
static inline int unbind_io(struct guest *g, struct mica_io_binding args)
{
	args.fd = -1;
	return ioctl(g->vm, MICA_VM_UNBIND_IO, &args) ? errno : 0;
}

static inline int bind_irq(struct guest *g, struct mica_irq_binding args)
{
	return ioctl(g->vm, MICA_VM_BIND_IRQ, &args) ? errno : 0;
}

static inline int unbind_irq(struct guest *g, struct mica_irq_binding args)
{
	return ioctl(g->vm, MICA_VM_UNBIND_IRQ, &args) ? errno : 0;
}

/* A fixed, edge-triggered interrupt to vCPU 0. */
#define MSI_TO_0	0xfee00000ull

#endif
