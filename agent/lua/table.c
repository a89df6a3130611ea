/* SPDX-License-Identifier: Apache-2.0
 * Reading by a table of keys. A default takes the same way as what a user writes, so it is held to
 * the same range. */
#include "lua/table.h"

#include "base/clock.h"
#include "base/words.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

enum { MOST_KEYS = 64 };

void table_wrong(struct reading *r, int line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	if (line > 0)
		buf_format(r->errors, "%s:%d: %s%s\n", r->file, line, r->what, text);
	else if (line == 0)
		buf_format(r->errors, "%s: %s%s\n", r->file, r->what, text);
	else
		buf_format(r->errors, "%s\n", text);
	r->n_errors++;
}

const char *table_nearest(
	const char *text, const char *const *words, size_t n_words, char *to, size_t n)
{
	const char *near = words_nearest(text, words, n_words);

	snprintf(to, n, near ? "; did you mean '%s'?" : "%s", near ? near : "");
	return to;
}

char *table_path(const struct reading *r, const char *path)
{
	if (path[0] == '/')
		return mem_copy_text(path);
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return mem_format("%s/%s", strcmp(r->folder, "/") == 0 ? "" : r->folder, path);
}

int size_parse(const char *text, size_t n, int64_t *ret)
{
	static const struct {
		const char *name;
		double factor;
	} units[] = {{"", 1}, {"B", 1}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"KiB", 1024},
		{"MiB", 1048576}, {"GiB", 1073741824}};
	char copy[32], *end;
	double x;

	if (n == 0 || n >= sizeof copy || !strchr("0123456789", text[0]))
		return -EINVAL;
	memcpy(copy, text, n);
	copy[n] = '\0';
	x = strtod(copy, &end);
	if (strspn(copy, "0123456789.") != (size_t)(end - copy))
		return -EINVAL;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		x *= units[i].factor;
		if (!(x <= 9e15) || x != floor(x))
			return -EINVAL;
		*ret = (int64_t)x;
		return 0;
	}
	return -EINVAL;
}

/* The i-th word of "a b c" into `to`; false behind the last. */
static bool word_at(const char *words, size_t i, char *to, size_t n)
{
	for (; *words; words += strspn(words, " ")) {
		size_t length = strcspn(words, " ");

		if (i-- == 0) {
			snprintf(to, n, "%.*s", (int)length, words);
			return true;
		}
		words += length;
	}
	return false;
}

static void wrong_type(
	struct reading *r, const struct key *k, const struct value *v, const char *wanted)
{
	table_wrong(
		r, v->line, "%s must be %s, and is %s", k->name, wanted, value_type_words[v->type]);
}

static bool in_range(
	struct reading *r, const struct key *k, const struct value *v, double x, const char *unit)
{
	if (k->least == k->most ? isfinite(x) : x >= k->least && x <= k->most)
		return true;
	if (k->least == k->most)
		table_wrong(r, v->line, "%s must be a finite number", k->name);
	else
		table_wrong(r, v->line, "%s must be from %.15g to %.15g%s, and is %.15g", k->name,
			k->least, k->most, unit, x);
	return false;
}

static bool plain_text(struct reading *r, const struct key *k, const struct value *v)
{
	if (v->type != VALUE_TEXT)
		wrong_type(r, k, v, "a text");
	else if (v->n == 0)
		table_wrong(r, v->line, "%s is empty", k->name);
	else if (strlen(v->text) != v->n)
		table_wrong(r, v->line, "%s holds a NUL byte", k->name);
	else
		return true;
	return false;
}

static void read_text(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	if (!plain_text(r, k, v))
		return;
	*(char **)member = k->type == KEY_PATH ? table_path(r, v->text) : mem_copy_text(v->text);
}

static void read_texts(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	size_t *n = (size_t *)((char *)member - k->at + k->at_n);
	const struct value *items = v->type == VALUE_TABLE ? v->items : v;
	size_t n_items = v->type == VALUE_TABLE ? v->n : 1;
	char **texts;

	if (v->type != VALUE_TABLE && v->type != VALUE_TEXT) {
		wrong_type(r, k, v, "a text or a list of texts");
		return;
	}
	texts = mem_zero(n_items + 1, sizeof *texts);
	for (size_t i = 0; i < n_items; i++) {
		if (items[i].key && v->type == VALUE_TABLE) {
			table_wrong(r, items[i].line, "%s is a list, and has the key '%s' in it",
				k->name, items[i].key);
			continue;
		}
		if (plain_text(r, k, &items[i]))
			texts[(*n)++] = k->type == KEY_PATHS ? table_path(r, items[i].text)
							     : mem_copy_text(items[i].text);
	}
	*(char ***)member = texts;
}

