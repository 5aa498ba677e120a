// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel looks at the low 32 bits of descriptors, flags and numbers of ioctl() and prctl(),
 * so the rules do the same.  Where a rule has no test the reason stands in its last words.
 */
#include "rules.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <linux/vhost.h>
#include <mica.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define V	SANDBOX_VCPU
#define I	SANDBOX_IO
#define M	SANDBOX_MAIN
#define R	SANDBOX_RESTART
#define C	SANDBOX_CONNECTS

#define ANY			SANDBOX_ANY, 0, 0, 0
#define OWN_PID			SANDBOX_OWN_PID, 0, 0, 0
#define LOW	0xffffffffull
#define IS(argument, value)		SANDBOX_MASKED, argument, LOW, value
#define LACKS(argument, bits)		SANDBOX_MASKED, argument, bits, 0
#define HAS(argument, bits)		SANDBOX_MASKED, argument, bits, bits
#define IS_NULL(argument)		SANDBOX_MASKED, argument, ~0ull, 0

#define GUILTY	"only a thread that has made a forbidden call makes it"
#define NO_VDSO	"only hosts whose clocks cannot be read without a call make it"
#define DEBIAN_13	"of the libraries of Debian 13"
#define GLIBC_2_42	"of a glibc that is newer than Debian 13's"
#define CHANCE	"memory and time must fall so"
#define SAVED	"the test saves no guest with vhost-net"
#define STOPPED	"a process that is stopped while it waits with a limit"

