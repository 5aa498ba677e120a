// SPDX-License-Identifier: GPL-2.0-or-later
/* Folders of sockets: who may be where, and what the dead leave. */
#include "control_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../vmm/control/endpoint.h"

/* A root of its own, in which CONTROL_FOLDER's parent is. */
static int setup(void **state)
{
	char *root = g_dir_make_tmp("mica-test-XXXXXX", NULL);
	g_autofree char *run = g_build_filename(root, "run", NULL);

	g_unsetenv("XDG_RUNTIME_DIR");
	*state = root;
	return root ? mkdir(run, 0755) : -1;
}

static int teardown(void **state)
{
	g_autofree char *command = g_strdup_printf("rm -rf '%s'", (char *)*state);

	g_free(*state);
	return system(command);
}

#define TEST(test)	cmocka_unit_test_setup_teardown(test, setup, teardown)

static struct control_endpoint *listen_as(const char *root, const char *name)
{
	GError *error = NULL;
	struct control_endpoint *endpoint = control_endpoint_new(root, NULL, name, &error);

	if (!endpoint)
		fail_msg("%s: %s", name, error->message);
	return endpoint;
}

static void assert_refused(const char *root, const char *path, const char *name,
			   const char *message)
{
	GError *error = NULL;

	assert_null(control_endpoint_new(root, path, name, &error));
	assert_error_says(&error, message);
}

/* A socket at which nobody listens, as a process leaves it that was killed. */
static char *leave_socket(const char *root, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *path = g_strdup_printf("%s/run/mica/%s.sock", root, name);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	return path;
}

