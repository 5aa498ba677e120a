// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices that come and go by the control socket, with a whole machine: the test is the client, and
 * plays the guest's part at the root port's registers.
 */
#include "../vmm_core/machine_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../../vmm/control/client.h"
#include "../../../vmm/control/command.h"
#include "../../../vmm/control/endpoint.h"
#include "../../../vmm/control/server.h"
#include "../../../vmm/pci/host.h"

#define SOON_S		20
#define DISK_SIZE	1048576

static struct guest {
	struct fixture *fixture;
	struct control_endpoint *endpoint;
	struct machine *machine;
	struct control_server *server;
	struct control_client *client;
	pthread_t thread;
	uint32_t value;
	char *root;
} guest;

static void event(void *opaque, enum machine_event event)
{
	(void)opaque;
	control_server_event(guest.server, event);
}

static void released(void *opaque, const char *id)
{
	(void)opaque;
	control_server_released(guest.server, id);
}

static void *run(void *opaque)
{
	const struct machine_listener listener = { .event = event, .released = released };
	enum machine_end end;

	guest.machine = make_machine(guest.fixture);
	guest.server = control_server_new(guest.machine, guest.endpoint, NULL);
	guest.machine->listener = &listener;
	end = machine_run(guest.machine, &guest.value);
	control_server_finish(guest.server, end, guest.value);
	control_server_free(guest.server);
	machine_free(guest.machine);
	return opaque;
}

static int start(void **state, gboolean rng)
{
	g_autofree char *path = NULL;

	machine_setup(state);
	guest.fixture = *state;
	guest.fixture->config.rng = rng;
	guest.root = g_dir_make_tmp("mica-test-XXXXXX", NULL);
	path = g_build_filename(guest.root, "sock", NULL);
	guest.endpoint = control_endpoint_new("", path, "test", NULL);
	pthread_create(&guest.thread, NULL, run, NULL);
	guest.client = control_client_open(path, NULL);
	return guest.client ? 0 : -1;
}

static int setup(void **state)
{
	return start(state, FALSE);
}

static int setup_rng(void **state)
{
	return start(state, TRUE);
}

static int teardown(void **state)
{
	JsonObject *result = control_client_call(guest.client, "kill", NULL, NULL);

	if (result)
		json_object_unref(result);
	control_client_free(guest.client);
	pthread_join(guest.thread, NULL);
	control_endpoint_free(guest.endpoint);
	rmdir(guest.root);
	g_free(guest.root);
	return machine_teardown(state);
}

/* ---------------------------------------------------------------- requests */

static JsonObject *arguments_of(const char *text)
{
	g_autoptr(JsonNode) node = json_from_string(text, NULL);

	assert_non_null(node);
	return json_node_dup_object(node);
}

static JsonObject *call(const char *command, const char *arguments, int fd)
{
	const struct control_extra extra = { .fds = &fd, .fd_count = fd >= 0, .seconds = SOON_S };
	g_autoptr(GError) error = NULL;
	JsonObject *result;

	result = control_client_call_with(guest.client, command, arguments_of(arguments), &extra,
					  &error);
	if (!result)
		fail_msg("%s %s: %s", command, arguments, error->message);
	return result;
}

static void do_call(const char *command, const char *arguments, int fd)
{
	json_object_unref(call(command, arguments, fd));
}

static void assert_fails(const char *command, const char *arguments, int fd, const char *words)
{
	const struct control_extra extra = { .fds = &fd, .fd_count = fd >= 0 };
	g_autoptr(GError) error = NULL;

	assert_null(control_client_call_with(guest.client, command, arguments_of(arguments), &extra,
					     &error));
	if (!strstr(error->message, words))
		fail_msg("\"%s\" does not say \"%s\"", error->message, words);
}

static int make_disk(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
	return fd;
}

static void attach_disk(const char *arguments)
{
	int fd = make_disk();

	do_call("attach-disk", arguments, fd);
	close(fd);
}

static void assert_devices(const char *expected)
{
	g_autoptr(JsonObject) status = call("status", "{}", -1);
	JsonArray *devices = json_object_get_array_member(status, "devices");
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < json_array_get_length(devices); i++)
		g_string_append_printf(text, "%s ", json_object_get_string_member(
				       json_array_get_object_element(devices, i), "id"));
	assert_string_equal(text->str, expected);
}

