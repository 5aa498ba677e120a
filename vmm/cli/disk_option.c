// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk_option.h"

#include <string.h>

#include "../device_words.h"
#include "../devices/block/device.h"
#include "../error.h"
#include "options.h"

static gboolean take_ro(struct machine_disk *disk, const char *value, GError **error)
{
	if (value)
		return error_set_usage(error, "ro has no value");
	disk->read_only = TRUE;
	return TRUE;
}

static gboolean take_serial(struct machine_disk *disk, const char *value, GError **error)
{
	if (!value || !*value || strlen(value) > BLOCK_SERIAL_MAX)
		return error_set_usage(error, "serial= takes 1 to %u bytes", BLOCK_SERIAL_MAX);
	g_free(disk->serial);
	disk->serial = g_strdup(value);
	return TRUE;
}

static gboolean take_id(struct machine_disk *disk, const char *value, GError **error)
{
	g_free(disk->id);
	disk->id = g_strdup(value ? value : "");
	return device_id_check(disk->id, error);
}

static gboolean take_format(struct machine_disk *disk, const char *value, GError **error)
{
	(void)disk;
	if (g_strcmp0(value, "raw"))
		return error_set_usage(error, "format=%s: only raw images can be used",
				       value ? value : "");
	return TRUE;
}

static gboolean take_cache(struct machine_disk *disk, const char *value, GError **error)
{
	if (!g_strcmp0(value, "none"))
		disk->cache = BLOCK_CACHE_NONE;
	else if (!g_strcmp0(value, "host"))
		disk->cache = BLOCK_CACHE_HOST;
	else
		return error_set_usage(error, "cache= is none or host");
	return TRUE;
}

static const struct {
	const char *name;
	gboolean (*take)(struct machine_disk *disk, const char *value, GError **error);
} parts[] = {
	{ "ro", take_ro },
	{ "id", take_id },
	{ "serial", take_serial },
	{ "format", take_format },
	{ "cache", take_cache },
};

static gboolean take_part(struct machine_disk *disk, char *part, GError **error)
{
	char *value = strchr(part, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
		if (!strcmp(part, parts[i].name))
			return parts[i].take(disk, value, error);
	return error_set_usage(error, "'%s' is none of ro, id=, serial=, format=, cache=; a comma in "
			       "the file's name is written twice", part);
}

gboolean disk_option_parse(struct machine_disk *disk, const char *value, GError **error)
{
	disk->path = cli_next_part(&value);
	if (!*disk->path)
		return error_set_usage(error, "the file's name is empty");
	while (value) {
		g_autofree char *part = cli_next_part(&value);

		if (!take_part(disk, part, error))
			return FALSE;
	}
	if (block_is_nbd(disk->path) && disk->cache != BLOCK_CACHE_AUTO)
		return error_set_usage(error, "cache= is for files; an NBD server has its own option");
	return TRUE;
}

void disk_option_clear(gpointer data)
{
	struct machine_disk *disk = data;

	if (disk->block)
		disk->block->kept = false;
	block_close(disk->block);
	g_free(disk->path);
	g_free(disk->id);
	g_free(disk->serial);
}
