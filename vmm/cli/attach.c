// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `mica attach`: opens what the device needs, as this user, and hands the descriptor to the guest's
 * process, which may open nothing any more.
 */
#include <stdio.h>
#include <unistd.h>

#include "../backends/block.h"
#include "../control/command.h"
#include "../error.h"
#include "../exit_status.h"
#include "../message.h"
#include "cli.h"
#include "disk_option.h"
#include "guest_verb.h"
#include "net_option.h"

struct attach {
	struct guest_words words;	/* the first member: options of the two share a target */
	struct machine_disk disk;
	struct machine_net net;
	unsigned int devices;
};

static gboolean take_disk(void *target, const char *value, GError **error)
{
	struct attach *attach = target;

	if (attach->devices++)
		return error_set_usage(error, "one device at a time");
	return disk_option_parse(&attach->disk, value, error);
}

static gboolean take_net(void *target, const char *value, GError **error)
{
	struct attach *attach = target;

	if (attach->devices++)
		return error_set_usage(error, "one device at a time");
	if (!net_option_parse(&attach->net, value, error))
		return FALSE;
	return !attach->net.vhost ||
	       error_set_usage(error, "vhost=on is for cards that the guest is started with");
}

static const struct cli_option options[] = {
	{ "disk", "FILE[,OPTION]...", "a disk, as with `mica run`; not of an NBD server", take_disk },
	{ "net", "tap=NAME|bridge=NAME|user[,OPTION]...", "a network card, as with `mica run`", take_net },
};

static const struct guest_verb verb = {
	.name = "attach",
	.about = "Gives a running guest a disk or a network card, and prints the id by which `mica detach`\n"
		 "knows it: the one that id= says, or one that is made up.\n",
	.options = options,
	.option_count = G_N_ELEMENTS(options),
};

static void set_text(JsonObject *arguments, const char *name, const char *text)
{
	if (text)
		json_object_set_string_member(arguments, name, text);
}

/* Sends the request with the descriptors, and prints the id. */
static int send_device(const struct attach *attach, const char *command, const int *fds,
		       unsigned int count)
{
	const struct control_extra extra = { .fds = fds, .fd_count = count };
	g_autoptr(JsonObject) result = NULL;

	json_object_set_int_member(attach->words.arguments, CONTROL_DESCRIPTORS, extra.fd_count);
	result = guest_words_call(&attach->words, command, &extra);
	if (!result)
		return EXIT_STATUS_ERROR;
	printf("%s\n", guest_string(result, "id"));
	return EXIT_STATUS_OK;
}

static int attach_disk(struct attach *attach, GError **error)
{
	static const char *const caches[] = {
		[BLOCK_CACHE_NONE] = "none", [BLOCK_CACHE_HOST] = "host",
	};
	const struct machine_disk *disk = &attach->disk;
	JsonObject *arguments = attach->words.arguments;
	int fd, status;

	if (block_is_nbd(disk->path)) {
		error_set(error, "disk %s: an NBD server's disk can be given at the guest's start only",
			  disk->path);
		return EXIT_STATUS_ERROR;
	}
	fd = block_file_fd(disk->path, disk->read_only, error);
	if (fd < 0)
		return EXIT_STATUS_ERROR;
	set_text(arguments, "id", disk->id);
	set_text(arguments, "path", disk->path);
	set_text(arguments, "serial", disk->serial);
	set_text(arguments, "cache", caches[disk->cache]);
	json_object_set_boolean_member(arguments, "read_only", disk->read_only);
	status = send_device(attach, "attach-disk", &fd, 1);
	close(fd);
	return status;
}

static int attach_net(struct attach *attach, GError **error)
{
	const struct machine_net *net = &attach->net;
	JsonObject *arguments = attach->words.arguments;
	const uint8_t *mac = net->mac;
	g_autofree char *text = NULL;
	struct net_end end;
	int status;

	if (!machine_net_connect(net, &end, error))
		return EXIT_STATUS_ERROR;
	if (net->mac_given)
		text = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
				       mac[3], mac[4], mac[5]);
	set_text(arguments, "id", net->id);
	set_text(arguments, "source", net->user ? "user" : end.name);
	set_text(arguments, "backend", end.tap ? "tap" : "stream");
	set_text(arguments, "mac", text);
	json_object_set_int_member(arguments, "mtu", end.mtu);
	status = send_device(attach, "attach-net", end.fds, end.count);
	net_end_close(&end);
	return status;
}

static int attach_device(struct attach *attach)
{
	g_autoptr(GError) error = NULL;
	int status = EXIT_STATUS_USAGE;

	if (!attach->devices)
		message("what shall it get? --disk or --net (see `mica attach --help`)");
	else
		status = attach->disk.path ? attach_disk(attach, &error) :
					     attach_net(attach, &error);
	if (error)
		message("%s", error->message);
	return status;
}

int cli_attach(int argc, char **argv)
{
	struct attach attach = { 0 };
	int status;

	if (guest_verb_parse(&verb, argc, argv, &attach.words, &status))
		status = attach_device(&attach);
	guest_words_clear(&attach.words);
	disk_option_clear(&attach.disk);
	net_option_clear(&attach.net);
	return status;
}
