// SPDX-License-Identifier: GPL-2.0-or-later
#include "error.h"

G_DEFINE_QUARK(vmm-error, vmm_error)

static gboolean error_set_valist(GError **error, enum vmm_error code, const char *format,
				 va_list args)
{
	if (error)
		*error = g_error_new_valist(VMM_ERROR, code, format, args);
	return FALSE;
}

gboolean error_set(GError **error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_set_valist(error, VMM_ERROR_FAILED, format, args);
	va_end(args);
	return FALSE;
}

gboolean error_set_usage(GError **error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_set_valist(error, VMM_ERROR_USAGE, format, args);
	va_end(args);
	return FALSE;
}

gboolean error_set_errno(GError **error, int number, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	return error_set(error, "%s: %s", text, g_strerror(number));
}
