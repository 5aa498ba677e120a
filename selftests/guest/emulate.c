// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Accesses to the local APIC's page, on a CPU that leaves them to user space: the instruction
 * is done by the VMM's own decoder (vmm/insn.h), which sees RAM, page tables and that page.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../../vmm/insn.h"
#include "guest.h"

#define APIC_PAGE	0xfee00000ull
#define PAGE_SIZE	4096u

static bool in_ram(uint64_t gpa, unsigned int size)
{
	return gpa <= G_RAM_SIZE - size;
}

/* Whole registers only: what our guests do. */
static int access_apic(struct guest *g, uint64_t gpa, unsigned int size, bool write,
		       uint32_t *value)
{
	struct mica_apic_access access = { .offset = gpa - APIC_PAGE, .write = write };

	if (gpa - APIC_PAGE >= PAGE_SIZE || size != sizeof(*value))
		return -EFAULT;
	if (write)
		access.value = *value;
	/* Outside xAPIC mode the page is a hole. */
	if (ioctl(g->vcpu, MICA_VCPU_APIC_ACCESS, &access)) {
		if (errno != ENXIO)
			return -errno;
		access.value = ~0u;
	}
	if (!write)
		*value = access.value;
	return 0;
}

static int emulate_read(void *opaque, uint64_t gpa, void *to, unsigned int size)
{
	struct guest *g = opaque;

	if (!in_ram(gpa, size))
		return access_apic(g, gpa, size, false, to);
	memcpy(to, guest_at(g, gpa), size);
	return 0;
}

static int emulate_write(void *opaque, uint64_t gpa, const void *from, unsigned int size)
{
	struct guest *g = opaque;
	uint32_t value;

	if (in_ram(gpa, size)) {
		memcpy(guest_at(g, gpa), from, size);
		return 0;
	}
	memcpy(&value, from, size < sizeof(value) ? size : sizeof(value));
	return access_apic(g, gpa, size, true, &value);
}

static int emulate_entry_load(void *opaque, uint64_t gpa, unsigned int size, uint64_t *entry)
{
	*entry = 0;
	if (!in_ram(gpa, size))
		return -EFAULT;
	memcpy(entry, guest_at(opaque, gpa), size);
	return 0;
}

/* One vCPU at a time has page tables that it changes: nothing needs to be atomic. */
static int emulate_entry_update(void *opaque, uint64_t gpa, unsigned int size, uint64_t expected,
				uint64_t desired)
{
	(void)expected;
	if (!in_ram(gpa, size))
		return -EFAULT;
	memcpy(guest_at(opaque, gpa), &desired, size);
	return 0;
}

static int no_port_in(void *opaque, uint16_t port, void *to, unsigned int size)
{
	(void)opaque, (void)port, (void)to, (void)size;
	return -EOPNOTSUPP;
}

static int no_port_out(void *opaque, uint16_t port, const void *from, unsigned int size)
{
	(void)opaque, (void)port, (void)from, (void)size;
	return -EOPNOTSUPP;
}

static const struct insn_ops ops = {
	.read = emulate_read,
	.write = emulate_write,
	.entry_load = emulate_entry_load,
	.entry_update = emulate_entry_update,
	.port_in = no_port_in,
	.port_out = no_port_out,
};

bool guest_emulate_apic_access(struct guest *g)
{
	struct mica_run *run = g->run;
	struct insn_report report;
	enum insn_result result;
	uint64_t changed;

	if (run->exit_reason != MICA_EXIT_MMIO || run->mmio.gpa - APIC_PAGE >= PAGE_SIZE)
		return false;
	result = insn_execute(&run->state, &ops, g, &changed, &report);
	run->state_commit |= changed;
	return check(result == INSN_DONE || result == INSN_EXCEPTION,
		     "APIC access at 0x%llx by %s: result %d, error %d",
		     (unsigned long long)run->state.gprs.rip, report.mnemonic, result, report.error);
}
