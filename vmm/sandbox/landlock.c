// SPDX-License-Identifier: GPL-2.0-or-later
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's <linux/landlock.h>. */
#define ACCESS_FS_ALL_V1	((1ull << 13) - 1)
#define ACCESS_FS_REFER		(1ull << 13)	/* version 2 */
#define ACCESS_FS_TRUNCATE	(1ull << 14)	/* 3 */
#define ACCESS_FS_IOCTL_DEV	(1ull << 15)	/* 5 */
#define ACCESS_NET_BIND_TCP	(1ull << 0)	/* 4 */
#define ACCESS_NET_CONNECT_TCP	(1ull << 1)	/* 4 */
#define SCOPE_ABSTRACT_UNIX	(1ull << 0)	/* 6 */

/* As of version 6.  Older kernels take it if what they do not know is 0. */
struct ruleset_attr {
	__u64 handled_access_fs;
	__u64 handled_access_net;
	__u64 scoped;
};

int landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? version : 0;
}

static struct ruleset_attr handled_by(int version)
{
	struct ruleset_attr attr = { .handled_access_fs = ACCESS_FS_ALL_V1 };

	if (version >= 2)
		attr.handled_access_fs |= ACCESS_FS_REFER;
	if (version >= 3)
		attr.handled_access_fs |= ACCESS_FS_TRUNCATE;
	if (version >= 4)
		attr.handled_access_net = ACCESS_NET_BIND_TCP | ACCESS_NET_CONNECT_TCP;
	if (version >= 5)
		attr.handled_access_fs |= ACCESS_FS_IOCTL_DEV;
	if (version >= 6)
		attr.scoped = SCOPE_ABSTRACT_UNIX;
	return attr;
}

/* Failing, it leaves less allowed. */
static void allow_removing(int ruleset, const char *folder)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE,
		.parent_fd = open(folder, O_PATH | O_CLOEXEC),
	};

	if (rule.parent_fd < 0)
		return;
	syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
}

int landlock_prepare(const GPtrArray *folders)
{
	struct ruleset_attr attr;
	int version = landlock_version();
	int ruleset;

	if (!version)
		return -1;
	attr = handled_by(version);
	ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	for (guint i = 0; ruleset >= 0 && folders && i < folders->len; i++)
		allow_removing(ruleset, g_ptr_array_index(folders, i));
	return ruleset;
}

int landlock_restrict(int ruleset)
{
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}
