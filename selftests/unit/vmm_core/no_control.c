// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For machines without a control socket: nobody calls the commands of their devices.
 */
#include "../../../vmm/control/command.h"

void control_call_done(struct control_call *call, JsonObject *result)
{
	(void)call;
	(void)result;
	g_assert_not_reached();
}

void control_call_fail(struct control_call *call, const char *field, const char *format, ...)
{
	(void)call;
	(void)field;
	(void)format;
	g_assert_not_reached();
}
