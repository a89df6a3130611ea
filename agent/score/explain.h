/* SPDX-License-Identifier: Apache-2.0
 * Why a record is as odd as it is: what each detector gave it and why, and which of its own cells do not fit the reference.
 * Made for single records, never on the hot path. What it says is a function of the record and the reference: whether it is made
 * while the batch's scores are at hand or by scoring the record again, alone, changes nothing. */
#ifndef SCORE_EXPLAIN_H
#define SCORE_EXPLAIN_H

#include "base/buf.h"
#include "model/batch.h"
#include "model/scored.h"
#include "score/scorer.h"

#include <stdbool.h>
#include <stddef.h>

#define EXPLAIN_REASONS 6 /* of a detector */
#define EXPLAIN_FAULTS 8

struct explain_reason {
	int32_t kind;       /* enum oodd_reason_kind */
	const char *name;   /* class, feature, or id of the reference's record; NULL: it has none */
	const char *class;  /* of a record: what was predicted for it; NULL where unknown */
	int64_t index;      /* as the detector counts */
	double weight;      /* share of the score; of a class how near or likely, of a record its distance */
	char value[80];     /* of a feature: as in the record */
};

struct explain_detector {
	const char *name;
	double score, p, weight; /* NaN where unscored */
	double share;            /* of the fused surprise, 0 .. 1; 0 where it does not count */
	int family;              /* enum odd_family, -1: none of them */
	struct explain_reason reasons[EXPLAIN_REASONS];
	size_t n_reasons;
};

/* A cell that hardly any record of the reference has the like of. */
struct explain_fault {
	const char *name; /* of the measure */
	char what[160];   /* "2400, never above 99", "missing", "never seen: Mars" */
};

struct explanation {
	double p;
	bool flagged;
	struct explain_detector *detectors; /* largest share first */
	size_t n_detectors;
	struct explain_fault faults[EXPLAIN_FAULTS];
	size_t n_faults;
	double family[ODD_FAMILY_N]; /* p-value of each; NaN where none of it scored the record */
	/* The class whose records are nearest, by the heaviest detector of distances that says so; NULL: none. */
	const char *nearest, *nearest_by;
};

/* Space of one thread; kept from record to record. */
struct explainer;
struct explainer *explainer_open(void);
void explainer_close(struct explainer *x); /* accepts NULL */
/* Row `row` of a batch. *ret borrows from the reference, the plugins and x, until the next call. */
void explain_row(const struct scorer *s, struct explainer *x, const struct batch *b, size_t row, struct explanation *ret);

/* The same of a batch that scorer_run has just scored with this space: nothing is scored again. */
void explain_scored(const struct scorer *s, struct explainer *x, const struct scorer_space *space, const struct batch *b,
	const struct scored *scored, size_t row, struct explanation *ret);

/* p-values of the families of row `row`, from the detectors' p-values; cheap. */
void explain_families(const struct scorer *s, const struct scored *scored, size_t row, double *ret);

/* One JSON object: {"detectors":[{"name","share","p","reasons":[..]}],"nearest","families":{},"faults":[{"name","what"}]}.
 * A reason is {"class","weight"}, {"record","class","distance"}, {"feature","value","share"} or {"dimension","share"}. */
void explanation_json(const struct explanation *x, struct buf *to);
/* The same in a line or less: "age 2400, never above 99; its place is among the oddest 0.5 %, nearest class transfer, ...". */
void explanation_words(const struct explanation *x, struct buf *to);

#endif
