// SPDX-License-Identifier: GPL-2.0-or-later
#include "run_options.h"

#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "../exit_status.h"
#include "balloon_option.h"
#include "cpu_option.h"
#include "disk_option.h"
#include "net_option.h"
#include "options.h"
#include "port_option.h"
#include "share_option.h"
#include "vsock_option.h"

#define MEMORY_UNIT	(2ull << 20)
#define DEFAULT_MEMORY	(512ull << 20)
#define NAME_MAX_LENGTH	64

static gboolean take_path(char **to, const char *value, GError **error)
{
	if (!*value)
		return error_set_usage(error, "the file's name is empty");
	g_free(*to);
	*to = g_strdup(value);
	return TRUE;
}

static gboolean take_kernel(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	return take_path(&config->kernel, value, error);
}

/* FILE[,ARGUMENTS]; a comma that belongs to FILE is written twice. */
static gboolean take_initrd(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;
	g_autoptr(GString) path = g_string_new(NULL);
	struct boot_module module = { 0 };

	while (*value && (*value != ',' || value[1] == ',')) {
		value += *value == ',';
		g_string_append_c(path, *value++);
	}
	if (!take_path(&module.path, path->str, error))
		return FALSE;
	if (*value == ',')
		module.arguments = g_strdup(value + 1);
	g_array_append_val(config->modules, module);
	return TRUE;
}

static gboolean take_append(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;
	char *old = config->command_line;

	(void)error;
	config->command_line = old ? g_strjoin(" ", old, value, NULL) : g_strdup(value);
	g_free(old);
	return TRUE;
}

static gboolean take_memory(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	if (!cli_parse_size(value, &config->memory, error))
		return FALSE;
	if (!config->memory)
		return error_set_usage(error, "a guest needs memory: 2M or more");
	if (config->memory < MEMORY_UNIT && g_ascii_isdigit(value[strlen(value) - 1]))
		return error_set_usage(error, "'%s' is a number of bytes: %sM for MiB", value,
				       value);
	if (config->memory < MEMORY_UNIT)
		return error_set_usage(error, "'%s' is too little: 2M or more", value);
	if (config->memory % MEMORY_UNIT)
		return error_set_usage(error, "'%s' is not a multiple of 2M", value);
	return TRUE;
}

static gboolean take_cpus(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	return cpus_option_parse(&config->cpus, &config->topology, value, error);
}

static gboolean take_cpu(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	return cpu_model_parse(&config->cpu, value, error);
}

