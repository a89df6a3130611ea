/* SPDX-License-Identifier: Apache-2.0
 * A struct as the Lua that it could have been read from, by the same table of keys. */
#include "lua/table.h"

#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

#include <lauxlib.h>

void table_print_text(struct buf *to, const char *text)
{
	buf_put(to, "\"", 1);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_format(to, "\\%c", *p);
		else if (*p < ' ' || *p == 0x7f)
			buf_format(to, "\\%03d", *p);
		else
			buf_put(to, p, 1);
	}
	buf_put(to, "\"", 1);
}

static void print_texts(const char *const *texts, size_t n, struct buf *to)
{
	buf_text(to, n ? "{ " : "{");
	for (size_t i = 0; i < n; i++) {
		buf_text(to, i ? ", " : "");
		table_print_text(to, texts[i]);
	}
	buf_text(to, n ? " }" : "}");
}

static void print_word(const char *words, int i, struct buf *to)
{
	for (; i > 0 && *words; i--) {
		words += strcspn(words, " ");
		words += strspn(words, " ");
	}
	buf_format(to, "\"%.*s\"", (int)strcspn(words, " "), words);
}

static void print_duration(int64_t us, struct buf *to)
{
	char text[64];
	int64_t back;

	duration_format(us, text, sizeof text);
	if (duration_parse(text, strlen(text), &back) == 0 && back == us)
		buf_format(to, "\"%s\"", text);
	else
		buf_json_number(to, (double)us / (double)SECOND_US);
}

static int64_t load_integer(const struct key *k, const void *member)
{
	int64_t x;
	int32_t small;

	if (k->size == sizeof x) {
		memcpy(&x, member, sizeof x);
		return x;
	}
	memcpy(&small, member, sizeof small);
	return small;
}

/* False when the member has no value to print. */
static void print_value(const struct key *k, const void *from, struct buf *to)
{
	const void *member = (const char *)from + k->at;

	switch (k->type) {
	case KEY_TEXT:
	case KEY_PATH:
		if (*(char *const *)member)
			table_print_text(to, *(char *const *)member);
		break;
	case KEY_TEXTS:
	case KEY_PATHS:
		print_texts(*(const char *const *const *)member,
			*(const size_t *)((const char *)from + k->at_n), to);
		break;
	case KEY_BOOL:
		buf_text(to, *(const bool *)member ? "true" : "false");
		break;
	case KEY_NUMBER:
		buf_json_number(to, *(const double *)member);
		break;
	case KEY_INTEGER:
	case KEY_SIZE:
		buf_format(to, "%" PRId64, load_integer(k, member));
		break;
	case KEY_DURATION:
		print_duration(*(const int64_t *)member, to);
		break;
	case KEY_CHOICE:
		print_word(k->words, *(const int *)member, to);
		break;
	case KEY_SWITCH:
		print_word(k->words, *(const bool *)member, to);
		break;
	case KEY_OTHER:
		if (k->print)
			k->print(member, to);
		break;
	default:
		break;
	}
}

void table_print(const struct key *keys, size_t n, const void *from, const char *before,
	const char *after, void (*origin)(void *context, const void *member, struct buf *to),
	void *context, struct buf *to)
{
	struct buf value = BUF_EMPTY;

	for (size_t i = 0; i < n; i++) {
		buf_clear(&value);
		print_value(&keys[i], from, &value);
		if (value.n == 0)
			continue;
		buf_format(to, "%s%s = ", before, keys[i].name);
		buf_put(to, value.at, value.n);
		buf_format(to, "%s -- ", after);
		origin(context, (const char *)from + keys[i].at, to);
		buf_text(to, "\n");
	}
	buf_done(&value);
}