static void read_bool(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	if (v->type != VALUE_BOOL)
		wrong_type(r, k, v, "true or false");
	else
		*(bool *)member = v->yes;
}

static void read_number(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	if (v->type != VALUE_NUMBER)
		wrong_type(r, k, v, "a number");
	else if (in_range(r, k, v, v->number, ""))
		*(double *)member = v->number;
}

static void store_integer(const struct key *k, void *member, int64_t x)
{
	int32_t small = (int32_t)x;

	assert(k->size == sizeof x || k->size == sizeof small);
	if (k->size == sizeof x)
		memcpy(member, &x, sizeof x);
	else
		memcpy(member, &small, sizeof small);
}

static void read_integer(
	struct reading *r, const struct key *k, const struct value *v, void *member)
{
	if (v->type != VALUE_NUMBER)
		wrong_type(r, k, v, "a whole number");
	else if (v->number != floor(v->number))
		table_wrong(
			r, v->line, "%s must be a whole number, and is %.15g", k->name, v->number);
	else if (in_range(r, k, v, v->number, ""))
		store_integer(k, member, (int64_t)v->number);
}

static void read_size(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	int64_t bytes = -1;

	if (v->type == VALUE_NUMBER && v->number == floor(v->number) && fabs(v->number) < 9e15)
		bytes = (int64_t)v->number;
	else if (v->type != VALUE_TEXT || size_parse(v->text, v->n, &bytes)) {
		table_wrong(r, v->line,
			"%s must be a size such as \"64MiB\" or a number of bytes, and is "
			"%s%.40s%s",
			k->name, v->type == VALUE_TEXT ? "\"" : "",
			v->type == VALUE_TEXT ? v->text : value_type_words[v->type],
			v->type == VALUE_TEXT ? "\"" : "");
		return;
	}
	if (in_range(r, k, v, (double)bytes, " bytes"))
		store_integer(k, member, bytes);
}

static void read_duration(
	struct reading *r, const struct key *k, const struct value *v, void *member)
{
	int64_t us;

	if (v->type == VALUE_NUMBER && fabs(v->number) < 1e10) {
		us = llround(v->number * (double)SECOND_US);
	} else if (v->type != VALUE_TEXT) {
		wrong_type(r, k, v, "a duration such as \"90s\" or \"5m\"");
		return;
	} else if (duration_parse(v->text, v->n, &us)) {
		table_wrong(r, v->line,
			"%s: \"%.40s\" is not a duration; write it like \"90s\", \"5m\", \"1h30m\" "
			"or \"30d\"",
			k->name, v->text);
		return;
	}
	if (in_range(r, k, v, (double)us / (double)SECOND_US, " seconds"))
		*(int64_t *)member = us;
}

static void read_choice(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	char words[16][32], hint[64];
	const char *list[16];
	size_t n = 0;

	while (n < 16 && word_at(k->words, n, words[n], sizeof words[n])) {
		list[n] = words[n];
		n++;
	}
	if (v->type != VALUE_TEXT) {
		wrong_type(r, k, v, "a text");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (strcmp(v->text, words[i]) != 0)
			continue;
		if (k->type == KEY_SWITCH)
			*(bool *)member = i == 1;
		else
			*(int *)member = (int)i;
		return;
	}
	table_wrong(r, v->line, "%s: unknown word '%.40s'%s (one of: %s)", k->name, v->text,
		table_nearest(v->text, list, n, hint, sizeof hint), k->words);
}

static void read_function(
	struct reading *r, const struct key *k, const struct value *v, void *member)
{
	struct text_or_function *either = member;

	if (v->type == VALUE_FUNCTION && k->type == KEY_FUNCTION)
		*(int *)member = v->function;
	else if (v->type == VALUE_FUNCTION)
		either->function = v->function;
	else if (v->type == VALUE_TEXT && k->type == KEY_TEXT_OR_FUNCTION)
		either->text = mem_copy_span(v->text, strlen(v->text));
	else
		wrong_type(
			r, k, v, k->type == KEY_FUNCTION ? "a function" : "a text or a function");
}

static void read_other(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	k->read(r, k, v, member);
}

static void read_later(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	(void)member;
	table_wrong(r, v->line, "'%s' is not supported in this version; %s", k->name, k->help);
}

