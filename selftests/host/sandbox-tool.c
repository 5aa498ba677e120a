// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What busybox cannot do for sandbox-linux.sh:
 *
 *	sandbox-tool tap NAME UID	makes a tap of several queues, the user's, which stays
 *	sandbox-tool zero DEVICE BYTES	zeroes the device's first bytes, but makes no holes (static:
 *					a guest runs it)
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int make_tap(const char *name, const char *user)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int fd = open("/dev/net/tun", O_RDWR);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 ||
	       ioctl(fd, TUNSETOWNER, strtoul(user, NULL, 10)) < 0 ||
	       ioctl(fd, TUNSETPERSIST, 1) < 0;
}

/* The kernel tells the device to keep the blocks (WRITE_ZEROES without "unmap"). */
static int zero(const char *path, const char *bytes)
{
	const uint64_t range[2] = { 0, strtoull(bytes, NULL, 10) };
	int fd = open(path, O_RDWR);

	return fd < 0 || ioctl(fd, BLKZEROOUT, range) < 0;
}

int main(int argc, char **argv)
{
	int failed = 1;

	if (argc == 4 && !strcmp(argv[1], "tap"))
		failed = make_tap(argv[2], argv[3]);
	else if (argc == 4 && !strcmp(argv[1], "zero"))
		failed = zero(argv[2], argv[3]);
	if (failed)
		perror("sandbox-tool");
	return failed;
}
