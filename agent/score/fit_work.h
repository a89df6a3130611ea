/* SPDX-License-Identifier: Apache-2.0
 * What the steps of a fit share. Private to the fit_*.c files. */
#ifndef SCORE_FIT_WORK_H
#define SCORE_FIT_WORK_H

#include "score/calibrate.h"
#include "score/detector.h"
#include "score/fit.h"
#include "score/route.h"

#define FIT_ROWS 1024 /* rows of a batch of ours */

enum part { IN_FIT, IN_CAL_A, IN_CAL_B, IN_NULL, PARTS };

/* A record: where it is kept, and what it is for. */
struct fit_row {
	int64_t time_us;
	uint32_t batch, row;
	uint8_t given; /* enum fit_part */
	uint8_t part;  /* enum part, once dealt */
	struct fit_label label; /* class NULL: none */
};

struct fit {
	struct fit_options o;
	const struct plugins *plugins;
	struct batch **batches;
	size_t n_batches;
	struct fit_row *rows; /* by time, once sorted */
	size_t n_rows, room;
	size_t n_logits, n_embedding;
	bool normalised; /* some batch held probabilities */
	int64_t n_other_width;
	struct reference *r; /* being made */
	struct fit_notes *notes;
	uint8_t **seldom; /* by category and code: 1 when a single record holds the word */
	uint8_t *seldom_class; /* by class: 1 when a single record is of it */
	char **lone_fields; /* features that a single record has */
	size_t n_lone_fields;
	size_t slice_records[SLICE_MOST]; /* that calibrate; 0 for the pooled ones */
	bool *lone_least, *lone_most; /* by measure: a single record holds its least, its most */
};

void fit_note(struct fit *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* fit_rows.c */
void fit_rows_sort(struct fit *f);
/* Rows [from, to) of f->rows that are in `part` (PARTS: all), appended to `batch`, text borrowed;
 * stops at FIT_ROWS rows. Returns where it stopped. */
size_t fit_rows_gather(
	const struct fit *f, size_t from, size_t to, enum part part, struct batch *batch);
size_t fit_rows_in(const struct fit *f, enum part part);
bool fit_row_calibrates(const struct fit *f, size_t row); /* not in fit, or there is no other */

/* fit_split.c */
void fit_split(struct fit *f);

/* fit_schema.c: names, words and classes of f->r */
void fit_schema(struct fit *f);

/* fit_measures.c: measures of f->r, width; after the detectors, which decide whether there is a
 * p-value */
void fit_measures(struct fit *f);

/* fit_performance.c: how often the model is right, by labels, by what was told, or not at all; after the measures. fit_truth.c: what
 * labels look like as they come in. */
void fit_performance(struct fit *f);
void fit_truth(struct fit *f);
void fit_opportunity(struct fit *f); /* after the slices */
/* Index of the class of that name, -1: none. */
int32_t fit_class(const struct reference *r, const char *name, size_t n);

/* fit_detectors.c: detectors fitted, calibrated, muted, fused */
int fit_detectors(struct fit *f, struct error *e);

/* Between the steps of fit_detectors. */

/* Held-out records of one part, scored. */
struct held {
	size_t n;
	float *score; /* n_detectors x n */
	double *p;    /* n_detectors x n */
	float *surprise; /* n_detectors x n */
	int32_t *predicted;
	uint64_t *hash;
};

struct work {
	struct fit *f;
	struct reference *r;
	struct route *route;
	struct detector *detectors;
	struct calibration *calibration; /* once the detectors' tables stand */
	struct held held[PARTS];         /* cal-A and cal-B */
	bool standard; /* nobody chose detectors of records */
};

/* fit_travel.c: fitted on the earlier half of the reference's time, how many times as many odd records does a detector find in the
 * later half, at least (less one standard error)? 1 where it cannot be told. `lent`: the part that detectors learn from, oldest first. */
double detector_travels(struct work *w, const struct reference_detector *by, const struct oodd_batch *const *lent, size_t n_lent);

/* fit_thin.c: of a set that nobody chose, what ranks records as another does, and what weighs next to nothing; by cal-A */
void detectors_thin_alike(struct work *w);
void detectors_thin_light(struct work *w);

/* fit_mute.c: by cal-A */
void detectors_mute(struct work *w);

/* fit_weigh.c: by made-up odd records and cal-A; where none can be made, weights stay equal */
void detectors_weigh(struct work *w);

/* fit_fuse.c: tables from cal-A, behaviour and fusion on cal-B, and whether they are large enough
 */
void detectors_calibrate(struct work *w);
void detectors_hold_out(struct work *w);
void detectors_fuse(struct work *w);
void calibration_note(struct work *w);

/* fit_odd.c: what explaining wants: names of the records that detectors point at, tables of families, distances */
void odd_learn(struct work *w);

/* fit_slices.c: slices of f->r and measures of them, behind all others; then their stretch, behind all other stretches */
void fit_slices(struct fit *f);
void fit_slices_place(struct fit *f);

/* fit_calm.c: f->r->doubt; after the windows */
void fit_calm(struct fit *f);

/* fit_windows.c: base counts, windows, others; flags of the null part */
int fit_windows(struct fit *f, struct error *e);

#endif