static void (*const readers[])(
	struct reading *, const struct key *, const struct value *, void *) = {
	[KEY_TEXT] = read_text,
	[KEY_PATH] = read_text,
	[KEY_TEXTS] = read_texts,
	[KEY_PATHS] = read_texts,
	[KEY_BOOL] = read_bool,
	[KEY_NUMBER] = read_number,
	[KEY_INTEGER] = read_integer,
	[KEY_SIZE] = read_size,
	[KEY_DURATION] = read_duration,
	[KEY_CHOICE] = read_choice,
	[KEY_SWITCH] = read_choice,
	[KEY_FUNCTION] = read_function,
	[KEY_TEXT_OR_FUNCTION] = read_function,
	[KEY_OTHER] = read_other,
	[KEY_LATER] = read_later,
};

/* The default as the value that a user would have written; lists need room for their items. */
static struct value standard_value(const struct key *k, struct value *items, char (*words)[32])
{
	struct value v = {.type = VALUE_TEXT, .text = k->standard, .n = strlen(k->standard)};

	switch (k->type) {
	case KEY_BOOL:
		return (struct value){.type = VALUE_BOOL, .yes = strcmp(k->standard, "true") == 0};
	case KEY_NUMBER:
	case KEY_INTEGER:
		return (struct value){.type = VALUE_NUMBER, .number = strtod(k->standard, NULL)};
	case KEY_TEXTS:
	case KEY_PATHS:
		v = (struct value){.type = VALUE_TABLE, .items = items};
		while (v.n < 16 && word_at(k->standard, v.n, words[v.n], sizeof words[v.n])) {
			items[v.n] = (struct value){
				.type = VALUE_TEXT, .text = words[v.n], .n = strlen(words[v.n])};
			v.n++;
		}
		return v;
	default:
		return v;
	}
}

static void read_standard(struct reading *r, const struct key *k, void *member)
{
	struct value items[16], v;
	char words[16][32];

	if (k->type == KEY_OTHER) {
		k->read(r, k, NULL, member);
	} else if (k->standard) {
		v = standard_value(k, items, words);
		readers[k->type](r, k, &v, member);
	}
}

/* 0 would be a reference. */
static void no_function(const struct key *k, void *member)
{
	if (k->type == KEY_FUNCTION)
		*(int *)member = LUA_NOREF;
	else if (k->type == KEY_TEXT_OR_FUNCTION)
		((struct text_or_function *)member)->function = LUA_NOREF;
}

static void report_unknown(
	struct reading *r, const struct value *item, const struct key *keys, size_t n)
{
	const char *names[MOST_KEYS];
	char hint[64];
	size_t n_names = 0;

	if (!item->key) {
		table_wrong(r, item->line, "a value without a key; write key = value");
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (keys[i].type != KEY_LATER)
			names[n_names++] = keys[i].name;
	table_wrong(r, item->line, "unknown key '%.60s'%s", item->key,
		table_nearest(item->key, names, n_names, hint, sizeof hint));
}

static bool is_known(const struct value *item, const struct key *keys, size_t n)
{
	for (size_t i = 0; item->key && i < n; i++)
		if (strcmp(item->key, keys[i].name) == 0)
			return true;
	return false;
}

bool table_read(
	struct reading *r, const struct value *table, const struct key *keys, size_t n, void *to)
{
	size_t before = r->n_errors;

	assert(n <= MOST_KEYS);
	for (size_t i = 0; i < n; i++) {
		const struct value *v = value_find(table, keys[i].name);
		void *member = (char *)to + keys[i].at;

		no_function(&keys[i], member);
		if (v)
			readers[keys[i].type](r, &keys[i], v, member);
		else if (keys[i].type != KEY_LATER)
			read_standard(r, &keys[i], member);
		if (!v && keys[i].required)
			table_wrong(
				r, table->line, "'%s' is missing; %s", keys[i].name, keys[i].help);
		if (r->filled && keys[i].type != KEY_LATER)
			r->filled(r->context, member, v ? v->line : 0);
	}
	for (size_t i = 0; i < table->n; i++)
		if (!is_known(&table->items[i], keys, n))
			report_unknown(r, &table->items[i], keys, n);
	return r->n_errors == before;
}

void table_done(const struct key *keys, size_t n, void *to)
{
	for (size_t i = 0; i < n; i++) {
		void *member = (char *)to + keys[i].at;

		switch (keys[i].type) {
		case KEY_TEXT:
		case KEY_PATH:
		case KEY_TEXT_OR_FUNCTION: /* its first member is the text */
			free(*(char **)member);
			break;
		case KEY_TEXTS:
		case KEY_PATHS:
			for (size_t j = 0; j < *(size_t *)((char *)to + keys[i].at_n); j++)
				free((*(char ***)member)[j]);
			free(*(char ***)member);
			break;
		case KEY_OTHER:
			if (keys[i].done)
				keys[i].done(member);
			break;
		default:
			break;
		}
	}
}
