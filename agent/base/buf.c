/* SPDX-License-Identifier: Apache-2.0
 * Bytes that grow. Also the one place that writes JSON text and numbers, so that all output escapes alike. */
#include "base/buf.h"

#include "base/decimal.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_done(struct buf *b)
{
	free(b->at);
	*b = (struct buf){.limit = b->limit};
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->over = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->limit && (n > b->limit || b->n > b->limit - n)) {
		b->over = true;
		return NULL;
	}
	if (b->n + n + 1 > b->room) {
		size_t room = b->room ? b->room * 2 : 256;

		while (room < b->n + n + 1)
			room *= 2;
		b->at = mem_grow(b->at, room, 1);
		b->room = room;
	}
	return b->at + b->n;
}

void buf_wrote(struct buf *b, size_t n)
{
	b->n += n;
}

int buf_put(struct buf *b, const void *at, size_t n)
{
	char *to = buf_reserve(b, n);

	if (!to)
		return -ENOSPC;
	if (n)
		memcpy(to, at, n);
	b->n += n;
	return 0;
}

int buf_text(struct buf *b, const char *text)
{
	return buf_put(b, text, strlen(text));
}

int buf_format(struct buf *b, const char *format, ...)
{
	va_list args, again;
	char *to;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
	if (to) {
		vsnprintf(to, (size_t)n + 1, format, again);
		b->n += (size_t)n;
	}
	va_end(again);
	return to ? 0 : -ENOSPC;
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	memmove(b->at, b->at + n, b->n - n);
	b->n -= n;
}

/* Length of the UTF-8 sequence at `at`, 0 when it is none (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_length(const unsigned char *at, size_t n)
{
	static const struct {
		unsigned char least, most, second_least, second_most, length;
	} forms[] = {
		{0x00, 0x7f, 0, 0, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (at[0] < forms[i].least || at[0] > forms[i].most)
			continue;
		if (forms[i].length > n)
			return 0;
		if (forms[i].length > 1 && (at[1] < forms[i].second_least || at[1] > forms[i].second_most))
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if ((at[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

static int json_escape(struct buf *b, unsigned char c)
{
	static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (const char *p = names; *p; p += 2)
		if ((unsigned char)*p == c) {
			char two[2] = {'\\', p[1]};

			return buf_put(b, two, 2);
		}
	return buf_format(b, "\\u%04x", c);
}

int buf_json_text(struct buf *b, const char *text, size_t n)
{
	const unsigned char *at = (const unsigned char *)text;
	int status = buf_put(b, "\"", 1);

	for (size_t i = 0; i < n && !status;) {
		size_t run = i;

		while (run < n && at[run] >= 0x20 && at[run] < 0x7f && at[run] != '"' && at[run] != '\\')
			run++;
		if (run > i) {
			status = buf_put(b, at + i, run - i);
			i = run;
			continue;
		}
		if (at[i] < 0x80) {
			status = json_escape(b, at[i++]);
			continue;
		}
		size_t length = utf8_length(at + i, n - i);

		status = length ? buf_put(b, at + i, length) : buf_text(b, "\xef\xbf\xbd");
		i += length ? length : 1;
	}
	return status ? status : buf_put(b, "\"", 1);
}

int buf_json_number(struct buf *b, double x)
{
	char text[DECIMAL_ROOM];

	if (!isfinite(x))
		return buf_text(b, "null");
	/* Up to 15 digits come out as they went in, without zeros behind. */
	return buf_put(b, text, decimal_write(x, text));
}

const char *buf_cstr(struct buf *b)
{
	size_t limit = b->limit;

	b->limit = 0;
	buf_reserve(b, 0)[0] = '\0';
	b->limit = limit;
	return b->at;
}
