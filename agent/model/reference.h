/* SPDX-License-Identifier: Apache-2.0
 * What normal was for a stream: fitted detectors, the distribution of their scores, the expected counts of every measure,
 * how much those naturally vary, and where it all came from. A msgpack file, versioned, checksummed, replaced atomically.
 * Immutable once opened: shared by threads without locks. */
#ifndef MODEL_REFERENCE_H
#define MODEL_REFERENCE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/measure.h"
#include "model/performance.h"
#include "model/reference_layer.h"
#include "model/reference_odd.h"
#include "model/reference_ways.h"
#include "model/season.h"
#include "model/slice.h"
#include "model/statistic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REFERENCE_FORMAT 2

struct reference_option {
	char *name;
	double value; /* number, 0/1, or index of a choice */
};

struct reference_detector {
	char *name;           /* of the detector */
	char *plugin_version;
	struct reference_option *options;
	size_t n_options;
	void *bytes;          /* what fit wrote */
	size_t n_bytes;
	struct score_table table;      /* cal-A, all classes together */
	struct score_table *by_class;  /* n_classes entries; total 0 where a class is too small (backed off); may be NULL */
	size_t n_by_class;             /* n_classes, or 0 */
	double weight;        /* in the fusion, 0 when muted; where there are ways of being odd, over all of them */
	double agreement;     /* Spearman with the consensus of the others on cal-A */
	double held_out_flag_rate; /* share of cal-B at or below the flag rate by this detector alone */
	char *muted;          /* NULL, or why it does not count */
	double pseudo_auroc;  /* made-up OOD against cal-A by this detector alone; NaN or 0 where it could not be tried */
};

/* A whole window of the reference, kept so that selftest can replay it and later code can relearn. */
struct reference_window {
	int64_t start_us;
	int64_t n, n_flagged;
	size_t width;         /* of the reference */
	int64_t *v;
};

/* Where a row lacks what some detectors need, the rest are fused and have a table of their own (see score/calibrate.h). */
struct reference_partial {
	uint64_t members;         /* bit i: detector i takes part */
	struct score_table table; /* cal-B: of what is fused of the members */
};

#define REFERENCE_MOST_DETECTORS 64
#define REFERENCE_MOST_BYTES (INT64_C(1) << 31) /* of a file */

struct reference {
	/* provenance */
	char *model, *version;
	char *inherited_from; /* NULL, or the version whose feature measures these are (reference_inherit.h) */
	char *made_by;        /* "oodd 0.1.0" */
	int64_t made_us, first_us, last_us;
	char **logs;          /* paths as given to fit */
	size_t n_logs;
	int64_t n_fit, n_cal_a, n_cal_b, n_null; /* records of each part */
	char hash[65];        /* SHA-256 of the file's payload; "" before it was written */

	/* shape */
	size_t n_logits, n_embedding;
	bool logits_normalised;
	char **classes;       /* by index of the logits, learned from prediction = argmax; "" where never predicted */
	size_t n_classes;
	char **numeric;       /* names of numeric features, in the order of the oodd_batch handed to detectors */
	size_t n_numeric;
	struct reference_category {
		char *name;
		char **words;
		size_t n_words;
	} *category;          /* categorical features, in that order too; codes index words */
	size_t n_category;
	struct reference_left_out {
		char *name, *why; /* "looks like an identifier: ..." */
	} *left_out;          /* features that records have and that are not watched by value; known all the same */
	size_t n_left_out;

	struct reference_detector *detectors;
	size_t n_detectors;
	struct reference_way *ways; /* how their surprises are fused; none: the sum of weight x surprise */
	size_t n_ways;
	struct score_table fused; /* cal-B: of what is fused; n 0 when no detector counts */
	struct reference_partial *partial; /* most members first */
	size_t n_partial;
	double flag_rate;
	bool tails;           /* sums are of surprises (score/calibrate.h); false: of -log p, as 0.1 did */
	bool strict;          /* fused p-values hold for this very calibration set (stats/conformal.h) */

	int64_t window_us;
	struct measure *measures;
	size_t n_measures;
	struct statistic *statistics; /* their stretches stand behind the measures' */
	size_t n_statistics;
	size_t width;         /* of a window's vector */
	struct reference_window *windows; /* of the null part, oldest first: as live windows will be, in every measure */
	size_t n_windows;
	struct reference_window *others;  /* of cal-A and cal-B, oldest first: as good as null windows for every measure but the
	                                   * p-values, whose tables were made from these very records */
	size_t n_others;

	/* Learned by judge_learn: measures with a season_prior are compared with the windows above of the same bucket. */
	size_t season;        /* enum season, but AUTO */
	char *season_why;     /* NULL, or why there is none although one was asked for or looked for */

	char *doubt;          /* NULL, or in words: a block of it is unlike the rest, or it drifts (score/fit_calm.c) */
	struct performance performance; /* how often the model is right; its numbers in a window stand behind those of the measures */
	struct reference_row *rows; /* that detectors name as neighbours, by rising number; none in an older file */
	size_t n_rows;
	struct slices slices;       /* their stretch stands behind that of `performance`; none in an older file */
	struct reference_odd odd;   /* what kinds of odd records are told apart by; of zeros in an older file */
	struct reference_layer layer; /* how logits follow from embeddings; of zeros where they do not, and in an older file */
};

struct reference *reference_new(void);
void reference_close(struct reference *r); /* accepts NULL and the half-built */
/* Frees windows and others, which are most of it, where nothing is learned from them any more. */
void reference_forget_windows(struct reference *r);
/* Write beside `path`, fsync, rename, fsync the folder; fills r->hash. 0 or -errno with a sentence. Mode 0600: it may hold the
 * last layer of the model, recovered, and rows of the reference. */
int reference_write(struct reference *r, const char *path, struct error *e);
/* Read and check: magic, format, checksum, every length and index. A broken file never crashes: -EINVAL and a sentence that
 * names the file, what was expected, what was found. -ENOENT when there is none. */
int reference_read(const char *path, struct reference **ret, struct error *e);
/* As above, from memory; `name` is for messages. For fuzzing. */
int reference_unpack(const void *at, size_t n, const char *name, struct reference **ret, struct error *e);

/* Payload alone, as packed by reference_pack: what stands between the head of the file and its checksum. */
int reference_unpack_payload(const void *at, size_t n, struct reference **ret, struct error *e);
void reference_pack(const struct reference *r, struct buf *to);
/* Is everything in it as the comments above promise? 0, or -EINVAL and a sentence that names the part. Both ways through a
 * file pass here, so that whatever was read can be indexed without further checks. */
int reference_check(const struct reference *r, struct error *e);
void reference_detector_done(struct reference_detector *d);

/* How many of the reference's scores are above this one, and how many count as tied with it. */
void score_table_rank(const struct score_table *t, float score, uint32_t *greater, uint32_t *equal);
/* p-value of a score in (0, 1]: (1 + #above, ties split by `unit` in (0,1)) / (total + 1). */
double score_table_p(const struct score_table *t, float score, double unit);
/* A table of n scores (any order; NaN dropped), at most `knots` knots, exact when n <= knots. */
void score_table_make(struct score_table *t, float *scores, size_t n, size_t knots);
void score_table_done(struct score_table *t);

#endif
