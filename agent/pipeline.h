/* SPDX-License-Identifier: Apache-2.0
 * The order of the stages, and the only file that knows it:
 *     decode, route, score, calibrate  |  window, judge, rules, alert
 * Left of the bar is work on a chunk of bytes, const on everything shared, on any thread. Right of it chunks are applied
 * one after the other on the loop thread, in the order in which they were read. `run`, `replay` and `score` all come
 * through here; the clock is event time. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "config.h"
#include "streams.h"
#include "backlog.h"
#include "teacher.h"
#include "base/buf.h"
#include "model/alert.h"
#include "model/comparison.h"
#include "model/counts.h"
#include "model/sample.h"
#include "model/scored.h"
#include "rules/rules.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An odd record is kept while it is among the oddest of its window; when that is closed, its kind is settled. Samples are told apart by
 * stream, window_us and hash; `record` is there when it is kept, no more. */
enum sample_fate { SAMPLE_KEPT, SAMPLE_DROPPED, SAMPLE_SETTLED };

/* What the pipeline says; each may be NULL. Called on the loop thread from pipeline_apply, _idle and _flush. What is handed
 * over is borrowed. */
struct pipeline_sinks {
	void *context;
	void (*on_batch)(void *context, const struct batch *b); /* its texts borrow the chunk's bytes */
	void (*on_row)(void *context, const struct stream *s, const struct batch *b, const struct scored *scored, size_t row);
	void (*on_window)(void *context, const struct stream *s, const struct window *w);
	void (*on_signal)(void *context, const struct signal *s);
	void (*on_compare)(void *context, const struct comparison *c); /* two versions, after each pair of windows */
	void (*on_alert)(void *context, const struct alert *a);
	void (*on_sample)(void *context, const struct stream *s, const struct sample *sample, enum sample_fate fate);
	void (*on_reject)(void *context, size_t source, const char *path, const struct reject *r);
	/* truths.h */
	void (*on_label)(void *context, const struct stream *s, const char *id, const struct truth_label *label);
	void (*on_accuracy)(void *context, const struct stream *s, const struct truth_window *w);
};

struct odd_reasons;
struct explainer;

/* A stretch of one file on its way. Filled by whoever reads; kept and used again. */
struct chunk {
	size_t source;            /* index in config->sources */
	void *file;               /* the reader's own */
	const char *path;         /* for messages; borrowed */
	char *at;                 /* bytes */
	size_t n, room;
	uint64_t offset;          /* of at[0] in the file */
	bool skipping, final;     /* see decoder_run */
	int64_t next_us;          /* the reader's own: where its file stands in time behind these bytes */
	struct backlog *behind;   /* its records have waited (pipeline_behind); NULL: they come from a file */
	struct decoded decoded;   /* after pipeline_work */

	/* private to pipeline.c */
	struct decoder *decoder;
	struct scorer_space space;
	struct scored *scored;    /* one for each batch of decoded */
	struct odd_reasons *reasons; /* the same */
	struct explainer *explainer; /* NULL until one is needed */
	struct stream **streams;  /* NULL where a batch has none */
	struct backlog_piece piece; /* of `behind` */
	size_t n_room;
	struct chunk *next;
};

struct pipeline;

enum pipeline_parts {
	PIPELINE_DECODE, /* decode only: every batch goes to on_batch */
	PIPELINE_SCORE,  /* .. route, score, calibrate: every row goes to on_row */
	PIPELINE_ALL,    /* .. windows, judge, rules */
};

/* Builds scorers, judges and rules from a checked configuration; all mistakes go to `errors`, a line each, and NULL is
 * returned when there was one. */
struct pipeline *pipeline_open(const struct config *config, const struct plugins *plugins, const struct pipeline_sinks *sinks,
	enum pipeline_parts parts, struct buf *errors);
void pipeline_close(struct pipeline *p); /* accepts NULL */
const struct streams *pipeline_streams(const struct pipeline *p);
const struct config *pipeline_config(const struct pipeline *p);
struct rules *pipeline_rules(struct pipeline *p);

/* From now on streams without a reference are learned, and those with one learned anew (teacher.h); without this their records
 * are only counted. Before pipeline_load and the first chunk. */
void pipeline_teach(struct pipeline *p, const struct teaching *o);
struct teacher *pipeline_teacher(struct pipeline *p); /* NULL without */
/* teacher_activate, and what follows: windows of the stream before are closed, rules hear that a reference was learned. Loop thread;
 * chunks may be under way. */
int pipeline_activate(struct pipeline *p, struct learner *l, const char *fresh, struct error *e);
/* Nothing is under way: what was replaced is freed. Loop thread. */
void pipeline_sweep(struct pipeline *p);
/* What was saved last is on record. True: something changed by that, time to commit again. */
bool pipeline_committed(struct pipeline *p);
/* A chunk of records that have waited for a reference and need not any more, or NULL: for pipeline_work, then pipeline_apply_behind,
 * which may leave some of them waiting for the next reference, then chunk_give. Loop thread. */
struct chunk *pipeline_behind(struct pipeline *p);
void pipeline_apply_behind(struct pipeline *p, struct chunk *c);
/* As much waits as may: nothing more is to be read until it has gone. */
bool pipeline_full(const struct pipeline *p);

/* Loop thread. A chunk of this source with room for at least `room` bytes. */
struct chunk *chunk_take(struct pipeline *p, size_t source, size_t room);
void chunk_give(struct pipeline *p, struct chunk *c);
/* Any thread, one at a time for a chunk. */
void pipeline_work(struct pipeline *p, struct chunk *c);
/* Loop thread, in reading order. hold_us: no window that ends after it may close (the oldest time that another file with
 * unread records may still bring), INT64_MAX for none. */
void pipeline_apply(struct pipeline *p, struct chunk *c, int64_t hold_us);
/* The event time of the first record in these bytes of a source, TIME_NONE when there is none. Loop thread. */
int64_t pipeline_peek(struct pipeline *p, size_t source, const char *at, size_t n);

const struct decode_options *pipeline_decode_options(const struct pipeline *p, size_t source);

/* Windows of streams that have fallen silent, by the monotonic clock. */
void pipeline_idle(struct pipeline *p, int64_t monotonic_us);
/* The end of the input: every open window is closed; the last of a stream is cut. */
void pipeline_flush(struct pipeline *p);

/* How many bytes at[0..n) begin with that are whole records by the source's format, without looking inside; 0 when that
 * cannot be said (msgpack, or no newline yet). */
size_t pipeline_whole(const struct pipeline *p, size_t source, const char *at, size_t n);

/* Counters of one source; they only rise. */
struct counts *pipeline_counts(struct pipeline *p, size_t source);
void pipeline_total(const struct pipeline *p, struct counts *ret);

/* What changed since the last save goes into t: windows, judges, rules, counters. And back, at the start: 0 or -errno.
 * A state that does not fit its reference any more (refitted meanwhile) is dropped with a warning. */
void pipeline_save(struct pipeline *p, struct txn *t);
int pipeline_load(struct pipeline *p, struct store *s, struct error *e);

#endif
