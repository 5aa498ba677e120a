// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * net-answer INTERFACE: the host's side of kernel/net.c.  For each frame of type TYPE_ASK that
 * comes in by the interface, as many frames with 1500 bytes of payload go out there as the
 * first byte of its payload says.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define TYPE_DROP	0x88b6		/* IEEE 802, "Local Experimental Ethertype 2" */
#define TYPE_ASK	0x88b5		/* the same, 1 */
#define ETHERNET	14
#define FRAME		(ETHERNET + 1500)

static void answer(int fd, unsigned int count)
{
	uint8_t frame[FRAME] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 };

	frame[12] = TYPE_DROP >> 8;
	frame[13] = TYPE_DROP & 0xff;
	while (count--)
		if (send(fd, frame, sizeof(frame), 0) != sizeof(frame))
			err(1, "send");
}

int main(int argc, char **argv)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(TYPE_ASK),
	};
	uint8_t frame[FRAME];
	ssize_t count;
	int fd;

	if (argc != 2)
		errx(2, "usage: net-answer INTERFACE");
	address.sll_ifindex = if_nametoindex(argv[1]);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", argv[1]);
	for (;;) {
		count = recv(fd, frame, sizeof(frame), 0);
		if (count < 0)
			err(1, "recv");
		if (count > ETHERNET)
			answer(fd, frame[ETHERNET]);
	}
}