static void test_listen(void **state)
{
	g_autofree char *expected = g_strdup_printf("%s/run/mica/web.sock", (char *)*state);
	struct control_endpoint *endpoint = listen_as(*state, "web");
	g_autofree char *found = control_find(*state, "web", NULL);
	GError *error = NULL;
	struct stat st;
	int fd;

	assert_string_equal(endpoint->path, expected);
	assert_string_equal(found, expected);
	assert_int_equal(stat(endpoint->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = control_connect(endpoint->path, NULL);
	assert_true(fd >= 0);
	close(fd);
	control_endpoint_free(endpoint);
	assert_int_equal(access(expected, F_OK), -1);
	assert_null(control_find(*state, "web", &error));
	assert_error_says(&error, "no guest named 'web' runs");
	assert_int_equal(control_connect(expected, &error), -1);
	assert_error_says(&error, g_strerror(ENOENT));
}

static void test_same_name(void **state)
{
	struct control_endpoint *endpoint = listen_as(*state, "web");
	g_autofree char *message = g_strdup_printf("a guest named 'web' runs already (process %d)",
						   getpid());
	struct control_endpoint *other;

	assert_refused(*state, NULL, "web", message);
	other = listen_as(*state, "web2");
	control_endpoint_free(other);
	control_endpoint_free(endpoint);
	control_endpoint_free(listen_as(*state, "web"));
}

static void test_stale(void **state)
{
	struct control_endpoint *endpoint = listen_as(*state, "live");
	g_autofree char *dead = leave_socket(*state, "dead");
	g_autofree char *also = leave_socket(*state, "also");
	g_auto(GStrv) list = NULL;

	control_endpoint_free(listen_as(*state, "also"));
	assert_int_equal(access(also, F_OK), -1);
	list = control_list(*state);
	assert_int_equal(g_strv_length(list), 1);
	assert_string_equal(list[0], endpoint->path);
	assert_int_equal(access(dead, F_OK), -1);
	control_endpoint_free(endpoint);
}

/* What is no socket is not ours to remove. */
static void test_file_in_the_way(void **state)
{
	g_autofree char *path = g_strdup_printf("%s/run/mica/web.sock", (char *)*state);
	g_auto(GStrv) list = NULL;

	control_endpoint_free(listen_as(*state, "first"));
	assert_true(g_file_set_contents(path, "precious", -1, NULL));
	assert_refused(*state, NULL, "web", "is there and is not a socket");
	list = control_list(*state);
	assert_int_equal(g_strv_length(list), 0);
	assert_int_equal(access(path, F_OK), 0);
}

static void test_order(void **state)
{
	struct control_endpoint *endpoints[] = {
		listen_as(*state, "c"), listen_as(*state, "a"), listen_as(*state, "b"),
	};
	g_auto(GStrv) list = control_list(*state);

	assert_int_equal(g_strv_length(list), 3);
	assert_string_equal(list[0], endpoints[1]->path);
	assert_string_equal(list[1], endpoints[2]->path);
	assert_string_equal(list[2], endpoints[0]->path);
	for (size_t i = 0; i < G_N_ELEMENTS(endpoints); i++)
		control_endpoint_free(endpoints[i]);
}

/* Where CONTROL_FOLDER cannot be: the user's own folder, or an error that says what to do. */
static void test_folders(void **state)
{
	g_autofree char *run = g_build_filename(*state, "run", NULL);
	g_autofree char *user = g_build_filename(*state, "user", NULL);
	g_autofree char *expected = g_build_filename(user, "mica", "web.sock", NULL);
	struct control_endpoint *endpoint;
	g_auto(GStrv) list = NULL;

	assert_int_equal(rmdir(run), 0);
	assert_true(g_file_set_contents(run, "", 0, NULL));
	assert_refused(*state, NULL, "web", "XDG_RUNTIME_DIR is not set; --control PATH names");
	g_setenv("XDG_RUNTIME_DIR", "relative", TRUE);
	assert_refused(*state, NULL, "web", "XDG_RUNTIME_DIR is not set");
	g_setenv("XDG_RUNTIME_DIR", user, TRUE);
	assert_refused(*state, NULL, "web", "cannot make $XDG_RUNTIME_DIR/mica");
	assert_int_equal(mkdir(user, 0700), 0);
	endpoint = listen_as(*state, "web");
	assert_string_equal(endpoint->path, expected);
	list = control_list(*state);
	assert_int_equal(g_strv_length(list), 1);
	control_endpoint_free(endpoint);
}

/* A guest of the user's, in the user's folder. */
static struct control_endpoint *listen_in_own_folder(const char *root, const char *name)
{
	g_autofree char *user = g_build_filename(root, "user", NULL);
	g_autofree char *folder = g_build_filename(user, "mica", NULL);
	g_autofree char *path = g_strconcat(folder, "/", name, ".sock", NULL);

	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	g_setenv("XDG_RUNTIME_DIR", user, TRUE);
	return control_endpoint_new(root, path, name, NULL);
}

/* One name in both folders. */
static void test_find(void **state)
{
	struct control_endpoint *first, *own = listen_in_own_folder(*state, "web");
	g_autofree char *left = NULL, *found = NULL, *again = NULL;
	GError *error = NULL;

	assert_non_null(own);
	control_endpoint_free(listen_as(*state, "first"));
	left = leave_socket(*state, "web");
	found = control_find(*state, "web", &error);
	assert_string_equal(found, own->path);
	assert_int_equal(access(left, F_OK), -1);
	first = listen_as(*state, "web");
	assert_null(control_find(*state, "web", &error));
	assert_error_says(&error, "two guests are named 'web': --control says which, '");
	if (geteuid() == 0) {
		assert_int_equal(chown(first->path, 1, 1), 0);
		again = control_find(*state, "web", &error);
		assert_string_equal(again, own->path);
	}
	control_endpoint_free(first);
	control_endpoint_free(own);
	assert_null(control_find(*state, "web", &error));
	assert_error_says(&error, "no guest named 'web' runs");
}

/* Run by root: what another user sees, who may not connect to a socket of root's. */
static void test_find_forbidden(void **state)
{
	struct control_endpoint *endpoint;
	GError *error = NULL;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	endpoint = listen_as(*state, "web");
	assert_int_equal(chmod(*state, 0755), 0);
	pid = fork();
	if (!pid) {
		if (setuid(65534) || control_find(*state, "web", &error))
			_exit(1);
		_exit(strstr(error->message, "the guest 'web' is another user's") ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	control_endpoint_free(endpoint);
}

static void test_unsafe_folder(void **state)
{
	g_autofree char *folder = g_build_filename(*state, "run/mica", NULL);

	assert_int_equal(mkdir(folder, 0755), 0);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_refused(*state, NULL, "web", "not sticky: chmod +t");
	assert_int_equal(chmod(folder, 01777), 0);
	control_endpoint_free(listen_as(*state, "web"));
}

static void test_paths(void **state)
{
	g_autofree char *path = g_build_filename(*state, "here", NULL);
	g_autofree char *nowhere = g_build_filename(*state, "no/where", NULL);
	g_autofree char *name = g_strnfill(120, 'x');
	g_autofree char *deep = g_build_filename(*state, name, NULL);
	struct control_endpoint *endpoint = control_endpoint_new(*state, path, "web", NULL);
	GError *error = NULL;

	assert_non_null(endpoint);
	assert_string_equal(endpoint->path, path);
	assert_refused(*state, path, "web", "runs already");
	control_endpoint_free(endpoint);
	assert_refused(*state, nowhere, "web", "cannot open the folder");
	assert_refused(*state, deep, "web", "a socket has at most 107 bytes");
	assert_int_equal(control_connect(deep, &error), -1);
	assert_error_says(&error, "a socket has at most 107 bytes");
}

static bool waits_for_lock(pid_t pid)
{
	g_autofree char *waiter = g_strdup_printf(" %d ", pid);
	g_autofree char *locks = NULL;
	g_auto(GStrv) lines = NULL;
	bool found = false;

	assert_true(g_file_get_contents("/proc/locks", &locks, NULL, NULL));
	lines = g_strsplit(locks, "\n", -1);
	for (unsigned int i = 0; lines[i]; i++)
		found = found || (strstr(lines[i], "-> FLOCK") && strstr(lines[i], waiter));
	return found;
}

/* Who makes a socket waits for whoever holds the folder's lock. */
static void test_lock(void **state)
{
	g_autofree char *folder = g_build_filename(*state, "run/mica", NULL);
	g_autofree char *left = NULL;
	int fd, status;
	pid_t pid;

	control_endpoint_free(listen_as(*state, "web"));
	left = leave_socket(*state, "web");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	pid = fork();
	if (!pid) {
		close(fd);
		_exit(control_endpoint_new(*state, NULL, "web", NULL) ? 0 : 1);
	}
	while (!waits_for_lock(pid))
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Many start at once with one name: one gets it. */
static void test_race(void **state)
{
	enum { PROCESSES = 8 };
	g_autofree char *left = NULL;
	int status, ends[2];
	char byte;

	control_endpoint_free(listen_as(*state, "web"));
	left = leave_socket(*state, "web");
	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i < PROCESSES; i++) {
		if (fork())
			continue;
		close(ends[1]);
		/* All keep what they have until the last one has tried. */
		status = control_endpoint_new(*state, NULL, "web", NULL) ? 0 : 1;
		if (!status && read(ends[0], &byte, 1) != 0)
			status = 2;
		_exit(status);
	}
	for (int i = 0; i < PROCESSES - 1; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(WEXITSTATUS(status), 1);
	}
	close(ends[1]);
	assert_true(wait(&status) > 0);
	assert_int_equal(WEXITSTATUS(status), 0);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_listen),
		TEST(test_same_name),
		TEST(test_stale),
		TEST(test_file_in_the_way),
		TEST(test_order),
		TEST(test_folders),
		TEST(test_find),
		TEST(test_find_forbidden),
		TEST(test_unsafe_folder),
		TEST(test_paths),
		TEST(test_lock),
		TEST(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
