// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Host's ends of ports: sockets whose clients come and go, files, pipes, pseudo-terminals.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "../../../vmm/backends/port.h"

struct fixture {
	char *folder;
	char *path;
	uv_loop_t loop;
	uv_async_t keep;		/* else the loop thinks that it has nothing to do */
	pthread_mutex_t lock;
	struct port *port;
	struct port_guest guest;
	char got[65536];		/* what the guest took */
	size_t count, room;
	unsigned int writable, comings, goings;
};

static size_t input(void *opaque, const uint8_t *bytes, size_t count)
{
	struct fixture *f = opaque;
	size_t taken = MIN(count, f->room);

	assert_int_not_equal(pthread_mutex_trylock(&f->lock), 0);
	assert_in_range(f->count + taken, 0, sizeof(f->got));
	memcpy(f->got + f->count, bytes, taken);
	f->count += taken;
	f->room -= taken;
	return taken;
}

static void writable(void *opaque)
{
	struct fixture *f = opaque;

	assert_int_not_equal(pthread_mutex_trylock(&f->lock), 0);
	f->writable++;
}

static void connected(void *opaque, bool now)
{
	struct fixture *f = opaque;

	assert_int_not_equal(pthread_mutex_trylock(&f->lock), 0);
	assert_int_equal(port_connected(f->port), now);
	if (now)
		f->comings++;
	else
		f->goings++;
}

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->folder = g_dir_make_tmp("mica-port-XXXXXX", NULL);
	assert_non_null(f->folder);
	f->path = g_build_filename(f->folder, "end", NULL);
	f->room = sizeof(f->got);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(uv_async_init(&f->loop, &f->keep, NULL), 0);
	pthread_mutex_init(&f->lock, NULL);
	f->guest = (struct port_guest){ input, writable, connected, f };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	port_free(f->port);
	uv_close((uv_handle_t *)&f->keep, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	pthread_mutex_destroy(&f->lock);
	g_unlink(f->path);
	assert_int_equal(g_rmdir(f->folder), 0);
	g_free(f->path);
	g_free(f->folder);
	g_free(f);
	return 0;
}

static void open_port(struct fixture *f, enum port_kind kind)
{
	GError *error = NULL;

	f->port = port_open(&f->loop, &f->lock, kind, "test", f->path, &error);
	if (error)
		fail_msg("%s", error->message);
	port_start(f->port, &f->guest);
}

