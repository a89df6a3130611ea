/* SPDX-License-Identifier: Apache-2.0
 * Writes the keys of the configuration into oodd.lua(5): config_man <oodd.lua.5.in >oodd.lua.5. A line "@keys WORD@" becomes the keys of
 * that block, of that table, or, for "settings", those that stand alone. So the manual cannot forget a key, nor its range. */
#include "config_parts.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void roff_print(const char *text)
{
	for (; *text; text++)
		if (*text == '\\' || *text == '-')
			printf("\\%c", *text == '-' ? '-' : 'e');
		else
			putchar(*text);
}

static const char *type_words(enum key_type type)
{
	switch (type) {
	case KEY_TEXT: return "text";
	case KEY_PATH: return "path";
	case KEY_TEXTS: return "text or list of texts";
	case KEY_PATHS: return "path or list of paths";
	case KEY_BOOL: return "true or false";
	case KEY_NUMBER: return "number";
	case KEY_INTEGER: return "whole number";
	case KEY_SIZE: return "size";
	case KEY_DURATION: return "duration";
	case KEY_CHOICE:
	case KEY_SWITCH: return "one of";
	default: return "";
	}
}

static void limit_print(const struct key *k, double limit)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	size_t unit = 0;
	char text[64];

	if (k->type == KEY_DURATION) {
		duration_format((int64_t)(limit * (double)SECOND_US), text, sizeof text);
		fputs(text, stdout);
		return;
	}
	for (; k->type == KEY_SIZE && unit < 3 && limit >= 1024 && limit / 1024 == (double)(int64_t)(limit / 1024); unit++)
		limit /= 1024;
	printf("%.12g%s", limit, k->type == KEY_SIZE ? units[unit] : "");
}

/* "duration, 1s to 4w3d; default 5m" */
static void value_print(const struct key *k)
{
	const char *type = type_words(k->type), *between = *type ? "; " : "";

	fputs(type, stdout);
	for (const char *c = k->words ? k->words : ""; *c; c++)
		printf("%s%c", c == k->words ? " " : *c == ' ' ? "," : "", *c);
	if (k->least < k->most) {
		printf(", ");
		limit_print(k, k->least);
		printf(" to ");
		limit_print(k, k->most);
	}
	if (k->required)
		printf("%srequired", between);
	else if (k->standard)
		printf("%sdefault %s", between, k->standard);
}

static void key_print(const struct key *k)
{
	printf(".TP\n.B ");
	roff_print(k->name);
	printf("\n%c", strncmp(k->help, "oodd ", 5) ? toupper((unsigned char)*k->help) : 'o');
	roff_print(k->help + 1);
	puts(".");
	if (k->type != KEY_OTHER) {
		fputs("(", stdout);
		value_print(k);
		puts(")");
	}
}

static void keys_print(const struct key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		key_print(&keys[i]);
}

/* False when there is no such word. */
static bool word_print(const char *word)
{
	if (!strcmp(word, "settings")) {
		keys_print(config_settings.keys, config_settings.n_keys);
		return true;
	}
	for (size_t i = 0; i < config_n_blocks; i++)
		if (!strcmp(word, config_blocks[i].word)) {
			keys_print(config_blocks[i].keys, config_blocks[i].n_keys);
			return true;
		}
	for (size_t i = 0; i < config_n_tables; i++)
		if (!strcmp(word, config_tables[i].name)) {
			keys_print(config_tables[i].keys, config_tables[i].n_keys);
			return true;
		}
	return false;
}

int main(void)
{
	char line[4096], word[64];

	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "@keys %63[a-z]@", word) != 1) {
			fputs(line, stdout);
		} else if (!word_print(word)) {
			fprintf(stderr, "config_man: no keys of '%s'\n", word);
			return EXIT_FAILURE;
		}
	}
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
