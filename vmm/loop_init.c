// SPDX-License-Identifier: GPL-2.0-or-later
#include "loop_init.h"

#include <errno.h>
#include <glib.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/thread.h"

struct loop_init {
	uv_loop_t *loop;
	int status;
};

/* For the calling thread: the host has no io_uring. */
static int refuse_rings(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { G_N_ELEMENTS(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

/* Without filters nobody is confined, and then a ring does no harm. */
static bool has_no_filters(int status)
{
	return status == -ENOSYS || status == -EINVAL;
}

static void *loop_init_thread(void *opaque)
{
	struct loop_init *init = opaque;

	prctl(PR_SET_NAME, LOOP_THREAD);
	init->status = refuse_rings();
	if (!init->status || has_no_filters(init->status))
		init->status = uv_loop_init(init->loop);
	return NULL;
}

/* A filter is a thread's own, and a loop does not ask which thread has made it. */
int loop_init(uv_loop_t *loop)
{
	struct loop_init init = { .loop = loop };
	pthread_t thread;
	int status;

	/* The confined main thread, which makes the next life's, can have no ring. */
	if (thread_born_confined())
		return uv_loop_init(loop);
	status = pthread_create(&thread, NULL, loop_init_thread, &init);
	if (status)
		return -status;
	pthread_join(thread, NULL);
	return init.status;
}
