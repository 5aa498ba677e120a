// SPDX-License-Identifier: GPL-2.0-or-later
#include "core_test.h"

#include "../../../vmm/cli/options.h"
#include "../../../vmm/cli/run_options.h"
#include "../../../vmm/error.h"
#include "../../../vmm/exit_status.h"
#include "../../../vmm/machine_virtio.h"

#define MIB	(1ull << 20)

/* Parses `mica run` with the words of `line`, which are separated by '|'. */
static gboolean parse(const char *line, struct run_config *config, GError **error)
{
	g_autofree char *whole = g_strconcat("run|", line, NULL);
	g_auto(GStrv) words = g_strsplit(whole, "|", -1);

	return run_options_parse(g_strv_length(words), words, config, error);
}

static void assert_refused(const char *line, const char *message)
{
	struct run_config config;
	GError *error = NULL;

	assert_false(parse(line, &config, &error));
	assert_true(g_error_matches(error, VMM_ERROR, VMM_ERROR_USAGE));
	assert_error_says(&error, message);
	run_options_clear(&config);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 }, { "4096", 4096 }, { "1k", 1024 }, { "512M", 512 * MIB },
		{ "512m", 512 * MIB }, { "3G", 3072 * MIB }, { "1T", MIB * MIB },
		{ "18446744073709551615", UINT64_MAX },
		{ "16777215T", 16777215 * MIB * MIB }, { "0000000000000000000000000000001K", 1024 },
	};
	static const char *const bad[] = {
		"", "M", "-1", "+1", " 1", "1 ", "1MB", "1MM", "0x10", "1.5G", "1Q", "M1",
		"30000000000000000000x",
	};
	static const char *const large[] = {
		"16777216T", "17179869184G", "18446744073709551615K",
		"18446744073709551616", "30000000000000000000", "30000000000000000000G",
	};
	GError *error = NULL;
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		assert_true(cli_parse_size(good[i].text, &bytes, &error));
		assert_true(bytes == good[i].bytes);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		assert_false(cli_parse_size(bad[i], &bytes, &error));
		assert_error_says(&error, "is not a size");
	}
	for (size_t i = 0; i < G_N_ELEMENTS(large); i++) {
		assert_false(cli_parse_size(large[i], &bytes, &error));
		assert_error_says(&error, "too large");
	}
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {
		"", "0", "65", "-1", "1x", "4294967297", "18446744073709551617", "1K",
	};
	GError *error = NULL;
	unsigned int number;

	(void)state;
	assert_true(cli_parse_number("1", 1, 64, &number, &error));
	assert_int_equal(number, 1);
	assert_true(cli_parse_number("64", 1, 64, &number, &error));
	assert_int_equal(number, 64);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		assert_false(cli_parse_number(bad[i], 1, 64, &number, &error));
		assert_error_says(&error, "is not a number from 1 to 64");
	}
}

static void test_defaults(void **state)
{
	struct run_config config;
	GError *error = NULL;

	(void)state;
	assert_true(parse("--kernel|vmlinuz", &config, &error));
	assert_string_equal(config.machine.kernel, "vmlinuz");
	assert_string_equal(config.machine.command_line, "");
	assert_int_equal(config.machine.modules->len, 0);
	assert_true(config.machine.memory == 512 * MIB);
	assert_int_equal(config.machine.cpus, 1);
	assert_int_equal(config.machine.console.kind, CONSOLE_STDIO);
	assert_null(config.machine.name);
	assert_null(config.control);
	assert_false(config.no_control);
	assert_false(config.detach);
	assert_false(config.restart);
	assert_int_equal(config.machine.vm_flags, 0);
	run_options_clear(&config);
}

