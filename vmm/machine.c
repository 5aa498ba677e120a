// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "chipset/chipset.h"
#include "control/command.h"
#include "error.h"
#include "footprint.h"
#include "host.h"
#include "loop_init.h"
#include "loop_lock.h"
#include "machine_console.h"
#include "machine_pause.h"
#include "machine_save.h"
#include "machine_virtio.h"
#include "message.h"
#include "pci/host.h"
#include "signals.h"
#include "vcpu.h"

/* How long the console's last output may take when it was the user who ended the guest. */
#define PATIENCE_MS	1000

bool machine_request_end(struct machine *machine, enum machine_end end, uint32_t value)
{
	if (machine->end != MACHINE_RUNS)
		return false;
	machine->end = end;
	machine->end_value = value;
	atomic_store(&machine->stopping, true);
	if (machine->threads_run)
		for (unsigned int i = 0; i < machine->vcpu_count; i++)
			vcpu_kick(machine->vcpus[i]);
	pthread_cond_broadcast(&machine->resumed);
	pthread_cond_broadcast(&machine->all_parked);
	uv_async_send(&machine->ended);
	return true;
}

static void machine_lock_and_end(struct machine *machine, enum machine_end end, uint32_t value)
{
	loop_lock(&machine->lock);
	machine_request_end(machine, end, value);
	pthread_mutex_unlock(&machine->lock);
}

/* ---------------------------------------------------------------- the end */

static void machine_join(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_join(machine->vcpus[i]);
	loop_lock(&machine->lock);
	machine->threads_run = false;
	pthread_mutex_unlock(&machine->lock);
	machine->stopped = true;
}

