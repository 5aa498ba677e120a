// SPDX-License-Identifier: GPL-2.0-or-later
#include "device_words.h"

#include <string.h>

#include "error.h"

#define MAC_SIZE	6u
#define MAC_TEXT	17u	/* "xx:xx:xx:xx:xx:xx" */

gboolean device_id_check(const char *id, GError **error)
{
	size_t length = strlen(id);

	if (length && length <= DEVICE_ID_MAX && g_ascii_isalnum(*id) &&
	    strspn(id, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") == length)
		return TRUE;
	return error_set_usage(error, "'%s' is not an id: up to %d letters, digits, '.', '_', '-', the "
			       "first a letter or digit", id, DEVICE_ID_MAX);
}

/* Linux takes neither from a device. */
static gboolean check_mac(const char *text, const uint8_t *mac, GError **error)
{
	static const uint8_t none[MAC_SIZE];

	if (mac[0] & 1)
		return error_set_usage(error, "mac=%s: is a multicast address", text);
	return memcmp(mac, none, MAC_SIZE) ||
	       error_set_usage(error, "mac=%s: is no address of a card", text);
}

gboolean device_mac_parse(const char *text, uint8_t *mac, GError **error)
{
	for (size_t i = 0; i < MAC_TEXT; i++)
		if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
			return error_set_usage(error, "mac=%s: is not of the form "
					       "02:00:00:12:34:56", text);
	if (text[MAC_TEXT])
		return error_set_usage(error, "mac=%s: is too long", text);
	for (size_t i = 0; i < MAC_SIZE; i++)
		mac[i] = g_ascii_xdigit_value(text[3 * i]) << 4 |
			 g_ascii_xdigit_value(text[3 * i + 1]);
	return check_mac(text, mac, error);
}
