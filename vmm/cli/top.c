// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../exit_status.h"
#include "cli.h"
#include "guest_list.h"
#include "guest_verb.h"

#define DEFAULT_SECONDS	1
#define CLEAR		"\033[H\033[J"	/* ECMA-48: cursor to the top left, erase what follows */

static const struct cli_option options[] = {
	{ "interval", "SECONDS", "how often the table is made anew (1)", guest_take_seconds },
};

static const struct guest_verb verb = {
	.name = "top",
	.about = "Shows what guests do: the share of a CPU that their virtual CPUs use, and exits,\n"
		 "halts and injected interrupts in a second.  On a terminal the table is made anew\n"
		 "until Ctrl-C; else it is printed once, with averages since the guests' starts.\n",
	.options = options,
	.option_count = G_N_ELEMENTS(options),
	.all = TRUE,
};

/* Of all virtual CPUs of a guest. */
struct sums {
	gint64 pid;
	gint64 uptime_ms;
	gint64 cpu_ms;
	gint64 entries;			/* each ends with an exit */
	gint64 halts;
	gint64 interrupts;
};

static void add_vcpu(JsonArray *array, guint index, JsonNode *node, gpointer opaque)
{
	JsonObject *vcpu = json_node_get_object(node);
	JsonObject *counters = json_object_get_object_member(vcpu, "counters");
	struct sums *sums = opaque;

	(void)array;
	(void)index;
	sums->cpu_ms += guest_integer(vcpu, "cpu_ms");
	sums->entries += guest_integer(counters, "entries");
	sums->halts += guest_integer(counters, "halts");
	sums->interrupts += guest_integer(counters, "injected_interrupts");
}

static struct sums sum_up(JsonObject *guest)
{
	struct sums sums = { .pid = guest_integer(guest, "pid") };
	JsonObject *stats;

	if (!json_object_has_member(guest, "stats"))
		return sums;
	stats = json_object_get_object_member(guest, "stats");
	sums.uptime_ms = guest_integer(stats, "uptime_ms");
	json_array_foreach_element(json_object_get_array_member(stats, "vcpus"), add_vcpu, &sums);
	return sums;
}

static struct sums sums_before(const GArray *before, gint64 pid)
{
	const struct sums *sums;

	for (guint i = 0; before && i < before->len; i++) {
		sums = &g_array_index(before, struct sums, i);
		if (sums->pid == pid)
			return *sums;
	}
	return (struct sums){ 0 };
}

static void print_rates(const struct sums *now, const struct sums *then)
{
	double seconds = (now->uptime_ms - then->uptime_ms) / 1000.0;

	if (seconds <= 0)
		seconds = 1;
	printf(" %6.1f %10.0f %10.0f %10.0f", (now->cpu_ms - then->cpu_ms) / 10.0 / seconds,
	       (now->entries - then->entries) / seconds, (now->halts - then->halts) / seconds,
	       (now->interrupts - then->interrupts) / seconds);
}

static void print_row(JsonObject *guest, const struct sums *now, const struct sums *then)
{
	JsonObject *stats = NULL, *memory = NULL;
	g_autofree char *resident = NULL;

	printf("%-20s %8d %-8s", guest_string(guest, "name"), (int)guest_integer(guest, "pid"),
	       guest_string(guest, "state"));
	if (json_object_has_member(guest, "stats")) {
		stats = json_object_get_object_member(guest, "stats");
		memory = json_object_get_object_member(stats, "memory");
		resident = guest_size_text(guest_integer(memory, "resident"));
		printf(" %4d %6s", (int)guest_integer(guest, "cpus"), resident);
		print_rates(now, then);
	}
	printf("\n");
}

/* Returns the sums of this round, for the next; `before` is freed. */
static GArray *show(GArray *before)
{
	g_autoptr(JsonArray) guests = guest_list(TRUE);
	GArray *after = g_array_new(FALSE, FALSE, sizeof(struct sums));
	struct sums now, then;
	JsonObject *guest;

	printf("%-20s %8s %-8s %4s %6s %6s %10s %10s %10s\n", "NAME", "PID", "STATE", "CPUS", "RES",
	       "CPU%", "EXITS/s", "HALTS/s", "IRQS/s");
	for (guint i = 0; i < json_array_get_length(guests); i++) {
		guest = json_array_get_object_element(guests, i);
		now = sum_up(guest);
		then = sums_before(before, now.pid);
		print_row(guest, &now, &then);
		g_array_append_val(after, now);
	}
	g_clear_pointer(&before, g_array_unref);
	return after;
}

/* False if the terminal is gone. */
static gboolean wait(unsigned int seconds)
{
	struct timespec pause = { .tv_sec = seconds };

	if (fflush(stdout))
		return FALSE;
	while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
		;
	return TRUE;
}

static void watch(unsigned int seconds)
{
	GArray *sums = NULL;

	do {
		printf(CLEAR);
		sums = show(sums);
	} while (wait(seconds));
	g_array_unref(sums);
}

int cli_top(int argc, char **argv)
{
	struct guest_words words;
	int status = EXIT_STATUS_OK;

	if (guest_verb_parse(&verb, argc, argv, &words, &status)) {
		if (isatty(STDOUT_FILENO))
			watch(words.seconds ? words.seconds : DEFAULT_SECONDS);
		else
			g_array_unref(show(NULL));
		status = EXIT_STATUS_OK;
	}
	guest_words_clear(&words);
	return status;
}
