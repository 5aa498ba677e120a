// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../control/endpoint.h"
#include "../control/server.h"
#include "../error.h"
#include "../exit_status.h"
#include "../kept.h"
#include "../machine.h"
#include "../machine_console.h"
#include "../machine_virtio.h"
#include "../message.h"
#include "../sandbox/sandbox.h"
#include "../sandbox/thread.h"
#include "cli.h"
#include "detach.h"
#include "options.h"
#include "run_options.h"

static int run_status(enum machine_end end, uint32_t value)
{
	switch (end) {
	case MACHINE_OFF:
	case MACHINE_SAVED:
		return EXIT_STATUS_OK;
	case MACHINE_RESET:
		return EXIT_STATUS_RESET;
	case MACHINE_CRASH:
		return EXIT_STATUS_CRASH;
	case MACHINE_DEBUG_EXIT:
		return exit_status_debug(value);
	case MACHINE_LEFT:
		return EXIT_STATUS_LEFT;
	case MACHINE_SIGNAL:
		return cli_die_of(value);
	case MACHINE_RUNS:
	case MACHINE_ERROR:
		return EXIT_STATUS_ERROR;
	}
	g_assert_not_reached();
}

static int run_print_help(void)
{
	g_autofree char *help = run_options_help();

	return fputs(help, stdout) < 0 || fflush(stdout) ? EXIT_STATUS_ERROR : EXIT_STATUS_OK;
}

static void run_print_port(const char *name, const char *path)
{
	printf("%s %s\n", name, path);
}

static void run_print_pty(const struct machine *machine)
{
	const char *path = console_pty_path(machine->console);

	if (path)
		printf("%s\n", path);
	machine_console_each_pty(machine_virtio_console(machine), run_print_port);
	fflush(stdout);
}

/* One life of the guest: from power-on to its end, or to a reset. */
struct run {
	struct run_config *config;
	struct control_endpoint *endpoint;	/* NULL: none is wanted */
	struct control_server *server;
	int detach_fd;				/* -1: nothing to detach, or it is done */
};

static void run_event(void *opaque, enum machine_event event)
{
	struct run *run = opaque;

	if (run->server)
		control_server_event(run->server, event);
	if (event != MACHINE_STARTED || run->detach_fd < 0)
		return;
	printf("%s\n", run->config->machine.name);
	fflush(stdout);
	detach_finish(run->detach_fd);
	run->detach_fd = -1;
}

static void run_released(void *opaque, const char *id)
{
	struct run *run = opaque;

	if (run->server)
		control_server_released(run->server, id);
}

static enum machine_end run_machine(struct run *run, struct machine *machine, uint32_t *value)
{
	const struct machine_listener listener = {
		.event = run_event, .released = run_released, .opaque = run,
	};
	enum machine_end end;

	machine->listener = &listener;
	run_print_pty(machine);
	end = machine_run(machine, value);
	machine->listener = NULL;
	if (run->server)
		control_server_finish(run->server, end, *value);
	return end;
}

static enum machine_end run_once(struct run *run, uint32_t *value)
{
	g_autoptr(GError) error = NULL;
	struct machine *machine = machine_new(&run->config->machine, &error);
	enum machine_end end = MACHINE_ERROR;

	if (machine && run->endpoint)
		run->server = control_server_new(machine, run->endpoint, &error);
	if (error) {
		message("%s", error->message);
	} else {
		thread_confine(THREAD_MAIN);
		end = run_machine(run, machine, value);
	}
	g_clear_pointer(&run->server, control_server_free);
	machine_free(machine);
	return end;
}

static void run_add_folder(GPtrArray *folders, const struct machine_port *port)
{
	if (port->kind == PORT_SOCKET)
		g_ptr_array_add(folders, g_path_get_dirname(port->path));
}

/* Before the guest is made: its threads give up their rights as they are started. */
static gboolean run_confine(const struct run_config *config,
			    const struct control_endpoint *endpoint, GError **error)
{
	const GArray *ports = config->machine.ports;
	g_autoptr(GPtrArray) folders = g_ptr_array_new_with_free_func(g_free);
	const struct sandbox_config sandbox = {
		.restart = config->restart,
		.connects = config->machine.vsock != NULL,
		.folders = folders,
	};

	if (endpoint)
		g_ptr_array_add(folders, g_path_get_dirname(endpoint->path));
	if (config->machine.vsock)
		g_ptr_array_add(folders, g_path_get_dirname(config->machine.vsock->path));
	for (guint i = 0; ports && i < ports->len; i++)
		run_add_folder(folders, &g_array_index(ports, struct machine_port, i));
	if (!config->no_sandbox)
		return sandbox_prepare(&sandbox, error);
	message("--no-sandbox: the guest runs without confinement: for debugging only");
	return TRUE;
}

static gboolean keep(const char *path, GError **error)
{
	int fd = kept_open(path, O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return error_set_errno(error, errno, "a reset would start the guest anew and needs '%s', "
				       "which cannot be opened (--on-reset exit does without)", path);
	close(fd);
	return TRUE;
}

/* What a guest that goes on from a checkpoint does not need before it is reset. */
static gboolean keep_for_restart(const struct run_config *config, GError **error)
{
	const struct machine_config *machine = &config->machine;
	gboolean kept = TRUE;

	if (!machine->checkpoint || !config->restart)
		return TRUE;
	for (guint i = 0; kept && i < machine->modules->len; i++)
		kept = keep(g_array_index(machine->modules, struct boot_module, i).path, error);
	return kept && keep(machine->kernel, error);
}

static int run_guest(struct run_config *config, int detach_fd)
{
	struct run run = { .config = config, .detach_fd = detach_fd };
	g_autoptr(GError) error = NULL;
	enum machine_end end = MACHINE_ERROR;
	uint32_t value = 0;

	if (!config->no_control)
		run.endpoint = control_endpoint_new("", config->control, config->machine.name, &error);
	if (error || !keep_for_restart(config, &error) || !run_confine(config, run.endpoint, &error)) {
		message("%s", error->message);
		control_endpoint_free(run.endpoint);
		return EXIT_STATUS_ERROR;
	}
	do {
		end = run_once(&run, &value);
		config->machine.checkpoint = NULL;
	} while (end == MACHINE_RESET && config->restart);
	control_endpoint_free(run.endpoint);
	return run_status(end, value);
}

/* The name of a guest that was given none is that of its process. */
int run_start(struct run_config *config)
{
	int detach_fd = -1;
	int status;

	kept_start();
	if (config->detach) {
		detach_fd = detach_begin(&status);
		if (detach_fd < 0)
			return status;
	}
	if (!config->machine.name)
		config->machine.name = g_strdup_printf("mica-%d", (int)getpid());
	return run_guest(config, detach_fd);
}

int cli_run(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct run_config config;
	int status;

	if (cli_wants_help(argc, argv))
		return run_print_help();
	if (run_options_parse(argc, argv, &config, &error)) {
		status = run_start(&config);
	} else {
		message("%s (see `mica run --help`)", error->message);
		status = EXIT_STATUS_USAGE;
	}
	run_options_clear(&config);
	kept_end();
	return status;
}