static gboolean take_name(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;
	size_t length = strlen(value);

	if (!length || length > NAME_MAX_LENGTH || !g_ascii_isalnum(*value) ||
	    strspn(value, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") != length)
		return error_set_usage(error, "'%s' is not a name: up to %d letters, digits, '.', "
				       "'_', '-', the first a letter or digit", value,
				       NAME_MAX_LENGTH);
	g_free(config->name);
	config->name = g_strdup(value);
	return TRUE;
}

static gboolean take_console(void *target, const char *value, GError **error)
{
	struct run_config *config = target;
	struct console_config *console = &config->machine.console;

	config->has_console = TRUE;
	g_clear_pointer(&console->path, g_free);
	if (!strcmp(value, "stdio")) {
		console->kind = CONSOLE_STDIO;
	} else if (!strcmp(value, "pty")) {
		console->kind = CONSOLE_PTY;
	} else if (!strcmp(value, "socket")) {
		console->kind = CONSOLE_SOCKET;
	} else if (g_str_has_prefix(value, "file:")) {
		console->kind = CONSOLE_FILE;
		return take_path(&console->path, value + strlen("file:"), error);
	} else {
		return error_set_usage(error, "'%s' is none of stdio, pty, socket, file:PATH",
				       value);
	}
	return TRUE;
}

static gboolean take_console_device(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	config->console_virtio = !strcmp(value, "virtio");
	return config->console_virtio || !strcmp(value, "serial") ||
	       error_set_usage(error, "'%s' is neither serial nor virtio", value);
}

static gboolean has_port(const GArray *ports, const char *name)
{
	for (guint i = 0; i < ports->len; i++)
		if (!strcmp(g_array_index(ports, struct machine_port, i).name, name))
			return TRUE;
	return FALSE;
}

static gboolean take_port(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;
	struct machine_port port = { 0 };

	if (config->ports->len == MACHINE_PORTS_MAX)
		return error_set_usage(error, "a guest has at most %u ports", MACHINE_PORTS_MAX);
	if (port_option_parse(&port, value, error)) {
		if (!has_port(config->ports, port.name)) {
			g_array_append_val(config->ports, port);
			return TRUE;
		}
		error_set_usage(error, "there is a port '%s' already", port.name);
	}
	port_option_clear(&port);
	return FALSE;
}

static gboolean take_check_host(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	(void)value;
	(void)error;
	config->vm_flags |= MICA_VM_CHECK_HOST;
	return TRUE;
}

static gboolean take_halt_poll(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	config->vm_flags |= MICA_VM_HALT_POLL;
	config->halt_poll_us = 0;
	return !strcmp(value, "off") ||
	       cli_parse_number(value, 0, MICA_HALT_POLL_MAX_US, &config->halt_poll_us, NULL) ||
	       error_set_usage(error, "'%s' is not a number from 0 to %u, nor off", value,
			       MICA_HALT_POLL_MAX_US);
}

static gboolean take_disk(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;
	struct machine_disk disk = { 0 };

	if (config->disks->len == MACHINE_DISKS_MAX)
		return error_set_usage(error, "a guest has at most %u disks", MACHINE_DISKS_MAX);
	if (disk_option_parse(&disk, value, error)) {
		g_array_append_val(config->disks, disk);
		return TRUE;
	}
	disk_option_clear(&disk);
	return FALSE;
}

static gboolean take_net(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;
	struct machine_net net = { 0 };

	if (config->nets->len == MACHINE_NETS_MAX)
		return error_set_usage(error, "a guest has at most %u network cards",
				       MACHINE_NETS_MAX);
	if (net_option_parse(&net, value, error)) {
		g_array_append_val(config->nets, net);
		return TRUE;
	}
	net_option_clear(&net);
	return FALSE;
}

static gboolean take_balloon(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	return balloon_option_parse(&config->balloon, value, error);
}

static gboolean take_rng(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	(void)value;
	(void)error;
	config->rng = TRUE;
	return TRUE;
}

/* A guest could mount one of them only. */
static gboolean tag_is_new(const struct machine_config *config, const char *tag, GError **error)
{
	for (guint i = 0; i < config->shares->len; i++)
		if (!strcmp(g_array_index(config->shares, struct machine_share, i).tag, tag))
			return error_set_usage(error, "there is a directory with the tag '%s' "
					       "already", tag);
	return TRUE;
}

static gboolean take_share(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;
	struct machine_share share = { 0 };

	if (config->shares->len == MACHINE_SHARES_MAX)
		return error_set_usage(error, "a guest has at most %u shared directories",
				       MACHINE_SHARES_MAX);
	if (share_option_parse(&share, value, error) && tag_is_new(config, share.tag, error)) {
		g_array_append_val(config->shares, share);
		return TRUE;
	}
	share_option_clear(&share);
	return FALSE;
}

static gboolean take_vsock(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	vsock_option_free(config->vsock);
	config->vsock = vsock_option_parse(value, error);
	return config->vsock != NULL;
}

static gboolean take_control(void *target, const char *value, GError **error)
{
	struct run_config *config = target;

	config->no_control = !strcmp(value, "none");
	g_clear_pointer(&config->control, g_free);
	return config->no_control || take_path(&config->control, value, error);
}

static gboolean take_detach(void *target, const char *value, GError **error)
{
	struct run_config *config = target;

	(void)value;
	(void)error;
	config->detach = TRUE;
	return TRUE;
}

static gboolean take_on_reset(void *target, const char *value, GError **error)
{
	struct run_config *config = target;

	config->has_on_reset = TRUE;
	config->restart = !strcmp(value, "restart");
	return config->restart || !strcmp(value, "exit") ||
	       error_set_usage(error, "'%s' is neither exit nor restart", value);
}

static gboolean take_stats(void *target, const char *value, GError **error)
{
	struct machine_config *config = target;

	(void)value;
	(void)error;
	config->stats = TRUE;
	return TRUE;
}

static gboolean take_no_sandbox(void *target, const char *value, GError **error)
{
	struct run_config *config = target;

	(void)value;
	(void)error;
	config->no_sandbox = TRUE;
	return TRUE;
}

/* What the guest has: a checkpoint keeps it. */
static const struct cli_option machine_options[] = {
	{ "kernel", "FILE", "the guest's kernel: bzImage, ELF with PVH entry, or multiboot",
	  take_kernel },
	{ "initrd", "FILE[,ARGS]", "initial RAM disk or multiboot module; may be repeated",
	  take_initrd },
	{ "append", "STRING", "the kernel's command line; repeated, the parts are joined",
	  take_append },
	{ "memory", "SIZE", "memory of the guest, a multiple of 2M (512M)", take_memory },
	{ "cpus", "N[,sockets=S][,cores=C][,threads=T]",
	  "number of virtual CPUs, and how they are arranged (1; N cores of one socket)", take_cpus },
	{ "cpu", "host|v1|v2|v3|v4[,+FEATURE][,-FEATURE]",
	  "the CPU: the host's, or a level of x86-64, the same on all hosts (host)", take_cpu },
	{ "console-device", "serial|virtio", "what the guest has as its console: ttyS0 or hvc0 (serial)",
	  take_console_device },
	{ "port", "name=NAME,socket=PATH|file=PATH|pty",
	  "a named port (/dev/virtio-ports/NAME); may be repeated", take_port },
	{ "disk", "FILE[,ro][,id=ID][,serial=TEXT][,cache=none|host]",
	  "a disk, from a file or block device; may be repeated", take_disk },
	{ "net", "tap=NAME|bridge=NAME|user[,id=ID][,mac=ADDRESS][,mtu=BYTES][,queues=N][,vhost=on][,forward=tcp|udp:PORT:PORT]",
	  "a network card: a tap interface, also of a bridge, or passt(1), which needs no rights", take_net },
	{ "balloon", "[target=SIZE][,deflate-on-oom=on|off][,reporting=on|off]",
	  "a device by which the guest gives memory back to the host", take_balloon },
	{ "rng", NULL, "a virtio device with random bytes of the host", take_rng },
	{ "share", "DIRECTORY|socket=SOCKET,tag=TAG[,ro]",
	  "a directory for the guest, by virtiofsd(1): mount -t virtiofs TAG ...", take_share },
	{ "vsock", "path=SOCKET[,cid=N]",
	  "stream sockets between the guest (CID N, 3) and UNIX sockets", take_vsock },
};

/* How it is run this time. */
static const struct cli_option process_options[] = {
	{ "name", "NAME", "the guest's name, of which there is one on the host (mica-PID)",
	  take_name },
	{ "console", "WHERE", "the first serial port: stdio, pty, socket or file:PATH (stdio)",
	  take_console },
	{ "control", "PATH", "the control socket; none: there is none (a folder of guests)",
	  take_control },
	{ "detach", NULL, "-d: go into the background once the guest is started", take_detach },
	{ "on-reset", "exit|restart", "what a reset does: ends mica, or starts the guest anew (exit;\n"
	  "                          with --detach restart)", take_on_reset },
	{ "stats", NULL, "print the exits that were counted, at the end", take_stats },
	{ "no-sandbox", NULL, "run the guest without confinement, for debugging", take_no_sandbox },
	{ "check-host", NULL, "compare the host's registers around every entry; slow",
	  take_check_host },
	{ "halt-poll", "off|USEC", "longest time that a halted CPU looks for work before it sleeps\n"
	  "                          (what the module's halt_poll_us allows)", take_halt_poll },
};

const struct cli_option *run_options_of_machine(size_t *count)
{
	*count = G_N_ELEMENTS(machine_options);
	return machine_options;
}

const struct cli_option *run_options_of_process(size_t *count)
{
	*count = G_N_ELEMENTS(process_options);
	return process_options;
}

static GArray *all_options(void)
{
	GArray *options = g_array_new(FALSE, FALSE, sizeof(struct cli_option));

	g_array_append_vals(options, machine_options, G_N_ELEMENTS(machine_options));
	g_array_append_vals(options, process_options, G_N_ELEMENTS(process_options));
	return options;
}

static void module_clear(gpointer data)
{
	struct boot_module *module = data;

	g_free(module->path);
	g_free(module->arguments);
}

/* A guest in the background has no terminal, and nobody to start it anew. */
static gboolean check_detach(struct run_config *run, GError **error)
{
	struct machine_config *config = &run->machine;

	if (run->detach && run->has_console && config->console.kind == CONSOLE_STDIO)
		return error_set_usage(error, "--detach leaves the terminal: --console socket, pty or "
				       "file:PATH instead of stdio");
	if (run->detach && config->stats)
		return error_set_usage(error, "--stats prints at the end, when a detached guest has "
				       "no terminal: `mica stats` asks it while it runs");
	if (run->detach && !run->has_console)
		config->console.kind = CONSOLE_SOCKET;
	if (run->detach && !run->has_on_reset)
		run->restart = TRUE;
	if (run->no_control && config->console.kind == CONSOLE_SOCKET)
		return error_set_usage(error, "--console socket (which --detach means) is reached by "
				       "the control socket: not with --control none");
	return TRUE;
}

void run_options_init(struct run_config *run)
{
	struct machine_config *config = &run->machine;

	*run = (struct run_config){ 0 };
	*config = (struct machine_config){
		.memory = DEFAULT_MEMORY,
		.cpus = 1,
		.modules = g_array_new(FALSE, FALSE, sizeof(struct boot_module)),
		.disks = g_array_new(FALSE, FALSE, sizeof(struct machine_disk)),
		.nets = g_array_new(FALSE, FALSE, sizeof(struct machine_net)),
		.ports = g_array_new(FALSE, FALSE, sizeof(struct machine_port)),
	};
	config->shares = g_array_new(FALSE, FALSE, sizeof(struct machine_share));
	g_array_set_clear_func(config->shares, share_option_clear);
	g_array_set_clear_func(config->ports, port_option_clear);
	g_array_set_clear_func(config->nets, net_option_clear);
	g_array_set_clear_func(config->modules, module_clear);
	g_array_set_clear_func(config->disks, disk_option_clear);
}

gboolean run_options_take(int argc, char **argv, struct run_config *run, GError **error)
{
	g_autoptr(GArray) array = all_options();
	const struct cli_option *options = (const void *)array->data;
	struct machine_config *config = &run->machine;

	if (!cli_parse(options, array->len, argc, argv, run, error))
		return FALSE;
	config->options = cli_chosen(options, array->len, G_N_ELEMENTS(machine_options), argc, argv);
	if (!config->kernel)
		return error_set_usage(error, "--kernel FILE is missing");
	if (config->balloon.target > config->memory)
		return error_set_usage(error, "--balloon: the target is more than the guest has");
	if (!config->command_line)
		config->command_line = g_strdup("");
	return check_detach(run, error);
}

gboolean run_options_parse(int argc, char **argv, struct run_config *run, GError **error)
{
	run_options_init(run);
	return run_options_take(argc, argv, run, error);
}

void run_options_clear(struct run_config *run)
{
	struct machine_config *config = &run->machine;

	g_clear_pointer(&run->control, g_free);
	g_clear_pointer(&config->kernel, g_free);
	g_clear_pointer(&config->command_line, g_free);
	g_clear_pointer(&config->name, g_free);
	cpu_model_clear(&config->cpu);
	g_clear_pointer(&config->console.path, g_free);
	g_clear_pointer(&config->modules, g_array_unref);
	g_clear_pointer(&config->disks, g_array_unref);
	g_clear_pointer(&config->nets, g_array_unref);
	g_clear_pointer(&config->vsock, vsock_option_free);
	g_clear_pointer(&config->shares, g_array_unref);
	g_clear_pointer(&config->ports, g_array_unref);
	g_clear_pointer(&config->options, g_strfreev);
}

char *run_options_help(void)
{
	GString *text = g_string_new("Usage: mica run --kernel FILE [OPTION]...\n\n");

	cli_append_options(text, machine_options, G_N_ELEMENTS(machine_options));
	cli_append_options(text, process_options, G_N_ELEMENTS(process_options));
	g_string_append_printf(text,
		"  --help                  show this help\n"
		"\n"
		"Keys, if standard input is a terminal: Ctrl-A x leaves, Ctrl-A p presses the\n"
		"power button, Ctrl-A h shows all.\n"
		"\n"
		"Exit status: %d power-off, %d wrong usage, %d error, %d guest crashed,\n"
		"%d guest asked for a reset, %d left with Ctrl-A x, %d ended by its confinement;\n"
		"odd: (V << 1) | 1 of a guest that wrote V to its debug-exit port 0xf4.\n",
		EXIT_STATUS_OK, EXIT_STATUS_USAGE, EXIT_STATUS_ERROR, EXIT_STATUS_CRASH,
		EXIT_STATUS_RESET, EXIT_STATUS_LEFT, EXIT_STATUS_FORBIDDEN);
	return g_string_free(text, FALSE);
}