static void test_all(void **state)
{
	const struct boot_module *modules;
	struct run_config config;
	GError *error = NULL;

	(void)state;
	assert_true(parse("--kernel=a=b|--append|console=ttyS0|--append=quiet|--memory|2G|--cpus=4,threads=2|--cpu|v2,+aes|"
			  "--name|web-1.test|--console=file:/tmp/x|--initrd|one|--initrd|two,a,b|"
			  "--initrd=th,,ree,|--stats|--check-host|--halt-poll=150", &config,
			  &error));
	assert_string_equal(config.machine.kernel, "a=b");
	assert_string_equal(config.machine.command_line, "console=ttyS0 quiet");
	assert_true(config.machine.memory == 2048 * MIB);
	assert_int_equal(config.machine.cpus, 4);
	assert_int_equal(config.machine.topology.cores, 2);
	assert_int_equal(config.machine.topology.threads, 2);
	assert_int_equal(config.machine.cpu.level, 2);
	assert_string_equal(config.machine.name, "web-1.test");
	assert_int_equal(config.machine.console.kind, CONSOLE_FILE);
	assert_string_equal(config.machine.console.path, "/tmp/x");
	assert_int_equal(config.machine.modules->len, 3);
	modules = (const struct boot_module *)(void *)config.machine.modules->data;
	assert_string_equal(modules[0].path, "one");
	assert_null(modules[0].arguments);
	assert_string_equal(modules[1].path, "two");
	assert_string_equal(modules[1].arguments, "a,b");
	assert_string_equal(modules[2].path, "th,ree");
	assert_string_equal(modules[2].arguments, "");
	assert_int_equal(config.machine.vm_flags, MICA_VM_CHECK_HOST | MICA_VM_HALT_POLL);
	assert_int_equal(config.machine.halt_poll_us, 150);
	assert_true(config.machine.stats);
	run_options_clear(&config);
}

/* Of an option that is there twice the last one counts. */
static void test_repeated(void **state)
{
	struct run_config config;
	GError *error = NULL;

	(void)state;
	assert_true(parse("--kernel|a|--kernel|b|--name|c|--name|d|--console|file:e|--console|pty",
			  &config, &error));
	assert_string_equal(config.machine.kernel, "b");
	assert_string_equal(config.machine.name, "d");
	assert_int_equal(config.machine.console.kind, CONSOLE_PTY);
	assert_null(config.machine.console.path);
	run_options_clear(&config);
}

static void test_control(void **state)
{
	struct run_config config;
	GError *error = NULL;

	(void)state;
	assert_true(parse("--kernel|a|--control|none|--on-reset|restart", &config, &error));
	assert_true(config.no_control);
	assert_null(config.control);
	assert_true(config.restart);
	run_options_clear(&config);
	assert_true(parse("--kernel|a|--control|none|--control|/tmp/x|--on-reset|exit", &config,
			  &error));
	assert_false(config.no_control);
	assert_string_equal(config.control, "/tmp/x");
	assert_false(config.restart);
	run_options_clear(&config);
}

/* Its defaults are others; what is said counts. */
static void test_detach(void **state)
{
	struct run_config config;
	GError *error = NULL;

	(void)state;
	assert_true(parse("-d|--kernel|a", &config, &error));
	assert_true(config.detach);
	assert_int_equal(config.machine.console.kind, CONSOLE_SOCKET);
	assert_true(config.restart);
	run_options_clear(&config);
	assert_true(parse("--detach|--kernel|a|--console|pty|--on-reset|exit|--append|-d", &config,
			  &error));
	assert_int_equal(config.machine.console.kind, CONSOLE_PTY);
	assert_false(config.restart);
	assert_string_equal(config.machine.command_line, "-d");
	run_options_clear(&config);
	assert_refused("--kernel|a|-d|--console|stdio", "--console socket, pty or file:PATH instead");
	assert_refused("--kernel|a|-d|--stats", "`mica stats` asks it");
	assert_refused("--kernel|a|-d|--control|none", "not with --control none");
	assert_refused("--kernel|a|--console|socket|--control|none", "not with --control none");
	assert_refused("--detach=yes", "'--detach' takes no value");
	assert_refused("--control|", "--control: the file's name is empty");
	assert_refused("--on-reset|stop", "--on-reset: 'stop' is neither exit nor restart");
}

