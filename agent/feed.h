/* SPDX-License-Identifier: Apache-2.0
 * From tails to the pipeline while the agent runs: reads the file whose records are the oldest, has chunks worked on by the
 * thread pool, applies them in the order in which they were read, and tells the tails what was dealt with. */
#ifndef FEED_H
#define FEED_H

#include "pipeline.h"
#include "input/tail.h"

#include <uv.h>

struct feed;

struct feed_options {
	uv_loop_t *loop;
	const struct config *config;
	struct pipeline *pipeline;
	const struct position *known; /* from the store, of all sources; copied */
	size_t n_known;
	bool rebooted;                /* the machine was, since those were stored */
	void (*on_applied)(void *context); /* on the loop thread, when chunks were applied; it may close the feed */
	void *context;
};

int feed_open(const struct feed_options *o, struct feed **ret, struct error *e);
/* Nothing may be under way: feed_pause, then wait until feed_under_way is 0. Accepts NULL. */
void feed_close(struct feed *f);
/* Stop and start reading; what is under way goes on. resume also when records that waited may go on (pipeline_behind). */
void feed_pause(struct feed *f);
void feed_resume(struct feed *f);
size_t feed_under_way(const struct feed *f);
/* Nothing unread and nothing under way: silence of a stream is its own. */
bool feed_quiet(const struct feed *f);
/* Positions into the transaction. */
void feed_save(struct feed *f, struct txn *t);
/* Losses that the tails know of go into the sources' counts. */
void feed_counts(struct feed *f);

#endif
