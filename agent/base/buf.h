/* SPDX-License-Identifier: Apache-2.0
 * Bytes that grow, up to a stated limit. Zero-initialise with BUF_EMPTY or buf_limit; free with buf_done. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *at;     /* read-only for callers; may be NULL when n is 0 */
	size_t n;     /* bytes held */
	size_t room;  /* private */
	size_t limit; /* private: 0 means none */
	bool over;    /* a write was refused because of the limit; nothing of that write was kept */
};

#define BUF_EMPTY ((struct buf){0})

void buf_done(struct buf *b);                          /* frees; b is empty again */
void buf_clear(struct buf *b);                         /* n = 0, memory kept */
int buf_put(struct buf *b, const void *at, size_t n);  /* 0 or -ENOSPC (see over) */
int buf_text(struct buf *b, const char *text);
int buf_format(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for n more bytes; returns where to write, or NULL over the limit; then buf_wrote(b, m), m <= n. */
char *buf_reserve(struct buf *b, size_t n);
void buf_wrote(struct buf *b, size_t n);
void buf_drop(struct buf *b, size_t n);                /* forget the first n bytes */
/* `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
int buf_json_text(struct buf *b, const char *text, size_t n);
/* A double the shortest way that reads back the same; null for NaN and infinities. */
int buf_json_number(struct buf *b, double x);
/* NUL-terminated view of what is held (the NUL is not counted). */
const char *buf_cstr(struct buf *b);

#endif
