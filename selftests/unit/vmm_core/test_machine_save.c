// SPDX-License-Identifier: GPL-2.0-or-later
/* A whole machine into a checkpoint and out of it, and what a checkpoint says of its machine. */
#include "machine_test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../vmm/machine_pause.h"
#include "../../../vmm/machine_save.h"
#include "../../../vmm/state/stream.h"

#define MARK	0x1234567

static char *options[] = { "--memory=2M", "--disk=a b,ro", NULL };

static int new_file(void)
{
	return memfd_create("checkpoint", MFD_CLOEXEC);
}

/* A checkpoint with nothing but the record of its machine. */
static state_reader *reader_of(const char *json)
{
	int file = new_file();
	g_autoptr(state_writer) writer = state_writer_new(file);
	GError *error = NULL;

	assert_true(state_writer_put(writer, STATE_MACHINE, 0, json, strlen(json), &error));
	assert_true(state_writer_finish(writer, &error));
	return state_reader_new(file, &error);
}

static void test_options(void **state)
{
	g_autoptr(state_reader) reader = reader_of("{\"name\":\"n\",\"cpus\":1,\"options\":[\"--a=b\",\"--c\"]}");
	g_auto(GStrv) words = NULL;
	g_autofree char *name = NULL;

	(void)state;
	assert_true(machine_saved_options(reader, &name, &words, NULL));
	assert_string_equal(name, "n");
	assert_int_equal(g_strv_length(words), 2);
	assert_string_equal(words[0], "--a=b");
	assert_string_equal(words[1], "--c");
	close(state_reader_fd(reader));
}

static void test_bad_options(void **state)
{
	static const char *const bad[] = {
		"x", "[]", "{}", "{\"name\":\"n\"}", "{\"options\":[]}", "{\"name\":1,\"options\":[]}",
		"{\"name\":\"n\",\"options\":{}}", "{\"name\":\"n\",\"options\":[1]}",
		"{\"name\":\"n\",\"options\":[\"--a\",[\"--b\"]]}", "{\"name\":\"n\",\"options\":[null]}",
		"{\"name\":[\"n\"],\"options\":[]}", "{\"name\":\"n\",\"options\":[\"--a\"]",
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(state_reader) reader = reader_of(bad[i]);
		g_autoptr(GError) error = NULL;
		char *name, **words;

		assert_false(machine_saved_options(reader, &name, &words, &error));
		assert_string_equal(error->message, "the checkpoint does not say what machine its "
				    "guest had");
		close(state_reader_fd(reader));
	}
}

/* Not run, but as a machine is that was paused. */
static int save(struct fixture *fixture)
{
	struct machine *machine = make_machine(fixture);
	uint32_t mark = MARK;
	GError *error = NULL;
	int file = new_file();

	assert_true(guest_memory_write(machine->memory, 0x1000, &mark, sizeof(mark)));
	clock_pause(machine->clock);
	assert_true(machine_save(machine, file, &error));
	machine_free(machine);
	return file;
}

static void test_round_trip(void **state)
{
	struct fixture *fixture = *state;
	g_autoptr(GError) error = NULL;
	struct machine *machine;
	state_reader *reader;
	uint32_t mark = 0;
	int file;

	fixture->config.options = options;
	file = save(fixture);
	reader = state_reader_new(file, &error);
	assert_non_null(reader);
	fixture->config.checkpoint = reader;
	fixture->boot_fails = true;		/* nothing is booted */
	machine = make_machine(fixture);
	assert_true(machine_paused(machine));
	assert_true(guest_memory_read(machine->memory, 0x1000, &mark, sizeof(mark)));
	assert_int_equal(mark, MARK);
	machine_free(machine);
	state_reader_free(reader);
	close(file);
}

/* Of another size: refused before anything runs. */
static void test_other_memory(void **state)
{
	struct fixture *fixture = *state;
	g_autoptr(GError) error = NULL;
	state_reader *reader;
	int file;

	fixture->config.options = options;
	file = save(fixture);
	reader = state_reader_new(file, &error);
	fixture->config.checkpoint = reader;
	fixture->config.memory *= 2;
	assert_null(machine_new(&fixture->config, &error));
	assert_non_null(error);
	state_reader_free(reader);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options), cmocka_unit_test(test_bad_options),
		cmocka_unit_test_setup_teardown(test_round_trip, machine_setup, machine_teardown),
		cmocka_unit_test_setup_teardown(test_other_memory, machine_setup, machine_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
