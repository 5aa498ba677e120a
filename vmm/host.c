// SPDX-License-Identifier: GPL-2.0-or-later
#include "host.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "kept.h"

/* Bits of the feature words (SDM volume 2 "CPUID", APM volume 3 "CPUID"). */
#define CPUID_1_ECX_VT_X		(1u << 5)
#define CPUID_80000001_ECX_AMD_V		(1u << 2)

static void host_look(struct host_view *view)
{
	unsigned int eax, ebx, ecx, edx;

	view->root = "";
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		view->has_vt_x = ecx & CPUID_1_ECX_VT_X;
	if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx))
		view->has_amd_v = ecx & CPUID_80000001_ECX_AMD_V;
}

static bool host_has(const struct host_view *view, const char *path)
{
	g_autofree char *full = g_strconcat(view->root, path, NULL);

	return access(full, F_OK) == 0;
}

/* The first line of a small file that starts with `prefix`, or NULL. */
static char *host_line(const struct host_view *view, const char *path, const char *prefix)
{
	g_autofree char *full = g_strconcat(view->root, path, NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(full, &text, NULL, NULL))
		return NULL;
	lines = g_strsplit(text, "\n", -1);
	for (size_t i = 0; lines[i]; i++)
		if (g_str_has_prefix(lines[i], prefix))
			return g_strdup(lines[i]);
	return NULL;
}

static bool host_cpu_flag(const struct host_view *view, const char *flag)
{
	g_autofree char *line = host_line(view, "/proc/cpuinfo", "flags");
	g_auto(GStrv) words = NULL;

	if (!line)
		return false;
	words = g_strsplit_set(line, " \t", -1);
	return g_strv_contains((const char *const *)words, flag);
}

/* The other hypervisors' modules that take the CPU for themselves. */
static const char *const host_rivals[] = { "kvm_intel", "kvm_amd", "vboxdrv", "vmmon" };

static const char *host_rival(const struct host_view *view)
{
	g_autofree char *path = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(host_rivals); i++) {
		g_free(path);
		path = g_strconcat("/sys/module/", host_rivals[i], NULL);
		if (host_has(view, path))
			return host_rivals[i];
	}
	return NULL;
}

/* Linux 6.12 and later: KVM enters VMX or SVM mode when its module is loaded, not when
 * its first guest starts, unless this parameter says no. */
static bool host_kvm_enables_at_load(const struct host_view *view)
{
	g_autofree char *line = host_line(view, "/sys/module/kvm/parameters/enable_virt_at_load",
					  "Y");

	return line;
}

static char *host_rival_advice(const struct host_view *view, const char *rival)
{
	const char *advice = "stop its guests, and if that does not suffice run "
		"`modprobe -r %s` as root";

	if (g_str_has_prefix(rival, "kvm") && host_kvm_enables_at_load(view))
		advice = "stop its guests and run `modprobe -r %s` as root, or boot with "
			"kvm.enable_virt_at_load=0, with which KVM holds the CPU only while it "
			"has guests";
	return g_strdup_printf(advice, rival);
}

static char *host_explain_lock(const struct host_view *view)
{
	return g_strdup_printf("there is no " HOST_DEVICE ", and the firmware has locked %s: turn "
		"on \"%s\" in the firmware's setup, then load the module",
		view->has_vt_x ? "VT-x" : "AMD-V",
		view->has_vt_x ? "Intel Virtualization Technology" : "SVM Mode");
}

static char *host_explain_kept_out(const struct host_view *view, const char *rival)
{
	g_autofree char *advice = host_rival_advice(view, rival);

	return g_strdup_printf("there is no " HOST_DEVICE ": %s holds the CPU, so the module mica "
		"cannot be loaded: %s; then run `modprobe mica`", rival, advice);
}

