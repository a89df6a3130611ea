/* SPDX-License-Identifier: Apache-2.0
 * How often the model is right: what a reference holds to estimate it without labels, and what a window's signal says of it.
 *
 *   ATC   average thresholded confidence (Garg et al. 2022): the share of records whose score is at least the threshold that the
 *         reference's errors fall below.
 *   CBPE  confidence-based: the mean of the calibrated confidence. Records of classes that the model does not know are as confident
 *         as others: it misses them, ATC mostly does not, and so the gap between the two is a sign of them.
 *
 * A window holds six numbers for it, three sums and how many terms each has, behind those of the measures. */
#ifndef MODEL_PERFORMANCE_H
#define MODEL_PERFORMANCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum performance_basis {
	PERFORMANCE_NONE,   /* nobody said how often the model is right: confidence then and now, and nothing else */
	PERFORMANCE_TOLD,   /* `accuracy` of the configuration; confidence is corrected by as much as it is off on average */
	PERFORMANCE_LABELS, /* labels of calibration records */
};
#define PERFORMANCE_BASES (PERFORMANCE_LABELS + 1)
extern const char *const performance_basis_words[]; /* "none", "told", "labels" */

/* What ATC puts its threshold to; higher is surer. */
enum performance_score { PERFORMANCE_CONFIDENCE, PERFORMANCE_NEGENTROPY, PERFORMANCE_MAXLOGIT };
#define PERFORMANCE_SCORES (PERFORMANCE_MAXLOGIT + 1)
extern const char *const performance_score_words[]; /* "confidence", "negative entropy", "largest logit" */

/* Pairs of (sum in units of 2^-20, terms) in a window's vector. */
enum performance_slot { PERFORMANCE_ATC, PERFORMANCE_CALIBRATED, PERFORMANCE_LOGGED, PERFORMANCE_SLOTS };
#define PERFORMANCE_WIDTH (2 * PERFORMANCE_SLOTS)
#define PERFORMANCE_ONE 1048576.0 /* 2^20 */

struct reference;

/* Of a reference. */
struct performance {
	size_t width;          /* PERFORMANCE_WIDTH, or 0: nothing of this is counted (an older reference, no confidence at all) */
	size_t first;          /* of the window's vector: those of the measures come before */
	size_t basis, score;   /* enum performance_basis, performance_score */
	double n;              /* records behind what follows: those with a label, or all that calibrate */
	double accuracy;       /* NaN: not known */
	double threshold;      /* ATC's */
	double atc, cbpe;      /* of the calibration records themselves: close to `accuracy`, but for ties; NaN: not known */
	double confidence;     /* mean, as logged */
	double atc_worth;      /* (0, 1]: ATC's errors are not where the model's are, so that a record tells as much as this part of a label */
	double gap_sd;         /* of calibrated confidence less [score >= threshold], record by record */
	double *edges;         /* calibration map: confidence in (edges[i-1], edges[i]] counts as calibrated[i]; rising, as is that */
	size_t n_edges;
	double *calibrated;    /* n_edges + 1 */
	size_t n_calibrated;
	double *sure;          /* by class: mean confidence in it of the records that are labelled so (t_j of confident learning); NaN: none */
	size_t n_sure;         /* n_classes of the reference, or 0 */

	/* Equal opportunity, with slices and few classes: of all records, then of each slice, for each class how many are truly of it,
	 * and of those how many were predicted so. */
	int64_t *opportunity;
	size_t n_opportunity;  /* performance_opportunity_n of the reference, or 0 */

	/* What labels look like as they come in: a reference of its own, whose records are labels, whose measures are "accuracy", "label"
	 * and, with few classes, "label | CLASS", the labels where that class is predicted. NULL without labels. */
	struct reference *truth;
	void *truth_bytes;     /* as in the file */
	size_t n_truth_bytes;
};

void performance_done(struct performance *p);
/* truth into truth_bytes, for the file. */
void performance_seal(struct performance *p);
/* truth_bytes into truth, after reading; `hash` ties windows to the file. 0, or -EINVAL and a sentence. */
int performance_unseal(struct performance *p, const char *hash, struct error *e);
/* Is it as the comments say? `first`: where it must begin; n_classes: of the reference. */
int performance_check(const struct performance *p, size_t first, size_t n_classes, struct error *e);

#define PERFORMANCE_MOST_GIVEN 12 /* classes that are looked at one by one */
/* How many numbers equal opportunity takes; 0: no slices, or too many classes. */
size_t performance_opportunity_n(const struct reference *r);
/* 0, or -EINVAL and a sentence. After those of classes and slices. */
int performance_opportunity_check(const struct reference *r, struct error *e);
/* One label into such numbers: the index of the true class (negative: not one of the reference's; not counted), was it predicted,
 * and of each tag the slice or -1. */
void performance_opportunity_count(const struct reference *r, int32_t class, bool right, const int8_t *slice, int64_t *to);

/* One label into a window of `truth` (v: its width), the predicted class by name (NULL: not known to the reference). Used where
 * references are made and where they are put to use, so that both count alike. */
void truth_count(const struct reference *truth, const char *label, size_t n_label, const char *predicted, bool right, int64_t *v);
#define TRUTH_LABEL "label"
#define TRUTH_GIVEN "label | " /* and the predicted class */

/* An estimated or counted share of right predictions, with a 95 % interval (Wilson 1927). */
struct performance_share {
	double at, low, high;  /* NaN: not known */
};

/* The estimate beside labels: of the same records, over the last windows in which labels came. */
struct performance_checked {
	int64_t n, n_windows;  /* labels, and windows in which they came; 0: none, and all else NaN and false */
	double error, low, high; /* ATC less the share that was right, with a 95 % interval */
	bool contradicted;     /* far enough off, and not by chance: ATC is not to be trusted */
	struct performance_share corrected; /* this window's ATC less that error */
};

/* Of a signal. */
struct performance_signal {
	bool known;            /* false: the reference says nothing about it; the rest is then zero */
	size_t basis;
	int64_t n;             /* records that could be estimated */
	double reference;      /* accuracy of the reference */
	struct performance_share atc, cbpe;
	double gap;            /* cbpe - atc, less that of the reference */
	double gap_z;          /* the same in standard errors */
	bool novel;            /* the gap is wide, and not by chance: records of kinds that the model does not know */
	double confidence_before, confidence; /* mean, of the reference and of the window */

	/* Of the labels that came in the time of this window, whenever their predictions were made. */
	struct performance_share realised;
	int64_t n_labels, n_right;
	int64_t n_mislabelled; /* of them: labels that are likelier wrong than the prediction */
	int64_t realised_start_us, realised_end_us; /* the window; TIME_NONE: none came */
	struct performance_checked checked;
};

/* right of n, with a Wilson interval; `worth` records (n, or fewer). NaN when n is 0. */
struct performance_share performance_share(double at, double worth);

#endif
