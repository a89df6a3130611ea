/* SPDX-License-Identifier: Apache-2.0
 * Strings: what stands between quotes is checked (escapes, UTF-8), and left where it is until somebody wants it without escapes. */
#include "input/json_room.h"

const char *json_plain_special(const char *p)
{
	for (;; p += 8) {
		uint64_t x = load8(p), quote = x ^ EIGHT('"'), slash = x ^ EIGHT('\\'), hit;

		hit = ((quote - EIGHT(1)) & ~quote) | ((slash - EIGHT(1)) & ~slash) | ((x - EIGHT(0x20)) & ~x) | x;
		hit &= HIGH_BITS;
		if (hit)
			return p + __builtin_ctzll(hit) / 8;
	}
}

static inline unsigned continuation(const char *p)
{
	return ((unsigned char)*p & 0xC0) == 0x80;
}

/* One character of two to four bytes: shortest form, no surrogates, nothing above U+10FFFF. NULL: none. */
static const char *utf8_one(const char *p)
{
	unsigned a = (unsigned char)p[0], b = (unsigned char)p[1];

	if (a >= 0xC2 && a < 0xE0)
		return continuation(p + 1) ? p + 2 : NULL;
	if ((a & 0xF0) == 0xE0) {
		if (!continuation(p + 1) || (a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F) || !continuation(p + 2))
			return NULL;
		return p + 3;
	}
	if (a >= 0xF0 && a < 0xF5) {
		if (!continuation(p + 1) || (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F) || !continuation(p + 2) ||
			!continuation(p + 3))
			return NULL;
		return p + 4;
	}
	return NULL;
}

size_t json_utf8(const char *at, size_t n)
{
	size_t i = 0;

	while (i < n) {
		char one[4] = {0};
		const char *end;

		if (n - i >= 8 && !(load8(at + i) & HIGH_BITS)) {
			i += 8;
			continue;
		}
		if ((unsigned char)at[i] < 0x80) {
			i++;
			continue;
		}
		memcpy(one, at + i, n - i < 4 ? n - i : 4);
		if (!(end = utf8_one(one)))
			break;
		i += (size_t)(end - one);
	}
	return i;
}

static const int8_t hex_values[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* Four hexadecimal digits; -1 when they are not. */
static int hex_four(const char *p)
{
	int x = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_values[(unsigned char)p[i]] - 1;

		if (digit < 0)
			return -1;
		x = x << 4 | digit;
	}
	return x;
}

static const char escapes[256] = {
	['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
};

/* p at a backslash: behind the escape, or NULL. */
static const char *escape_check(struct json *j, const char *p)
{
	int high, low;

	if (escapes[(unsigned char)p[1]])
		return p + 2;
	if (p[1] != 'u')
		return json_fault(j, p + 1, JSON_SYNTAX, "an escape: one of \"\\/bfnrtu");
	high = hex_four(p + 2);
	if (high < 0)
		return json_fault(j, p + 2, JSON_SYNTAX, "four hexadecimal digits");
	if (high < 0xD800 || high > 0xDFFF)
		return p + 6;
	if (high > 0xDBFF || p[6] != '\\' || p[7] != 'u')
		return json_fault(j, p, JSON_UTF8, "both halves of a surrogate pair");
	low = hex_four(p + 8);
	if (low < 0xDC00 || low > 0xDFFF)
		return json_fault(j, p, JSON_UTF8, "both halves of a surrogate pair");
	return p + 12;
}

static char *utf8_put(char *to, unsigned c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xC0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3F));
	} else if (c < 0x10000) {
		*to++ = (char)(0xE0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3F));
		*to++ = (char)(0x80 | (c & 0x3F));
	} else {
		*to++ = (char)(0xF0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3F));
		*to++ = (char)(0x80 | (c >> 6 & 0x3F));
		*to++ = (char)(0x80 | (c & 0x3F));
	}
	return to;
}

size_t json_unescape(struct json_text t, char *to)
{
	const char *p = t.at, *end = t.at + t.n;
	char *begin = to;

	while (p < end) {
		unsigned c;

		if (*p != '\\') {
			*to++ = *p++;
			continue;
		}
		if (p[1] != 'u') {
			*to++ = escapes[(unsigned char)p[1]];
			p += 2;
			continue;
		}
		c = (unsigned)hex_four(p + 2);
		p += 6;
		if (c >= 0xD800 && c <= 0xDFFF) {
			c = 0x10000 + ((c - 0xD800) << 10) + ((unsigned)hex_four(p + 2) - 0xDC00);
			p += 6;
		}
		to = utf8_put(to, c);
	}
	return (size_t)(to - begin);
}

const char *json_string(struct json *j, const char *p, struct json_text *ret)
{
	const char *begin = p;
	bool escaped = false;

	for (;;) {
		p = json_way.special(p);
		if (*p == '"')
			break;
		if (*p == '\\') {
			escaped = true;
			if (!(p = escape_check(j, p)))
				return NULL;
		} else if ((unsigned char)*p < 0x20) {
			return json_fault(j, p, JSON_SYNTAX, "'\"' (control characters must be escaped)");
		} else {
			const char *was = p;

			do
				p = utf8_one(was = p);
			while (p && (unsigned char)*p >= 0x80);
			if (!p)
				return json_fault(j, was, JSON_UTF8, "UTF-8");
		}
	}
	*ret = (struct json_text){begin, (size_t)(p - begin), escaped};
	return p + 1;
}
