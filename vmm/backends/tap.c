// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network card whose other end is a tap interface of the host.
 *
 * Source: the kernel's "Universal TUN/TAP device driver" and <linux/if_tun.h>.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"
#include "net.h"

#define TUN_DEVICE	"/dev/net/tun"
#define BRIDGE_PORT	"mica%d"	/* the kernel puts the first free number there */
#define TAP_FLAGS	(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

G_STATIC_ASSERT(NET_NAME_SIZE == IFNAMSIZ);

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

/* A queue that is off has no interface: it neither gets frames nor may be read. */
static int tap_enable(struct net *net, bool on)
{
	struct ifreq request = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(net->fd, TUNSETQUEUE, &request) < 0 ? -errno : 0;
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
	.enable = tap_enable,
	.close = tap_close,
};

/* ---------------------------------------------------------------- opening */

/* Everything but the queues is asked for at some socket. */
static int open_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static struct ifreq request_for(const char *name)
{
	struct ifreq request = { 0 };

	g_strlcpy(request.ifr_name, name, sizeof(request.ifr_name));
	return request;
}

static gboolean set_mtu(int fd, const char *name, const struct net_tap_config *config,
			uint16_t *mtu, GError **error)
{
	struct ifreq request = request_for(name);

	if (ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu <= UINT16_MAX)
		*mtu = request.ifr_mtu;
	if (!config->mtu || *mtu == config->mtu)
		return TRUE;
	request.ifr_mtu = config->mtu;
	if (ioctl(fd, SIOCSIFMTU, &request) < 0)
		return error_set_errno(error, errno, "tap %s: its MTU is %u; `ip link set %s mtu %u`, "
				       "as root, makes it what is asked for", name, *mtu, name,
				       config->mtu);
	*mtu = config->mtu;
	return TRUE;
}

static gboolean bridge_error(const char *bridge, GError **error)
{
	if (errno == EPERM)
		return error_set(error, "bridge %s: not permitted; as root, `ip tuntap add dev tap0 mode "
				 "tap user $USER` and `ip link set tap0 master %s up` make an interface "
				 "to be used as tap=tap0", bridge, bridge);
	if (errno == ENODEV)
		return error_set(error, "bridge %s: the host has none of that name", bridge);
	if (errno == EOPNOTSUPP)
		return error_set(error, "bridge %s: that interface is no bridge", bridge);
	return error_set_errno(error, errno, "bridge %s", bridge);
}

static gboolean join_bridge(int fd, const char *name, const char *bridge, GError **error)
{
	struct ifreq request = request_for(bridge);

	if (!if_nametoindex(bridge)) {
		errno = ENODEV;
		return bridge_error(bridge, error);
	}
	request.ifr_ifindex = if_nametoindex(name);
	if (ioctl(fd, SIOCBRADDIF, &request) < 0)
		return bridge_error(bridge, error);
	request = request_for(name);
	request.ifr_flags = IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) == 0 || bridge_error(bridge, error);
}

static gboolean set_up_interface(const struct net_tap_config *config, struct net_end *end,
				 GError **error)
{
	int fd = open_socket();
	gboolean done;

	if (fd < 0)
		return error_set_errno(error, errno, "tap %s: cannot make a socket", end->name);
	done = set_mtu(fd, end->name, config, &end->mtu, error) &&
	       (!config->bridge || join_bridge(fd, end->name, config->bridge, error));
	close(fd);
	return done;
}

static gboolean open_error(const struct net_tap_config *config, GError **error)
{
	const char *kind = config->bridge ? "bridge" : "tap";
	const char *name = config->bridge ? config->bridge : config->name;

	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return error_set(error, "%s %s: the host has no " TUN_DEVICE ": `modprobe tun`, as root",
				 kind, name);
	if (errno == EACCES || errno == EPERM)
		return error_set(error, "%s %s: this user may not open " TUN_DEVICE "; --net user needs "
				 "no rights", kind, name);
	return error_set_errno(error, errno, "%s %s: cannot open " TUN_DEVICE, kind, name);
}

/* sysfs: what the tun driver has made says how. */
static bool is_tap(const char *name)
{
	g_autofree char *path = g_strdup_printf("/sys/class/net/%s/tun_flags", name);

	return !access(path, F_OK);
}

static gboolean attach_error(const struct net_tap_config *config, const char *name, GError **error)
{
	if (errno == EPERM && config->bridge)
		return bridge_error(config->bridge, error);
	if (errno == EPERM)
		return error_set(error, "tap %s: not permitted; `ip tuntap add dev %s mode tap user "
				 "$USER`, as root, makes one that you may use", name, name);
	if (errno == EBUSY)
		return error_set(error, "tap %s: another guest or program uses it", name);
	if (errno == EINVAL && if_nametoindex(name) && !is_tap(name))
		return error_set(error, "tap %s: that interface is no tap", name);
	if (errno == EINVAL && config->queues > 1)
		return error_set(error, "tap %s: is no tap with several queues, as `ip tuntap add dev %s "
				 "mode tap multi_queue` makes one", name, name);
	if (errno == EINVAL)
		return error_set(error, "tap %s: is no tap with one queue; queues=2 or more is for one "
				 "with several", name);
	return error_set_errno(error, errno, "tap %s", name);
}

/* One queue of the interface; the first one makes it, if need be, and learns its name. */
static gboolean add_queue(const struct net_tap_config *config, struct net_end *end, GError **error)
{
	struct ifreq request = request_for(end->name);
	int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return open_error(config, error);
	request.ifr_flags = TAP_FLAGS | (config->queues > 1 ? IFF_MULTI_QUEUE : 0);
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		attach_error(config, end->name, error);
		close(fd);
		return FALSE;
	}
	g_strlcpy(end->name, request.ifr_name, sizeof(end->name));
	end->fds[end->count++] = fd;
	return TRUE;
}

gboolean net_tap_connect(const struct net_tap_config *config, struct net_end *end, GError **error)
{
	const char *name = config->name ? config->name : BRIDGE_PORT;

	*end = (struct net_end){ .tap = true };
	if (!*name || strlen(name) >= sizeof(end->name) || (config->name && strpbrk(name, "%/")))
		return error_set(error, "'%s' is not the name of an interface", name);
	g_strlcpy(end->name, name, sizeof(end->name));
	while (end->count < MAX(config->queues, 1))
		if (!add_queue(config, end, error))
			goto failed;
	if (set_up_interface(config, end, error))
		return TRUE;
failed:
	net_end_close(end);
	return FALSE;
}

gboolean net_tap_check(int fd, GError **error)
{
	struct ifreq request = { 0 };

	if (ioctl(fd, TUNGETIFF, &request) < 0 || (request.ifr_flags & TAP_FLAGS) != TAP_FLAGS)
		return error_set(error, "its descriptor is not that of a tap interface with "
				 "IFF_NO_PI and IFF_VNET_HDR");
	if (!(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return error_set(error, "its descriptor is not in non-blocking mode");
	return TRUE;
}

struct net *net_tap_new(int fd, uint16_t mtu)
{
	struct tap *tap = g_new0(struct tap, 1);

	tap->net.ops = &tap_ops;
	tap->net.fd = fd;
	tap->net.tap = true;
	tap->net.offloads = NET_CHECKSUM | NET_TSO4 | NET_TSO6 | NET_ECN;
	tap->net.mtu = mtu;
	return &tap->net;
}
