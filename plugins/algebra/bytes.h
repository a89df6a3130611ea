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

/* Doubles, as floats. */
static inline void bytes_put_f32(struct bytes *b, const double *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float x = (float)from[i];
		bytes_put(b, &x, sizeof x);
	}
}

/* A malloc'ed copy of n values of `size` bytes; NULL and b->bad when they are not there or there is no memory. */
static inline void *bytes_take(struct bytes *b, size_t n, size_t size)
{
	if (b->bad || n > b->left / size) {
		b->bad = true;
		return NULL;
	}
	void *to = malloc(n > 0 ? n * size : 1);
	if (!to) {
		b->bad = true;
		return NULL;
	}
	memcpy(to, b->at, n * size);
	b->at += n * size;
	b->left -= n * size;
	return to;
}

/* Reads the head; false after telling the host what is wrong. */
static inline bool bytes_begin(struct bytes *b, const void *at, size_t n, const char *magic, const struct oodd_host *host,
	struct bytes_head *ret)
{
	const char *wrong = NULL;

	*b = (struct bytes){(char *)(uintptr_t)at, n, false};
	if (!at || n < sizeof *ret)
		wrong = "nothing was learned, or what was is cut short";
	else
		memcpy(ret, at, sizeof *ret);
	if (!wrong && memcmp(ret->magic, magic, sizeof ret->magic) != 0)
		wrong = "what was learned is of another detector or version: fit again";
	if (!wrong && ret->order != BYTES_ORDER)
		wrong = "what was learned comes from a machine of another byte order: fit again";
	if (!wrong && (ret->width == 0 || ret->width > BYTES_MOST_WIDTH || ret->rows == 0 || ret->rows > BYTES_MOST_ROWS))
		wrong = "what was learned has an impossible shape";
	if (wrong) {
		host->log(host->context, OODD_LOG_ERROR, wrong);
		return false;
	}
	b->at += sizeof *ret;
	b->left -= sizeof *ret;
	return true;
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
