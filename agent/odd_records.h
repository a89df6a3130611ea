/* SPDX-License-Identifier: Apache-2.0
 * An odd record on its way to people: its kind, its group, and, when it is among those kept of its window, why it is odd. */
#ifndef ODD_RECORDS_H
#define ODD_RECORDS_H

#include "pipeline.h"
#include "streams.h"
#include "model/window.h"
#include "score/explain.h"

/* Explanations of rows of one batch, made where its scores are at hand, of those rows that may be kept. A row that is kept and was not
 * foreseen is explained when it is applied: what is said is the same, and only who says it differs. */
struct odd_reasons {
	struct odd_reason {
		size_t row;
		char *why, *reasons, *nearest; /* as in struct sample */
	} *at;
	size_t n;
};
/* Any thread, behind scorer_run with this space. *x is opened when it is needed. At most as many rows of a window as are kept. */
void odd_reasons_make(struct odd_reasons *to, struct explainer **x, const struct stream *s, const struct scorer_space *space,
	const struct batch *b, const struct scored *scored);
void odd_reasons_done(struct odd_reasons *r); /* as new */

/* Row `row` of a batch that was counted in w; `bytes` are the record as logged. Loop thread, in reading order. `made` may be emptied of it. */
void odd_record_apply(const struct pipeline_sinks *sinks, struct explainer *x, struct odd_reasons *made, struct stream *s, const struct batch *b,
	const struct scored *scored, size_t row, const struct window *w, const char *bytes);
/* The window is closed: what its signal says of odd records. */
void odd_records_close(const struct pipeline_sinks *sinks, struct stream *s, const struct window *w, struct signal *to);

#endif
