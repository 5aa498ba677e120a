// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Source: <linux/vhost.h>.
 */
#include "vhost_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../kept.h"

#define VHOST_NET_DEVICE	"/dev/vhost-net"
#define RINGS			2u

struct vhost_net {
	int fd;
	int error;			/* eventfd */
	bool running;
};

static bool set_memory(const struct vhost_net *vhost, const struct guest_memory *memory)
{
	g_autofree struct vhost_memory *table = NULL;
	const struct memory_range *ranges;
	size_t count;

	ranges = guest_memory_ranges(memory, &count);
	table = g_malloc0(sizeof(*table) + count * sizeof(table->regions[0]));
	table->nregions = count;
	for (size_t i = 0; i < count; i++) {
		table->regions[i].guest_phys_addr = ranges[i].gpa;
		table->regions[i].memory_size = ranges[i].size;
		table->regions[i].userspace_addr = (uintptr_t)ranges[i].host;
	}
	return ioctl(vhost->fd, VHOST_SET_MEM_TABLE, table) == 0;
}

/* EBUSY: since the guest's first life. */
static bool own(const struct vhost_net *vhost)
{
	return ioctl(vhost->fd, VHOST_SET_OWNER) == 0 || errno == EBUSY;
}

static bool set_up(struct vhost_net *vhost, const struct guest_memory *memory, uint64_t features)
{
	uint64_t offered;

	vhost->error = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vhost->error < 0 || !own(vhost) || ioctl(vhost->fd, VHOST_GET_FEATURES, &offered) < 0)
		return false;
	if (features & ~offered) {
		errno = EOPNOTSUPP;
		return false;
	}
	return set_memory(vhost, memory);
}

/* Each card has one of its own, for all of the guest's lives. */
static int open_kept(const char *name)
{
	g_autofree char *key = g_strdup_printf("%s of %s", VHOST_NET_DEVICE, name);
	int fd = kept_again(key);

	if (fd >= 0)
		return fd;
	fd = open(VHOST_NET_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		kept_put(key, fd);
	return fd;
}

struct vhost_net *vhost_net_open(const char *name, const struct guest_memory *memory,
				 uint64_t features)
{
	int fd = open_kept(name);
	struct vhost_net *vhost;
	int error;

	if (fd < 0)
		return NULL;
	vhost = g_new0(struct vhost_net, 1);
	vhost->fd = fd;
	if (!set_up(vhost, memory, features)) {
		error = errno;
		vhost_net_close(vhost);
		errno = error;
		return NULL;
	}
	return vhost;
}

void vhost_net_close(struct vhost_net *vhost)
{
	if (!vhost)
		return;
	vhost_net_stop(vhost);
	close(vhost->fd);
	if (vhost->error >= 0)
		close(vhost->error);
	g_free(vhost);
}

int vhost_net_error_fd(const struct vhost_net *vhost)
{
	return vhost->error;
}

/* ---------------------------------------------------------------- start and stop */

static bool set_number(const struct vhost_net *vhost, unsigned long request, unsigned int ring,
		       unsigned int number)
{
	struct vhost_vring_state state = { .index = ring, .num = number };

	return ioctl(vhost->fd, request, &state) == 0;
}

static bool set_file(const struct vhost_net *vhost, unsigned long request, unsigned int ring,
		     int fd)
{
	struct vhost_vring_file file = { .index = ring, .fd = fd };

	return ioctl(vhost->fd, request, &file) == 0;
}

static bool set_ring(const struct vhost_net *vhost, unsigned int number,
		     const struct vhost_net_ring *ring)
{
	struct vhost_vring_addr address = {
		.index = number,
		.desc_user_addr = (uintptr_t)ring->descriptors,
		.avail_user_addr = (uintptr_t)ring->available,
		.used_user_addr = (uintptr_t)ring->used,
	};

	return set_number(vhost, VHOST_SET_VRING_NUM, number, ring->size) &&
	       set_number(vhost, VHOST_SET_VRING_BASE, number, ring->position) &&
	       ioctl(vhost->fd, VHOST_SET_VRING_ADDR, &address) == 0 &&
	       set_file(vhost, VHOST_SET_VRING_ERR, number, vhost->error) &&
	       set_file(vhost, VHOST_SET_VRING_CALL, number, ring->call) &&
	       set_file(vhost, VHOST_SET_VRING_KICK, number, ring->kick);
}

static bool start(struct vhost_net *vhost, uint64_t features, const struct vhost_net_ring *rings,
		  int tap)
{
	if (ioctl(vhost->fd, VHOST_SET_FEATURES, &features) < 0)
		return false;
	for (unsigned int i = 0; i < RINGS; i++)
		if (!set_ring(vhost, i, &rings[i]))
			return false;
	for (unsigned int i = 0; i < RINGS; i++)
		if (!set_file(vhost, VHOST_NET_SET_BACKEND, i, tap))
			return false;
	return true;
}

int vhost_net_start(struct vhost_net *vhost, uint64_t features, const struct vhost_net_ring rings[2],
		    int tap)
{
	int error;

	g_assert(!vhost->running);
	vhost->running = true;
	if (start(vhost, features, rings, tap))
		return 0;
	error = -errno;
	vhost_net_stop(vhost);
	return error;
}

/* Without its end a ring is not used; taking that away waits for what is under way. */
void vhost_net_stop(struct vhost_net *vhost)
{
	eventfd_t count;

	if (!vhost->running)
		return;
	vhost->running = false;
	for (unsigned int i = 0; i < RINGS; i++) {
		set_file(vhost, VHOST_NET_SET_BACKEND, i, -1);
		set_file(vhost, VHOST_SET_VRING_KICK, i, -1);
		set_file(vhost, VHOST_SET_VRING_CALL, i, -1);
	}
	eventfd_read(vhost->error, &count);
}

static bool resume(struct vhost_net *vhost, const struct vhost_net_ring *rings, int tap)
{
	for (unsigned int i = 0; i < RINGS; i++)
		if (!set_file(vhost, VHOST_SET_VRING_CALL, i, rings[i].call) ||
		    !set_file(vhost, VHOST_SET_VRING_KICK, i, rings[i].kick))
			return false;
	for (unsigned int i = 0; i < RINGS; i++)
		if (!set_file(vhost, VHOST_NET_SET_BACKEND, i, tap))
			return false;
	return true;
}

int vhost_net_resume(struct vhost_net *vhost, const struct vhost_net_ring rings[2], int tap)
{
	int error;

	g_assert(!vhost->running);
	vhost->running = true;
	if (resume(vhost, rings, tap))
		return 0;
	error = -errno;
	vhost_net_stop(vhost);
	return error;
}

bool vhost_net_position(const struct vhost_net *vhost, unsigned int ring, uint16_t *position)
{
	struct vhost_vring_state state = { .index = ring };

	if (ioctl(vhost->fd, VHOST_GET_VRING_BASE, &state) < 0)
		return false;
	*position = state.num;
	return true;
}
