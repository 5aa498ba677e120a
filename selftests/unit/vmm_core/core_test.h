/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the VMM's core share: cmocka with what it needs before it. */
#ifndef MICA_TEST_CORE_TEST_H
#define MICA_TEST_CORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
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

/* The state letter of this process's thread `name`, as ps(1) shows it; 0 if there is none. */
static inline char thread_state(const char *name)
{
	g_autofree char *in_brackets = g_strdup_printf("(%s) ", name);
	DIR *folder = opendir("/proc/self/task");
	struct dirent *entry;
	char found = 0;

	while (!found && (entry = readdir(folder))) {
		g_autofree char *path = g_strdup_printf("/proc/self/task/%s/stat", entry->d_name);
		g_autofree char *text = NULL;
		char *state;

		if (!g_file_get_contents(path, &text, NULL, NULL))
			continue;
		state = strstr(text, in_brackets);
		if (state)
			found = state[strlen(in_brackets)];
	}
	closedir(folder);
	return found;
}

#endif
