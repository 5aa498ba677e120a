// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <sys/ioctl.h>

#include "chipset/chipset.h"
#include "error.h"
#include "machine.h"
#include "machine_virtio.h"
#include "message.h"
#include "pci/host.h"
#include "vcpu.h"

/* Empty slots for devices that come later. */
#define HOTPLUG_PORTS	4u

/* The PIC's INTR output is LINT0 of the first vCPU's local APIC. */
static void set_lint0(void *opaque, unsigned int pin, int level)
{
	struct machine *machine = opaque;

	(void)pin;
	if (machine->lint0 == level)
		return;
	machine->lint0 = level;
	vcpu_set_pin(machine->vcpus[0], MICA_PIN_LINT0, level);
}

/*
 * What the guest programmed into its IOAPIC may name a vCPU that does not exist or a
 * delivery mode that does not: such a message is lost, as it is on a real bus.
 */
static void send_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct machine *machine = opaque;
	struct mica_msi msi = { .address = address, .data = data };

	if (ioctl(machine->vm_fd, MICA_VM_SIGNAL_MSI, &msi) < 0 && errno != ESRCH &&
	    errno != EINVAL)
		message("cannot deliver an interrupt: %s", g_strerror(errno));
}

static void uart_output(void *opaque, const uint8_t *bytes, size_t count)
{
	struct machine *machine = opaque;

	if (console_put(machine->console, bytes, count))
		machine->output_full = true;
}

static void uart_drained(void *opaque)
{
	struct machine *machine = opaque;

	console_room(machine->console);
}

static void request_power(void *opaque, enum power_event event, uint32_t value)
{
	static const enum machine_end ends[] = {
		[POWER_OFF] = MACHINE_OFF,
		[POWER_RESET] = MACHINE_RESET,
		[POWER_CRASH] = MACHINE_CRASH,
		[POWER_DEBUG_EXIT] = MACHINE_DEBUG_EXIT,
	};

	machine_request_end(opaque, ends[event], value);
}

static void add_rtc(struct machine *machine)
{
	uint64_t size = guest_memory_size(machine->memory);
	uint64_t low = MIN(size, MEMORY_HOLE_START);

	machine->rtc = rtc_new(machine->ports, machine->clock, gsi_line(&machine->gsi, IRQ_RTC),
			       low, size - low);
}

static uint64_t ram_end(const struct machine *machine)
{
	const struct memory_range *ranges;
	size_t count;

	ranges = guest_memory_ranges(machine->memory, &count);
	return ranges[count - 1].gpa + ranges[count - 1].size;
}

static void add_pci(struct machine *machine)
{
	struct pci_host_config config = {
		.ports = machine->ports,
		.mmio = machine->mmio,
		.config_ports = machine->config_ports,
		.sink = {
			.msi = send_msi,
			.irqfd = machine_bind_irq,
			.ioeventfd = machine_bind_io,
			.opaque = machine,
		},
	};
	uint16_t level_irqs = 0;

	pci_map_init(&config.map, ram_end(machine), machine->info.phys_bits, HOTPLUG_PORTS);
	for (unsigned int i = 0; i < PCI_INTX_LINES; i++) {
		config.sink.intx[i] = gsi_line(&machine->gsi, PCI_INTX_GSI + i);
		level_irqs |= 1u << pci_intx_pic_irq(i);
	}
	bus_write(machine->ports, PIC_ELCR_PORT, 2, level_irqs);
	machine->pci = pci_host_new(&config);
}

/* A conflict is a bug of this program. */
static void add_nobody(struct bus *bus, const char *name, uint64_t base, uint64_t length)
{
	int error = bus_add_nobody(bus, name, base, length);

	g_assert_cmpint(error, ==, 0);
}

static bool bind_nobody(void *opaque, uint64_t base, uint64_t length)
{
	struct machine *machine = opaque;
	struct mica_io_binding binding = {
		.address = base, .length = length, .flags = MICA_BIND_IGNORE, .fd = -1,
	};

	return ioctl(machine->vm_fd, MICA_VM_BIND_IO, &binding) == 0;
}

gboolean machine_bind_nobody(struct machine *machine, GError **error)
{
	if (bus_tell_nobody(machine->ports, bind_nobody, machine))
		return TRUE;
	return error_set_errno(error, errno, "the module does not take over ports that are "
			       "nobody's: install both from one release");
}

void machine_add_devices(struct machine *machine)
{
	struct irq_line intr = { .set = set_lint0, .opaque = machine };
	struct ioapic_sink msi = { .msi = send_msi, .opaque = machine };
	struct uart_sink serial = {
		.output = uart_output, .drained = uart_drained, .opaque = machine,
	};
	struct power_sink *power = &machine->power;

	add_nobody(machine->ports, "post", POST_PORT, 1);
	power->request = request_power;
	power->opaque = machine;
	machine->pic = pic_new(machine->ports, intr);
	machine->ioapic = ioapic_new(machine->mmio, &msi);
	machine->gsi = (struct gsi_router){ .pic = machine->pic, .ioapic = machine->ioapic };
	machine->pit = pit_new(machine->ports, machine->clock, gsi_line(&machine->gsi, IRQ_PIT));
	add_rtc(machine);
	machine->uart = uart_new(machine->ports, UART0_PORT, gsi_line(&machine->gsi, IRQ_UART0),
				 &serial);
	machine->pm = pm_new(machine->ports, machine->clock, gsi_line(&machine->gsi, IRQ_SCI),
			     power);
	machine->reset_ports = reset_ports_new(machine->ports, machine->config_ports, power);
	machine->i8042 = i8042_new(machine->ports, power);
	machine->debug_exit = debug_exit_new(machine->ports, power);
	add_pci(machine);
}

void machine_free_devices(struct machine *machine)
{
	machine_free_virtio(machine);
	g_clear_pointer(&machine->pci, pci_host_free);
	g_clear_pointer(&machine->debug_exit, debug_exit_free);
	g_clear_pointer(&machine->i8042, i8042_free);
	g_clear_pointer(&machine->reset_ports, reset_ports_free);
	g_clear_pointer(&machine->pm, pm_free);
	g_clear_pointer(&machine->uart, uart_free);
	g_clear_pointer(&machine->rtc, rtc_free);
	g_clear_pointer(&machine->pit, pit_free);
	g_clear_pointer(&machine->ioapic, ioapic_free);
	g_clear_pointer(&machine->pic, pic_free);
}
