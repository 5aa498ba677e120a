// SPDX-License-Identifier: GPL-2.0-or-later
#include "json_check.h"

#include <stdbool.h>
#include <string.h>

#include "../error.h"

struct scan {
	const char *start;
	const char *at;
	const char *end;
	unsigned int depth;
	GError **error;
};

static bool scan_value(struct scan *scan);

static bool scan_fail(struct scan *scan, const char *what)
{
	return error_set(scan->error, "not JSON: %s at byte %zu", what,
			 (size_t)(scan->at - scan->start));
}

/* The next byte, which is not taken; 0 at the end. */
static char scan_peek(const struct scan *scan)
{
	return scan->at < scan->end ? *scan->at : '\0';
}

static bool scan_take(struct scan *scan, char wanted)
{
	if (scan_peek(scan) != wanted)
		return false;
	scan->at++;
	return true;
}

static void scan_space(struct scan *scan)
{
	while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) && *scan->at)
		scan->at++;
}

static size_t scan_digits(struct scan *scan)
{
	const char *start = scan->at;

	while (g_ascii_isdigit(scan_peek(scan)))
		scan->at++;
	return scan->at - start;
}

static bool scan_number(struct scan *scan)
{
	bool zero;
	size_t digits;

	scan_take(scan, '-');
	zero = scan_peek(scan) == '0';
	digits = scan_digits(scan);
	if (!digits || (zero && digits > 1))
		return scan_fail(scan, "a bad number");
	if (digits > JSON_DIGITS_MAX)
		return scan_fail(scan, "a number with too many digits");
	if (scan_take(scan, '.') && !scan_digits(scan))
		return scan_fail(scan, "a bad number");
	if (scan_take(scan, 'e') || scan_take(scan, 'E')) {
		if (!scan_take(scan, '+'))
			scan_take(scan, '-');
		if (!scan_digits(scan))
			return scan_fail(scan, "a bad number");
	}
	return true;
}

/* The four digits of \uXXXX. */
static bool scan_hex(struct scan *scan, unsigned int *code)
{
	*code = 0;
	for (int i = 0; i < 4; i++, scan->at++) {
		if (!g_ascii_isxdigit(scan_peek(scan)))
			return scan_fail(scan, "a bad escape");
		*code = *code << 4 | g_ascii_xdigit_value(*scan->at);
	}
	return true;
}

static bool scan_unicode(struct scan *scan)
{
	unsigned int code, low;

	if (!scan_hex(scan, &code))
		return false;
	if (!code || (code >= 0xdc00 && code <= 0xdfff))
		return scan_fail(scan, "a bad escape");
	if (code < 0xd800 || code > 0xdbff)
		return true;
	if (!scan_take(scan, '\\') || !scan_take(scan, 'u') || !scan_hex(scan, &low) ||
	    low < 0xdc00 || low > 0xdfff)
		return *scan->error ? false : scan_fail(scan, "half a surrogate pair");
	return true;
}

static bool scan_escape(struct scan *scan)
{
	char escape = scan_peek(scan);

	if (!escape || !strchr("\"\\/bfnrtu", escape))
		return scan_fail(scan, "a bad escape");
	scan->at++;
	return escape != 'u' || scan_unicode(scan);
}

static bool scan_string(struct scan *scan)
{
	if (!scan_take(scan, '"'))
		return scan_fail(scan, "a string is missing");
	while (scan->at < scan->end) {
		if (scan_take(scan, '"'))
			return true;
		if ((unsigned char)*scan->at < 0x20)
			return scan_fail(scan, "a control character");
		if (!scan_take(scan, '\\'))
			scan->at++;
		else if (!scan_escape(scan))
			return false;
	}
	return scan_fail(scan, "a string without an end");
}

static bool scan_member(struct scan *scan)
{
	scan_space(scan);
	if (!scan_string(scan))
		return false;
	scan_space(scan);
	if (!scan_take(scan, ':'))
		return scan_fail(scan, "a ':' is missing");
	return scan_value(scan);
}

/* The members of an object, or the elements of an array, whose opening bracket is taken. */
static bool scan_list(struct scan *scan, char close, bool (*element)(struct scan *scan))
{
	if (++scan->depth > JSON_DEPTH_MAX)
		return scan_fail(scan, "too deeply nested");
	scan_space(scan);
	if (!scan_take(scan, close)) {
		do {
			if (!element(scan))
				return false;
			scan_space(scan);
		} while (scan_take(scan, ','));
		if (!scan_take(scan, close))
			return scan_fail(scan, "a ',' or a closing bracket is missing");
	}
	scan->depth--;
	return true;
}

static bool scan_word(struct scan *scan)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t left = scan->end - scan->at;
	size_t length;

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		length = strlen(words[i]);
		if (left < length || memcmp(scan->at, words[i], length))
			continue;
		scan->at += length;
		return true;
	}
	return scan_fail(scan, "a value is missing");
}

static bool scan_value(struct scan *scan)
{
	char first;

	scan_space(scan);
	first = scan_peek(scan);
	if (first == '"')
		return scan_string(scan);
	if (first == '-' || g_ascii_isdigit(first))
		return scan_number(scan);
	if (scan_take(scan, '{'))
		return scan_list(scan, '}', scan_member);
	if (scan_take(scan, '['))
		return scan_list(scan, ']', scan_value);
	return scan_word(scan);
}

gboolean json_check(const char *text, size_t length, GError **error)
{
	GError *found = NULL;
	struct scan scan = {
		.start = text, .at = text, .end = text + length, .error = &found,
	};

	scan_space(&scan);
	if (!g_utf8_validate_len(text, length, NULL))
		error_set(&found, "not JSON: no valid UTF-8");
	else if (scan_peek(&scan) != '{')
		scan_fail(&scan, "an object is missing");
	else if (scan_value(&scan)) {
		scan_space(&scan);
		if (scan.at < scan.end)
			scan_fail(&scan, "something follows the object");
	}
	if (found)
		g_propagate_error(error, found);
	return !found;
}