static void machine_give_up(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* Somebody asked for the end.  The guest's last words are written before we go; when it is
 * the user who is in a hurry, not for long. */
static void machine_ended(uv_async_t *handle)
{
	struct machine *machine = handle->data;

	if (machine->stopped)
		return;
	console_release(machine->console);
	machine_join(machine);
	console_drain(machine->console);
	if (machine->end == MACHINE_LEFT || machine->end == MACHINE_SIGNAL ||
	    machine->end == MACHINE_SAVED)
		uv_timer_start(&machine->patience, machine_give_up, PATIENCE_MS, 0);
}

/* ---------------------------------------------------------------- the console's side */

static size_t machine_input(void *opaque, const uint8_t *bytes, size_t count)
{
	struct machine *machine = opaque;
	size_t taken;

	loop_lock(&machine->lock);
	if (machine->config->console_virtio)
		taken = machine_console_input(machine_virtio_console(machine), bytes, count);
	else
		taken = uart_input(machine->uart, bytes, count);
	pthread_mutex_unlock(&machine->lock);
	return taken;
}

/* The serial port's writers wait in their threads for it. */
static void machine_room(void *opaque)
{
	struct machine *machine = opaque;

	loop_lock(&machine->lock);
	machine_console_room(machine_virtio_console(machine));
	pthread_mutex_unlock(&machine->lock);
}

static void machine_key(void *opaque, enum console_key key)
{
	struct machine *machine = opaque;

	loop_lock(&machine->lock);
	if (key == CONSOLE_KEY_POWER)
		pm_press_power_button(machine->pm);
	else
		machine_request_end(machine, MACHINE_LEFT, 0);
	pthread_mutex_unlock(&machine->lock);
}

static void machine_drained(void *opaque)
{
	struct machine *machine = opaque;

	uv_stop(&machine->loop);
}

/* ---------------------------------------------------------------- signals */

/* A second signal does not wait for the console any more. */
static void machine_signal(void *opaque, int number)
{
	struct machine *machine = opaque;

	switch (number) {
	case SIGTSTP:
		console_suspend(machine->console);
		raise(SIGSTOP);
		break;
	case SIGCONT:
		console_resume(machine->console);
		break;
	case SIGWINCH:
		machine_console_resized(machine_virtio_console(machine));
		break;
	default:
		if (machine->stopped)
			uv_stop(&machine->loop);
		else
			machine_lock_and_end(machine, MACHINE_SIGNAL, number);
	}
}

/* ---------------------------------------------------------------- making one */

static gboolean machine_add_loop(struct machine *machine, GError **error)
{
	machine->loop_made = loop_init(&machine->loop) == 0;
	if (!machine->loop_made)
		return error_set(error, "cannot make the main loop");
	if (uv_async_init(&machine->loop, &machine->ended, machine_ended) < 0)
		return error_set(error, "cannot make the main loop");
	machine->ended.data = machine;
	uv_timer_init(&machine->loop, &machine->patience);
	machine->watched = true;
	return TRUE;
}

/* A guest may have more memory than is free just now, but not more than the host has. */
static gboolean machine_check_memory(uint64_t wanted, GError **error)
{
	struct sysinfo host;
	uint64_t total;

	if (sysinfo(&host) < 0)
		return TRUE;
	total = ((uint64_t)host.totalram + host.totalswap) * host.mem_unit;
	if (wanted > total)
		return error_set(error, "--memory: %" PRIu64 " MiB are more than this host has, "
				 "%" PRIu64 " MiB with swap", wanted >> 20, total >> 20);
	return TRUE;
}

static gboolean machine_check(const struct machine *machine, GError **error)
{
	const struct machine_config *config = machine->config;
	const uint64_t hole = MEMORY_HOLE_END - MEMORY_HOLE_START;
	uint64_t end = config->memory;
	uint64_t limit = UINT64_MAX;

	if (config->cpus > machine->info.max_vcpus)
		return error_set(error, "--cpus %u: the loaded module has at most %u for one guest",
				 config->cpus, machine->info.max_vcpus);
	if (end > MEMORY_HOLE_START)
		end += hole;
	if (machine->info.phys_bits < 64)
		limit = 1ull << machine->info.phys_bits;
	if (end > limit)
		return error_set(error, "--memory: %" PRIu64 " MiB are more than a guest can "
				 "address on this CPU (%u bits): at most %" PRIu64 "G",
				 config->memory >> 20, machine->info.phys_bits,
				 (limit - hole) >> 30);
	return machine_check_memory(config->memory, error);
}

/* What CPU the guest gets, or why this host has none such. */
static gboolean machine_choose_cpu(struct machine *machine, GError **error)
{
	const struct machine_config *config = machine->config;

	machine->topology = config->topology;
	machine->offered = host_cpuid(machine->device_fd, error);
	return machine->offered &&
	       cpu_topology_complete(&machine->topology, config->cpus, MICA_MAX_VCPUS, error) &&
	       cpu_model_resolve(&config->cpu, machine->offered, &machine->info,
				 &machine->features, error);
}

static gboolean machine_add_vm(struct machine *machine, GError **error)
{
	machine->device_fd = host_open(&machine->info, error);
	if (machine->device_fd < 0 || !machine_check(machine, error) ||
	    !machine_choose_cpu(machine, error))
		return FALSE;
	machine->vm_fd = host_create_vm(machine->device_fd, machine->config->vm_flags,
					machine->config->halt_poll_us, error);
	if (machine->vm_fd < 0)
		return FALSE;
	machine->memory = (machine_shares_memory(machine->config) ? guest_memory_new_shared :
			   guest_memory_new)(machine->vm_fd, machine->config->memory, error);
	return machine->memory != NULL;
}

static gboolean machine_add_buses(struct machine *machine, GError **error)
{
	machine->ports = bus_new("ports");
	machine->mmio = bus_new("mmio");
	machine->config_ports = bus_new("config ports");
	machine->clock = clock_new(&machine->loop, &machine->lock, error);
	return machine->clock != NULL;
}

static gboolean machine_add_console(struct machine *machine, GError **error)
{
	machine->console_guest = (struct console_guest){
		.input = machine_input,
		.key = machine_key,
		.room = machine_room,
		.drained = machine_drained,
		.opaque = machine,
	};
	machine->console = console_new(&machine->loop, &machine->config->console,
				       &machine->console_guest, error);
	return machine->console != NULL;
}

/* From here on signals wait for the main loop. */
static gboolean machine_add_signals(struct machine *machine, GError **error)
{
	machine->signals = signals_new(&machine->loop, machine_signal, machine, error);
	return machine->signals != NULL;
}

static gboolean machine_add_vcpus(struct machine *machine, GError **error)
{
	struct vcpu *vcpu;

	machine->vcpus = g_new0(struct vcpu *, machine->config->cpus);
	for (unsigned int i = 0; i < machine->config->cpus; i++) {
		vcpu = vcpu_new(machine, i, error);
		if (!vcpu)
			return FALSE;
		machine->vcpus[machine->vcpu_count++] = vcpu;
	}
	return vcpu_init_apic(machine->vcpus[0], error);
}

static gboolean machine_fill(struct machine *machine, GError **error)
{
	const struct machine_config *config = machine->config;
	const struct pci_map pci = pci_host_map(machine->pci);
	const struct boot_config boot = {
		.kernel = config->kernel,
		.command_line = config->command_line,
		.modules = (const struct boot_module *)(void *)config->modules->data,
		.module_count = config->modules->len,
		.topology = &machine->topology,
		.pci = &pci,
	};
	struct boot_result result = { 0 };

	if (config->checkpoint)
		return machine_load(machine, config->checkpoint, error);
	if (!boot_load(&boot, machine->memory, &result, error) ||
	    !vcpu_set_state(machine->vcpus[0], &result.state, error))
		return FALSE;
	for (unsigned int i = 1; i < machine->vcpu_count; i++) {
		boot_parked_state(&result.state, i);
		if (!vcpu_set_state(machine->vcpus[i], &result.state, error))
			return FALSE;
	}
	return TRUE;
}

/*
 * The vCPUs come before the chips, which drive their pins; the kernel after the devices, which
 * the tables for it describe.  Signals come after the console and the kernel: a pipe may let us
 * wait until somebody opens or fills it, and meanwhile they end us as they end any program.
 */
static gboolean machine_init(struct machine *machine, GError **error)
{
	gboolean made;

	if (!machine_add_loop(machine, error) || !machine_add_vm(machine, error) ||
	    !machine_add_buses(machine, error) || !machine_add_vcpus(machine, error) ||
	    !machine_add_console(machine, error))
		return FALSE;
	loop_lock(&machine->lock);
	machine_add_devices(machine);
	made = machine_add_virtio(machine, error);
	if (made)
		pci_host_assign(machine->pci);
	pthread_mutex_unlock(&machine->lock);
	return made && machine_bind_nobody(machine, error) && machine_fill(machine, error) &&
	       machine_add_signals(machine, error);
}

static void machine_init_locks(struct machine *machine)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&machine->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&machine->all_parked, &monotonic);
	pthread_cond_init(&machine->resumed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

struct machine *machine_new(const struct machine_config *config, GError **error)
{
	struct machine *machine = g_new0(struct machine, 1);

	machine->config = config;
	machine->device_fd = -1;
	machine->vm_fd = -1;
	machine->commands = control_registry_new();
	machine_init_locks(machine);
	if (!machine_init(machine, error)) {
		machine_free(machine);
		return NULL;
	}
	return machine;
}

/* ---------------------------------------------------------------- running and freeing */

void machine_notify(struct machine *machine, enum machine_event event)
{
	if (machine->listener)
		machine->listener->event(machine->listener->opaque, event);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

uint64_t machine_uptime_ms(const struct machine *machine)
{
	return machine->started_ns ? (monotonic_ns() - machine->started_ns) / 1000000 : 0;
}

/* The lock keeps the first vCPU from ending the machine before the last one is known.  False
 * if it cannot run; the user was told why. */
static bool machine_start(struct machine *machine)
{
	g_autoptr(GError) error = NULL;

	loop_lock(&machine->lock);
	machine->threads_run = true;
	atomic_store(&machine->pausing, machine->paused);
	machine->started_ns = monotonic_ns();
	for (unsigned int i = 0; !error && i < machine->vcpu_count; i++)
		vcpu_start(machine->vcpus[i], &error);
	if (error) {
		message("%s", error->message);
		machine_request_end(machine, MACHINE_ERROR, 0);
	}
	pthread_mutex_unlock(&machine->lock);
	return !error;
}

static void machine_print_stats(const struct machine *machine)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_append_stats(machine->vcpus[i], text);
	message_text(text->str);
}

/* A guest of a checkpoint has been paused until now. */
static void machine_started(struct machine *machine)
{
	g_autoptr(GError) error = NULL;

	machine_notify(machine, MACHINE_STARTED);
	if (!machine->config->paused && !machine_resume(machine, &error)) {
		message("%s", error->message);
		machine_lock_and_end(machine, MACHINE_ERROR, 0);
	}
}

enum machine_end machine_run(struct machine *machine, uint32_t *value)
{
	console_empty_file(machine->console);
	console_start(machine->console);
	machine_console_resized(machine_virtio_console(machine));
	footprint_settle();
	if (machine_start(machine))
		machine_started(machine);
	uv_run(&machine->loop, UV_RUN_DEFAULT);
	if (machine->config->stats)
		machine_print_stats(machine);
	*value = machine->end_value;
	return machine->end;
}

static void machine_close_loop(struct machine *machine)
{
	if (!machine->loop_made)
		return;
	if (machine->watched) {
		uv_close((uv_handle_t *)&machine->ended, NULL);
		uv_close((uv_handle_t *)&machine->patience, NULL);
	}
	uv_run(&machine->loop, UV_RUN_DEFAULT);
	uv_loop_close(&machine->loop);
}

/* The VM goes before its memory: else the kernel would be told of each unmapping. */
void machine_free(struct machine *machine)
{
	if (!machine)
		return;
	loop_lock(&machine->lock);
	machine_free_devices(machine);
	pthread_mutex_unlock(&machine->lock);
	console_free(machine->console);
	clock_free(machine->clock);
	bus_free(machine->ports);
	bus_free(machine->mmio);
	bus_free(machine->config_ports);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_free(machine->vcpus[i]);
	g_free(machine->vcpus);
	if (machine->vm_fd >= 0)
		close(machine->vm_fd);
	guest_memory_free(machine->memory);
	if (machine->device_fd >= 0)
		close(machine->device_fd);
	g_free(machine->offered);
	signals_free(machine->signals);
	machine_close_loop(machine);
	control_registry_free(machine->commands);
	pthread_cond_destroy(&machine->all_parked);
	pthread_cond_destroy(&machine->resumed);
	pthread_mutex_destroy(&machine->lock);
	g_free(machine);
}
