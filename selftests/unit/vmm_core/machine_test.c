// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* For the stand-ins, whose callers know nothing of it. */
static struct fixture *current;

static void flat_state(struct mica_vcpu_state *state)
{
	const struct mica_segment flat = { .limit = 0xffffffff, .attr = 0xc093, .selector = 8 };

	state->events.mp_state = MICA_MP_RUNNABLE;
	state->events.sipi_vector = MICA_SIPI_NONE;
	state->gprs.rip = CODE;
	state->gprs.rflags = 2;
	state->crs.cr0 = 0x11;
	state->segs.ds = state->segs.es = state->segs.fs = state->segs.gs = state->segs.ss = flat;
	state->segs.cs = flat;
	state->segs.cs.attr = 0xc09b;
}

gboolean boot_load(const struct boot_config *config, struct guest_memory *memory,
		   struct boot_result *result, GError **error)
{
	(void)config;
	if (current->boot_signal)
		raise(current->boot_signal);
	if (current->boot_fails)
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "no kernel");
	flat_state(&result->state);
	result->state.gprs.rsi = DATA;
	result->state.gprs.rcx = 6;
	result->state.gprs.rdx = COM1;
	if (current->code_length)
		guest_memory_write(memory, CODE, current->code, current->code_length);
	guest_memory_write(memory, DATA, "string", 6);
	return !current->boot_fails;
}

void boot_parked_state(struct mica_vcpu_state *state, unsigned int vcpu_id)
{
	memset(state, 0, sizeof(*state));
	state->events.mp_state = vcpu_id ? MICA_MP_WAIT_SIPI : MICA_MP_RUNNABLE;
}

void cpuid_policy(const struct cpuid_source *source, unsigned int index, struct mica_cpuid *policy)
{
	(void)index;
	*policy = *source->host;
}

/* A shell that is not interactive starts its background jobs with some of them ignored, and
 * what is ignored stays so in the programs that a job starts. */
static void default_signals(void)
{
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

int machine_setup(void **state)
{
	struct fixture *fixture = g_new0(struct fixture, 1);

	default_signals();
	close(g_file_open_tmp("mica-test-XXXXXX", &fixture->path, NULL));
	fixture->config.name = g_strdup("test");
	fixture->config.command_line = g_strdup("");
	fixture->config.modules = g_array_new(FALSE, FALSE, sizeof(struct boot_module));
	fixture->config.memory = 2 << 20;
	fixture->config.cpus = 1;
	fixture->config.console.kind = CONSOLE_FILE;
	fixture->config.console.path = fixture->path;
	fixture->messages = memfd_create("messages", MFD_CLOEXEC);
	fixture->stderr_before = dup(STDERR_FILENO);
	dup2(fixture->messages, STDERR_FILENO);
	current = fixture;
	fake_kernel_reset();
	*state = fixture;
	return 0;
}

int machine_teardown(void **state)
{
	struct fixture *fixture = *state;

	dup2(fixture->stderr_before, STDERR_FILENO);
	close(fixture->stderr_before);
	close(fixture->messages);
	unlink(fixture->path);
	g_free(fixture->path);
	g_free(fixture->config.name);
	g_free(fixture->config.command_line);
	g_array_unref(fixture->config.modules);
	g_free(fixture);
	return 0;
}

void assert_message(struct fixture *fixture, const char *text)
{
	char messages[16384] = "";

	assert_true(pread(fixture->messages, messages, sizeof(messages) - 1, 0) >= 0);
	if (!strstr(messages, text))
		fail_msg("\"%s\" does not say \"%s\"", messages, text);
}

void assert_no_message(struct fixture *fixture)
{
	assert_int_equal(lseek(fixture->messages, 0, SEEK_END), 0);
}

void assert_console(struct fixture *fixture, const char *expected)
{
	g_autofree char *text = NULL;

	assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
	assert_string_equal(text, expected);
}

struct machine *make_machine(struct fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	struct machine *machine = machine_new(&fixture->config, &error);

	assert_non_null(machine);
	return machine;
}

enum machine_end play(struct fixture *fixture, const struct fake_exit *script, size_t length,
		      uint32_t *value)
{
	struct machine *machine;
	enum machine_end end;

	fake_kernel.script = script;
	fake_kernel.length = length;
	machine = make_machine(fixture);
	end = machine_run(machine, value);
	machine_free(machine);
	return end;
}