static unsigned int count_entries(const char *path)
{
	DIR *directory = opendir(path);
	unsigned int count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static unsigned int descriptors(void)
{
	return count_entries("/proc/self/fd");
}

/* ---------------------------------------------------------------- the guest's part */

static uint32_t config_read(unsigned int slot, unsigned int reg, unsigned int size)
{
	uint64_t value = 0;

	bus_write(guest.machine->ports, 0xcf8, 4, 0x80000000 | slot << 11 | (reg & ~3u));
	bus_read(guest.machine->ports, 0xcfc + (reg & 3), size, &value);
	return value;
}

static void config_write(unsigned int slot, unsigned int reg, unsigned int size, uint32_t value)
{
	bus_write(guest.machine->ports, 0xcf8, 4, 0x80000000 | slot << 11 | (reg & ~3u));
	bus_write(guest.machine->ports, 0xcfc + (reg & 3), size, value);
}

/* The first root port is in slot 1. */
static unsigned int express(void)
{
	unsigned int at = config_read(1, PCI_CAPABILITY_LIST, 1);

	while (config_read(1, at, 1) != PCI_CAP_ID_EXP)
		at = config_read(1, at + 1, 1);
	return at;
}

static void set_slot_power(bool on)
{
	pthread_mutex_lock(&guest.machine->lock);
	config_write(1, express() + PCI_EXP_SLTCTL, 2, on ? PCI_EXP_SLTCTL_PWR_ON :
		     PCI_EXP_SLTCTL_PWR_OFF);
	pthread_mutex_unlock(&guest.machine->lock);
}

static uint16_t slot_status(void)
{
	uint16_t status;

	pthread_mutex_lock(&guest.machine->lock);
	status = config_read(1, express() + PCI_EXP_SLTSTA, 2);
	pthread_mutex_unlock(&guest.machine->lock);
	return status;
}

static void clear_slot_status(void)
{
	pthread_mutex_lock(&guest.machine->lock);
	config_write(1, express() + PCI_EXP_SLTSTA, 2, 0xffff);
	pthread_mutex_unlock(&guest.machine->lock);
}

/* ---------------------------------------------------------------- tests */

/* A guest that has not turned the slot on is not asked, and nothing is left. */
static void comes_and_goes(void **state)
{
	unsigned int before, threads;

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		attach_disk("{\"path\":\"x\",\"descriptors\":1}");
		assert_devices("disk0 ");
		assert_true(slot_status() & PCI_EXP_SLTSTA_PDS);
		do_call("detach", "{\"device\":\"disk0\"}", -1);
		assert_devices("");
		assert_false(slot_status() & PCI_EXP_SLTSTA_PDS);
		if (i == 0) {
			before = descriptors();
			threads = count_entries("/proc/self/task");
		}
	}
	assert_int_equal(descriptors(), before);
	assert_int_equal(count_entries("/proc/self/task"), threads);
}

static void ids(void **state)
{
	int fd = make_disk();

	(void)state;
	attach_disk("{\"path\":\"x\",\"descriptors\":1,\"id\":\"disk1\"}");
	attach_disk("{\"path\":\"x\",\"descriptors\":1}");
	attach_disk("{\"path\":\"x\",\"descriptors\":1}");
	assert_devices("disk1 disk0 disk2 ");
	assert_fails("attach-disk", "{\"path\":\"x\",\"descriptors\":1,\"id\":\"disk0\"}", fd,
		     "with the id 'disk0' already");
	assert_fails("attach-disk", "{\"path\":\"x\",\"descriptors\":1,\"id\":\"-\"}", fd,
		     "is not an id");
	attach_disk("{\"path\":\"x\",\"descriptors\":1}");
	assert_fails("attach-disk", "{\"path\":\"x\",\"descriptors\":1}", fd,
		     "none of the guest's 4 hot-plug slots");
	close(fd);
}

