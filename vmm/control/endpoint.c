// SPDX-License-Identifier: GPL-2.0-or-later
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../error.h"

#define BACKLOG		16
/* A guest whose process is stopped accepts nobody, and once BACKLOG wait, connect() blocks. */
#define CONNECT_SECONDS	5

char **control_folders(const char *root)
{
	const char *user = g_getenv("XDG_RUNTIME_DIR");
	g_autoptr(GPtrArray) folders = g_ptr_array_new();

	g_ptr_array_add(folders, g_strconcat(root, CONTROL_FOLDER, NULL));
	if (user && g_path_is_absolute(user))
		g_ptr_array_add(folders, g_build_filename(user, "mica", NULL));
	g_ptr_array_add(folders, NULL);
	return (char **)g_ptr_array_steal(folders, NULL);
}

static char *socket_path(const char *folder, const char *name)
{
	return g_strconcat(folder, "/", name, CONTROL_SUFFIX, NULL);
}

/* ---------------------------------------------------------------- connecting */

static gboolean socket_address(const char *path, struct sockaddr_un *address, GError **error)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path))
		return error_set(error, "the path of a socket has at most %zu bytes: '%s'",
				 sizeof(address->sun_path) - 1, path);
	strcpy(address->sun_path, path);
	return TRUE;
}

/* -1 with errno. */
static int try_connect(const struct sockaddr_un *address)
{
	const struct timeval limit = { .tv_sec = CONNECT_SECONDS };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int number;

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (fd < 0 || !connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		return fd;
	number = errno;
	close(fd);
	errno = number;
	return -1;
}

static gboolean check_owner(int fd, const char *path, GError **error)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return error_set_errno(error, errno, "cannot tell whose '%s' is", path);
	if (peer.uid == geteuid() || peer.uid == 0 || geteuid() == 0)
		return TRUE;
	return error_set(error, "'%s' belongs to another user (%u)", path, peer.uid);
}

int control_connect(const char *path, GError **error)
{
	struct sockaddr_un address;
	int fd;

	if (!socket_address(path, &address, error))
		return -1;
	fd = try_connect(&address);
	if (fd < 0) {
		error_set_errno(error, errno, "cannot connect to the guest at '%s'", path);
		return -1;
	}
	if (check_owner(fd, path, error))
		return fd;
	close(fd);
	return -1;
}

/* ---------------------------------------------------------------- folders */

/* Closing the descriptor lets the lock go. */
static int folder_lock(const char *folder, GError **error)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = -1;

	if (fd < 0) {
		error_set_errno(error, errno, "cannot open the folder '%s'", folder);
		return -1;
	}
	do
		status = flock(fd, LOCK_EX);
	while (status < 0 && errno == EINTR);
	if (status == 0)
		return fd;
	error_set_errno(error, errno, "cannot lock the folder '%s'", folder);
	close(fd);
	return -1;
}

static bool folder_usable(const char *folder, mode_t mode)
{
	if (mkdir(folder, mode) < 0 && errno != EEXIST)
		return false;
	return access(folder, W_OK | X_OK) == 0;
}

/* Who else may write to the folder could put sockets of their own there, or take ours away. */
static gboolean folder_check(const char *folder, GError **error)
{
	struct stat st;

	if (lstat(folder, &st) < 0)
		return error_set_errno(error, errno, "cannot look at '%s'", folder);
	if (!S_ISDIR(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()))
		return error_set(error, "'%s' is no folder of this user or root", folder);
	if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX))
		return error_set(error, "others may write to '%s', which is not sticky: chmod +t",
				 folder);
	return TRUE;
}

/* The first folder in which we may make sockets.  Root's is for everybody to look into. */
static char *choose_folder(const char *root, GError **error)
{
	g_auto(GStrv) folders = control_folders(root);

	for (unsigned int i = 0; folders[i]; i++)
		if (folder_usable(folders[i], i ? 0700 : 0755))
			return folder_check(folders[i], error) ? g_strdup(folders[i]) : NULL;
	error_set(error, "there is no folder for the guest's control socket: this user may not "
		  "write to %s, and %s; --control PATH names a socket, --control none makes none",
		  folders[0], folders[1] ? "cannot make $XDG_RUNTIME_DIR/mica"
					 : "XDG_RUNTIME_DIR is not set");
	return NULL;
}

/* ---------------------------------------------------------------- listening */

/* Removes a socket at which nobody listens.  With the folder's lock, as somebody may be about
 * to listen. */
static gboolean remove_stale(const struct sockaddr_un *address, const char *name, GError **error)
{
	struct ucred peer = { 0 };
	socklen_t length = sizeof(peer);
	struct stat st;
	int fd;

	if (lstat(address->sun_path, &st) < 0)
		return TRUE;
	if (!S_ISSOCK(st.st_mode))
		return error_set(error, "'%s' is there and is not a socket", address->sun_path);
	fd = try_connect(address);
	if (fd >= 0) {
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
		close(fd);
		return error_set(error, "a guest named '%s' runs already (process %d): --name "
				 "gives this one another name", name, peer.pid);
	}
	if (errno == ENOENT)
		return TRUE;		/* that guest has just ended */
	if (errno != ECONNREFUSED)
		return error_set_errno(error, errno, "the name '%s' is taken: '%s'", name,
				       address->sun_path);
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return error_set_errno(error, errno, "cannot remove what a guest left at '%s'",
				       address->sun_path);
	return TRUE;
}

