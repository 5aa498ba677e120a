/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the VMM's core share: cmocka with what it needs before it. */
#ifndef MICA_TEST_CORE_TEST_H
#define MICA_TEST_CORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>
#include <string.h>

/* A call that fails with one message that says `text`; clears the error. */
static inline void assert_error_says(GError **error, const char *text)
{
	assert_non_null(*error);
	if (!strstr((*error)->message, text))
		fail_msg("\"%s\" does not say \"%s\"", (*error)->message, text);
	assert_null(strchr((*error)->message, '\n'));
	g_clear_error(error);
}

#endif
