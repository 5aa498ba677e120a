/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The errors of the VMM's core.  The message is all that the user sees, after "mica: ":
 * it says what is wrong and what to do, without a newline.
 */
#ifndef MICA_VMM_ERROR_H
#define MICA_VMM_ERROR_H

#include <glib.h>

#define VMM_ERROR vmm_error_quark()
GQuark vmm_error_quark(void);
enum vmm_error {
	VMM_ERROR_FAILED,	/* the host cannot, or does not want to */
	VMM_ERROR_USAGE,	/* the command line is wrong */
};

/* All return FALSE, so that a caller can return their value. */
gboolean error_set(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Appends ": " and what the errno value `number` means. */
gboolean error_set_errno(GError **error, int number, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
gboolean error_set_usage(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
