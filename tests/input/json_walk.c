/* SPDX-License-Identifier: Apache-2.0
 * A recursive walk: the tests' own, because the agent never makes a tree. */
#include "tests/input/json_walk.h"

#include <stdlib.h>
#include <string.h>

static const char *walk(struct json *j, const char *p, struct buf *to);

static void put_hex(struct buf *to, const char *at, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	buf_text(to, "s");
	for (size_t i = 0; i < n; i++) {
		char two[2] = {digits[(unsigned char)at[i] >> 4], digits[at[i] & 15]};

		buf_put(to, two, 2);
	}
	buf_text(to, " ");
}

static void put_text(struct buf *to, struct json_text t)
{
	char *plain = malloc(t.n + 1);

	if (t.escaped)
		put_hex(to, plain, json_unescape(t, plain));
	else
		put_hex(to, t.at, t.n);
	free(plain);
}

static void put_number(struct buf *to, double x)
{
	unsigned long long bits;

	memcpy(&bits, &x, sizeof bits);
	if (x != x)
		buf_text(to, "dnan ");
	else
		buf_format(to, "d%016llx ", bits);
}

static const char *member(struct json *j, const char *p, struct buf *to)
{
	struct json_text key;

	if (!(p = json_key(j, p, &key)))
		return NULL;
	put_text(to, key);
	return walk(j, p, to);
}

static const char *container(struct json *j, const char *p, bool object, struct buf *to)
{
	char close = object ? '}' : ']', end[] = {close, ' ', 0};

	if (j->depth++ >= j->deepest)
		return json_fault(j, p, JSON_DEEP, "less nesting");
	buf_text(to, object ? "{ " : "[ ");
	p = json_blanks(p + 1);
	for (bool first = true; *p != close || !first; first = false) {
		if (!(p = object ? member(j, p, to) : walk(j, p, to)))
			return NULL;
		p = json_blanks(p);
		if (*p == close)
			break;
		if (*p != ',')
			return json_fault(j, p, JSON_SYNTAX, "','");
		p = json_blanks(p + 1);
	}
	buf_text(to, end);
	j->depth--;
	return p + 1;
}

static const char *literal(struct json *j, const char *p, struct buf *to)
{
	const char *begin = p;

	if (!(p = json_literal(j, p)))
		return NULL;
	buf_put(to, begin, (size_t)(p - begin));
	buf_text(to, " ");
	return p;
}

static const char *walk(struct json *j, const char *p, struct buf *to)
{
	struct json_text text;
	double number;

	switch ((enum json_kind)json_kinds[(unsigned char)*p]) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return container(j, p, *p == '{', to);
	case JSON_STRING:
		if ((p = json_string(j, p + 1, &text)))
			put_text(to, text);
		return p;
	case JSON_NUMBER:
		if ((p = json_number(j, p, &number)))
			put_number(to, number);
		return p;
	default:
		return literal(j, p, to);
	}
}

/* A line in memory that ends where it may. */
static char *line_of(const char *at, size_t n)
{
	char *line = calloc(1, n + 1 + JSON_PAD);

	memcpy(line, at, n);
	line[n] = '\n';
	return line;
}

static enum json_wrong checked(struct json *j, const char *end)
{
	if (end && *json_blanks(end) != '\n')
		json_fault(j, end, JSON_SYNTAX, "the end");
	return j->wrong;
}

enum json_wrong json_walk(const char *at, size_t n, struct buf *to)
{
	char *line = line_of(at, n);
	struct json j = {.begin = line, .deepest = JSON_DEEPEST}, skipped = j;
	enum json_wrong wrong, also;

	json_begin();
	wrong = checked(&j, walk(&j, json_blanks(line), to));
	also = checked(&skipped, json_skip(&skipped, json_blanks(line)));
	/* What skips a value must be as strict as what reads it. */
	if (wrong != also || j.at != skipped.at)
		abort();
	free(line);
	return wrong;
}

bool json_walk_floats(const char *at, size_t n, struct buf *to)
{
	char *line = line_of(at, n);
	struct json j = {.begin = line, .deepest = JSON_DEEPEST};
	float *floats = malloc((n + 1) * sizeof *floats);
	const char *p = json_blanks(line);
	bool whole = false;
	size_t count = 0;

	json_begin();
	p = *p == '[' ? json_floats(&j, p + 1, floats, n + 1, &count, &whole) : NULL;
	whole = p && whole && *json_blanks(p) == '\n';
	for (size_t i = 0; whole && i < count; i++)
		put_number(to, (double)floats[i]);
	free(floats);
	free(line);
	return whole;
}
