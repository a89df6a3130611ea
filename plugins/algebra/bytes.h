/* SPDX-License-Identifier: Apache-2.0
 * What fit writes and open reads: a head, then arrays. Native byte order, and the head says which, since a reference may be
 * carried to another machine. The reader trusts nothing: it never passes the end, and says so when asked. */
#ifndef ALGEBRA_BYTES_H
#define ALGEBRA_BYTES_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "oodd/detector.h"

#define BYTES_ORDER 0x01020304u
#define BYTES_MOST_WIDTH 65536u
#define BYTES_MOST_ROWS 16777216u

struct bytes_head {
	char magic[8];
	uint32_t order, width; /* BYTES_ORDER; dimensions of the embedding */
	uint32_t rows, flags;  /* classes or bank rows; the detector's own */
};

struct bytes {
	char *at;
	size_t left;
	bool bad;
};

static inline void bytes_put(struct bytes *b, const void *from, size_t n)
{
	memcpy(b->at, from, n);
	b->at += n;
	b->left -= n;
}

/* What fit returns: the host's memory for a head and n bytes behind it. The head is written. */
static inline struct bytes bytes_result(const struct oodd_host *host, const struct bytes_head *head, size_t n, const void **ret_bytes,
	size_t *ret_n)
{
	struct bytes b = {host->alloc(host->context, sizeof *head + n), sizeof *head + n, false};

	*ret_bytes = b.at;
	*ret_n = b.left;
	bytes_put(&b, head, sizeof *head);
	return b;
}

/* Doubles, as floats. */
static inline void bytes_put_f32(struct bytes *b, const double *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float x = (float)from[i];
		bytes_put(b, &x, sizeof x);
	}
}

/* The next n bytes; false, and b->bad, when they are not there. */
static inline bool bytes_get(struct bytes *b, void *to, size_t n)
{
	b->bad |= n > b->left;
	if (b->bad)
		return false;
	memcpy(to, b->at, n);
	b->at += n;
	b->left -= n;
	return true;
}

/* A malloc'ed copy of n values of `size` bytes; NULL and b->bad when they are not there or there is no memory. */
static inline void *bytes_take(struct bytes *b, size_t n, size_t size)
{
	void *to = b->bad || n > b->left / size ? NULL : malloc(n > 0 ? n * size : 1);

	if (to)
		bytes_get(b, to, n * size);
	else
		b->bad = true;
	return to;
}

/* Reads the head; false after telling the host what is wrong. */
static inline bool bytes_begin(struct bytes *b, const void *at, size_t n, const char *magic, const struct oodd_host *host,
	struct bytes_head *ret)
{
	const char *wrong = NULL;

	*b = (struct bytes){(char *)(uintptr_t)at, n, false};
	if (!at || !bytes_get(b, ret, sizeof *ret))
		wrong = "nothing was learned, or what was is cut short";
	else if (memcmp(ret->magic, magic, sizeof ret->magic) != 0)
		wrong = "what was learned is of another detector or version: fit again";
	else if (ret->order != BYTES_ORDER)
		wrong = "what was learned comes from a machine of another byte order: fit again";
	else if (ret->width == 0 || ret->width > BYTES_MOST_WIDTH || ret->rows == 0 || ret->rows > BYTES_MOST_ROWS)
		wrong = "what was learned has an impossible shape";
	if (wrong)
		host->log(host->context, OODD_LOG_ERROR, wrong);
	return !wrong;
}

/* Everything was there, and nothing is left over? Tells the host when not. */
static inline bool bytes_end(const struct bytes *b, const struct oodd_host *host)
{
	if (!b->bad && b->left == 0)
		return true;
	host->log(host->context, OODD_LOG_ERROR, b->bad ? "what was learned is cut short" : "what was learned is followed by something else");
	return false;
}

static inline bool bytes_finite_f32(const float *x, size_t n)
{
	bool finite = true;
	for (size_t i = 0; i < n; i++)
		finite &= isfinite(x[i]) != 0;
	return finite;
}

static inline bool bytes_finite_f64(const double *x, size_t n)
{
	bool finite = true;
	for (size_t i = 0; i < n; i++)
		finite &= isfinite(x[i]) != 0;
	return finite;
}

#endif
