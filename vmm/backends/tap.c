// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network card whose other end is a tap interface of the host.
 *
 * Source: the kernel's "Universal TUN/TAP device driver" and <linux/if_tun.h>.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"
#include "net.h"

#define TUN_DEVICE	"/dev/net/tun"

struct tap {
	struct net net;			/* the first member */
};

static unsigned int tun_offloads(unsigned int offloads)
{
	unsigned int flags = 0;

	if (!(offloads & NET_CHECKSUM))		/* the others build on it */
		return 0;
	flags |= TUN_F_CSUM;
	if (offloads & NET_TSO4)
		flags |= TUN_F_TSO4;
	if (offloads & NET_TSO6)
		flags |= TUN_F_TSO6;
	if ((offloads & NET_ECN) && (offloads & (NET_TSO4 | NET_TSO6)))
		flags |= TUN_F_TSO_ECN;
	return flags;
}

static int tap_set_up(struct net *net, unsigned int header, unsigned int offloads)
{
	int size = header;

	if (ioctl(net->fd, TUNSETVNETHDRSZ, &size) < 0 ||
	    ioctl(net->fd, TUNSETOFFLOAD, (unsigned long)tun_offloads(offloads)) < 0)
		return -errno;
	return 0;
}

static ssize_t tap_send(struct net *net, const struct iovec *iov, unsigned int count)
{
	ssize_t done = writev(net->fd, iov, count);

	return done < 0 ? -errno : done;
}

static ssize_t tap_receive(struct net *net, void *buffer, size_t size)
{
	ssize_t done = read(net->fd, buffer, size);

	if (done < 0 && errno == EINTR)
		return -EAGAIN;
	return done < 0 ? -errno : done;
}

static void tap_close(struct net *net)
{
	close(net->fd);
	g_free(net);
}

static const struct net_ops tap_ops = {
	.set_up = tap_set_up,
	.send = tap_send,
	.receive = tap_receive,
	.close = tap_close,
};

static uint16_t read_mtu(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };
	uint16_t mtu = 0;

	if (fd < 0)
		return 0;
	g_strlcpy(request.ifr_name, name, sizeof(request.ifr_name));
	if (ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu <= UINT16_MAX)
		mtu = request.ifr_mtu;
	close(fd);
	return mtu;
}

static gboolean attach(int fd, const char *name, GError **error)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (!*name || strlen(name) >= sizeof(request.ifr_name))
		return error_set(error, "'%s' is not the name of an interface", name);
	g_strlcpy(request.ifr_name, name, sizeof(request.ifr_name));
	if (ioctl(fd, TUNSETIFF, &request) == 0)
		return TRUE;
	if (errno == EPERM)
		return error_set(error, "tap %s: not permitted; `ip tuntap add dev %s mode tap user "
				 "$USER`, as root, makes one that you may use", name, name);
	if (errno == EBUSY)
		return error_set(error, "tap %s: another guest or program uses it", name);
	return error_set_errno(error, errno, "tap %s", name);
}

struct net *net_tap_open(const char *name, GError **error)
{
	int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct tap *tap;

	if (fd < 0) {
		error_set_errno(error, errno, "tap %s: cannot open " TUN_DEVICE, name);
		return NULL;
	}
	if (!attach(fd, name, error)) {
		close(fd);
		return NULL;
	}
	tap = g_new0(struct tap, 1);
	tap->net.ops = &tap_ops;
	tap->net.fd = fd;
	tap->net.tap = true;
	tap->net.offloads = NET_CHECKSUM | NET_TSO4 | NET_TSO6 | NET_ECN;
	tap->net.mtu = read_mtu(name);
	return &tap->net;
}
