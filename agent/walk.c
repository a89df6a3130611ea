/* SPDX-License-Identifier: Apache-2.0
 * Commas and braces, once for every document. */
#include "walk.h"

#include "base/mem.h"

#include <string.h>

/* Behind the comma, or behind `end`. NULL when neither stands there. */
static const char *next(struct json *j, const char *p, char end, bool *ret_over)
{
	p = json_blanks(p);
	*ret_over = *p == end;
	if (*p != end && *p != ',')
		return json_fault(j, p, JSON_SYNTAX, end == '}' ? "',' or '}'" : "',' or ']'");
	return *ret_over ? p + 1 : json_blanks(p + 1);
}

const char *walk_object(struct json *j, const char *p,
	const char *(*each)(void *context, struct json *j, struct json_text key, const char *p), void *context)
{
	bool over = false;

	if (*p != '{')
		return json_fault(j, p, JSON_SYNTAX, "'{'");
	p = json_blanks(p + 1);
	if (*p == '}')
		return p + 1;
	j->depth++;
	while (p && !over) {
		struct json_text key;

		if (*p != '"')
			return json_fault(j, p, JSON_SYNTAX, "a key");
		p = json_key(j, p, &key);
		p = p ? each(context, j, key, p) : NULL;
		p = p ? next(j, p, '}', &over) : NULL;
	}
	j->depth--;
	return p;
}

const char *walk_array(struct json *j, const char *p, const char *(*each)(void *context, struct json *j, const char *p), void *context)
{
	bool over = false;

	if (*p != '[')
		return json_fault(j, p, JSON_SYNTAX, "'['");
	p = json_blanks(p + 1);
	if (*p == ']')
		return p + 1;
	j->depth++;
	while (p && !over) {
		p = each(context, j, p);
		p = p ? next(j, p, ']', &over) : NULL;
	}
	j->depth--;
	return p;
}

bool walk_is(struct json_text key, const char *name)
{
	return !key.escaped && key.n == strlen(name) && !memcmp(key.at, name, key.n);
}

char *walk_text(struct json_text t)
{
	char *to = mem_copy_span(t.at, t.n);

	if (t.escaped)
		to[json_unescape(t, to)] = '\0';
	return to;
}