static void turn(struct fixture *f)
{
	for (unsigned int i = 0; i < 8; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static size_t put(struct fixture *f, const void *bytes, size_t count)
{
	size_t taken;

	pthread_mutex_lock(&f->lock);
	taken = port_put(f->port, bytes, count);
	pthread_mutex_unlock(&f->lock);
	return taken;
}

static void make_room(struct fixture *f, size_t room)
{
	pthread_mutex_lock(&f->lock);
	f->room = room;
	port_room(f->port);
	pthread_mutex_unlock(&f->lock);
}

/* Connected, and the loop knows. */
static void connect_to(struct fixture *f, int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	turn(f);
}

static int client(struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	connect_to(f, fd);
	return fd;
}

static void expect_read(int fd, const char *text)
{
	char bytes[256] = "";

	assert_int_equal(read(fd, bytes, sizeof(bytes)), strlen(text));
	assert_string_equal(bytes, text);
}

static void expect_got(struct fixture *f, const char *text)
{
	assert_int_equal(f->count, strlen(text));
	assert_memory_equal(f->got, text, f->count);
	f->count = 0;
}

/* ---------------------------------------------------------------- sockets */

static void clients_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int fd;

	open_port(f, PORT_SOCKET);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(put(f, "nobody", 6), 6);
	for (unsigned int turns = 1; turns <= 3; turns++) {
		fd = client(f);
		assert_int_equal(f->comings, turns);
		assert_int_equal(put(f, "to", 2), 2);
		expect_read(fd, "to");
		assert_int_equal(write(fd, "from", 4), 4);
		turn(f);
		expect_got(f, "from");
		close(fd);
		turn(f);
		assert_int_equal(f->goings, turns);
		assert_int_equal(put(f, "nobody", 6), 6);
	}
}

/* Whoever comes then is turned away: it would end each wait of the main loop. */
static void no_descriptors_left(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, limit = { 64, 64 };
	int fds[64], fd, count = 0;
	char byte;

	open_port(f, PORT_SOCKET);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit.rlim_max = before.rlim_max;
	fds[count++] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while ((fd = dup(STDERR_FILENO)) >= 0)
		fds[count++] = fd;
	connect_to(f, fds[0]);
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(f->comings, 0);
	while (count)
		close(fds[--count]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	fd = client(f);
	assert_int_equal(f->comings, 1);
	close(fd);
}

/* What a client has sent arrives also if it has gone already. */
static void last_words(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, PORT_SOCKET);
	f->room = 3;
	fd = client(f);
	assert_int_equal(write(fd, "last words", 10), 10);
	close(fd);
	turn(f);
	assert_int_equal(f->goings, 0);
	make_room(f, 100);
	turn(f);
	expect_got(f, "last words");
	assert_int_equal(f->goings, 1);
}

/* While the guest does not read, a client that is there stays, and one that is gone does not
 * keep the next one out. */
static void one_at_a_time(void **state)
{
	struct fixture *f = *state;
	int first, second;
	char byte;

	open_port(f, PORT_SOCKET);
	f->room = 0;
	first = client(f);
	assert_int_equal(write(first, "one", 3), 3);
	second = client(f);
	assert_int_equal(read(second, &byte, 1), 0);
	close(second);
	assert_int_equal(put(f, "to", 2), 2);
	expect_read(first, "to");
	close(first);
	turn(f);
	assert_int_equal(f->goings, 0);
	second = client(f);
	assert_int_equal(f->goings, 1);
	assert_int_equal(f->comings, 2);
	assert_int_equal(put(f, "to", 2), 2);
	expect_read(second, "to");
	close(second);
}

/* The guest waits, and hears when it can go on; who leaves instead lets it go on as well. */
static void slow_client(void **state)
{
	static char bytes[1 << 20];
	struct fixture *f = *state;
	size_t taken, got = 0;
	ssize_t count;
	int fd;

	open_port(f, PORT_SOCKET);
	fd = client(f);
	taken = put(f, bytes, sizeof(bytes));
	assert_in_range(taken, 1, sizeof(bytes) - 1);
	turn(f);
	assert_int_equal(f->writable, 0);
	while (got < taken) {
		count = read(fd, bytes, sizeof(bytes));
		assert_true(count > 0);
		got += count;
	}
	turn(f);
	assert_int_equal(f->writable, 1);
	taken = put(f, bytes, sizeof(bytes));
	assert_true(taken < sizeof(bytes));
	close(fd);
	turn(f);
	assert_int_equal(f->goings, 1);
	assert_int_equal(put(f, bytes, sizeof(bytes)), sizeof(bytes));
}

/* Nothing is lost if the guest takes little by little, and the client waits meanwhile. */
static void slow_guest(void **state)
{
	static char bytes[60000];
	struct fixture *f = *state;
	size_t sent = 0;
	ssize_t count;
	int fd;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * 11 >> 4;
	open_port(f, PORT_SOCKET);
	f->room = 0;
	fd = client(f);
	while (f->count < sizeof(bytes)) {
		count = send(fd, bytes + sent, sizeof(bytes) - sent, MSG_DONTWAIT);
		sent += MAX(count, 0);
		turn(f);
		make_room(f, 1000);
		turn(f);
	}
	assert_memory_equal(f->got, bytes, sizeof(bytes));
	close(fd);
}

static void refuse(struct fixture *f, enum port_kind kind, const char *path, const char *words)
{
	g_autoptr(GError) error = NULL;

	assert_null(port_open(&f->loop, &f->lock, kind, "test", path, &error));
	assert_non_null(strstr(error->message, words));
	assert_true(g_str_has_prefix(error->message, "port test: "));
}

static void takes_its_place(void **state)
{
	g_autofree char *far = g_strnfill(200, 'x');
	struct fixture *f = *state;
	int left = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, f->path);
	assert_int_equal(bind(left, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(left, 1), 0);
	refuse(f, PORT_SOCKET, f->path, "another guest or program does");
	refuse(f, PORT_SOCKET, far, "1 to 107 bytes");
	refuse(f, PORT_SOCKET, "/nowhere/at/all", "/nowhere/at/all");
	refuse(f, PORT_FILE, "/nowhere/at/all", "/nowhere/at/all");
	close(left);
	open_port(f, PORT_SOCKET);
	close(client(f));
	port_free(g_steal_pointer(&f->port));
	assert_int_not_equal(access(f->path, F_OK), 0);
	/* A file of somebody is not a socket that was left behind. */
	assert_true(g_file_set_contents(f->path, "mine", 4, NULL));
	refuse(f, PORT_SOCKET, f->path, "is there and is not a socket");
}

/* ---------------------------------------------------------------- files */

static void files(void **state)
{
	g_autofree char *contents = NULL;
	struct fixture *f = *state;

	assert_true(g_file_set_contents(f->path, "old contents", -1, NULL));
	open_port(f, PORT_FILE);
	assert_true(port_connected(f->port));
	assert_int_equal(put(f, "one", 3), 3);
	assert_int_equal(put(f, "two", 3), 3);
	turn(f);
	assert_true(g_file_get_contents(f->path, &contents, NULL, NULL));
	assert_string_equal(contents, "onetwo");
}

/* A disk's lock, or another port's. */
static void files_in_use(void **state)
{
	const struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	g_autofree char *contents = NULL;
	struct fixture *f = *state;
	int disk;

	assert_true(g_file_set_contents(f->path, "a disk", -1, NULL));
	disk = open(f->path, O_RDONLY);
	assert_int_equal(fcntl(disk, F_OFD_SETLK, &lock), 0);
	refuse(f, PORT_FILE, f->path, "is in use");
	assert_true(g_file_get_contents(f->path, &contents, NULL, NULL));
	assert_string_equal(contents, "a disk");
	close(disk);
	open_port(f, PORT_FILE);
	refuse(f, PORT_FILE, f->path, "is in use");
}

/* No reader is needed, and several may come. */
static void pipes(void **state)
{
	static char bytes[1 << 20];
	struct fixture *f = *state;
	size_t taken;
	int fd;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	open_port(f, PORT_FILE);
	assert_int_equal(put(f, "waits", 5), 5);
	for (unsigned int i = 0; i < 2; i++) {
		fd = open(f->path, O_RDONLY);
		if (i)
			assert_int_equal(put(f, "waits", 5), 5);
		expect_read(fd, "waits");
		close(fd);
	}
	taken = put(f, bytes, sizeof(bytes));
	assert_in_range(taken, 1, sizeof(bytes) - 1);
	fd = open(f->path, O_RDONLY);
	while (taken)
		taken -= read(fd, bytes, taken);
	turn(f);
	assert_int_equal(f->writable, 1);
	close(fd);
}

static void full_disks(void **state)
{
	struct fixture *f = *state;

	g_free(f->path);
	f->path = g_strdup("/dev/full");
	open_port(f, PORT_FILE);
	assert_int_equal(put(f, "lost", 4), 4);	/* and the user is told, once */
	assert_int_equal(put(f, "lost", 4), 4);
	g_free(f->path);
	f->path = g_build_filename(f->folder, "end", NULL);
}

static void pseudo_terminals(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, PORT_PTY);
	assert_int_equal(put(f, "early\n", 6), 6);
	for (unsigned int i = 0; i < 2; i++) {
		fd = open(port_path(f->port), O_RDWR | O_NOCTTY);
		assert_true(fd >= 0);
		if (i)
			assert_int_equal(put(f, "early\n", 6), 6);
		expect_read(fd, "early\n");
		assert_int_equal(write(fd, "typed\n", 6), 6);
		turn(f);
		expect_got(f, "typed\n");
		close(fd);
		turn(f);
	}
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clients_come_and_go), TEST(no_descriptors_left), TEST(last_words),
		TEST(one_at_a_time),
		TEST(slow_client), TEST(slow_guest), TEST(takes_its_place),
		TEST(files),
		TEST(files_in_use), TEST(pipes), TEST(full_disks), TEST(pseudo_terminals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
