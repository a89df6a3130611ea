/* SPDX-License-Identifier: Apache-2.0
 * Slices through time: windows added up since something moved, to say where it sits; and by periods, to say which slices differ
 * from the rest. Counts in, words out: no evidence, nothing here pages. Private to judge/; README.md, "Slices". */
#ifndef JUDGE_SLICE_H
#define JUDGE_SLICE_H

#include "base/buf.h"
#include "model/reference.h"
#include "model/signal.h"
#include "model/window.h"

#include <stdbool.h>
#include <stdint.h>

struct slice_book {
	const struct reference *r;
	int64_t period_us;
	size_t n;                    /* numbers: of the whole stretch, behind those of all records together */
	int64_t *since, *period;     /* n each, sums of windows; NULL: no slices */
	int64_t *counts, *base;      /* n each: of the window at hand; of the reference */
	int64_t since_us;            /* the window that spoke last; TIME_NONE: nothing is known */
	int64_t period_start_us;     /* of the period that is being added up; TIME_NONE */
	int64_t period_windows, last_windows;
	struct slice_signal last;    /* of the last whole period: gaps and its times */
};

void slice_book_open(struct slice_book *b, const struct reference *r, int64_t period_us);
void slice_book_done(struct slice_book *b);
/* The next window, whose signal is else complete: fills s->slices. */
void slice_book_window(struct slice_book *b, const struct window *w, struct signal *s);

struct msgpack_object;
void slice_book_pack(const struct slice_book *b, struct buf *to);
void slice_book_read(struct slice_book *b, const struct msgpack_object *o); /* what does not fit begins anew */

#endif
