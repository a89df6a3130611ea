/* SPDX-License-Identifier: Apache-2.0
 * What kind of odd a record is, which groups of odd records keep coming, and which records of a window are kept for people.
 * One struct odd for each stream, on the loop thread; no clock, no randomness. README.md has the table.
 *
 * What is said of a window depends on its records and on the windows closed before: not on the order of reading, nor on chunks. */
#ifndef JUDGE_KIND_H
#define JUDGE_KIND_H

#include "base/buf.h"
#include "base/error.h"
#include "model/batch.h"
#include "model/odd.h"
#include "model/reference.h"
#include "model/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Odd records of a window that are put to the groups, those of the least hashes; they stand for the rest. */
#define ODD_LOOKED 256

struct odd_options {
	size_t samples; /* odd records kept per window */
	bool texts;     /* show inputs, shortened, where they were logged */
};

/* An odd record: flagged, or with a faulty cell. */
struct odd_row {
	const struct batch *batch;
	size_t row;
	double p;         /* fused; NaN: unscored */
	bool flagged, faulty;
	int32_t class;    /* predicted: index into the reference's classes, -1 unknown */
	double family[ODD_FAMILY_N]; /* p-values; NaN: none (score/explain.h) */
};

/* Its own kind, whatever came before. */
enum odd_kind odd_kind_of(const struct reference *r, const struct odd_row *row);
struct odd;
struct odd *odd_open(const struct reference *r, const struct odd_options *o); /* r is borrowed */
void odd_close(struct odd *o); /* accepts NULL */

/* An odd record of the window that begins at window_us. The sample made of it, to be given nearest, why and reasons, when it is among
 * those kept so far; else NULL. *ret_dropped is what had to go for it, the caller's (sample_done); no hash and no id: nothing. */
struct sample *odd_record(struct odd *o, int64_t window_us, const struct odd_row *row, struct sample *ret_dropped);
/* Up to which p-value a record can still be among the samples kept of the newest open window, *ret_window_us its start; 2: any. A
 * hint for who prepares samples before they are asked for. */
double odd_bar(const struct odd *o, int64_t *ret_window_us);
/* The window is closed: *ret is the caller's (signal_odd_done). `settled` is called for every sample kept, with its final kind. */
void odd_window(struct odd *o, const struct window *w, void (*settled)(void *context, const struct sample *s), void *context,
	struct signal_odd *ret);

bool odd_moved(struct odd *o); /* since it was last packed */
/* All state, tied to the reference by hash. unpack: 0, or -EINVAL with a sentence (then o is as after odd_open). */
void odd_pack(struct odd *o, struct buf *to);
int odd_unpack(struct odd *o, const void *at, size_t n, struct error *e);

#endif
