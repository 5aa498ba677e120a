/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at one line of JSON before anything is made of it.  The parser behind it takes more
 * than JSON (comments, numbers in octal) and as much nesting as there is; this takes RFC 8259
 * and nothing else, with bounds.
 */
#ifndef MICA_VMM_CONTROL_JSON_CHECK_H
#define MICA_VMM_CONTROL_JSON_CHECK_H

#include <glib.h>
#include <stddef.h>

#define JSON_DEPTH_MAX	8	/* objects and arrays within each other */
#define JSON_DIGITS_MAX	18	/* of a number's integer part: such an integer fits in 64 bits */

/* TRUE if `text` is one object and nothing else but white space, in valid UTF-8, without the
 * character U+0000.  `text` needs no NUL behind it. */
gboolean json_check(const char *text, size_t length, GError **error);

#endif