/* The answer comes when the guest has turned the slot off, and all clients are told. */
static void guest_lets_go(void **state)
{
	g_autoptr(JsonObject) told = NULL;
	char *line = NULL;		/* getline()'s */
	const char *request = "{\"id\":7,\"command\":\"detach\",\"arguments\":{\"device\":\"disk0\"}}\n";
	size_t size = 0;
	FILE *stream;
	int other;

	(void)state;
	attach_disk("{\"path\":\"x\",\"descriptors\":1}");
	other = control_connect(guest.endpoint->path, NULL);
	stream = fdopen(other, "r+");
	set_slot_power(true);
	clear_slot_status();
	assert_true(getline(&line, &size, stream) > 0);		/* the greeting */
	assert_int_equal(send(other, request, strlen(request), 0), strlen(request));
	while (!(slot_status() & PCI_EXP_SLTSTA_ABP))
		sched_yield();
	assert_fails("detach", "{\"device\":\"disk0\"}", -1, "asked to let go of 'disk0' already");
	assert_devices("disk0 ");
	set_slot_power(false);
	assert_int_equal(control_client_wait(guest.client, g_get_monotonic_time() +
					     SOON_S * G_USEC_PER_SEC, &told), CONTROL_WAIT_EVENT);
	assert_string_equal(json_object_get_string_member(told, "event"), "detached");
	assert_true(getline(&line, &size, stream) > 0);
	assert_string_equal(line, "{\"event\":\"detached\",\"data\":{\"id\":\"disk0\"}}\n");
	assert_true(getline(&line, &size, stream) > 0);
	assert_string_equal(line, "{\"id\":7,\"result\":{}}\n");
	assert_devices("");
	free(line);
	fclose(stream);
}

static void forced(void **state)
{
	(void)state;
	attach_disk("{\"path\":\"x\",\"descriptors\":1}");
	set_slot_power(true);
	do_call("pause", "{}", -1);
	assert_fails("detach", "{\"device\":\"disk0\"}", -1, "the guest is paused");
	do_call("detach", "{\"device\":\"disk0\",\"force\":true}", -1);
	assert_devices("");
	do_call("resume", "{}", -1);
}

/* The guest ends while a client waits: it gets an answer, or its connection's end. */
static void ends_meanwhile(void **state)
{
	const char *request = "{\"id\":7,\"command\":\"detach\",\"arguments\":{\"device\":\"disk0\"}}\n";
	int other = control_connect(guest.endpoint->path, NULL);

	(void)state;
	attach_disk("{\"path\":\"x\",\"descriptors\":1}");
	set_slot_power(true);
	clear_slot_status();
	assert_int_equal(send(other, request, strlen(request), 0), strlen(request));
	while (!(slot_status() & PCI_EXP_SLTSTA_ABP))
		sched_yield();
	close(other);
	assert_devices("disk0 ");
}

static void wrong_descriptors(void **state)
{
	unsigned int before;
	int ends[2], fd = make_disk(), ro = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	attach_disk("{\"path\":\"x\",\"descriptors\":1}");
	before = descriptors();
	assert_fails("attach-disk", "{\"path\":\"x\"}", fd, "it is missing");
	assert_fails("attach-disk", "{\"path\":\"x\",\"descriptors\":1}", -1, "not as many");
	assert_fails("attach-disk", "{\"path\":\"x\",\"descriptors\":2}", fd, "from 1 to 1");
	assert_fails("attach-disk", "{\"path\":\"x\",\"descriptors\":1}", ends[0],
		     "neither a file nor a block device");
	assert_fails("attach-disk", "{\"path\":\"x\",\"descriptors\":1}", ro,
		     "not open for reading and writing");
	assert_fails("attach-disk", "{\"path\":\"x\",\"descriptors\":1,\"cache\":\"some\"}", fd,
		     "none or host");
	assert_fails("attach-net", "{\"source\":\"x\",\"backend\":\"tap\",\"descriptors\":1}", fd,
		     "not that of a tap interface");
	assert_fails("attach-net", "{\"source\":\"x\",\"backend\":\"wire\",\"descriptors\":1}", fd,
		     "tap or stream");
	assert_fails("attach-net", "{\"source\":\"x\",\"backend\":\"stream\",\"descriptors\":1,"
		     "\"mac\":\"01:00:00:00:00:01\"}", ends[0], "multicast");
	assert_int_equal(descriptors(), before);
	do_call("attach-net", "{\"source\":\"x\",\"backend\":\"stream\",\"descriptors\":1,"
		"\"mac\":\"02:00:00:00:00:01\"}", ends[0]);
	assert_devices("disk0 net0 ");
	close(ends[0]);
	close(ends[1]);
	close(fd);
	close(ro);
}

