// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <stdbool.h>
#include <string.h>

#include "../error.h"

#define HELP_COLUMN	26

static const struct cli_option *cli_find(const struct cli_option *options, size_t count,
					 const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(options[i].name) == length && !memcmp(options[i].name, name, length))
			return &options[i];
	return NULL;
}

/* One letter means the same in all verbs. */
static const struct {
	const char *letter;
	const char *word;
} letters[] = {
	{ "-d", "--detach" },
};

static const char *cli_word(const char *word)
{
	for (size_t i = 0; i < G_N_ELEMENTS(letters); i++)
		if (!strcmp(letters[i].letter, word))
			return letters[i].word;
	return word;
}

/* The value is not behind a '='.  FALSE: one is needed and there is none. */
static gboolean cli_next_value(const struct cli_option *option, int argc, char **argv, int *at,
			       const char **value, GError **error)
{
	bool optional = *option->value == '[';

	*value = NULL;
	if (*at < argc && !(optional && *argv[*at] == '-'))
		*value = argv[(*at)++];
	return *value || optional ||
	       error_set_usage(error, "option '--%s' needs a value: --%s %s", option->name,
			       option->name, option->value);
}

/* argv[*at] and, if it is there, its value; moves *at on.  NULL after an error. */
static const struct cli_option *cli_read_one(const struct cli_option *options, size_t count,
					     int argc, char **argv, int *at, const char **value,
					     GError **error)
{
	const char *word = cli_word(argv[(*at)++]);
	const struct cli_option *option;
	size_t length;

	*value = NULL;
	if (!g_str_has_prefix(word, "--")) {
		error_set_usage(error, "'%s' is not an option", word);
		return NULL;
	}
	length = strcspn(word + 2, "=");
	option = cli_find(options, count, word + 2, length);
	if (word[2 + length] == '=')
		*value = word + 2 + length + 1;
	if (!option && length == strlen("help") && g_str_has_prefix(word, "--help"))
		error_set_usage(error, "option '--help' takes no value");
	else if (!option)
		error_set_usage(error, "unknown option '%.*s'", (int)length + 2, word);
	else if (!option->value && *value)
		error_set_usage(error, "option '--%s' takes no value", option->name);
	else if (!option->value || *value || cli_next_value(option, argc, argv, at, value, error))
		return option;
	return NULL;
}

static gboolean cli_parse_one(const struct cli_option *options, size_t count, int argc,
			      char **argv, int *at, void *target, GError **error)
{
	const struct cli_option *option;
	const char *value;

	option = cli_read_one(options, count, argc, argv, at, &value, error);
	if (!option || option->take(target, value, error))
		return option != NULL;
	g_prefix_error(error, "--%s: ", option->name);
	return FALSE;
}

char **cli_chosen(const struct cli_option *options, size_t count, size_t chosen, int argc,
		  char **argv)
{
	GPtrArray *words = g_ptr_array_new();
	const struct cli_option *option;
	const char *value;
	int at = 1;

	while (at < argc) {
		option = cli_read_one(options, count, argc, argv, &at, &value, NULL);
		if (option && option < options + chosen)
			g_ptr_array_add(words, g_strconcat("--", option->name, value ? "=" : NULL,
							   value, NULL));
	}
	g_ptr_array_add(words, NULL);
	return (char **)g_ptr_array_free(words, FALSE);
}

gboolean cli_knows(const struct cli_option *options, size_t count, const char *word)
{
	const struct cli_option *option = NULL;

	if (g_str_has_prefix(word, "--"))
		option = cli_find(options, count, word + 2, strcspn(word + 2, "="));
	return option && (option->value || !strchr(word, '='));
}

gboolean cli_parse(const struct cli_option *options, size_t count, int argc, char **argv,
		   void *target, GError **error)
{
	int at = 1;

	while (at < argc)
		if (!cli_parse_one(options, count, argc, argv, &at, target, error))
			return FALSE;
	return TRUE;
}

gboolean cli_parse_operands(const struct cli_option *options, size_t count, int argc,
			    char **argv, void *target,
			    gboolean (*operand)(void *target, const char *word, GError **error),
			    GError **error)
{
	gboolean good = TRUE;
	int at = 1;

	while (good && at < argc) {
		if (*argv[at] == '-')
			good = cli_parse_one(options, count, argc, argv, &at, target, error);
		else
			good = operand(target, argv[at++], error);
	}
	return good;
}

void cli_append_options(GString *text, const struct cli_option *options, size_t count)
{
	g_autofree char *left = NULL;

	for (size_t i = 0; i < count; i++) {
		g_free(left);
		left = g_strdup_printf("  --%s %s", options[i].name,
				       options[i].value ? options[i].value : "");
		if (strlen(left) >= HELP_COLUMN)
			g_string_append_printf(text, "%s\n%*s", left, HELP_COLUMN, "");
		else
			g_string_append_printf(text, "%-*s", HELP_COLUMN, left);
		g_string_append_printf(text, "%s\n", options[i].help);
	}
}

gboolean cli_wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return TRUE;
	return FALSE;
}

enum cli_digits { DIGITS_GOOD, DIGITS_NONE, DIGITS_TOO_MANY };

/* The digits at *text, which then points behind them. */
static enum cli_digits cli_parse_digits(const char **text, uint64_t *number)
{
	const char *at = *text;
	bool fits = true;

	*number = 0;
	for (; g_ascii_isdigit(*at); at++)
		fits = fits && !__builtin_mul_overflow(*number, 10, number) &&
		       !__builtin_add_overflow(*number, *at - '0', number);
	if (at == *text)
		return DIGITS_NONE;
	*text = at;
	return fits ? DIGITS_GOOD : DIGITS_TOO_MANY;
}

gboolean cli_parse_size(const char *text, uint64_t *bytes, GError **error)
{
	static const char units[] = "KMGT";
	const char *at = text, *unit = NULL;
	enum cli_digits digits;
	uint64_t number, factor;

	digits = cli_parse_digits(&at, &number);
	if (*at)
		unit = strchr(units, g_ascii_toupper(*at));
	if (digits == DIGITS_NONE || (*at && (!unit || at[1])))
		return error_set_usage(error, "'%s' is not a size: digits and K, M, G or T, as in "
				       "512M", text);
	factor = unit ? 1024ull << (10 * (unit - units)) : 1;
	if (digits == DIGITS_TOO_MANY || __builtin_mul_overflow(number, factor, bytes))
		return error_set_usage(error, "'%s' is too large", text);
	return TRUE;
}

gboolean cli_parse_number(const char *text, unsigned int low, unsigned int high,
			  unsigned int *number, GError **error)
{
	const char *at = text;
	uint64_t value;

	if (cli_parse_digits(&at, &value) != DIGITS_GOOD || *at || value < low || value > high)
		return error_set_usage(error, "'%s' is not a number from %u to %u", text, low,
				       high);
	*number = value;
	return TRUE;
}

char *cli_next_part(const char **value)
{
	GString *part = g_string_new(NULL);
	const char *at = *value;

	if (!at) {
		g_string_free(part, TRUE);
		return NULL;
	}
	for (; *at && (*at != ',' || at[1] == ','); at++) {
		at += *at == ',';
		g_string_append_c(part, *at);
	}
	*value = *at ? at + 1 : NULL;
	return g_string_free(part, FALSE);
}