static char *host_explain_missing(const struct host_view *view)
{
	const char *rival = host_rival(view);

	if (!view->has_vt_x && !view->has_amd_v)
		return g_strdup("there is no " HOST_DEVICE ", and this CPU offers neither VT-x nor "
			"AMD-V: use another machine or, if this is itself a virtual machine, turn "
			"on nested virtualization for it");
	if (!host_cpu_flag(view, view->has_vt_x ? "vmx" : "svm"))
		return host_explain_lock(view);
	if (host_has(view, "/sys/module/mica"))
		return g_strdup("the module mica is loaded, but there is no " HOST_DEVICE ": mount "
			"devtmpfs at /dev, or make the node with the numbers in "
			"/sys/class/misc/mica/dev");
	if (rival && host_kvm_enables_at_load(view))
		return host_explain_kept_out(view, rival);
	return g_strdup("there is no " HOST_DEVICE ": the module is not loaded: run "
		"`modprobe mica` (or `insmod mica.ko`) as root; if that fails, "
		"`dmesg | grep mica` says why");
}

static char *host_explain_permission(const struct host_view *view)
{
	g_autofree char *full = g_strconcat(view->root, HOST_DEVICE, NULL);
	struct passwd *user = getpwuid(geteuid());
	const char *user_name = user ? user->pw_name : "USER";
	struct group *group;
	struct stat status;

	if (stat(full, &status) == 0 && status.st_gid != 0 && (status.st_mode & S_IRGRP)) {
		group = getgrgid(status.st_gid);
		return g_strdup_printf("no permission to use " HOST_DEVICE ": have "
			"`usermod -aG %s %s` run as root and log in again",
			group ? group->gr_name : "mica", user_name);
	}
	return g_strdup_printf("no permission to use " HOST_DEVICE ": it should belong to group "
		"mica: have `groupadd -f mica; chgrp mica " HOST_DEVICE "; chmod 660 " HOST_DEVICE
		"; usermod -aG mica %s` run as root and log in again", user_name);
}

char *host_explain_open(const struct host_view *view, int number)
{
	switch (number) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return host_explain_missing(view);
	case EACCES:
	case EPERM:
		return host_explain_permission(view);
	default:
		return g_strdup_printf("cannot open " HOST_DEVICE ": %s", g_strerror(number));
	}
}

char *host_explain_create(const struct host_view *view, int number)
{
	g_autofree char *advice = NULL;
	const char *rival;

	if (number != EBUSY)
		return g_strdup_printf("cannot make a virtual machine: %s", g_strerror(number));
	rival = host_rival(view);
	if (!rival)
		return g_strdup("another hypervisor holds the CPU: `dmesg | grep mica` says more");
	advice = host_rival_advice(view, rival);
	return g_strdup_printf("another hypervisor (%s) holds the CPU: %s", rival, advice);
}

static gboolean host_get_info(int fd, struct mica_info *info, GError **error)
{
	if (ioctl(fd, MICA_GET_INFO, info) < 0)
		return error_set_errno(error, errno, HOST_DEVICE " does not answer as Mica's does");
	if (info->api_version != MICA_API_VERSION)
		return error_set(error, "the module speaks version %u of the interface, this "
				 "program version %d: install both from one release",
				 info->api_version, MICA_API_VERSION);
	return TRUE;
}

int host_open(struct mica_info *info, GError **error)
{
	struct host_view view = { 0 };
	g_autofree char *text = NULL;
	int fd = kept_open(HOST_DEVICE, O_RDWR | O_CLOEXEC, 0);
	int number = errno;

	if (fd < 0) {
		host_look(&view);
		text = host_explain_open(&view, number);
		error_set(error, "%s", text);
		return -1;
	}
	if (!host_get_info(fd, info, error)) {
		close(fd);
		return -1;
	}
	return fd;
}

struct mica_cpuid *host_cpuid(int device_fd, GError **error)
{
	g_autofree struct mica_cpuid *cpuid = g_new0(struct mica_cpuid, 1);

	if (ioctl(device_fd, MICA_GET_CPUID, cpuid) == 0)
		return g_steal_pointer(&cpuid);
	error_set_errno(error, errno, "the module does not say what the CPU has");
	return NULL;
}

int host_create_vm(int device_fd, unsigned int flags, unsigned int halt_poll_us, GError **error)
{
	struct mica_create_vm request = { .flags = flags, .halt_poll_us = halt_poll_us };
	struct host_view view = { 0 };
	g_autofree char *text = NULL;
	int fd = ioctl(device_fd, MICA_CREATE_VM, &request);
	int number = errno;

	if (fd < 0) {
		host_look(&view);
		text = host_explain_create(&view, number);
		error_set(error, "%s", text);
	}
	return fd;
}