static void test_refusals(void **state)
{
	(void)state;
	assert_refused("--append|x", "--kernel FILE is missing");
	assert_refused("--kernel", "'--kernel' needs a value");
	assert_refused("--kernel|", "--kernel: the file's name is empty");
	assert_refused("--kern|x", "unknown option '--kern'");
	assert_refused("--frobnicate=1|x", "unknown option '--frobnicate'");
	assert_refused("--", "unknown option '--'");
	assert_refused("vmlinuz", "'vmlinuz' is not an option");
	assert_refused("-k|x", "'-k' is not an option");
	assert_refused("--stats=yes", "'--stats' takes no value");
	assert_refused("--help=run", "'--help' takes no value");
	assert_refused("--helpful=x", "unknown option '--helpful'");
	assert_refused("--memory|512", "--memory: '512' is a number of bytes: 512M for MiB");
	assert_refused("--memory|0", "--memory: a guest needs memory: 2M or more");
	assert_refused("--memory|0M", "--memory: a guest needs memory: 2M or more");
	assert_refused("--memory|1M", "--memory: '1M' is too little: 2M or more");
	assert_refused("--memory|3M", "--memory: '3M' is not a multiple of 2M");
	assert_refused("--memory|2049K", "not a multiple of 2M");
	assert_refused("--memory|99999999T", "too large");
	assert_refused("--memory|lots", "is not a size");
	assert_refused("--cpus|0", "--cpus: '0' is not a number from 1 to 64");
	assert_refused("--cpus|65", "is not a number from 1 to 64");
	assert_refused("--halt-poll|on", "--halt-poll: 'on' is not a number from 0 to 10000, nor off");
	assert_refused("--halt-poll|10001", "is not a number from 0 to 10000");
	assert_refused("--name|", "is not a name");
	assert_refused("--name|-x", "is not a name");
	assert_refused("--name|a/b", "is not a name");
	assert_refused("--name|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		       "is not a name");
	assert_refused("--console|tty", "'tty' is none of stdio, pty, socket, file:PATH");
	assert_refused("--console|file:", "--console: the file's name is empty");
	assert_refused("--initrd|,x", "--initrd: the file's name is empty");
}

static void test_devices(void **state)
{
	const struct net_forward *forwards;
	const struct machine_share *shares;
	const struct machine_net *nets;
	struct run_config config;

	(void)state;
	assert_true(parse("--kernel|k|--net|user,forward=tcp:2222:22,forward=udp:53:5353|--net|tap=t",
			  &config, NULL));
	nets = (const struct machine_net *)(void *)config.machine.nets->data;
	assert_int_equal(config.machine.nets->len, 2);
	assert_true(nets[0].user);
	assert_int_equal(nets[0].forwards->len, 2);
	forwards = (const struct net_forward *)(void *)nets[0].forwards->data;
	assert_false(forwards[0].udp);
	assert_int_equal(forwards[0].host, 2222);
	assert_int_equal(forwards[0].guest, 22);
	assert_true(forwards[1].udp);
	assert_int_equal(forwards[1].host, 53);
	assert_int_equal(forwards[1].guest, 5353);
	assert_false(nets[1].user || nets[1].vhost);
	run_options_clear(&config);
	assert_true(parse("--kernel|k|--net|tap=t,vhost=on", &config, NULL));
	nets = (const struct machine_net *)(void *)config.machine.nets->data;
	assert_true(nets[0].vhost);
	run_options_clear(&config);
	assert_true(parse("--kernel|k|--vsock|path=x,cid=4|--vsock|cid=5,path=/tmp/a,,b", &config,
			  NULL));
	assert_int_equal(config.machine.vsock->cid, 5);
	assert_string_equal(config.machine.vsock->path, "/tmp/a,b");
	run_options_clear(&config);
	assert_true(parse("--kernel|k|--vsock|path=x", &config, NULL));
	assert_int_equal(config.machine.vsock->cid, 3);
	run_options_clear(&config);
	assert_true(parse("--kernel|k|--share|/a,,b,tag=t,ro|--share|socket=s,tag=u", &config, NULL));
	shares = (const struct machine_share *)(void *)config.machine.shares->data;
	assert_int_equal(config.machine.shares->len, 2);
	assert_string_equal(shares[0].path, "/a,b");
	assert_string_equal(shares[0].tag, "t");
	assert_true(shares[0].read_only && !shares[0].socket);
	assert_string_equal(shares[1].path, "s");
	assert_true(shares[1].socket && !shares[1].read_only);
	run_options_clear(&config);
	assert_refused("--kernel|k|--share|/a", "tag=TAG is needed");
	assert_refused("--kernel|k|--share|tag=t", "the directory's name is missing");
	assert_refused("--kernel|k|--share|/a,tag=t|--share|/b,tag=t", "with the tag 't' already");
	assert_refused("--kernel|k|--share|,tag=t", "the directory's name is empty");
	assert_refused("--kernel|k|--share|/a,tag=", "1 to 36 bytes");
	assert_refused("--kernel|k|--share|/a,tag=t,rw", "is neither tag= nor ro");
	assert_refused("--kernel|k|--share|socket=s,tag=t,ro", "ro is a matter of");
	assert_refused("--kernel|k|--vsock|cid=3", "path=SOCKET is needed");
	assert_refused("--kernel|k|--vsock|path=", "1 to 96 bytes");
	assert_refused("--kernel|k|--vsock|path=x,cid=2", "cid=: '2' is not a number from 3 to 4294967294");
	assert_refused("--kernel|k|--vsock|path=x,cid=4294967295", "is not a number from 3");
	assert_refused("--kernel|k|--vsock|path=x,port=1", "is neither cid= nor path=");
	assert_refused("--kernel|k|--net|user,tap=t", "user is another network than tap= and bridge=");
	assert_refused("--kernel|k|--net|mac=02:00:00:00:00:01", "one of user, tap=NAME and bridge=NAME");
	assert_refused("--kernel|k|--net|tap=t,forward=tcp:1:1", "goes with user only");
	assert_refused("--kernel|k|--net|user,vhost=on", "goes with tap= and bridge= only");
	assert_refused("--kernel|k|--net|tap=t,queues=2,vhost=on", "with one queue");
	assert_refused("--kernel|k|--net|tap=t,vhost=yes", "is neither vhost=on nor vhost=off");
	assert_refused("--kernel|k|--net|user,forward=tcp:22", "is not of the form");
	assert_refused("--kernel|k|--net|user,forward=icmp:1:1", "is not of the form");
	assert_refused("--kernel|k|--net|user,forward=tcp:0:22", "is not of the form");
	assert_refused("--kernel|k|--net|user,forward=tcp:22:65536", "is not of the form");
	assert_refused("--kernel|k|--net|user,forward=tcp:22:22x", "is not of the form");
}

/* The only option whose value may be left out. */
static void test_balloon(void **state)
{
	struct run_config config;
	GError *error = NULL;

	(void)state;
	assert_true(parse("--kernel|k|--balloon|--rng", &config, &error));
	assert_true(config.machine.balloon.wanted && config.machine.rng);
	assert_true(config.machine.balloon.target == 0);
	assert_false(config.machine.balloon.no_oom || config.machine.balloon.no_reporting);
	run_options_clear(&config);
	assert_true(parse("--balloon|target=64M,deflate-on-oom=off,reporting=off|--kernel|k", &config,
			  &error));
	assert_true(config.machine.balloon.target == 64 * MIB);
	assert_true(config.machine.balloon.no_oom && config.machine.balloon.no_reporting);
	run_options_clear(&config);
	assert_true(parse("--kernel|k|--balloon=reporting=on|--balloon", &config, &error));
	assert_true(config.machine.balloon.wanted);
	run_options_clear(&config);
	assert_true(parse("--kernel|k", &config, &error));
	assert_false(config.machine.balloon.wanted);
	run_options_clear(&config);
	assert_refused("--kernel|k|--balloon|target=513M", "more than the guest has");
	assert_refused("--kernel|k|--balloon|target=1M", "2M or more");
	assert_refused("--kernel|k|--balloon|target=x", "is not a size");
	assert_refused("--kernel|k|--balloon|reporting=yes", "is neither on nor off");
	assert_refused("--kernel|k|--balloon|64M", "'64M' is none of target=");
	assert_refused("--kernel|k|--balloon=", "'' is none of target=");
}

static void test_ports(void **state)
{
	const struct machine_port *port;
	struct run_config config;
	GError *error = NULL;

	(void)state;
	assert_true(parse("--kernel|k|--port|name=one,socket=/a,,b|--port|pty,name=two.2|"
			  "--port|file=f,name=3|--console-device|virtio", &config, &error));
	assert_true(config.machine.console_virtio);
	assert_int_equal(config.machine.ports->len, 3);
	port = &g_array_index(config.machine.ports, struct machine_port, 0);
	assert_string_equal(port->name, "one");
	assert_string_equal(port->path, "/a,b");
	assert_int_equal(port[0].kind, PORT_SOCKET);
	assert_int_equal(port[1].kind, PORT_PTY);
	assert_string_equal(port[1].name, "two.2");
	assert_int_equal(port[2].kind, PORT_FILE);
	run_options_clear(&config);
	assert_true(parse("--kernel|k|--console-device|virtio|--console-device|serial", &config, &error));
	assert_false(config.machine.console_virtio);
	run_options_clear(&config);
	assert_refused("--kernel|k|--port|socket=/a", "name=NAME is missing");
	assert_refused("--kernel|k|--port|name=a", "one of socket=PATH, file=PATH and pty");
	assert_refused("--kernel|k|--port|name=a,pty,file=f", "one of socket=PATH, file=PATH and pty");
	assert_refused("--kernel|k|--port|name=a/b,pty", "is not a name");
	assert_refused("--kernel|k|--port|name=..,pty", "is not a name");
	assert_refused("--kernel|k|--port|name=a,file=", "name is empty");
	assert_refused("--kernel|k|--port|name=a,tty", "'tty' is none of");
	assert_refused("--kernel|k|--port|name=a,pty|--port|name=a,pty", "a port 'a' already");
	assert_refused("--kernel|k|--console-device|hvc", "neither serial nor virtio");
}

static void test_device_parts(void **state)
{
	const struct machine_disk *disk;
	const struct machine_net *net;
	struct run_config config;

	(void)state;
	assert_true(parse("--kernel|k|--disk|a,id=data,ro|--net|bridge=br0,queues=8,mtu=9000,id=lan",
			  &config, NULL));
	disk = (const struct machine_disk *)(void *)config.machine.disks->data;
	net = (const struct machine_net *)(void *)config.machine.nets->data;
	assert_string_equal(disk->id, "data");
	assert_string_equal(net->id, "lan");
	assert_string_equal(net->bridge, "br0");
	assert_null(net->tap);
	assert_int_equal(net->queues, 8);
	assert_int_equal(net->mtu, 9000);
	run_options_clear(&config);
	assert_refused("--kernel|k|--disk|a,id=", "'' is not an id");
	assert_refused("--kernel|k|--disk|a,id=a/b", "'a/b' is not an id");
	assert_refused("--kernel|k|--net|tap=t,mac=03:00:00:00:00:00", "is a multicast address");
	assert_refused("--kernel|k|--net|tap=t,mac=00:00:00:00:00:00", "is no address of a card");
	assert_refused("--kernel|k|--net|tap=t,id=-a", "'-a' is not an id");
	assert_refused("--kernel|k|--net|tap=t,queues=9", "queues=: '9' is not a number from 1 to 8");
	assert_refused("--kernel|k|--net|user,queues=2", "queues= goes with tap= and bridge= only");
	assert_refused("--kernel|k|--net|tap=t,mtu=67", "mtu=: '67' is not a number from 68 to 65535");
	assert_refused("--kernel|k|--net|bridge=", "bridge= needs a name");
	assert_refused("--kernel|k|--net|user,bridge=br0", "user is another network than");
}

static void test_help(void **state)
{
	char run[] = "run", kernel[] = "--kernel", help[] = "--help", h[] = "-h";
	char *with[] = { run, kernel, help }, *brief[] = { run, h }, *without[] = { run, kernel };
	g_autofree char *text = run_options_help();

	(void)state;
	assert_true(cli_wants_help(3, with));
	assert_true(cli_wants_help(2, brief));
	assert_false(cli_wants_help(2, without));
	assert_non_null(strstr(text, "  --kernel FILE           the guest's kernel"));
	assert_non_null(strstr(text, "  --initrd FILE[,ARGS]    "));
	assert_non_null(strstr(text, "  --stats "));
}

/* Numbers that scripts depend on. */
static void test_exit_status(void **state)
{
	(void)state;
	assert_int_equal(EXIT_STATUS_OK, 0);
	assert_int_equal(EXIT_STATUS_USAGE, 2);
	assert_int_equal(EXIT_STATUS_ERROR, 4);
	assert_int_equal(EXIT_STATUS_CRASH, 6);
	assert_int_equal(EXIT_STATUS_RESET, 8);
	assert_int_equal(EXIT_STATUS_LEFT, 10);
	assert_int_equal(exit_status_debug(0), 1);
	assert_int_equal(exit_status_debug(1), 3);
	assert_int_equal(exit_status_debug(0x10), 33);
	assert_int_equal(exit_status_debug(0x7f), 255);
	assert_int_equal(exit_status_debug(0x80), 1);
	assert_int_equal(exit_status_debug(0xffffffff), 255);
}

/* What the guest has, and not how it is run this time. */
static void test_words_of_machine(void **state)
{
	static const char line[] = "--kernel|k|--name|n|-d|--memory=4M|--balloon|--rng|--disk=a,ro";
	static const char *const bad[] = { "--name=n", "memory=4M", "--rng=x", "-d", "", "--", "--memor=4M" };
	const struct cli_option *options;
	struct run_config config;
	GError *error = NULL;
	g_autofree char *all = NULL;
	size_t count;

	(void)state;
	assert_true(parse(line, &config, &error));
	all = g_strjoinv("|", config.machine.options);
	assert_string_equal(all, "--kernel=k|--memory=4M|--balloon|--rng|--disk=a,ro");
	options = run_options_of_machine(&count);
	for (char **word = config.machine.options; *word; word++)
		assert_true(cli_knows(options, count, *word));
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_false(cli_knows(options, count, bad[i]));
	run_options_clear(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes), cmocka_unit_test(test_words_of_machine),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_balloon),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_device_parts),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
