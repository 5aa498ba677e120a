// SPDX-License-Identifier: GPL-2.0-or-later
/* write_checkpoint FILE: a checkpoint with a bit of everything that the frame has, for readers. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../vmm/state/memory.h"
#include "../../vmm/state/vcpu.h"

#define MIB	(1ull << 20)

static gboolean put_vcpu(state_writer *writer, unsigned int id, GError **error)
{
	struct mica_cpuid_entry cpuid[2] = { { .leaf = 0, .eax = 1 }, { .leaf = 1 } };
	struct state_cpu_tsc tsc = { .khz = 1000000 };
	struct mica_vcpu_state state = { .gprs.rip = 0x1000 + id, .msrs.tsc = 123456789 };
	struct mica_apic_state apic = { .timer_deadline = 5 };
	uint8_t xsave[576] = "";

	return state_vcpu_put_registers(writer, id, &state, error) &&
	       state_writer_put(writer, STATE_CPU_XSAVE, id, xsave, sizeof(xsave), error) &&
	       state_writer_put(writer, STATE_CPU_APIC, id, &apic, sizeof(apic), error) &&
	       state_writer_put(writer, STATE_CPU_CPUID, id, cpuid, sizeof(cpuid), error) &&
	       state_writer_put(writer, STATE_CPU_TSC, id, &tsc, sizeof(tsc), error);
}

static gboolean put_all(state_writer *writer, const struct guest_memory *memory, GError **error)
{
	static const char machine[] = "{\"name\":\"test\"}";

	/* The name would make a terminal write in bold. */
	return state_writer_put_origin(writer, "te\033[1mst", 1700000000000000000, error) &&
	       state_writer_put(writer, STATE_MACHINE, 0, machine, strlen(machine), error) &&
	       put_vcpu(writer, 0, error) && put_vcpu(writer, 1, error) &&
	       state_memory_save(writer, memory, error) &&
	       state_writer_put_optional(writer, 0x7f00, 3, "optional", 8, error) &&
	       state_writer_finish(writer, error);
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct guest_memory *memory;
	state_writer *writer;
	gboolean good;
	int fd;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	memory = guest_memory_new(-1, 16 * MIB, &error);
	g_assert(memory);
	memset(guest_memory_pointer(memory, 0, 3 * 4096), 0x11, 3 * 4096);
	memset(guest_memory_pointer(memory, 9 * MIB, 100), 0x22, 100);
	writer = state_writer_new(fd);
	good = put_all(writer, memory, &error);
	if (!good)
		fprintf(stderr, "%s\n", error->message);
	state_writer_free(writer);
	guest_memory_free(memory);
	return !good;
}
