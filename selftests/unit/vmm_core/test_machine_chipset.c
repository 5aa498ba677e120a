// SPDX-License-Identifier: GPL-2.0-or-later
/* Chips and PCI of a whole machine go through a checkpoint. */
#include "machine_test.h"

#include <sys/mman.h>
#include <unistd.h>

#include "../../../vmm/loop_lock.h"
#include "../../../vmm/machine_chipset_state.h"
#include "../../../vmm/state/stream.h"

#define IER	(COM1 + 1)
#define IIR	(COM1 + 2)

static int save(struct machine *machine, uint64_t *now)
{
	int file = memfd_create("checkpoint", MFD_CLOEXEC);
	g_autoptr(state_writer) writer = state_writer_new(file);

	clock_pause(machine->clock);
	*now = clock_now(machine->clock);
	assert_true(chipset_save(machine, writer, NULL));
	assert_true(state_writer_finish(writer, NULL));
	return file;
}

static struct machine *load(struct fixture *fixture, int file, GError **error)
{
	struct machine *machine = make_machine(fixture);
	g_autoptr(state_reader) reader = state_reader_new(file, NULL);
	gboolean loaded;

	assert_non_null(reader);
	fake_kernel.pin_changes = 0;
	loop_lock(&machine->lock);
	clock_pause(machine->clock);
	loaded = chipset_load(machine, reader, false, error);
	pthread_mutex_unlock(&machine->lock);
	if (loaded)
		return machine;
	machine_free(machine);
	return NULL;
}

/* The transmitter's interrupt is on its way to vCPU 0, whose APIC knows of it. */
static int save_with_interrupt(struct fixture *fixture, uint64_t *now)
{
	struct machine *machine = make_machine(fixture);
	int file;

	loop_lock(&machine->lock);
	bus_write(machine->ports, PIC_MASTER_PORT + 1, 1, 0xef);
	bus_write(machine->ports, IER, 1, 2);
	assert_int_equal(machine->lint0, 1);
	file = save(machine, now);
	pthread_mutex_unlock(&machine->lock);
	machine_free(machine);
	return file;
}

static void test_interrupt(void **state)
{
	struct fixture *fixture = *state;
	g_autoptr(GError) error = NULL;
	struct machine *machine;
	uint64_t now, iir;
	int file;

	fixture->config.rng = TRUE;
	file = save_with_interrupt(fixture, &now);
	assert_int_equal(fake_kernel.pin_changes, 1);
	machine = load(fixture, file, &error);
	if (!machine)
		fail_msg("%s", error->message);
	assert_int_equal(fake_kernel.pin_changes, 0);
	assert_int_equal(machine->lint0, 1);
	assert_int_equal(machine->gsi.levels, 1u << IRQ_UART0);
	assert_int_equal(clock_now(machine->clock), now);
	loop_lock(&machine->lock);
	assert_true(bus_read(machine->ports, IIR, 1, &iir));
	pthread_mutex_unlock(&machine->lock);
	assert_int_equal(iir, 2);
	assert_int_equal(machine->lint0, 0);
	assert_int_equal(fake_kernel.pin_changes, 1);
	machine_free(machine);
	close(file);
}

/* A machine with other devices: the error names the one that is missing, or too many. */
static void test_other_devices(void **state)
{
	struct fixture *fixture = *state;
	g_autoptr(GError) missing = NULL, too_many = NULL;
	uint64_t now;
	int file;

	fixture->config.rng = TRUE;
	file = save_with_interrupt(fixture, &now);
	fixture->config.rng = FALSE;
	assert_null(load(fixture, file, &missing));
	assert_non_null(strstr(missing->message, "(1af4:1005) in PCI slot 5, where"));
	close(file);
	file = save_with_interrupt(fixture, &now);
	fixture->config.rng = TRUE;
	assert_null(load(fixture, file, &too_many));
	assert_non_null(strstr(too_many->message, "rng"));
	assert_non_null(strstr(too_many->message, "is not in the checkpoint"));
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(test_interrupt),
		MACHINE_TEST(test_other_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
