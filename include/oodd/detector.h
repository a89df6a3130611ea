/* SPDX-License-Identifier: Apache-2.0
 *
 * The door for detectors. A plugin is a shared object that exports one constant, `oodd_plugin`, naming one detector or a
 * small family. A detector gives each row a score, HIGHER IS ODDER, and the host does the rest: calibration to p-values,
 * fusion, windows, evidence, alerts. plugins/README.md writes one in 30 lines; `oodd plugin test FILE.so` checks it.
 *
 * A window detector looks at many rows together instead: it adds each to a vector of integers, and says how far the vector of
 * a window is from the reference's. The host adds, stores and merges such vectors, and learns how far windows naturally are.
 *
 * Promises of the host: batches are columnar, lent, read-only; the shapes were checked; `score` may be called from several
 * threads at once on one state, hence the const; `fit`, `open` and `close` are called from one thread. A row's score must
 * not depend on its neighbours in the batch, bit for bit (BLAS does not promise that: see plugins/algebra).
 * Promises of the plugin: no exit or abort, no signal handlers, no threads of its own, no writing to standard streams, no
 * mutable globals. Return 0, or a negative errno after saying why through host->log.
 */
#ifndef OODD_DETECTOR_H
#define OODD_DETECTOR_H

#include "oodd/batch.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OODD_ABI 1u

/* What a detector cannot work without. The host never calls `score` with a batch whose shape lacks it, and marks a row that lacks
 * it OODD_ROW_UNSCORED beforehand; `fit` sees every row of the reference and skips those it cannot use. */
enum oodd_needs {
	OODD_NEEDS_LOGITS = 1 << 0,     /* logits or log-probabilities */
	OODD_NEEDS_RAW_LOGITS = 1 << 1, /* logits that still carry their scale: not log-probabilities */
	OODD_NEEDS_EMBEDDING = 1 << 2,
	OODD_NEEDS_PREDICTED = 1 << 3, /* predicted classes, to fit; a row is scored without */
	OODD_NEEDS_FEATURES = 1 << 4,
	OODD_NEEDS_CONFIDENCE = 1 << 5,
};

enum oodd_row_status {
	OODD_ROW_SCORED = 0,
	OODD_ROW_UNSCORED = 1, /* something the detector needs is missing or not finite; its score is ignored */
};

enum oodd_log_level { OODD_LOG_DEBUG, OODD_LOG_INFO, OODD_LOG_WARNING, OODD_LOG_ERROR };

enum oodd_option_type { OODD_OPTION_BOOL, OODD_OPTION_INT, OODD_OPTION_REAL, OODD_OPTION_CHOICE };

/* An option of a detector: the host parses, checks the range, documents, and answers `option` calls with it.
 * The table ends with a NULL name. It is an array, so this struct never grows while OODD_ABI is 1. */
struct oodd_option {
	const char *name;    /* lower case letters, digits and _ */
	int32_t type;        /* enum oodd_option_type */
	double standard;     /* default: 0/1 for BOOL, the index of a choice for CHOICE */
	double least, most;  /* range of INT and REAL, both included */
	const char *choices; /* CHOICE: words separated by a blank, else NULL */
	const char *help;
};

/* The host, lent to a plugin for the duration of a call. Fields are only ever appended. */
struct oodd_host {
	size_t size;
	void *context;
	void (*log)(void *context, enum oodd_log_level level, const char *text);
	/* Value of an option of this detector: number, 0/1, or index of the choice. The name must be in its table (NaN, and a
	 * line in the log, when it is not). `fit` and `open` of one detector always get the same values. */
	double (*option)(void *context, const char *name);
	/* Bytes that the host owns and frees after the call; for `fit` to return its result in. Never returns NULL. */
	void *(*alloc)(void *context, size_t n);
};

/* What the index of a reason counts. */
enum oodd_reason_kind {
	OODD_REASON_CLASS,     /* classes, in the order of the logits; weight: share of the probability, or nearness */
	OODD_REASON_NUMERIC,   /* batch->numeric */
	OODD_REASON_CATEGORY,  /* batch->category */
	OODD_REASON_DIMENSION, /* dimensions of the embedding */
	OODD_REASON_ROW,       /* rows of the fit data, counted through its batches; weight: its distance */
};

/* One ranked reason of a score; see `explain`. An array of these is handed over: it never grows while OODD_ABI is 1. */
struct oodd_reason {
	int32_t kind;  /* enum oodd_reason_kind */
	int64_t index;
	double weight; /* share of the score unless the kind says otherwise; finite */
};

/* What of a window is not as in the reference: one class, feature or dimension. */
struct oodd_shift {
	int32_t kind;  /* enum oodd_reason_kind, but ROW */
	int64_t index;
	double before, after; /* in the reference and in the window, in one unit (a share, a mean); finite */
};

