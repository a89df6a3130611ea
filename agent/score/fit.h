/* SPDX-License-Identifier: Apache-2.0
 * `oodd fit`: the records of one stream in, a reference out.
 *
 * Records are split by blocks of event time, never at random, into fit (detectors learn), cal-A
 * (each detector's p-values), cal-B (the fused p-value) and null (how windows vary); see
 * fit_split.c for how blocks are dealt. Everything is a function of the records and the options: no
 * clock, no random numbers.
 *
 * What judge learns (mean, kappa, tolerance of each measure) is left to judge_learn, which the
 * caller runs on the result. */
#ifndef SCORE_FIT_H
#define SCORE_FIT_H

#include "base/buf.h"
#include "base/error.h"
#include "model/batch.h"
#include "model/limit.h"
#include "model/reference.h"
#include "score/options.h"
#include "score/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIT_LEAST_RECORDS 200 /* in all; fewer cannot say what normal is */
#define FIT_LEAST_LABELS 100  /* fewer cannot say how often the model is right */
#define FIT_MOST_RECORDS 4000000

/* What is known of a record's truth. */
struct fit_label {
	const char *class; /* lives until fit_finish */
	int64_t time_us;   /* when the label came; TIME_NONE: not known, taken as with the record */
};

struct fit_detector {
	const char *name;
	const struct option_text *options;
	size_t n_options;
};

/* Borrowed until fit_finish. Zero stands for the default where one is given. */
struct fit_options {
	const char *model, *version;
	const char *const *logs; /* remembered in the reference */
	size_t n_logs;
	const char *made_by; /* "oodd 0.1.0" */
	int64_t made_us;
	double flag_rate;  /* 0.01 */
	bool strict;       /* fused p-values that hold for this calibration set: calibrate.h */
	int64_t window_us; /* 5 minutes */
	double share[4]; /* fit, cal-A, cal-B, null: 0.4 0.2 0.2 0.2; of PART_CALIBRATE: 0.3 0.3 0.4
			    unless given */
	const struct fit_detector *detectors; /* none: chosen by what the log holds */
	size_t n_detectors;
	bool no_detectors; /* not even those: feature measures only */
	size_t bins;       /* of a numeric measure: 16 */
	size_t words;      /* of a categorical measure: 40 */
	size_t knots;      /* of a score table: 4096 */
	const struct reference *like; /* of another version: where both have a measure its edges are taken, so that the two
				       * versions' windows can be compared; NULL: none */
	double accuracy;   /* of the model, as told; 0: not told, and labels know better */
	/* The label of a record, false: none. NULL: there are no labels. */
	bool (*label)(void *context, const char *id, size_t n, struct fit_label *ret);
	void *context;
	char *const *slices; /* tags by whose values records are told apart */
	size_t n_slices;
	const struct limits *limits; /* of output metrics: a bin must end at each threshold; NULL: none */
};

enum fit_part {
	PART_ANY,       /* to be dealt over all four parts */
	PART_FIT,       /* detectors may learn from it, nothing else */
	PART_CALIBRATE, /* dealt over cal-A, cal-B and null */
};

/* What the reference itself does not say: beside it in the summary. */
struct fit_notes {
	int64_t n_records;      /* given */
	int64_t n_flagged_null; /* of the scored null records, which no table has seen */
	int64_t n_scored_null;
	int64_t n_labels;       /* of the records that calibrate */
	int64_t n_windows_cut; /* windows at the ends of the log, or shared by parts: counted, not
				  kept */
	char **lines; /* sentences for a person: what was left out and why, what is too small */
	size_t n_lines;
};
void fit_notes_done(struct fit_notes *notes); /* accepts the zero-initialised */

struct fit;
struct fit *fit_open(const struct fit_options *options, const struct plugins *plugins);
void fit_close(struct fit *f); /* accepts NULL */
/* Copy the rows of a batch. Batches come in any order; their text need not outlive the call. -E2BIG
 * and a sentence beyond FIT_MOST_RECORDS (nothing of the batch is kept). */
int fit_add(struct fit *f, enum fit_part part, const struct batch *b, struct error *e);
/* Learn. 0, or -EINVAL and a sentence: too few records, a detector asked for that cannot work or
 * learn here. *notes is written in either case. May be called once. */
int fit_finish(struct fit *f, struct reference **ret, struct fit_notes *notes, struct error *e);

/* The summary that `oodd fit` prints: records of each part, shape, detectors and how they behaved
 * on held-out records, measures, notes. Text, or one JSON object without a newline. */
void fit_summary_text(const struct reference *r, const struct fit_notes *notes, struct buf *to);
void fit_summary_json(const struct reference *r, const struct fit_notes *notes, struct buf *to);

#endif
