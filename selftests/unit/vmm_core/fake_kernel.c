// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake_kernel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct fake_kernel fake_kernel;

static struct {
	int vcpu_fds[MICA_MAX_VCPUS];
	struct mica_run *runs[MICA_MAX_VCPUS];
	size_t at;			/* in the script */
	uint32_t repeated;
} inner;

int __real_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

void fake_kernel_reset(void)
{
	if (fake_kernel.running > 0)
		close(fake_kernel.running);
	for (int i = 0; i < MICA_MAX_VCPUS; i++)
		if (inner.runs[i])
			munmap(inner.runs[i], MICA_RUN_SIZE);
	memset(&inner, 0, sizeof(inner));
	memset(&fake_kernel, 0, sizeof(fake_kernel));
	fake_kernel.api_version = MICA_API_VERSION;
	fake_kernel.max_vcpus = MICA_MAX_VCPUS;
	fake_kernel.running = eventfd(0, EFD_CLOEXEC);
}

int __wrap_open64(const char *path, int flags, ...)
{
	mode_t mode;
	va_list args;

	if (!strcmp(path, "/dev/mica")) {
		fake_kernel.opens++;
		return memfd_create("mica", MFD_CLOEXEC);
	}
	va_start(args, flags);
	mode = va_arg(args, int);
	va_end(args);
	return __real_open64(path, flags, mode);
}

static int get_info(struct mica_info *info)
{
	memset(info, 0, sizeof(*info));
	info->api_version = fake_kernel.api_version;
	info->max_vcpus = fake_kernel.max_vcpus;
	info->max_slots = MICA_MAX_SLOTS;
	info->phys_bits = 40;
	info->tsc_khz = 1000000;
	return 0;
}

/* One leaf, in which there is nothing. */
static int get_cpuid(struct mica_cpuid *cpuid)
{
	memset(cpuid, 0, sizeof(*cpuid));
	cpuid->count = 1;
	return 0;
}

/* The legacy region and the header. */
static int get_xsave(struct mica_xsave *xsave)
{
	memset(xsave, 0, sizeof(*xsave));
	xsave->size = 576;
	return 0;
}

/* Its run page is the file; the fake keeps a mapping of its own. */
static int create_vcpu(const struct mica_create_vcpu *request)
{
	int fd = memfd_create("vcpu", MFD_CLOEXEC);

	if (ftruncate(fd, MICA_RUN_SIZE) < 0)
		return -1;
	inner.vcpu_fds[request->id] = fd;
	inner.runs[request->id] = mmap(NULL, MICA_RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				       fd, 0);
	return fd;
}

static unsigned int vcpu_id(int fd)
{
	for (unsigned int i = 0; i < MICA_MAX_VCPUS; i++)
		if (inner.vcpu_fds[i] == fd && inner.runs[i])
			return i;
	return MICA_MAX_VCPUS;
}

/* Sleeps until it is kicked, and misses no kick. */
static int halt(struct mica_run *run)
{
	sigset_t kick, before;

	sigemptyset(&kick);
	sigaddset(&kick, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &kick, &before);
	while (!__atomic_load_n(&run->immediate_exit, __ATOMIC_SEQ_CST))
		ppoll(NULL, 0, NULL, &before);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = EINTR;
	return -1;
}

static int exit_from(struct mica_run *run, const struct fake_exit *entry)
{
	run->exit_reason = entry->reason;
	run->state = fake_kernel.state;
	if (entry->reason == MICA_EXIT_IO)
		run->io = entry->io;
	else if (entry->reason == MICA_EXIT_MMIO || entry->reason == MICA_EXIT_MEMORY_FAULT)
		run->mmio = entry->mmio;
	else
		run->fail = entry->fail;
	errno = entry->number;
	return entry->number ? -1 : 0;
}

static int run_vcpu(unsigned int id)
{
	struct mica_run *run = inner.runs[id];
	const struct fake_exit *entry;

	if (run->state_commit) {
		fake_kernel.committed |= run->state_commit;
		fake_kernel.state = run->state;
		run->state_commit = 0;
	}
	if (run->exit_reason == MICA_EXIT_IO)
		fake_kernel.last_in = run->io.data;
	if (run->exit_reason == MICA_EXIT_EXTINT)
		fake_kernel.extint_vector = run->extint_vector;
	if (__atomic_load_n(&run->immediate_exit, __ATOMIC_SEQ_CST) || id != 0)
		return halt(run);
	if (inner.at == fake_kernel.length) {
		eventfd_write(fake_kernel.running, 1);
		return halt(run);
	}
	__atomic_fetch_add(&fake_kernel.runs, 1, __ATOMIC_RELAXED);
	entry = &fake_kernel.script[inner.at];
	if (++inner.repeated >= entry->repeat) {
		inner.at++;
		inner.repeated = 0;
	}
	return exit_from(run, entry);
}

static int set_state(unsigned int id, const struct mica_get_set_state *request)
{
	fake_kernel.mp_state[id] = request->state.events.mp_state;
	if (id == 0)
		fake_kernel.state = request->state;
	return 0;
}

/* Registers read as their own offset, with something in each byte. */
static int access_apic(struct mica_apic_access *access)
{
	if (!access->write)
		access->value = 0xaabb0000 | access->offset;
	fake_kernel.access = *access;
	return 0;
}

static int get_stats(unsigned int id, struct mica_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->count = 2;
	strcpy(stats->stats[0].name, "hlt");
	strcpy(stats->stats[1].name, "entries");
	stats->stats[1].value = id ? 0 : __atomic_load_n(&fake_kernel.runs, __ATOMIC_RELAXED);
	return 0;
}

static int answer(int fd, unsigned long request, void *argument)
{
	switch (request) {
	case MICA_GET_INFO:
		return get_info(argument);
	case MICA_GET_CPUID:
		return get_cpuid(argument);
	case MICA_VCPU_GET_XSAVE:
		return get_xsave(argument);
	case MICA_CREATE_VM:
		return memfd_create("vm", MFD_CLOEXEC);
	case MICA_VM_CREATE_VCPU:
		return create_vcpu(argument);
	case MICA_VCPU_SET_STATE:
		return set_state(vcpu_id(fd), argument);
	case MICA_VCPU_GET_APIC:
		*(struct mica_apic_state *)argument = fake_kernel.apic;
		return 0;
	case MICA_VCPU_SET_APIC:
		fake_kernel.apic = *(struct mica_apic_state *)argument;
		return 0;
	case MICA_VCPU_APIC_ACCESS:
		return access_apic(argument);
	case MICA_VM_BIND_IO:
		fake_kernel.io_bindings++;
		fake_kernel.io_binding = *(struct mica_io_binding *)argument;
		return 0;
	case MICA_VCPU_SET_PIN:
		fake_kernel.pin_changes++;
		return 0;
	case MICA_VCPU_GET_STATS:
		return get_stats(vcpu_id(fd), argument);
	case MICA_VCPU_MOVE_TSC:
		fake_kernel.moved_tsc[vcpu_id(fd)] += ((struct mica_move_tsc *)argument)->delta;
		return 0;
	default:
		return 0;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	void *argument;
	va_list args;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) != MICA_IOC)
		return __real_ioctl(fd, request, argument);
	if (request == MICA_VCPU_RUN)
		return run_vcpu(vcpu_id(fd));
	if (++fake_kernel.ioctls == fake_kernel.fail_at) {
		errno = ENOMEM;
		return -1;
	}
	return answer(fd, request, argument);
}
