// SPDX-License-Identifier: GPL-2.0-or-later
#include "core_test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../vmm/host.h"

/* A host that is made of files under a directory of its own. */
struct fake_host {
	char *root;
	struct host_view view;
};

static void put(struct fake_host *host, const char *path, const char *text)
{
	g_autofree char *full = g_strconcat(host->root, path, NULL);
	g_autofree char *folder = g_path_get_dirname(full);

	assert_int_equal(g_mkdir_with_parents(folder, 0755), 0);
	assert_true(g_file_set_contents(full, text, -1, NULL));
}

static int setup(void **state)
{
	struct fake_host *host = g_new0(struct fake_host, 1);

	host->root = g_dir_make_tmp("mica-test-XXXXXX", NULL);
	host->view.root = host->root;
	host->view.has_vt_x = true;
	put(host, "/proc/cpuinfo",
	    "processor\t: 0\nflags\t\t: fpu vme vmx est\nvmx flags\t: vnmi\n");
	*state = host;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fake_host *host = *state;

	nftw(host->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	g_free(host->root);
	g_free(host);
	return 0;
}

static void assert_says(char *message, const char *text)
{
	if (!strstr(message, text))
		fail_msg("\"%s\" does not say \"%s\"", message, text);
	assert_null(strchr(message, '\n'));
	g_free(message);
}

static void test_not_loaded(void **state)
{
	struct fake_host *host = *state;

	assert_says(host_explain_open(&host->view, ENOENT), "`modprobe mica`");
	assert_says(host_explain_open(&host->view, ENOENT), "`dmesg | grep mica`");
	/* Before 6.12, or told so, KVM takes the CPU with its first guest only. */
	put(host, "/sys/module/kvm_intel/refcnt", "0\n");
	assert_says(host_explain_open(&host->view, ENOENT), "the module is not loaded");
	put(host, "/sys/module/kvm/parameters/enable_virt_at_load", "N\n");
	assert_says(host_explain_open(&host->view, ENOENT), "the module is not loaded");
}

static void test_kvm_keeps_us_out(void **state)
{
	struct fake_host *host = *state;

	put(host, "/sys/module/kvm_intel/refcnt", "0\n");
	put(host, "/sys/module/kvm/parameters/enable_virt_at_load", "Y\n");
	assert_says(host_explain_open(&host->view, ENOENT), "kvm_intel holds the CPU");
	assert_says(host_explain_open(&host->view, ENOENT), "`modprobe -r kvm_intel`");
	assert_says(host_explain_open(&host->view, ENOENT), "kvm.enable_virt_at_load=0");
}

static void test_no_device_node(void **state)
{
	struct fake_host *host = *state;

	put(host, "/sys/module/mica/refcnt", "0\n");
	assert_says(host_explain_open(&host->view, ENOENT), "is loaded, but there is no /dev/mica");
}

static void test_no_virtualization(void **state)
{
	struct fake_host *host = *state;

	host->view.has_vt_x = false;
	assert_says(host_explain_open(&host->view, ENOENT), "neither VT-x nor AMD-V");
}

/* "vmx" must be a word of the flags: "vmx flags" and "svmx" are none. */
static void test_locked(void **state)
{
	struct fake_host *host = *state;

	put(host, "/proc/cpuinfo", "flags\t\t: fpu svmx vmxoff\nvmx flags\t: vmx\n");
	assert_says(host_explain_open(&host->view, ENOENT), "the firmware has locked VT-x");
	host->view.has_vt_x = false;
	host->view.has_amd_v = true;
	assert_says(host_explain_open(&host->view, ENOENT), "the firmware has locked AMD-V");
	put(host, "/proc/cpuinfo", "flags\t\t: fpu svm\n");
	assert_says(host_explain_open(&host->view, ENOENT), "`modprobe mica`");
}

static void test_permission(void **state)
{
	struct fake_host *host = *state;
	g_autofree char *device = g_strconcat(host->root, "/dev/mica", NULL);

	put(host, "/dev/mica", "");
	assert_int_equal(chmod(device, 0600), 0);
	assert_says(host_explain_open(&host->view, EACCES), "chgrp mica /dev/mica");
	if (chown(device, -1, 65534) < 0)
		skip();		/* needs root */
	assert_int_equal(chmod(device, 0660), 0);
	assert_says(host_explain_open(&host->view, EACCES), "`usermod -aG nogroup ");
}

static void test_other_errors(void **state)
{
	struct fake_host *host = *state;

	assert_says(host_explain_open(&host->view, EMFILE), g_strerror(EMFILE));
	assert_says(host_explain_create(&host->view, ENOMEM), g_strerror(ENOMEM));
}

static void test_busy(void **state)
{
	struct fake_host *host = *state;

	assert_says(host_explain_create(&host->view, EBUSY), "another hypervisor holds the CPU");
	put(host, "/sys/module/vboxdrv/refcnt", "0\n");
	assert_says(host_explain_create(&host->view, EBUSY), "`modprobe -r vboxdrv`");
	put(host, "/sys/module/kvm_amd/refcnt", "0\n");
	assert_says(host_explain_create(&host->view, EBUSY), "hypervisor (kvm_amd)");
	put(host, "/sys/module/kvm/parameters/enable_virt_at_load", "Y\n");
	assert_says(host_explain_create(&host->view, EBUSY), "kvm.enable_virt_at_load=0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_not_loaded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kvm_keeps_us_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_device_node, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_virtualization, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_permission, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