/* They are closed with their connection, and more of them than may wait end it. */
static void many_descriptors(void **state)
{
	const struct timeval limit = { .tv_sec = SOON_S };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(17 * sizeof(int))];
	} control = { .header = {
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(17 * sizeof(int)),
	} };
	struct iovec iov = { (void *)" ", 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	char bytes[4096] = "";
	ssize_t count, all = 0;
	unsigned int before;
	int other;

	(void)state;
	assert_devices("");
	before = descriptors();
	other = control_connect(guest.endpoint->path, NULL);
	setsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (unsigned int i = 0; i < 17; i++)
		((int *)(void *)CMSG_DATA(&control.header))[i] = STDERR_FILENO;
	assert_int_equal(sendmsg(other, &message, 0), 1);
	while ((count = recv(other, bytes + all, sizeof(bytes) - 1 - all, 0)) > 0)
		all += count;
	assert_non_null(strstr(bytes, "at most 16 descriptors"));
	close(other);
	assert_devices("");
	assert_int_equal(descriptors(), before);
}

static void sizes(void **state)
{
	g_autoptr(JsonObject) grown = NULL, followed = NULL, shrunk = NULL;
	int fd = make_disk();

	(void)state;
	do_call("attach-disk", "{\"path\":\"x\",\"descriptors\":1}", fd);
	grown = call("resize", "{\"device\":\"disk0\",\"size\":2097152}", -1);
	assert_int_equal(json_object_get_int_member(grown, "size"), 2097152);
	assert_int_equal(lseek(fd, 0, SEEK_END), 2097152);
	assert_int_equal(ftruncate(fd, 3145728 + 100), 0);
	followed = call("resize", "{\"device\":\"disk0\"}", -1);
	assert_int_equal(json_object_get_int_member(followed, "size"), 3145728);
	assert_fails("resize", "{\"device\":\"disk0\",\"size\":1048576}", -1,
		     "cut off the disk's last 2097152 bytes");
	assert_fails("resize", "{\"device\":\"disk0\",\"size\":1000}", -1, "multiple of 512");
	shrunk = call("resize", "{\"device\":\"disk0\",\"size\":1048576,\"shrink\":true}", -1);
	assert_int_equal(json_object_get_int_member(shrunk, "size"), 1048576);
	assert_int_equal(lseek(fd, 0, SEEK_END), 1048576);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_fails("resize", "{\"device\":\"disk0\"}", -1, "smaller than a sector");
	assert_fails("resize", "{\"device\":\"disk7\"}", -1, "there is no device 'disk7'");
	close(fd);
}

static void cold_devices(void **state)
{
	(void)state;
	assert_devices("rng0 ");
	assert_fails("detach", "{\"device\":\"rng0\"}", -1, "there when the guest was started");
	assert_fails("detach", "{\"device\":\"rng0\",\"force\":true}", -1, "and stays");
	assert_fails("resize", "{\"device\":\"rng0\"}", -1, "'rng0' is no disk");
}

/* ---------------------------------------------------------------- no descriptors */

/* A client waits, the others are answered, and when there is one it is, too. */
static void clients_wait(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_sec = SOON_S };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct rlimit many, none;
	char byte;

	(void)state;
	strcpy(address.sun_path, guest.endpoint->path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &many), 0);
	none = (struct rlimit){ STDERR_FILENO + 1, many.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	do_call("status", "{}", -1);
	do_call("status", "{}", -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	close(fd);
}

#define DEVICE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(comes_and_goes),
		DEVICE_TEST(ids),
		DEVICE_TEST(guest_lets_go),
		DEVICE_TEST(forced),
		DEVICE_TEST(ends_meanwhile),
		DEVICE_TEST(wrong_descriptors),
		DEVICE_TEST(many_descriptors),
		DEVICE_TEST(sizes),
		DEVICE_TEST(clients_wait),
		cmocka_unit_test_setup_teardown(cold_devices, setup_rng, teardown),
	};

	/* As main() of mica does. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
