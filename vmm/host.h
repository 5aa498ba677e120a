/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's side: /dev/mica, and why it cannot be used.
 */
#ifndef MICA_VMM_HOST_H
#define MICA_VMM_HOST_H

#include <glib.h>
#include <mica.h>
#include <stdbool.h>

#define HOST_DEVICE	"/dev/mica"

/*
 * Where to look for reasons.  `root` is put before /proc, /sys and /dev: empty but in
 * unit tests.  The CPU's own word (CPUID) is not hidden by a firmware lock, /proc/cpuinfo's
 * is: the difference tells a lock from a lack.
 */
struct host_view {
	const char *root;
	bool has_vt_x;		/* CPUID.01H:ECX.VMX */
	bool has_amd_v;		/* CPUID.80000001H:ECX.SVM */
};

/* Opens the device, close-on-exec, and checks that it speaks our MICA_API_VERSION.  -1 on
 * error, whose message says what to do. */
int host_open(struct mica_info *info, GError **error);

/* What the CPU, the kernel and the module can give a guest; the caller frees it.  NULL on error. */
struct mica_cpuid *host_cpuid(int device_fd, GError **error);

/* Makes a VM; `flags` are MICA_VM_*.  -1 on error, likewise. */
int host_create_vm(int device_fd, unsigned int flags, unsigned int halt_poll_us, GError **error);

/* The messages of the two for an errno value, without a newline; the caller frees them. */
char *host_explain_open(const struct host_view *view, int number);
char *host_explain_create(const struct host_view *view, int number);

#endif
