// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "boot/boot.h"
#include "error.h"
#include "loop_lock.h"
#include "machine.h"
#include "machine_pause.h"
#include "message.h"
#include "sandbox/thread.h"
#include "signals.h"

/* Indices into mica_apic_state.regs (SDM volume 3, "Local APIC Register Address Map"). */
#define APIC_SVR	0x0f
#define APIC_LVT_LINT0	0x35
#define APIC_LVT_LINT1	0x36

static gboolean vcpu_create(struct vcpu *vcpu, GError **error)
{
	struct mica_create_vcpu request = {
		.id = cpu_topology_apic_id(&vcpu->machine->topology, vcpu->id),
	};
	void *run;

	vcpu->fd = ioctl(vcpu->machine->vm_fd, MICA_VM_CREATE_VCPU, &request);
	if (vcpu->fd < 0)
		return error_set_errno(error, errno, "cannot make vCPU %u", vcpu->id);
	run = mmap(NULL, MICA_RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return error_set_errno(error, errno, "cannot map the page of vCPU %u", vcpu->id);
	vcpu->run = run;
	return TRUE;
}

gboolean vcpu_set_cpuid(struct vcpu *vcpu, const struct mica_cpuid *cpuid, GError **error)
{
	struct mica_cpuid *copy;

	if (ioctl(vcpu->fd, MICA_VCPU_SET_CPUID, cpuid) < 0)
		return error_set_errno(error, errno, "the module refuses the CPUID of vCPU %u",
				       vcpu->id);
	copy = g_memdup2(cpuid, sizeof(*cpuid));
	g_free(vcpu->cpuid);
	vcpu->cpuid = copy;
	return TRUE;
}

static gboolean vcpu_make_cpuid(struct vcpu *vcpu, GError **error)
{
	g_autofree struct mica_cpuid *policy = g_new0(struct mica_cpuid, 1);
	const struct machine *machine = vcpu->machine;
	const struct cpuid_source source = {
		.host = machine->offered,
		.info = &machine->info,
		.features = &machine->features,
		.topology = &machine->topology,
	};

	cpuid_policy(&source, vcpu->id, policy);
	return vcpu_set_cpuid(vcpu, policy, error);
}

struct vcpu *vcpu_new(struct machine *machine, unsigned int id, GError **error)
{
	struct vcpu *vcpu = g_new0(struct vcpu, 1);

	vcpu->machine = machine;
	vcpu->id = id;
	vcpu->fd = -1;
	if (!vcpu_create(vcpu, error) || !vcpu_make_cpuid(vcpu, error)) {
		vcpu_free(vcpu);
		return NULL;
	}
	return vcpu;
}

void vcpu_free(struct vcpu *vcpu)
{
	if (!vcpu)
		return;
	if (vcpu->run)
		munmap(vcpu->run, MICA_RUN_SIZE);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	g_free(vcpu->cpuid);
	g_free(vcpu);
}

gboolean vcpu_set_state(struct vcpu *vcpu, const struct mica_vcpu_state *state, GError **error)
{
	struct mica_get_set_state request = { .groups = MICA_STATE_ALL, .state = *state };

	if (ioctl(vcpu->fd, MICA_VCPU_SET_STATE, &request) < 0)
		return error_set_errno(error, errno, "the module refuses the registers of vCPU %u",
				       vcpu->id);
	return TRUE;
}

/*
 * Firmware hands over with the first CPU's local APIC in virtual wire mode: enabled, LINT0
 * passes the PIC's interrupts on (ExtINT) and LINT1 is NMI (MultiProcessor Specification,
 * "Virtual Wire Mode").  Kernels count on it until they program the APICs themselves.
 */
gboolean vcpu_init_apic(struct vcpu *vcpu, GError **error)
{
	struct mica_apic_state state;

	if (ioctl(vcpu->fd, MICA_VCPU_GET_APIC, &state) == 0) {
		state.regs[APIC_SVR] = 0x1ff;		/* enabled; spurious vector 0xff */
		state.regs[APIC_LVT_LINT0] = 0x700;	/* ExtINT, not masked */
		state.regs[APIC_LVT_LINT1] = 0x400;	/* NMI, not masked */
		if (ioctl(vcpu->fd, MICA_VCPU_SET_APIC, &state) == 0)
			return TRUE;
	}
	return error_set_errno(error, errno, "cannot set up the local APIC of vCPU %u", vcpu->id);
}

static void vcpu_run_failed(struct vcpu *vcpu, int number)
{
	struct machine *machine = vcpu->machine;

	if (number == EINVAL)
		message("vCPU %u: the module refuses the field '%.*s' of the state that an "
			"emulated instruction left", vcpu->id, (int)sizeof(vcpu->run->fail.name),
			vcpu->run->fail.name);
	else
		message("vCPU %u cannot run: %s", vcpu->id, g_strerror(number));
	vcpu_lock(&machine->lock);
	machine_request_end(machine, MACHINE_ERROR, 0);
	pthread_mutex_unlock(&machine->lock);
}

/* For ps(1) and top(1); the kernel keeps 15 bytes of it. */
static void vcpu_name_thread(const struct vcpu *vcpu)
{
	char name[16];

	g_snprintf(name, sizeof(name), "vcpu%u/%s", vcpu->id, vcpu->machine->config->name);
	prctl(PR_SET_NAME, name);
}

/*
 * What user space owes the guest is done now, so that all of the vCPU's state is in the module: an
 * answer to its last exit, a state that an emulated instruction left, interrupts whose end the
 * chips have not heard of.
 */
static void vcpu_settle(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	while (ioctl(vcpu->fd, MICA_VCPU_RUN) == 0)
		vcpu_handle_exit(vcpu);
	if (errno != EINTR)
		vcpu_run_failed(vcpu, errno);
}

/* Afterwards the pause that made it may be over, and with it who takes back a kick. */
static void vcpu_pause(struct vcpu *vcpu)
{
	struct machine *machine = vcpu->machine;

	vcpu_settle(vcpu);
	machine_park(machine);
	vcpu_lock(&machine->lock);
	if (!atomic_load(&machine->pausing))
		vcpu_unkick(vcpu);
	pthread_mutex_unlock(&machine->lock);
}

/* Spurious signals end up here as well: then the guest just goes on. */
static void *vcpu_thread(void *opaque)
{
	struct vcpu *vcpu = opaque;
	struct machine *machine = vcpu->machine;

	vcpu_name_thread(vcpu);
	signals_accept_kick();
	thread_confine(THREAD_VCPU);
	while (!atomic_load_explicit(&machine->stopping, memory_order_relaxed)) {
		if (G_UNLIKELY(atomic_load_explicit(&machine->pausing, memory_order_relaxed)))
			vcpu_pause(vcpu);
		else if (G_LIKELY(ioctl(vcpu->fd, MICA_VCPU_RUN) == 0))
			vcpu_handle_exit(vcpu);
		else if (errno != EINTR)
			vcpu_run_failed(vcpu, errno);
	}
	return NULL;
}

gboolean vcpu_start(struct vcpu *vcpu, GError **error)
{
	int status;

	signals_prepare_kick();
	status = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	if (status)
		return error_set_errno(error, status, "cannot start a thread for vCPU %u",
				       vcpu->id);
	vcpu->started = true;
	return TRUE;
}

/* The order matters: a thread that misses the signal, because it has not entered the
 * kernel yet, finds immediate_exit there. */
void vcpu_kick(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, SIGNAL_KICK);
}

void vcpu_unkick(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

void vcpu_join(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}

void vcpu_set_pin(struct vcpu *vcpu, unsigned int pin, unsigned int level)
{
	struct mica_pin request = { .pin = pin, .level = level };

	if (ioctl(vcpu->fd, MICA_VCPU_SET_PIN, &request) < 0)
		message("cannot drive pin %u of vCPU %u: %s", pin, vcpu->id, g_strerror(errno));
}
