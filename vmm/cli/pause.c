// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli.h"
#include "guest_verb.h"

static const struct guest_verb verb = {
	.name = "pause",
	.about = "Lets the guest stand still: its virtual CPUs do not run, and its time does not pass.\n"
		 "When it goes on it finds its clocks behind the host's by as long as it was paused.\n",
};

int cli_pause(int argc, char **argv)
{
	return guest_verb_run(&verb, argc, argv);
}
