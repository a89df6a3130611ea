/* SPDX-License-Identifier: Apache-2.0
 * Between the checks of the conformance kit and what runs them. */
#ifndef SCORE_CONFORM_CHECKS_H
#define SCORE_CONFORM_CHECKS_H

#include "model/reference.h"
#include "score/conform_data.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFORM_FIT_ROWS 630
#define CONFORM_TRY_ROWS 300

/* A detector under test, fitted and open, and what it makes of CONFORM_TRY_ROWS rows at once. */
struct trial {
	const struct oodd_detector *d;
	struct reference_option *options;
	size_t n_options;
	struct conform_data *fit, *rows;
	void *bytes;
	size_t n_bytes;
	void *state;
	float *scores;
	uint8_t *status;
	char why[600]; /* of the check that failed */
};

/* False with a sentence in t->why. */
bool trial_wrong(struct trial *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct check {
	const char *name;
	bool (*applies)(const struct trial *t);
	bool (*run)(struct trial *t); /* false with a sentence in t->why */
};

/* In the order of the report; a NULL name ends them. */
extern const struct check conform_checks[];
extern const struct check conform_explain_checks[]; /* conform_explain.c */
extern const struct check conform_window_checks[]; /* of window detectors, conform_windows.c */

/* The first half of a batch as a reference, the second as a window: false where what comes back is against the contract. */
bool window_try(struct trial *t, const void *state, const struct oodd_batch *b);

#endif
