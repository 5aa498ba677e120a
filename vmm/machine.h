/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One guest: its memory, vCPUs, chips and console, and the main loop that they share.
 *
 * Threads: the main thread runs the loop (timers, console input, signals); each vCPU has a
 * thread (vmm/vcpu.h); the console's output has one (vmm/console_output.h).
 *
 * Locks: `lock`, the machine's, is held around everything that chips do: port and MMIO
 * accesses, interrupt lines, timers, input for the UART.  The console's own lock is taken
 * inside it.  Fields: [i] set by machine_new() and constant after; [l] under `lock`;
 * [m] main thread only; [a] atomic.
 */
#ifndef MICA_VMM_MACHINE_H
#define MICA_VMM_MACHINE_H

#include <glib.h>
#include <mica.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "boot/boot.h"
#include "bus.h"
#include "clock.h"
#include "console.h"
#include "cpu/model.h"
#include "cpu/topology.h"
#include "gsi.h"
#include "machine_virtio.h"
#include "memory.h"
#include "power.h"

struct machine_config {
	char *name;			/* the guest's, for messages and threads */
	char *kernel;
	char *command_line;
	GArray *modules;		/* of struct boot_module */
	GArray *disks;			/* of struct machine_disk; NULL: none */
	GArray *nets;			/* of struct machine_net; NULL: none */
	gboolean rng;			/* an entropy device */
	struct machine_vsock *vsock;	/* NULL: none */
	GArray *shares;			/* of struct machine_share; NULL: none */
	struct machine_balloon_config balloon;
	gboolean console_virtio;	/* the console is a virtio device's, not the serial port */
	GArray *ports;			/* of struct machine_port; NULL: none */
	uint64_t memory;		/* bytes, a multiple of 2 MiB */
	unsigned int cpus;		/* 1..MICA_MAX_VCPUS */
	struct cpu_topology topology;	/* of them; zeros: one socket of so many cores */
	struct cpu_model cpu;
	struct console_config console;
	unsigned int vm_flags;		/* MICA_VM_* */
	unsigned int halt_poll_us;	/* with MICA_VM_HALT_POLL */
	gboolean stats;			/* print counters at the end */
	char **options;			/* the words that say all this, for checkpoints */
	const struct state_reader *checkpoint;	/* that the guest goes on from; NULL: it boots */
	gboolean eager;			/* its memory is read at once */
	gboolean paused;		/* and it waits for `resume` */
	gboolean any_disk;		/* one that was changed since is good enough */
	gboolean keep_time;		/* its RTC goes on where it was, and not from the host's */
};

enum machine_end {
	MACHINE_RUNS,
	MACHINE_OFF,			/* the guest powered off */
	MACHINE_RESET,			/* it asked for a reset */
	MACHINE_CRASH,			/* it cannot go on; the user was told why */
	MACHINE_DEBUG_EXIT,		/* it wrote `end_value` to the debug-exit port */
	MACHINE_ERROR,			/* we cannot go on; the user was told why */
	MACHINE_LEFT,			/* its user ended it: Ctrl-A x, mica kill */
	MACHINE_SIGNAL,			/* signal `end_value` */
	MACHINE_SAVED,			/* it goes on from a checkpoint */
};

enum machine_event {
	MACHINE_STARTED,		/* its vCPUs may run */
	MACHINE_PAUSED,
	MACHINE_RESUMED,
};

/* Is told of events, in the main thread without the lock. */
struct machine_listener {
	void (*event)(void *opaque, enum machine_event event);
	/* A device was detached, by its guest or by us, and all that it had is free.  NULL: no
	 * matter. */
	void (*released)(void *opaque, const char *id);
	void *opaque;
};

struct control_registry;
struct debug_exit;
struct i8042;
struct machine_virtio;
struct ioapic;
struct pci_host;
struct pci_ioeventfd;
struct pic;
struct pit;
struct pm;
struct reset_ports;
struct rtc;
struct signals;
struct state_reader;
struct uart;
struct vcpu;

