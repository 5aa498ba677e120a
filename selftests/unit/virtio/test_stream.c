// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames over a stream socket, and passt behind one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../vmm/backends/net.h"

#define HEADER		12u
#define LONG_FRAME	65000u
#define PATIENCE_MS	10000

struct fixture {
	struct net *net;
	int far;
	uint8_t bytes[HEADER + NET_FRAME_MAX];
};

static void open_stream(struct fixture *f)
{
	const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	f->far = ends[1];
	f->net = net_stream_new(ends[0], 0);
	assert_int_equal(net_set_up(f->net, HEADER, 0), 0);
}

static void close_stream(struct fixture *f)
{
	net_close(f->net);
	close(f->far);
}

static ssize_t receive(struct fixture *f)
{
	return net_receive(f->net, f->bytes, sizeof(f->bytes));
}

static void far_read(struct fixture *f, void *to, size_t length)
{
	assert_int_equal(recv(f->far, to, length, MSG_WAITALL), length);
}

/* The guest's header is left out, wherever its buffers end. */
static void sends(void **unused)
{
	uint8_t header[HEADER] = { 0 }, frame[60], got[64];
	const struct iovec together[] = { { header, 5 }, { header, HEADER - 5 }, { frame, 60 } };
	uint8_t whole[HEADER + 60] = { 0 };
	const struct iovec one = { whole, sizeof(whole) };
	struct fixture f;

	(void)unused;
	open_stream(&f);
	memset(frame, 0x5a, sizeof(frame));
	memset(whole + HEADER, 0xa5, 60);
	assert_int_equal(net_send(f.net, together, 3), 64);
	assert_int_equal(net_send(f.net, &one, 1), 64);
	far_read(&f, got, 64);
	assert_memory_equal(got, "\0\0\0\x3c", 4);
	assert_memory_equal(got + 4, frame, 60);
	far_read(&f, got, 64);
	assert_memory_equal(got, "\0\0\0\x3c\xa5\xa5", 6);
	assert_int_equal(net_send(f.net, together, 2), -EMSGSIZE);
	close_stream(&f);
}

static void receives(void **unused)
{
	static const uint8_t bytes[] = "\0\0\0\4abcd\0\0\0\3efg\0\0\0\5hi";
	struct fixture f;

	(void)unused;
	open_stream(&f);
	assert_int_equal(receive(&f), -EAGAIN);
	assert_int_equal(send(f.far, bytes, 2, 0), 2);
	assert_int_equal(receive(&f), -EAGAIN);
	assert_int_equal(send(f.far, bytes + 2, 4, 0), 4);
	assert_int_equal(receive(&f), -EAGAIN);
	assert_int_equal(send(f.far, bytes + 6, sizeof(bytes) - 7, 0), sizeof(bytes) - 7);
	memset(f.bytes, 0x77, sizeof(f.bytes));
	assert_int_equal(receive(&f), HEADER + 4);
	assert_memory_equal(f.bytes, "\0\0\0\0\0\0\0\0\0\0\0\0abcd\x77", HEADER + 5);
	assert_int_equal(receive(&f), HEADER + 3);
	assert_memory_equal(f.bytes + HEADER, "efg", 3);
	assert_int_equal(receive(&f), -EAGAIN);
	assert_int_equal(send(f.far, "jkl", 3, 0), 3);
	assert_int_equal(receive(&f), HEADER + 5);
	assert_memory_equal(f.bytes + HEADER, "hijkl", 5);
	shutdown(f.far, SHUT_RDWR);
	assert_int_equal(receive(&f), -ECONNRESET);
	close_stream(&f);
}

static void bad_lengths(void **unused)
{
	static const char *const lengths[] = { "\0\0\0\0", "\0\1\0\x0f", "\xff\xff\xff\xff" };
	struct fixture f;

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
		open_stream(&f);
		assert_int_equal(send(f.far, lengths[i], 4, 0), 4);
		assert_int_equal(receive(&f), -EPROTO);
		close_stream(&f);
	}
}

static void assert_long_frame(const uint8_t *bytes, uint8_t filling)
{
	static const uint8_t length[] = { 0, 0, LONG_FRAME >> 8, LONG_FRAME & 0xff };

	assert_memory_equal(bytes, length, 4);
	for (size_t i = 0; i < LONG_FRAME; i++)
		assert_int_equal(bytes[4 + i], filling);
}

/* What a full socket takes of a frame is followed by the rest of it, never by another; a
 * frame that it takes nothing of is lost.  Long frames are taken in parts. */
