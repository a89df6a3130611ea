/* SPDX-License-Identifier: Apache-2.0
 * Options from tables. getopt_long is not used because an unknown option should meet its nearest right word, and because
 * `--fit A B --calibrate C` lets an option take several logs. */
#include "cli.h"

#include "base/mem.h"
#include "base/words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

int cli_fail(const struct command *command, int code, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "oodd %s: ", command->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

void cli_help(const struct command *command, const struct cli_option *options)
{
	printf("usage: oodd %s %s\n\n%s\n", command->name, command->synopsis, command->summary);
	if (command->help)
		printf("\n%s\n", command->help);
	printf("\noptions:\n");
	for (const struct cli_option *o = options; o->name; o++) {
		char left[64];

		snprintf(left, sizeof left, "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
			o->letter ? "," : " ", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
		printf("  %-28s %s\n", left, o->help);
	}
	printf("  %-28s %s\n", "-h, --help", "this text");
}

static void list_add(struct cli_list *list, const char *text)
{
	list->at = mem_grow(list->at, list->n + 1, sizeof *list->at);
	list->at[list->n++] = text;
}

static const struct cli_option *option_find(const struct cli_option *options, const char *word, size_t n)
{
	for (const struct cli_option *o = options; o->name; o++)
		if (strlen(o->name) == n && !memcmp(o->name, word, n))
			return o;
	return NULL;
}

static const struct cli_option *option_letter(const struct cli_option *options, char letter)
{
	for (const struct cli_option *o = options; o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

static int unknown(const struct command *command, const struct cli_option *options, const char *word)
{
	const char *names[64];
	const char *nearest;
	size_t n = 0;

	for (const struct cli_option *o = options; o->name && n < 64; o++)
		names[n++] = o->name;
	nearest = words_nearest(word, names, n);
	return cli_fail(command, EX_USAGE, "unknown option '--%s'%s%s%s; see oodd %s --help", word,
		nearest ? "; did you mean '--" : "", nearest ? nearest : "", nearest ? "'?" : "", command->name);
}

static int take(const struct command *command, const struct cli_option *o, const char *text)
{
	char *end;
	long number;

	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)o->to = true;
		return CLI_GO_ON;
	case CLI_TEXT:
		*(const char **)o->to = text;
		return CLI_GO_ON;
	case CLI_LIST:
		list_add(o->to, text);
		return CLI_GO_ON;
	case CLI_NUMBER:
		errno = 0;
		number = strtol(text, &end, 10);
		if (errno || *end || end == text || number < o->least || number > o->most)
			return cli_fail(command, EX_USAGE, "--%s: expected a whole number from %ld to %ld, found '%s'",
				o->name, o->least, o->most, text);
		*(long *)o->to = number;
		return CLI_GO_ON;
	}
	abort();
}

/* One word that begins with '-': the option it names and, for --name=value, its value. */
static const struct cli_option *option_of(const struct cli_option *options, const char *word, const char **ret_value)
{
	const char *equals;

	*ret_value = NULL;
	if (word[1] != '-') {
		if (word[2])
			*ret_value = word + 2;
		return option_letter(options, word[1]);
	}
	equals = strchr(word, '=');
	if (equals)
		*ret_value = equals + 1;
	return option_find(options, word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

int cli_parse(const struct command *command, const struct cli_option *options, int argc, char **argv,
	struct cli_list *ret_rest)
{
	bool only_rest = false;

	*ret_rest = (struct cli_list){0};
	for (int i = 1; i < argc; i++) {
		const struct cli_option *o;
		const char *value;
		int status;

		if (only_rest || !is_option(argv[i])) {
			list_add(ret_rest, argv[i]);
			continue;
		}
		if (!strcmp(argv[i], "--")) {
			only_rest = true;
			continue;
		}
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			cli_help(command, options);
			return 0;
		}
		o = option_of(options, argv[i], &value);
		if (!o)
			return unknown(command, options, argv[i] + (argv[i][1] == '-' ? 2 : 1));
		if (o->kind != CLI_FLAG && !value) {
			if (i + 1 >= argc)
				return cli_fail(command, EX_USAGE, "--%s wants %s", o->name, o->argument);
			value = argv[++i];
		}
		status = take(command, o, value);
		while (status == CLI_GO_ON && o->kind == CLI_LIST && i + 1 < argc && !is_option(argv[i + 1]))
			status = take(command, o, argv[++i]);
		if (status != CLI_GO_ON)
			return status;
	}
	return CLI_GO_ON;
}