struct machine {
	const struct machine_config *config;	/* [i] */
	uv_loop_t loop;			/* [m] */
	bool loop_made;			/* [m] */
	uv_async_t ended;		/* [i] wakes the main thread when `end` was set */
	uv_timer_t patience;		/* [m] for output that nobody takes */
	bool watched;			/* [m] the two handles above are open */
	struct signals *signals;	/* [m] */
	const struct machine_listener *listener;	/* [m] may be NULL */
	struct control_registry *commands;		/* [i] for the control socket: [m] */
	uint64_t started_ns;		/* [m] CLOCK_MONOTONIC */

	int device_fd;			/* [i] /dev/mica */
	int vm_fd;			/* [i] */
	struct mica_info info;		/* [i] */
	struct mica_cpuid *offered;	/* [i] MICA_GET_CPUID */
	struct cpu_features features;	/* [i] the guest's */
	struct cpu_topology topology;	/* [i] */
	struct guest_memory *memory;	/* [i] */
	struct vcpu **vcpus;		/* [i] config->cpus of them */
	unsigned int vcpu_count;	/* [i] */

	pthread_mutex_t lock;
	struct bus *ports;		/* [i] what is behind it: [l] */
	struct bus *mmio;		/* likewise, and so on */
	struct bus *config_ports;	/* what PCI leaves of 0xcf8-0xcfb */
	struct clock *clock;
	struct gsi_router gsi;
	struct power_sink power;
	struct pic *pic;
	struct ioapic *ioapic;
	struct pit *pit;
	struct rtc *rtc;
	struct uart *uart;
	struct pm *pm;
	struct reset_ports *reset_ports;
	struct pci_host *pci;
	struct machine_virtio *virtio;
	struct i8042 *i8042;
	struct debug_exit *debug_exit;
	int lint0;			/* [l] level of vCPU 0's pin, as the kernel has it */
	bool output_full;		/* [l] the access in progress filled the console's ring */
	struct console_guest console_guest;
	struct console *console;	/* [i] */

	atomic_bool stopping;		/* [a] vCPU threads leave their loop */
	atomic_bool pausing;		/* [a] vCPU threads park themselves (machine_pause.h) */
	unsigned int parked;		/* [l] how many have */
	pthread_cond_t all_parked;	/* [l] one more has, or there is an end */
	pthread_cond_t resumed;		/* [l] `pausing` is over, or there is an end */
	bool paused;			/* [m] they are all parked, and clocks stand still */
	uint64_t paused_tsc;		/* [m] the host's TSC then */
	bool threads_run;		/* [l] vCPU threads exist and can be kicked */
	bool stopped;			/* [m] they have ended */
	enum machine_end end;		/* [l] */
	uint32_t end_value;		/* [l] */
};

/* Makes everything but lets nothing run.  `config` must outlive the machine. */
struct machine *machine_new(const struct machine_config *config, GError **error);

/* Runs the guest to its end and drains its console.  Returns why it ended, and the value
 * that belongs to it. */
enum machine_end machine_run(struct machine *machine, uint32_t *value);

/* Valid on a machine that is half made, and on NULL. */
void machine_free(struct machine *machine);

/* Asks for the end; the first one wins, the others get false.  Called with the lock held,
 * by any thread. */
bool machine_request_end(struct machine *machine, enum machine_end end, uint32_t value);

/* Tells the listener, if there is one. */
void machine_notify(struct machine *machine, enum machine_event event);

/* Since the vCPUs were started; 0 before. */
uint64_t machine_uptime_ms(const struct machine *machine);

/* machine_devices.c: the chips, and the wires between them.  They cannot fail; freeing is
 * valid on what is half made. */
void machine_add_devices(struct machine *machine);
/* Lets the kernel answer the ports that are nobody's; all devices are there. */
gboolean machine_bind_nobody(struct machine *machine, GError **error);
void machine_free_devices(struct machine *machine);

/* machine_eventfd.c: for struct pci_sink; `opaque` is the machine. */
int machine_bind_irq(void *opaque, int fd, uint64_t address, uint32_t data, bool bind);
int machine_bind_io(void *opaque, const struct pci_ioeventfd *ioeventfd, bool bind);

#endif