static void full_socket(void **unused)
{
	g_autofree uint8_t *got = g_malloc(4 + LONG_FRAME);
	unsigned int taken = 0, parts = 0;
	struct fixture f;
	struct iovec iov;
	ssize_t done;

	(void)unused;
	open_stream(&f);
	iov = (struct iovec){ f.bytes, HEADER + LONG_FRAME };
	for (;; taken++) {
		memset(f.bytes + HEADER, 1 + taken, LONG_FRAME);
		done = net_send(f.net, &iov, 1);
		if (done < 0)
			break;
		parts += done < 4 + LONG_FRAME;
	}
	assert_int_equal(done, -EAGAIN);
	assert_in_range(taken, 1, 200);
	assert_int_equal(parts, 1);
	for (unsigned int i = 0; i < taken; i++) {
		/* Looking for frames sends what is left as well. */
		assert_int_equal(receive(&f), -EAGAIN);
		far_read(&f, got, 4 + 1000);
		assert_int_equal(receive(&f), -EAGAIN);
		far_read(&f, got + 4 + 1000, LONG_FRAME - 1000);
		assert_long_frame(got, 1 + i);
	}
	iov.iov_len = HEADER + 8;
	assert_int_equal(net_send(f.net, &iov, 1), 12);
	far_read(&f, got, 12);
	assert_memory_equal(got, "\0\0\0\x08", 4);
	close_stream(&f);
}

/* passt answers an ARP request for anything but the guest's own address. */
static void passt_answers(void **unused)
{
	static const uint8_t request[] = {
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0x99, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0x99, 203, 0, 113, 7,
		0, 0, 0, 0, 0, 0, 203, 0, 113, 8,
	};
	const struct iovec iov = { (void *)request, sizeof(request) };
	g_autoptr(GError) error = NULL;
	struct fixture f = { 0 };
	struct net_end end;
	struct pollfd fd;
	ssize_t count;

	(void)unused;
	if (!net_passt_connect(NULL, 0, 0, &end, &error)) {
		print_message("skipped, passt cannot be used here: %s\n", error->message);
		skip();
	}
	assert_true(net_end_take(&end, &f.net, &error));
	net_set_up(f.net, HEADER, 0);
	assert_int_equal(net_send(f.net, &iov, 1), 4 + sizeof(request) - HEADER);
	fd = (struct pollfd){ .fd = f.net->fd, .events = POLLIN };
	do {
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		count = receive(&f);
	} while (count == -EAGAIN || (count > 0 && (f.bytes[HEADER + 12] != 8 ||
						    f.bytes[HEADER + 13] != 6)));
	assert_in_range(count, HEADER + 42, HEADER + 60);
	assert_int_equal(f.bytes[HEADER + 21], 2);		/* a reply */
	assert_memory_equal(f.bytes + HEADER + 28, request + 50, 4);	/* whose address */
	net_close(f.net);
}

static void passt_is_missing(void **unused)
{
	g_autofree char *path = g_strdup(g_getenv("PATH"));
	g_autoptr(GError) error = NULL;
	struct net_end end;

	(void)unused;
	g_setenv("PATH", "/nowhere", TRUE);
	assert_false(net_passt_connect(NULL, 0, 0, &end, &error));
	assert_non_null(strstr(error->message, "no program passt"));
	g_setenv("PATH", path, TRUE);
}

/* Another program of that name: its words are the reason. */
static void passt_refuses(void **unused)
{
	g_autofree char *directory = g_dir_make_tmp("mica-stream-XXXXXX", NULL);
	g_autofree char *program = g_build_filename(directory, "passt", NULL);
	g_autofree char *path = g_strdup(g_getenv("PATH"));
	g_autoptr(GError) error = NULL;
	struct net_end end;

	(void)unused;
	assert_true(g_file_set_contents(program, "#!/bin/sh\necho no luck >&2\nexit 1\n", -1, NULL));
	assert_int_equal(chmod(program, 0700), 0);
	g_setenv("PATH", directory, TRUE);
	assert_false(net_passt_connect(NULL, 0, 0, &end, &error));
	assert_string_equal(error->message, "user network: passt does not start: no luck");
	g_setenv("PATH", path, TRUE);
	unlink(program);
	rmdir(directory);
}

/* A port that another program has. */
static void port_is_taken(void **unused)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct net_forward forward = { .guest = 22 };
	socklen_t size = sizeof(address);
	struct net_end end;
	int fd;

	(void)unused;
	for (int udp = 0; udp < 2; udp++) {
		g_autoptr(GError) error = NULL;

		address.sin_port = 0;
		fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
		if (!udp)
			assert_int_equal(listen(fd, 1), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
		forward.udp = udp;
		forward.host = ntohs(address.sin_port);
		assert_false(net_passt_connect(&forward, 1, 0, &end, &error));
		assert_non_null(strstr(error->message, "cannot take port"));
		close(fd);
	}
}

/* What another process has given us may be anything. */
static void wrong_descriptors(void **unused)
{
	for (int tap = 0; tap < 2; tap++) {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		struct net_end end = { .fds = { fd }, .count = 1, .tap = tap };
		g_autoptr(GError) error = NULL;
		struct net *net;

		(void)unused;
		assert_false(net_end_take(&end, &net, &error));
		assert_non_null(strstr(error->message, tap ? "tap interface" : "stream socket"));
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends), cmocka_unit_test(receives),
		cmocka_unit_test(bad_lengths), cmocka_unit_test(full_socket),
		cmocka_unit_test(passt_answers), cmocka_unit_test(passt_is_missing),
		cmocka_unit_test(passt_refuses), cmocka_unit_test(port_is_taken),
		cmocka_unit_test(wrong_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
