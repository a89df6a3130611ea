/* SPDX-License-Identifier: Apache-2.0
 * A window is an event-time interval of one stream and a flat vector of integers. Merging is addition: adding two windows
 * gives exactly the window of the union, whatever the order. Nothing order-dependent or randomised may enter. */
#ifndef MODEL_WINDOW_H
#define MODEL_WINDOW_H

#include "base/buf.h"
#include "base/error.h"
#include "model/unseen.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wider is refused: 8 MB of counts. A usual window is some hundred to some thousand wide. */
#define WINDOW_MOST_WIDTH (1 << 20)

struct window {
	int64_t start_us, end_us; /* [start, end), multiples of the window's length since 1970 UTC */
	int64_t n;                /* records in it */
	int64_t n_flagged;
	bool cut;                 /* the stream began or ended inside it: not judged by whole ones */
	size_t width;
	int64_t *v;               /* `width` counts and fixed-point sums, laid out by the reference's measures */

	/* Beside the vector, for words; as it, whatever the order of records. */
	struct unseen unseen;     /* values that bins have no name for */
	size_t n_ends;            /* sums; 0: no record yet */
	int64_t *ends;            /* least and most term of each sum; INT64_MAX and INT64_MIN where it has none */
};

void window_init(struct window *w, int64_t start_us, int64_t end_us, size_t width); /* all zero; owns v */
void window_done(struct window *w);
/* ends, for so many sums. */
void window_ends(struct window *w, size_t n_sums);
/* to += from. The intervals and widths must agree (asserts). cut is or-ed. */
void window_add(struct window *to, const struct window *from);
/* One self-describing msgpack map, tied to its reference by hash (hex text). Zeros are run-length coded. */
void window_pack(const struct window *w, const char *reference_hash, struct buf *to);
/* 0, or -EINVAL with a sentence (of another reference, cut short, not a window). *ret is made by this call. */
int window_unpack(const void *at, size_t n, const char *reference_hash, struct window *ret, struct error *e);
/* The same, of a value inside a larger document (model/pack.h). */
struct msgpack_object;
int window_read(const struct msgpack_object *o, const char *reference_hash, struct window *ret, struct error *e);

#endif