/* What `compare` says. Handed over by the host: it never grows while OODD_ABI is 1. */
#define OODD_MOST_SHIFTS 8
struct oodd_comparison {
	double statistic; /* how far apart: finite, >= 0 */
	double expected;  /* what it is on average when records are drawn one by one from the reference, so the law in 1/n + 1/m
			   * is here: finite, > 0 (or both are 0: nothing to compare). The host divides by it, and learns how
			   * far such quotients are from 1 */
	double effect;    /* how large the shift is, less what chance gives, on the scale of PSI (.1 is moderate, .25 large): finite, >= 0 */
	size_t n_shifts;  /* the largest first */
	struct oodd_shift shifts[OODD_MOST_SHIFTS];
};

#define OODD_MOST_TERM (INT64_C(1) << 40) /* that one row may add to one place of a vector, up or down */

/* What is fixed about a detector. Fields are only ever appended: a host takes min(size, its own) bytes. */
struct oodd_detector {
	const char *name;    /* lower case, unique in the host: "energy" */
	const char *version; /* of the implementation; a reference remembers it */
	const char *summary; /* one line for `oodd plugin list` */
	uint32_t needs;      /* enum oodd_needs */
	const struct oodd_option *options; /* NULL when there are none */

	/* Learn from reference batches (all of one stream and shape, oldest first). *ret_bytes comes from host->alloc; an empty
	 * result is allowed. The same input gives the same bytes. NULL: nothing to learn; else `open` is required. */
	int (*fit)(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches,
		const void **ret_bytes, size_t *ret_n);
	/* Make a state from what fit wrote (bytes may be NULL, n 0; aligned for any type; copy what the state keeps). The bytes
	 * come from a file: check them. NULL: no state, score gets NULL. */
	int (*open)(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state);
	void (*close)(void *state); /* accepts NULL */
	/* Required, but of a window detector. scores and status: batch->n each, status set to OODD_ROW_SCORED or, where the host already knows,
	 * OODD_ROW_UNSCORED. Set status[i] = OODD_ROW_UNSCORED for a row that cannot be scored; the score of any other is finite.
	 * The width of the batch is that of the fit, or return -EINVAL. batch->n may be 0. */
	int (*score)(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status);
	/* Why row `row` got its score: up to n reasons, the most telling of each kind first; returns how many were written (0 for a
	 * row that cannot be scored), or negative errno. May be called while other threads score. */
	int (*explain)(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n);
	/* Which rows of the fit data `explain` may name with OODD_REASON_ROW, rising: up to n of them into `rows`. Returns how many there
	 * are, or negative errno. The host keeps the ids of those. NULL when it names none, or the host is to keep none. */
	int64_t (*rows)(const void *state, int64_t *rows, size_t n);

	/* A window detector has the following three, and `score` only if it scores rows as well. A vector is `width` integers,
	 * sums of what rows add: fixed point, whose scale the state gives, so that addition is exact and its order cannot matter.
	 * Two vectors that are added are the vector of both windows. */
	size_t (*width)(const void *state); /* > 0; a function of the state alone */
	/* Add rows [from, to) of the batch. What a row adds depends on the row alone, bit for bit; one that lacks something, is not
	 * finite, or is not sampled, adds nothing. Returns how many rows were added, or negative errno (then nothing was). */
	int (*accumulate)(const void *state, const struct oodd_batch *batch, size_t from, size_t to, int64_t *vector);
	/* Sums over n_reference and n_window rows (each > 0). Vectors come from files: any value may be in them. 0, or negative
	 * errno where they cannot be compared. */
	int (*compare)(const void *state, const int64_t *reference, int64_t n_reference, const int64_t *window, int64_t n_window,
		struct oodd_comparison *ret);
};

/* What a shared object exports, as a constant named oodd_plugin: write OODD_PLUGIN(detectors...) at the end of the file. */
struct oodd_plugin {
	uint32_t abi;  /* OODD_ABI; first, for ever */
	uint32_t size; /* sizeof(struct oodd_detector) when compiled */
	const char *licence; /* SPDX */
	uint32_t n_detectors;
	const struct oodd_detector *const *detectors;
};

#if defined(__GNUC__)
#define OODD_EXPORT __attribute__((visibility("default")))
#else
#define OODD_EXPORT
#endif

/* OODD_PLUGIN("Apache-2.0", &energy, &msp); */
#define OODD_PLUGIN(licence_, ...)                                                                                    \
	static const struct oodd_detector *const oodd_detectors_[] = {__VA_ARGS__};                                  \
	OODD_EXPORT extern const struct oodd_plugin oodd_plugin;                                                     \
	const struct oodd_plugin oodd_plugin = {OODD_ABI, sizeof(struct oodd_detector), licence_,                    \
		sizeof oodd_detectors_ / sizeof oodd_detectors_[0], oodd_detectors_}

#ifdef __cplusplus
}
#endif
#endif
