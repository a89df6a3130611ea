/* SPDX-License-Identifier: Apache-2.0
 * The reader as a whole: what kind a value is, keys, words, what nobody asked for, and the way through numbers and strings that this
 * processor takes. Reading JSON numbers is most of what this agent does, so json_number.c, json_string.c and json_wide.c are the places
 * where instructions are counted. No token checks for an end, because a newline ends the text. */
#include <assert.h>
#include <pthread.h>

#include "input/nearest.h"
#include "input/json_room.h"

const char *const json_path_words[JSON_PATH_N] = {"portable", "sse4.1", "avx2"};

const uint8_t json_kinds[256] = {
	['"'] = JSON_STRING, ['{'] = JSON_OBJECT, ['['] = JSON_ARRAY, ['t'] = JSON_TRUE, ['f'] = JSON_FALSE, ['n'] = JSON_NULL,
	['-'] = JSON_NUMBER, ['0'] = JSON_NUMBER, ['1'] = JSON_NUMBER, ['2'] = JSON_NUMBER, ['3'] = JSON_NUMBER,
	['4'] = JSON_NUMBER, ['5'] = JSON_NUMBER, ['6'] = JSON_NUMBER, ['7'] = JSON_NUMBER, ['8'] = JSON_NUMBER,
	['9'] = JSON_NUMBER, ['N'] = JSON_NUMBER, ['I'] = JSON_NUMBER,
};

const char *json_fault(struct json *j, const char *at, enum json_wrong wrong, const char *expected)
{
	j->wrong = wrong;
	j->at = at;
	j->expected = expected;
	return NULL;
}

/* ---- the ways through ---- */

struct json_way json_way = {.special = json_plain_special, .number = json_plain_number, .floats = json_plain_floats};

bool json_path_set(enum json_path path)
{
	if (path > json_path_best())
		return false;
	json_way = (struct json_way){.special = json_plain_special, .number = json_plain_number, .floats = json_plain_floats};
	json_wide_way(path, &json_way);
	return true;
}

static void begin_once(void)
{
	nearest_begin();
	json_wide_begin();
	json_path_set(json_path_best());
}

void json_begin(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, begin_once);
}

const char *json_number(struct json *j, const char *p, double *ret)
{
	return json_way.number(j, p, ret);
}

const char *json_floats(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole)
{
	p = json_blanks(p);
	*ret_n = 0;
	*ret_whole = *p == ']';
	return *ret_whole ? p + 1 : json_way.floats(j, p, to, room, ret_n, ret_whole);
}

/* ---- keys and words ---- */

const char *json_key(struct json *j, const char *p, struct json_text *ret)
{
	if (*p != '"')
		return json_fault(j, p, JSON_SYNTAX, "a key in quotes");
	if (!(p = json_string(j, p + 1, ret)))
		return NULL;
	p = json_blanks(p);
	return *p == ':' ? json_blanks(p + 1) : json_fault(j, p, JSON_SYNTAX, "':'");
}

const char *json_literal(struct json *j, const char *p)
{
	static const struct {
		const char *word;
		size_t n;
	} words[] = {[JSON_TRUE] = {"true", 4}, [JSON_FALSE] = {"false", 5}, [JSON_NULL] = {"null", 4}};
	unsigned kind = json_kinds[(unsigned char)*p];

	if (kind < JSON_TRUE || memcmp(p, words[kind].word, words[kind].n))
		return json_fault(j, p, JSON_SYNTAX, "a value");
	return p + words[kind].n;
}

/* ---- values nobody asked for ---- */

/* Which of the open levels are objects: one bit each. */
struct levels {
	unsigned n;
	uint64_t object[JSON_DEEPEST / 64];
};

static void level_push(struct levels *l, bool object)
{
	uint64_t bit = UINT64_C(1) << l->n % 64;

	l->object[l->n / 64] = object ? l->object[l->n / 64] | bit : l->object[l->n / 64] & ~bit;
	l->n++;
}

static bool level_object(const struct levels *l)
{
	return l->object[(l->n - 1) / 64] >> (l->n - 1) % 64 & 1;
}

static const char *key_skip(struct json *j, const char *p)
{
	struct json_text key;

	return json_key(j, p, &key);
}

static const char *scalar_skip(struct json *j, const char *p)
{
	struct json_text text;
	double number;

	switch ((enum json_kind)json_kinds[(unsigned char)*p]) {
	case JSON_STRING:
		return json_string(j, p + 1, &text);
	case JSON_NUMBER:
		return json_number(j, p, &number);
	default:
		return json_literal(j, p);
	}
}

/* Behind a value: close the levels that end there; at the next value, or behind the last level (then n is 0). */
static const char *close_or_next(struct json *j, const char *p, struct levels *l)
{
	while (l->n) {
		bool object = level_object(l);

		p = json_blanks(p);
		if (*p == ',') {
			p = json_blanks(p + 1);
			return object ? key_skip(j, p) : p;
		}
		if (*p != (object ? '}' : ']'))
			return json_fault(j, p, JSON_SYNTAX, object ? "',' or '}'" : "',' or ']'");
		l->n--;
		p++;
	}
	return p;
}

/* Without recursion: how deep a log nests is not for it to decide. */
const char *json_skip(struct json *j, const char *p)
{
	struct levels l;

	assert(j->deepest <= JSON_DEEPEST);
	l.n = 0;
	do {
		enum json_kind kind = json_kinds[(unsigned char)*p];

		if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
			if (j->depth + l.n >= j->deepest)
				return json_fault(j, p, JSON_DEEP, "less nesting");
			level_push(&l, kind == JSON_OBJECT);
			p = json_blanks(p + 1);
			if (*p != (kind == JSON_OBJECT ? '}' : ']')) {
				if (kind == JSON_OBJECT && !(p = key_skip(j, p)))
					return NULL;
				continue;
			}
			l.n--;
			p++;
		} else if (!(p = scalar_skip(j, p))) {
			return NULL;
		}
		if (!(p = close_or_next(j, p, &l)))
			return NULL;
	} while (l.n);
	return p;
}

const char *json_skip_elements(struct json *j, const char *p)
{
	p = json_blanks(p);
	for (;;) {
		if (!(p = json_skip(j, p)))
			return NULL;
		p = json_blanks(p);
		if (*p == ']')
			return p + 1;
		if (*p != ',')
			return json_fault(j, p, JSON_SYNTAX, "',' or ']'");
		p = json_blanks(p + 1);
	}
}
