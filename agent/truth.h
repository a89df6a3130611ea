/* SPDX-License-Identifier: Apache-2.0
 * Labels met with predictions: the predictions of a stream are kept for a while, by a hash of their id; a label that comes is laid
 * beside its own, and counts in the window in which it came. One of a stream; loop thread.
 *
 * What labels count is a sum, window by window, and a window's labels are judged when the stream closes the window: so the order in
 * which records and labels were read changes nothing, as long as neither is late. */
#ifndef TRUTH_H
#define TRUTH_H

#include "base/error.h"
#include "model/batch.h"
#include "model/performance.h"
#include "model/reference.h"
#include "model/scored.h"
#include "model/signal.h"
#include "model/window.h"
#include "judge/judge.h"
#include "store/txn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the stream's budget of false alarms labels have a quarter, and the rest the rest: the two may not spend it twice. */
#define TRUTH_BUDGET .25

struct truth_options {
	size_t most;     /* predictions kept for their labels, about 50 bytes each */
	int64_t keep_us; /* .. and for so long, in event time */
	struct judge_options judge; /* the stream's; its slice_period_us is that of equal opportunity */
};

struct truth_book;
/* r is borrowed until truth_close. */
struct truth_book *truth_open(const struct reference *r, const struct truth_options *options);
void truth_close(struct truth_book *t); /* accepts NULL */
/* The labels' part of the budget, `o` being the stream's; and what is left for everything else. Nothing is taken where labels cannot be
 * judged. */
struct judge_options truth_takes(const struct judge_options *o);
struct judge_options truth_leaves(const struct reference *r, const struct judge_options *o);

/* Another reference of the same stream takes over: predictions that wait go with it, `from` is as new. What labels counted in open
 * windows is lost: it was counted by the old one. */
void truth_adopt(struct truth_book *t, struct truth_book *from);

/* A prediction that was counted. Without an id it is not kept. */
void truth_predicted(struct truth_book *t, const struct batch *b, const struct scored *s, size_t row);

enum truth_met { TRUTH_MET, TRUTH_REPEATED, TRUTH_UNKNOWN };
/* A label and its prediction, once met. Texts are borrowed. */
struct truth_label {
	uint64_t id;           /* batch.hash */
	const char *class;
	size_t n_class;
	int64_t time_us;       /* when it came */

	/* filled when they meet */
	int64_t predicted_us;  /* of the record */
	const char *predicted; /* its class; NULL: one that the reference does not know */
	bool right;
	bool mislabelled;      /* the prediction is likelier right than the label (confident learning: Northcutt et al. 2021) */
};
enum truth_met truth_label(struct truth_book *t, struct truth_label *label);

/* A window of predictions, and what became known of it: amended as labels come. */
struct truth_window {
	int64_t start_us, n;   /* n 0: it is still open */
	int64_t n_labels, n_right;
	double atc, cbpe;      /* as estimated when it closed */
	bool amended;          /* since it was last told */
};
/* The stream closes this window, and `signal` was made of it: labels that came up to its end are judged, and what they say goes
 * into the signal. */
void truth_window_closed(struct truth_book *t, const struct window *w, struct signal *signal);
/* Windows of predictions that were amended since the last call, oldest first. */
void truth_each_amended(struct truth_book *t, void (*fn)(void *context, const struct truth_window *w), void *context);

/* What changed goes into the transaction under keys made of `key`. And back: every state of that kind is shown to truth_load, in
 * any order, all of them with `pass` 0 and then all with 1; those of other streams are passed over. 0, or -EINVAL and a sentence (then t is as new). */
void truth_save(struct truth_book *t, const char *key, struct txn *txn);
int truth_load(struct truth_book *t, const char *stream, int pass, const char *key, const void *at, size_t n, struct error *e);
void truth_loaded(struct truth_book *t); /* after the last pass */
bool truth_moved(const struct truth_book *t);

#endif
