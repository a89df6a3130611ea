/* SPDX-License-Identifier: Apache-2.0
 * Labels on their way through the pipeline: from a batch of a label source to the streams whose predictions they are about. Loop
 * thread. */
#ifndef TRUTHS_H
#define TRUTHS_H

#include "config.h"
#include "streams.h"
#include "waiting.h"
#include "model/counts.h"
#include "store/store.h"

struct truths_sinks {
	void *context;
	/* A label met its prediction; `id` as the label names it. */
	void (*on_label)(void *context, const struct stream *s, const char *id, const struct truth_label *label);
	/* What is known of a window of predictions has changed. */
	void (*on_accuracy)(void *context, const struct stream *s, const struct truth_window *w);
};

struct truths;
/* All borrowed; counts and moved: one for each source of the configuration. */
struct truths *truths_open(const struct config *config, const struct streams *streams, struct counts *counts, bool *moved,
	const struct truths_sinks *sinks);
void truths_close(struct truths *t); /* accepts NULL */
/* Is this a source of labels? */
bool truths_source(const struct config *config, size_t source);

/* A prediction that was counted: it is kept, and a label may have been waiting for it. */
void truths_predicted(struct truths *t, struct stream *s, const struct batch *b, const struct scored *scored, size_t row);
/* Rows of a batch of such a source. A label whose prediction is not there yet waits. */
void truths_batch(struct truths *t, size_t source, const struct batch *b);
/* The stream closes a window: labels that came up to its end are in `signal` afterwards. */
void truths_window(struct truths *t, struct stream *s, const struct window *w, struct signal *signal);
/* The end of the input: what waits has waited in vain. */
void truths_flush(struct truths *t);

void truths_save(struct truths *t, struct txn *txn);
int truths_load(struct truths *t, struct store *store, struct error *e);

#endif
