/* SPDX-License-Identifier: Apache-2.0
 * A strict, number-aware JSON reader (RFC 8259) without a tree: the caller walks the text and says what it expects.
 *
 * What is read is a line: the text must hold a '\n', which ends every token, so nothing here looks for an end. JSON_PAD bytes
 * behind that '\n', and everything from json.begin on, must be readable. Text is UTF-8, checked. Numbers become the nearest
 * double, ties to even. Beyond the letter: NaN, Infinity and -Infinity are numbers, because Python's json writes them.
 * Every function returns the place behind what it read, or NULL: then wrong, at and expected say why. Any thread. */
#ifndef INPUT_JSON_H
#define INPUT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_PAD 512
#define JSON_DEEPEST 1024 /* no limit on nesting may be set higher */

enum json_wrong { JSON_FINE, JSON_SYNTAX, JSON_UTF8, JSON_DEEP };

struct json {
	const char *begin;     /* nothing before it is touched */
	unsigned deepest;      /* levels allowed, at most JSON_DEEPEST */
	unsigned depth;        /* levels that the caller has open */
	enum json_wrong wrong;
	const char *at;        /* the byte that is wrong */
	const char *expected;  /* "',' or '}'": what should have stood there; static */
};

enum json_kind { JSON_NONE, JSON_STRING, JSON_NUMBER, JSON_OBJECT, JSON_ARRAY, JSON_TRUE, JSON_FALSE, JSON_NULL };
extern const uint8_t json_kinds[256]; /* enum json_kind by a value's first byte */

/* What stands between the quotes, as written. */
struct json_text {
	const char *at;
	size_t n;
	bool escaped;          /* holds a backslash */
};

/* Behind blanks, but for newlines. */
static inline const char *json_blanks(const char *p)
{
	while ((unsigned char)*p <= ' ' && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

const char *json_fault(struct json *j, const char *at, enum json_wrong wrong, const char *expected); /* NULL */

/* p stands at the value's first byte, for a string behind its first quote. */
const char *json_string(struct json *j, const char *p, struct json_text *ret);
/* A key, its colon and the blanks around it; p at its quote. The place is at the value. */
const char *json_key(struct json *j, const char *p, struct json_text *ret);
const char *json_number(struct json *j, const char *p, double *ret); /* infinite when beyond a double; NaN for NaN */
const char *json_literal(struct json *j, const char *p);             /* true, false, null, by its first letter */
const char *json_skip(struct json *j, const char *p);                /* any value, checked */
/* p before an element of an array: skip it and the rest to behind the ']'. */
const char *json_skip_elements(struct json *j, const char *p);
/* Elements of an array of numbers, p behind the '[': each as the float nearest to its double. *ret_n were read; *ret_whole
 * when that was all, and then the place is behind the ']'. Else it is an element that is not a finite float, or one too many
 * for `room`: the place is before it. */
const char *json_floats(struct json *j, const char *p, float *to, size_t room, size_t *ret_n, bool *ret_whole);

/* How many of the n bytes are good UTF-8; reads no others. */
size_t json_utf8(const char *at, size_t n);
/* Text without escapes into to[0..t.n); returns its length, never more than t.n. */
size_t json_unescape(struct json_text t, char *to);

/* The ways through: chosen once by what the processor has; tests and benches may choose. All give the same results. */
enum json_path { JSON_PORTABLE, JSON_SSE41, JSON_AVX2, JSON_PATH_N };
extern const char *const json_path_words[JSON_PATH_N];
bool json_path_set(enum json_path path); /* false: not on this processor. No thread may be reading. */
enum json_path json_path_best(void);
void json_begin(void);                   /* before the first use; any thread, any number of times */

#endif
