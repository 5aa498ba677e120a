// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli.h"
#include "guest_verb.h"

static const struct guest_verb verb = {
	.name = "reset",
	.about = "Ends the guest as its reset button does: at once, and with `mica run`'s status of a\n"
		 "reset, unless it was started with --on-reset restart: then it starts anew.\n",
};

int cli_reset(int argc, char **argv)
{
	return guest_verb_run(&verb, argc, argv);
}
