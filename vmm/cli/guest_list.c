// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest_list.h"

#include <glib.h>
#include <string.h>

#include "../control/client.h"
#include "../control/endpoint.h"

/* The socket's name stands for the guest's. */
static JsonObject *silent_guest(const char *path)
{
	struct control_client *client = control_client_connect(path, NULL);
	g_autofree char *name = g_path_get_basename(path);
	JsonObject *guest;

	if (!client)
		return NULL;
	name[strlen(name) - strlen(CONTROL_SUFFIX)] = '\0';
	guest = json_object_new();
	json_object_set_string_member(guest, "name", name);
	json_object_set_int_member(guest, "pid", control_client_pid(client));
	json_object_set_string_member(guest, "state", "silent");
	control_client_free(client);
	return guest;
}

static JsonObject *ask_guest(const char *path, gboolean stats)
{
	struct control_client *client = control_client_open(path, NULL);
	JsonObject *guest, *counters = NULL;

	if (!client)
		return silent_guest(path);
	guest = control_client_call(client, "status", NULL, NULL);
	if (guest && stats)
		counters = control_client_call(client, "stats", NULL, NULL);
	if (counters)
		json_object_set_object_member(guest, "stats", counters);
	control_client_free(client);
	return guest;
}

JsonArray *guest_list(gboolean stats)
{
	g_auto(GStrv) paths = control_list("");
	JsonArray *guests = json_array_new();
	JsonObject *guest;

	for (unsigned int i = 0; paths[i]; i++) {
		guest = ask_guest(paths[i], stats);
		if (guest)
			json_array_add_object_element(guests, guest);
	}
	return guests;
}