/* The mode of a socket's file is that of its inode before bind(), less the umask; fchmod()
 * sets it without touching the umask, which is the whole process's. */
static int listen_at(const struct sockaddr_un *address, GError **error)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && !fchmod(fd, 0600) &&
	    !bind(fd, (const struct sockaddr *)address, sizeof(*address)) && !listen(fd, BACKLOG))
		return fd;
	error_set_errno(error, errno, "cannot make the control socket '%s'", address->sun_path);
	if (fd >= 0)
		close(fd);
	return -1;
}

static int listen_in(const char *folder, const char *path, const char *name, GError **error)
{
	struct sockaddr_un address;
	int lock, fd = -1;

	if (!socket_address(path, &address, error))
		return -1;
	lock = folder_lock(folder, error);
	if (lock < 0)
		return -1;
	if (remove_stale(&address, name, error))
		fd = listen_at(&address, error);
	close(lock);
	return fd;
}

struct control_endpoint *control_endpoint_new(const char *root, const char *path,
					      const char *name, GError **error)
{
	struct control_endpoint *endpoint;
	g_autofree char *folder = NULL;
	g_autofree char *own = NULL;
	int fd;

	if (path) {
		own = g_canonicalize_filename(path, NULL);
		folder = g_path_get_dirname(own);
	} else {
		folder = choose_folder(root, error);
		if (!folder)
			return NULL;
		own = socket_path(folder, name);
	}
	fd = listen_in(folder, own, name, error);
	if (fd < 0)
		return NULL;
	endpoint = g_new0(struct control_endpoint, 1);
	endpoint->path = g_steal_pointer(&own);
	endpoint->fd = fd;
	return endpoint;
}

void control_endpoint_free(struct control_endpoint *endpoint)
{
	if (!endpoint)
		return;
	unlink(endpoint->path);
	if (endpoint->fd >= 0)
		close(endpoint->fd);
	g_free(endpoint->path);
	g_free(endpoint);
}

/* ---------------------------------------------------------------- finding guests */

/* True if somebody listens; else errno.  A socket of another user says EACCES: it is not ours to
 * list. */
static bool is_alive(const char *folder, const char *path)
{
	struct sockaddr_un address;
	int fd, lock;

	if (!socket_address(path, &address, NULL))
		return false;
	fd = try_connect(&address);
	if (fd >= 0) {
		close(fd);
		return true;
	}
	if (errno != ECONNREFUSED)
		return errno == EAGAIN;
	lock = folder_lock(folder, NULL);
	if (lock >= 0) {
		remove_stale(&address, "", NULL);
		close(lock);
	}
	errno = ECONNREFUSED;
	return false;
}

/* Whose the guest at a socket is, the one that its user means last. */
enum finding {
	FOUND_NOBODY,
	FOUND_FORBIDDEN,	/* another user's, which this one may not connect to */
	FOUND_OTHER,
	FOUND_OWN,
};

static enum finding look_at(const char *folder, const char *path)
{
	struct stat st;

	if (!is_alive(folder, path))
		return errno == EACCES ? FOUND_FORBIDDEN : FOUND_NOBODY;
	return !lstat(path, &st) && st.st_uid == geteuid() ? FOUND_OWN : FOUND_OTHER;
}

char *control_find(const char *root, const char *name, GError **error)
{
	g_auto(GStrv) folders = control_folders(root);
	g_autofree char *best = NULL, *second = NULL;
	enum finding found = FOUND_NOBODY;

	for (unsigned int i = 0; folders[i]; i++) {
		g_autofree char *path = socket_path(folders[i], name);
		enum finding finding = look_at(folders[i], path);

		if (finding < found || finding == FOUND_NOBODY)
			continue;
		g_free(second);
		second = finding == found ? g_steal_pointer(&best) : NULL;
		g_free(best);
		best = g_steal_pointer(&path);
		found = finding;
	}
	if (found == FOUND_NOBODY)
		error_set(error, "no guest named '%s' runs (see `mica ps`)", name);
	else if (found == FOUND_FORBIDDEN)
		error_set(error, "the guest '%s' is another user's ('%s')", name, best);
	else if (second)
		error_set(error, "two guests are named '%s': --control says which, '%s' or '%s'",
			  name, second, best);
	else
		return g_steal_pointer(&best);
	return NULL;
}

static int compare_names(gconstpointer left, gconstpointer right)
{
	const char *const *a = left, *const *b = right;

	return strcmp(strrchr(*a, '/'), strrchr(*b, '/'));
}

static void list_folder(const char *folder, GPtrArray *paths)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);

		if (g_str_has_suffix(name, CONTROL_SUFFIX) && is_alive(folder, path))
			g_ptr_array_add(paths, g_steal_pointer(&path));
	}
}

char **control_list(const char *root)
{
	g_auto(GStrv) folders = control_folders(root);
	g_autoptr(GPtrArray) paths = g_ptr_array_new();

	for (unsigned int i = 0; folders[i]; i++)
		list_folder(folders[i], paths);
	g_ptr_array_sort(paths, compare_names);
	g_ptr_array_add(paths, NULL);
	return (char **)g_ptr_array_steal(paths, NULL);
}
