// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Eventfds that the kernel writes when the guest writes a port, and eventfds that it turns
 * into interrupts: struct pci_sink's words in those of the module.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "machine.h"
#include "pci/host.h"

static int vm_ioctl(const struct machine *machine, unsigned long number, void *argument)
{
	return ioctl(machine->vm_fd, number, argument) < 0 ? -errno : 0;
}

int machine_bind_irq(void *opaque, int fd, uint64_t address, uint32_t data, bool bind)
{
	struct mica_irq_binding binding = { .fd = fd };

	if (!bind)
		return vm_ioctl(opaque, MICA_VM_UNBIND_IRQ, &binding);
	binding.address = address;
	binding.data = data;
	return vm_ioctl(opaque, MICA_VM_BIND_IRQ, &binding);
}

int machine_bind_io(void *opaque, const struct pci_ioeventfd *ioeventfd, bool bind)
{
	struct mica_io_binding binding = {
		.address = ioeventfd->address,
		.length = ioeventfd->size,
		.size = ioeventfd->size,
		.data = ioeventfd->any ? 0 : ioeventfd->value,
		.flags = ioeventfd->any ? 0 : MICA_BIND_DATA,
		.fd = bind ? ioeventfd->fd : -1,
	};

	if (ioeventfd->space != PCI_SPACE_IO)
		return -EOPNOTSUPP;
	return vm_ioctl(opaque, bind ? MICA_VM_BIND_IO : MICA_VM_UNBIND_IO, &binding);
}
