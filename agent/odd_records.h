/* SPDX-License-Identifier: Apache-2.0
 * An odd record on its way to people: its kind, its group, and, when it is among those kept of its window, why it is odd. */
#ifndef ODD_RECORDS_H
#define ODD_RECORDS_H

#include "pipeline.h"
#include "streams.h"
#include "model/window.h"
#include "score/explain.h"

/* Row `row` of a batch that was counted in w; `bytes` are the record as logged. Loop thread, in reading order. */
void odd_record_apply(const struct pipeline_sinks *sinks, struct explainer *x, struct stream *s, const struct batch *b,
	const struct scored *scored, size_t row, const struct window *w, const char *bytes);
/* The window is closed: what its signal says of odd records. */
void odd_records_close(const struct pipeline_sinks *sinks, struct stream *s, const struct window *w, struct signal *to);

#endif
