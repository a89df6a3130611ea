/* SPDX-License-Identifier: Apache-2.0
 * What a record says of how often the model is right, without its label: model/performance.h. Private to score/. */
#ifndef SCORE_PERFORMANCE_H
#define SCORE_PERFORMANCE_H

#include "model/batch.h"
#include "model/performance.h"
#include "model/scored.h"
#include "oodd/batch.h"
#include "base/buf.h"

/* The largest softmax probability of a row as logged, else of its logits; NaN without either. */
double performance_confidence(const struct oodd_batch *b, size_t row);
/* What ATC compares with its threshold; NaN where the row lacks it. */
double performance_score(enum performance_score kind, const struct oodd_batch *b, size_t row);
/* By the calibration map; NaN stays. */
double performance_calibrate(const struct performance *p, double confidence);
/* The terms of every row into to->term[.. first_sum ..), and where they are added. */
void performance_terms(const struct performance *p, const struct oodd_batch *b, struct scored *to, size_t first_sum);

/* The lines and the member of fit's summary; fit_performance.c. */
void performance_text(const struct performance *p, int64_t n_labels, struct buf *to);
void performance_json(const struct performance *p, int64_t n_labels, struct buf *to);

#endif
