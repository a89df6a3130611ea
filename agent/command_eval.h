/* SPDX-License-Identifier: Apache-2.0
 * What the files of `oodd eval` share: records against labels, windows against phases. One stream is evaluated at a time. */
#ifndef COMMAND_EVAL_H
#define COMMAND_EVAL_H

#include "labels.h"
#include "rate.h"
#include "base/buf.h"
#include "model/batch.h"
#include "model/counts.h"
#include "model/reference.h"
#include "model/scored.h"
#include "model/signal.h"
#include "score/scorer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Labelled records of the stream, in the order they were read. */
struct eval_records {
	size_t n, room;
	size_t n_detectors;
	double *p;                 /* fused */
	float *score;              /* n x n_detectors */
	uint8_t *against;          /* n x n_detectors: p-value at or below the flag rate; EVAL_NO_P where there is none (muted) */
	uint8_t *flagged, *truth;
	uint16_t *kind;
	int64_t n_truth[TRUTH_N];
	int64_t n_unlabelled, n_without_id;
};
enum { EVAL_NO_P = 2 };

void eval_records_add(struct eval_records *r, const struct reference *reference, const struct labels *labels, const struct batch *b,
	const struct scored *s, size_t row);
/* "records", "detectors", "fused", "kinds" as members of a JSON object, a comma before each. */
void eval_records_json(const struct eval_records *r, const struct reference *reference, const struct labels *labels, size_t resamples,
	struct buf *to);
void eval_records_text(const struct eval_records *r, const struct reference *reference, const struct labels *labels, size_t resamples,
	struct buf *to);
void eval_records_done(struct eval_records *r);

/* Labels that name a class, and the predictions. */
struct eval_classes {
	int64_t n, n_right, n_mislabelled;
	char **ids;                /* of the mislabelled, the first of them */
	size_t n_ids;
};
void eval_classes_add(struct eval_classes *c, const struct reference *reference, const struct labels *labels, const struct batch *b,
	const struct scored *s, size_t row);
/* A member "classes" with a comma before; a line. Nothing when no label names a class. */
void eval_classes_json(const struct eval_classes *c, struct buf *to);
void eval_classes_text(const struct eval_classes *c, const struct reference *reference, struct buf *to);
void eval_classes_done(struct eval_classes *c);

/* A stretch of the stream: what came in it is known. Both ends are times; a phase that is given by rows gets its time from them. */
struct eval_phase {
	char *name;
	bool shifted;              /* false: nothing moved in it ("clean", or what stands before the first --change) */
	int64_t first_row;         /* -1: given by time */
	int64_t start_us, end_us;  /* [start, end); TIME_NONE start: by row, and not reached yet */
};

struct eval_window {
	int64_t start_us, end_us;
	enum signal_state state;
	char *change;              /* of an alarm: what moved newly, in words; else NULL */
	char *names;               /* of an alarm: the names of those measures, a JSON array; else NULL */
};

struct eval_streams {
	struct eval_phase *phases; /* in order of time */
	size_t n_phases;
	struct eval_seen {
		int64_t time_us;
		uint32_t bin;      /* of the p-value measure */
	} *seen;
	size_t n_seen, seen_room;
	struct eval_window *windows;
	size_t n_windows;
	int64_t n_rows;            /* of the stream, as read */
	double log_budget;
	const struct measure *p_value; /* of the reference; NULL: it has none */
};

/* {"phases":[{"phase","first_row","first_ts"}...]}; compressed or not. 0 or -errno with a sentence. */
int eval_phases_read(const char *path, struct eval_streams *to, struct error *e);
/* "TIME" or "NAME=TIME", each a change that lasts until the next; times in order. */
int eval_phases_changes(const char *const *texts, size_t n, struct eval_streams *to, struct error *e);

void eval_streams_row(struct eval_streams *s, const struct reference *r, const struct batch *b, const struct scored *scored, size_t row);
void eval_streams_signal(struct eval_streams *s, const struct signal *signal);
/* "phases" and "false_alarms" as members of a JSON object, a comma before each; or a table. budget->log_budget: filled from the
 * signals. */
void eval_streams_json(struct eval_streams *s, struct rate_budget *budget, struct buf *to);
void eval_streams_text(struct eval_streams *s, struct rate_budget *budget, struct buf *to);
void eval_streams_done(struct eval_streams *s);

#endif