const struct sandbox_rule sandbox_rules[] = {
	/* The module. */
	{ "ioctl", "MICA_VCPU_RUN", SYS_ioctl, V, 0, "runs the guest", NULL,
	  IS(1, MICA_VCPU_RUN) },
	{ "ioctl", "MICA_VCPU_APIC_ACCESS", SYS_ioctl, V, 0, "emulated accesses to the local APIC",
	  NULL, IS(1, MICA_VCPU_APIC_ACCESS) },
	{ "ioctl", "MICA_VCPU_GET_XSAVE", SYS_ioctl, V, 0, "emulated SSE instructions",
	  NULL, IS(1, MICA_VCPU_GET_XSAVE) },
	{ "ioctl", "MICA_VCPU_SET_XSAVE", SYS_ioctl, V, 0, "emulated SSE instructions",
	  NULL, IS(1, MICA_VCPU_SET_XSAVE) },
	{ "ioctl", "MICA_VCPU_SET_PIN", SYS_ioctl, V | M, 0, "the PIC's output", NULL,
	  IS(1, MICA_VCPU_SET_PIN) },
	{ "ioctl", "MICA_VM_SIGNAL_MSI", SYS_ioctl, V | M, 0, "interrupts of chips and devices",
	  NULL, IS(1, MICA_VM_SIGNAL_MSI) },
	{ "ioctl", "MICA_VM_BIND_IO", SYS_ioctl, V | M, 0, "BARs that the guest moves", NULL,
	  IS(1, MICA_VM_BIND_IO) },
	{ "ioctl", "MICA_VM_UNBIND_IO", SYS_ioctl, V | M, 0, "BARs that the guest moves", NULL,
	  IS(1, MICA_VM_UNBIND_IO) },
	{ "ioctl", "MICA_VM_BIND_IRQ", SYS_ioctl, V, 0, "vectors that the guest sets", NULL,
	  IS(1, MICA_VM_BIND_IRQ) },
	{ "ioctl", "MICA_VM_UNBIND_IRQ", SYS_ioctl, V | M, 0, "vectors that the guest sets", NULL,
	  IS(1, MICA_VM_UNBIND_IRQ) },
	{ "ioctl", "MICA_VCPU_GET_STATS", SYS_ioctl, M, 0, "mica stats, --stats", NULL,
	  IS(1, MICA_VCPU_GET_STATS) },
	{ "ioctl", "MICA_VCPU_MOVE_TSC", SYS_ioctl, M, 0, "mica resume", NULL,
	  IS(1, MICA_VCPU_MOVE_TSC) },
	{ "ioctl", "MICA_VCPU_GET_STATE", SYS_ioctl, M, 0, "mica save", NULL,
	  IS(1, MICA_VCPU_GET_STATE) },
	{ "ioctl", "MICA_VCPU_GET_XSAVE", SYS_ioctl, M, 0, "mica save", NULL,
	  IS(1, MICA_VCPU_GET_XSAVE) },
	{ "ioctl", "MICA_VCPU_GET_APIC", SYS_ioctl, M, 0, "mica save, a new VM", NULL,
	  IS(1, MICA_VCPU_GET_APIC) },
	{ "ioctl", "MICA_GET_INFO", SYS_ioctl, R, 0, "a new VM", NULL, IS(1, MICA_GET_INFO) },
	{ "ioctl", "MICA_GET_CPUID", SYS_ioctl, R, 0, "a new VM", NULL, IS(1, MICA_GET_CPUID) },
	{ "ioctl", "MICA_CREATE_VM", SYS_ioctl, R, 0, "a new VM", NULL, IS(1, MICA_CREATE_VM) },
	{ "ioctl", "MICA_VM_CREATE_VCPU", SYS_ioctl, R, 0, "a new VM", NULL,
	  IS(1, MICA_VM_CREATE_VCPU) },
	{ "ioctl", "MICA_VM_SET_MEMORY", SYS_ioctl, R, 0, "a new VM", NULL,
	  IS(1, MICA_VM_SET_MEMORY) },
	{ "ioctl", "MICA_VCPU_SET_CPUID", SYS_ioctl, R, 0, "a new VM", NULL,
	  IS(1, MICA_VCPU_SET_CPUID) },
	{ "ioctl", "MICA_VCPU_SET_STATE", SYS_ioctl, R, 0, "a new VM", NULL,
	  IS(1, MICA_VCPU_SET_STATE) },
	{ "ioctl", "MICA_VCPU_SET_APIC", SYS_ioctl, R, 0, "a new VM", NULL,
	  IS(1, MICA_VCPU_SET_APIC) },

	/* Taps and terminals. */
	{ "ioctl", "TUNSETQUEUE", SYS_ioctl, V | I, 0, "the guest uses more queues, or fewer", NULL,
	  IS(1, TUNSETQUEUE) },
	{ "ioctl", "TUNGETIFF", SYS_ioctl, M, 0, "mica attach: a tap's descriptor", NULL,
	  IS(1, TUNGETIFF) },
	{ "ioctl", "TIOCGWINSZ", SYS_ioctl, M, 0, "the terminal's size", NULL, IS(1, TIOCGWINSZ) },
	{ "ioctl", "BLKGETSIZE64", SYS_ioctl, M, 0, "mica attach, resize: a block device", NULL,
	  IS(1, BLKGETSIZE64) },
	{ "ioctl", "TUNSETVNETHDRSZ", SYS_ioctl, V, 0, "the guest's driver starts", NULL,
	  IS(1, TUNSETVNETHDRSZ) },
	{ "ioctl", "TUNSETOFFLOAD", SYS_ioctl, V, 0, "the guest's driver starts", NULL,
	  IS(1, TUNSETOFFLOAD) },
	{ "ioctl", "TCGETS", SYS_ioctl, M, 0, "the terminal's modes", NULL, IS(1, TCGETS) },
	{ "ioctl", "TCSETS", SYS_ioctl, M, 0, "the terminal's modes", NULL, IS(1, TCSETS) },
	{ "ioctl", "TCSETS", SYS_ioctl, V | I, 0, "a thread that dies gives the terminal back", NULL,
	  IS(1, TCSETS) },
	{ "ioctl", "TCGETS", SYS_ioctl, V | I, 0, "libc looks whether the terminal took its modes",
	  NULL, IS(1, TCGETS) },
	{ "ioctl", "TCGETS2", SYS_ioctl, V | I | M, 0, "the same, glibc from 2.42 on", GLIBC_2_42,
	  IS(1, TCGETS2) },
	{ "ioctl", "TCSETS2", SYS_ioctl, V | I | M, 0, "the same, glibc from 2.42 on", GLIBC_2_42,
	  IS(1, TCSETS2) },
	{ "ioctl", "TIOCGPGRP", SYS_ioctl, M, 0, "whether the terminal is ours", NULL,
	  IS(1, TIOCGPGRP) },
	{ "ioctl", "TIOCGPTN", SYS_ioctl, R, 0, "the pseudo-terminal's name", NULL,
	  IS(1, TIOCGPTN) },
	{ "ioctl", "FIONBIO", SYS_ioctl, M, 0, "libuv: clients of the control socket", NULL,
	  IS(1, FIONBIO) },

	/* vhost-net. */
	{ "ioctl", "VHOST_SET_OWNER", SYS_ioctl, R, 0, "frames by the host's kernel", NULL,
	  IS(1, VHOST_SET_OWNER) },
	{ "ioctl", "VHOST_GET_FEATURES", SYS_ioctl, R, 0, "frames by the host's kernel", NULL,
	  IS(1, VHOST_GET_FEATURES) },
	{ "ioctl", "VHOST_SET_MEM_TABLE", SYS_ioctl, R, 0, "frames by the host's kernel", NULL,
	  IS(1, VHOST_SET_MEM_TABLE) },
	{ "ioctl", "VHOST_SET_FEATURES", SYS_ioctl, V, 0, "the guest's driver starts", NULL,
	  IS(1, VHOST_SET_FEATURES) },
	{ "ioctl", "VHOST_SET_VRING_NUM", SYS_ioctl, V, 0, "the guest's driver starts", NULL,
	  IS(1, VHOST_SET_VRING_NUM) },
	{ "ioctl", "VHOST_SET_VRING_BASE", SYS_ioctl, V, 0, "the guest's driver starts", NULL,
	  IS(1, VHOST_SET_VRING_BASE) },
	{ "ioctl", "VHOST_SET_VRING_ADDR", SYS_ioctl, V, 0, "the guest's driver starts", NULL,
	  IS(1, VHOST_SET_VRING_ADDR) },
	{ "ioctl", "VHOST_SET_VRING_ERR", SYS_ioctl, V, 0, "the guest's driver starts", NULL,
	  IS(1, VHOST_SET_VRING_ERR) },
	{ "ioctl", "VHOST_SET_VRING_CALL", SYS_ioctl, V | M, 0, "the guest's driver starts or ends",
	  NULL, IS(1, VHOST_SET_VRING_CALL) },
	{ "ioctl", "VHOST_SET_VRING_KICK", SYS_ioctl, V | M, 0, "the guest's driver starts or ends",
	  NULL, IS(1, VHOST_SET_VRING_KICK) },
	{ "ioctl", "VHOST_NET_SET_BACKEND", SYS_ioctl, V | M, 0,
	  "the guest's driver starts or ends", NULL, IS(1, VHOST_NET_SET_BACKEND) },
	{ "ioctl", "VHOST_GET_VRING_BASE", SYS_ioctl, M, 0, "a checkpoint: the rings' positions",
	  SAVED, IS(1, VHOST_GET_VRING_BASE) },

	/* Memory: none that could be executed. */
	{ "mmap", "not executable", SYS_mmap, M, 0, "malloc, stacks", NULL, LACKS(2, PROT_EXEC) },
	{ "mmap", "not executable", SYS_mmap, V | I, 0, "malloc", CHANCE, LACKS(2, PROT_EXEC) },
	{ "mprotect", "not executable", SYS_mprotect, M, 0, "stacks", NULL,
	  LACKS(2, PROT_EXEC) },
	{ "munmap", NULL, SYS_munmap, M, 0, "malloc, stacks", NULL, ANY },
	{ "munmap", NULL, SYS_munmap, V | I, 0, "malloc", CHANCE, ANY },
	/* Arrays of other threads stay below the 128 KiB from which malloc maps a block. */
	{ "mremap", NULL, SYS_mremap, M, 0, "realloc", CHANCE, ANY },
	{ "madvise", NULL, SYS_madvise, V | I, 0, "the end of a thread, the balloon", NULL, ANY },
	{ "madvise", NULL, SYS_madvise, M, 0, "what is not needed in memory", NULL, ANY },
	{ "brk", NULL, SYS_brk, M, 0, "malloc", NULL, ANY },
	{ "brk", NULL, SYS_brk, V | I, 0, "malloc", CHANCE, ANY },

	/* Threads and signals. */
	{ "futex", NULL, SYS_futex, V | I | M, 0, "locks", NULL, ANY },
	{ "tgkill", "this process", SYS_tgkill, V | M, 0, "kicks a thread", NULL, OWN_PID },
	{ "tgkill", "this process", SYS_tgkill, I, 0, "raise", NULL, OWN_PID },
	{ "getpid", NULL, SYS_getpid, V | M, 0, "kicks a thread", NULL, ANY },
	{ "getpid", NULL, SYS_getpid, I, 0, "raise", NULL, ANY },
	{ "gettid", NULL, SYS_gettid, V | I | M, 0, "raise, a thread that kicks all", NULL, ANY },
	{ "rt_sigprocmask", NULL, SYS_rt_sigprocmask, V | M, 0, "kicks a thread", NULL, ANY },
	{ "rt_sigprocmask", NULL, SYS_rt_sigprocmask, I, 0, "the end of a thread", NULL, ANY },
	{ "rt_sigaction", NULL, SYS_rt_sigaction, M, 0, "prepares kicks", NULL, ANY },
	{ "rt_sigreturn", NULL, SYS_rt_sigreturn, V | I, 0, "a thread was kicked, or dies", NULL, ANY },
	{ "restart_syscall", NULL, SYS_restart_syscall, V | I, 0, "a wait goes on after SIGCONT",
	  STOPPED, ANY },
	{ "exit", NULL, SYS_exit, V | I, 0, "the end of a thread", NULL, ANY },
	{ "exit_group", NULL, SYS_exit_group, M, 0, "the end", NULL, ANY },
	{ "exit_group", NULL, SYS_exit_group, V | I, 0, "the end", GUILTY, ANY },
	{ "clone", "CLONE_THREAD", SYS_clone, M, 0, "makes threads", NULL, HAS(0, CLONE_THREAD) },
	/* Its flags are in memory, where a filter cannot see them; glibc then tries clone(). */
	{ "clone3", NULL, SYS_clone3, M, ENOSYS, "makes threads", NULL, ANY },
	{ "set_robust_list", NULL, SYS_set_robust_list, M, 0, "a thread begins", NULL, ANY },
	{ "rseq", NULL, SYS_rseq, M, 0, "a thread begins", NULL, ANY },
	{ "prctl", "PR_SET_NAME", SYS_prctl, M, 0, "a thread's name", NULL, IS(0, PR_SET_NAME) },
	{ "seccomp", "SECCOMP_SET_MODE_FILTER", SYS_seccomp, M, 0, "a thread gives up more", NULL,
	  IS(0, SECCOMP_SET_MODE_FILTER) },
	/* The answer is our own: who hears it was made by a thread that is confined. */
	{ "prctl", "PR_GET_NO_NEW_PRIVS", SYS_prctl, M, SANDBOX_BORN_CONFINED,
	  "a thread asks what it has given up", NULL, IS(0, PR_GET_NO_NEW_PRIVS) },
	{ "setsid", NULL, SYS_setsid, M, 0, "--detach", NULL, ANY },
	{ "sched_yield", NULL, SYS_sched_yield, M, 0, "libuv: uv_close", CHANCE, ANY },

	/* Time. */
	{ "clock_gettime", NULL, SYS_clock_gettime, M, 0, "processor time of vCPUs", NULL, ANY },
	{ "clock_gettime", NULL, SYS_clock_gettime, V | I, 0, "clocks of the host", NO_VDSO, ANY },
	/* GLib's slices have stamps. */
	{ "gettimeofday", NULL, SYS_gettimeofday, V | I | M, 0, "clocks of the host", NO_VDSO, ANY },
	{ "timerfd_settime", NULL, SYS_timerfd_settime, V | M, 0, "timers of chips", NULL, ANY },
	{ "timerfd_settime", NULL, SYS_timerfd_settime, I, 0, "patience with a disk's server, vsock",
	  NULL, ANY },

	/* Waiting. */
	{ "poll", NULL, SYS_poll, V, 0, "virtiofsd, a full ring, eventfds of masked vectors", NULL,
	  ANY },
	{ "poll", NULL, SYS_poll, I, 0, "a console that takes no output, a full ring", NULL, ANY },
	{ "epoll_wait", NULL, SYS_epoll_wait, V, 0, "a disk's server", NULL, ANY },
	{ "epoll_wait", NULL, SYS_epoll_wait, I, 0, "waits for work", NULL, ANY },
	{ "epoll_wait", NULL, SYS_epoll_wait, M, 0, "the main loop, the input", NULL, ANY },
	{ "epoll_pwait", NULL, SYS_epoll_pwait, M, 0, "the main loop", DEBIAN_13, ANY },
	{ "epoll_ctl", NULL, SYS_epoll_ctl, V | I, 0, "vhost-net; a disk's server, vsock", NULL, ANY },
	{ "epoll_ctl", NULL, SYS_epoll_ctl, M, 0, "the main loop", NULL, ANY },

	/* What is open already. */
	{ "read", NULL, SYS_read, V | I | M, 0, "eventfds; taps, consoles, clients", NULL, ANY },
	{ "write", NULL, SYS_write, V | I | M, 0, "eventfds, messages; taps, consoles, clients",
	  NULL, ANY },
	{ "writev", NULL, SYS_writev, I, 0, "frames to a tap", NULL, ANY },
	{ "close", NULL, SYS_close, M, 0, "the end of what was open", NULL, ANY },
	{ "close", NULL, SYS_close, V | I, 0, "connections end: vsock, a disk's server", NULL, ANY },
	{ "sendto", "without an address", SYS_sendto, V | I | M, 0, "a disk's server; ports", NULL,
	  IS_NULL(4) },
	{ "recvfrom", NULL, SYS_recvfrom, I, 0, "a disk's server, passt", NULL, ANY },
	{ "recvfrom", NULL, SYS_recvfrom, V, 0, "a disk's server, virtiofsd", NULL, ANY },
	{ "sendmsg", NULL, SYS_sendmsg, V, 0, "messages of a guest in the background, virtiofsd",
	  NULL, ANY },
	{ "sendmsg", NULL, SYS_sendmsg, M, 0, "messages of a guest in the background", NULL, ANY },
	{ "sendmsg", NULL, SYS_sendmsg, I, 0, "frames to passt, vsock", NULL, ANY },
	{ "recvmsg", NULL, SYS_recvmsg, M, 0, "descriptors of mica attach", NULL, ANY },
	{ "pread64", NULL, SYS_pread64, M, 0, "/proc/self/statm", NULL, ANY },
	{ "preadv2", NULL, SYS_preadv2, I, 0, "disks without a ring", NULL, ANY },
	{ "preadv2", NULL, SYS_preadv2, V, 0, "requests at a device's reset", CHANCE, ANY },
	{ "pwritev2", NULL, SYS_pwritev2, I, 0, "disks without a ring", NULL, ANY },
	{ "pwritev2", NULL, SYS_pwritev2, V, 0, "requests at a device's reset", CHANCE, ANY },
	{ "fdatasync", NULL, SYS_fdatasync, V | I, 0, "disks without a ring", NULL, ANY },
	{ "fallocate", NULL, SYS_fallocate, I, 0, "disks without a ring", NULL, ANY },
	{ "io_uring_enter", NULL, SYS_io_uring_enter, I, 0, "disks", NULL, ANY },
	{ "io_uring_enter", NULL, SYS_io_uring_enter, V, 0, "a disk's cache mode, its reset", NULL,
	  ANY },
	{ "pwrite64", NULL, SYS_pwrite64, M, 0, "mica save", NULL, ANY },
	{ "fdatasync", NULL, SYS_fdatasync, M, 0, "mica save", NULL, ANY },
	{ "ftruncate", NULL, SYS_ftruncate, M, 0, "empties the console's file", NULL, ANY },
	{ "lseek", NULL, SYS_lseek, M, 0, "files that are used again", NULL, ANY },
	{ "newfstatat", "AT_EMPTY_PATH", SYS_newfstatat, M, 0, "what the console's file is", NULL,
	  HAS(3, AT_EMPTY_PATH) },
	{ "fstat", NULL, SYS_fstat, M, 0, "what the console's file is", DEBIAN_13, ANY },
	{ "fcntl", "F_DUPFD_CLOEXEC", SYS_fcntl, M, 0, "files that are used again", NULL,
	  IS(1, F_DUPFD_CLOEXEC) },
	{ "fcntl", "F_GETFL", SYS_fcntl, M, 0, "libuv", NULL, IS(1, F_GETFL) },
	{ "fcntl", "F_SETFL", SYS_fcntl, M, 0, "mica attach: a disk's file", NULL, IS(1, F_SETFL) },
	{ "fcntl", "F_OFD_SETLK", SYS_fcntl, M, 0, "mica attach: a disk's file", NULL,
	  IS(1, F_OFD_SETLK) },
	{ "dup2", NULL, SYS_dup2, M, 0, "--detach", NULL, ANY },
	{ "shutdown", NULL, SYS_shutdown, M, 0, "a disk's server, at the end", NULL, ANY },
	{ "unlink", NULL, SYS_unlink, M, 0, "the control socket, at the end", NULL, ANY },
	{ "getrandom", NULL, SYS_getrandom, M, 0, "the guest's entropy device", NULL, ANY },

	/* The control socket's clients. */
	{ "accept4", NULL, SYS_accept4, M, 0, "a client", NULL, ANY },
	{ "getsockopt", NULL, SYS_getsockopt, M, 0, "whose client it is", NULL, ANY },
	{ "geteuid", NULL, SYS_geteuid, M, 0, "whose client it is", NULL, ANY },

	{ "eventfd2", NULL, SYS_eventfd2, M, 0, "mica attach; wakes threads", NULL, ANY },
	{ "epoll_create1", NULL, SYS_epoll_create1, M, 0, "mica attach; the next life's main loop",
	  NULL, ANY },
	/* A ring of the main thread could be of any kind: what makes it is in memory, where a filter
	 * cannot see it.  Attached disks do without, and so does the next life's main loop, with
	 * libuv from 1.45 on (loop_init.c has the first life's). */
	{ "io_uring_setup", NULL, SYS_io_uring_setup, M, ENOSYS, "mica attach, the main loop", NULL,
	  ANY },

	/* The guest's vsock. */
	{ "socket", "AF_UNIX", SYS_socket, C, 0, "the guest connects to the host", NULL,
	  IS(0, AF_UNIX) },
	{ "connect", NULL, SYS_connect, C, 0, "the guest connects to the host", NULL, ANY },
	{ "accept4", NULL, SYS_accept4, C, 0, "the host connects to the guest", NULL, ANY },
	{ "recvmsg", NULL, SYS_recvmsg, C, 0, "bytes for the guest", NULL, ANY },
	{ "shutdown", NULL, SYS_shutdown, C, 0, "one direction has ended", NULL, ANY },

	/* The next life. */
	{ "memfd_create", NULL, SYS_memfd_create, R, 0, "memory that virtiofsd shares", NULL, ANY },
	{ "fcntl", "F_ADD_SEALS", SYS_fcntl, R, 0, "memory that virtiofsd shares", NULL,
	  IS(1, F_ADD_SEALS) },
	{ "socketpair", NULL, SYS_socketpair, R, 0, "a console that clients attach to", NULL, ANY },
	{ "pipe2", NULL, SYS_pipe2, R, 0, "the main loop", NULL, ANY },
	{ "timerfd_create", NULL, SYS_timerfd_create, R, 0, "the guest's timers", NULL, ANY },
	{ "signalfd4", NULL, SYS_signalfd4, R, 0, "signals", NULL, ANY },
	{ "access", NULL, SYS_access, R, EACCES, "who holds the CPU if it is not free",
	  "another hypervisor must take it between two lives", ANY },
	{ "sysinfo", NULL, SYS_sysinfo, R, 0, "how much memory the host has", NULL, ANY },
	/* libuv wants a descriptor to give up when there are no others, and does without. */
	{ "openat", "O_RDONLY | O_CLOEXEC", SYS_openat, M, EACCES, "the main loop, clients", NULL,
	  IS(2, O_RDONLY | O_CLOEXEC) },
};

const size_t sandbox_rule_count = sizeof(sandbox_rules) / sizeof(sandbox_rules[0]);

void sandbox_rule_match(const struct sandbox_rule *rule, const struct sandbox_host *host,
			uint64_t *mask, uint64_t *value)
{
	*mask = rule->mask;
	*value = rule->value;
	if (rule->check == SANDBOX_ANY) {
		*mask = 0;
	} else if (rule->check == SANDBOX_OWN_PID) {
		*mask = LOW;
		*value = host->pid;
	}
}
