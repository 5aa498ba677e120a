// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli.h"
#include "guest_verb.h"

static const struct guest_verb verb = {
	.name = "resume",
	.about = "Lets a paused guest go on.\n",
};

int cli_resume(int argc, char **argv)
{
	return guest_verb_run(&verb, argc, argv);
}
