/* SPDX-License-Identifier: Apache-2.0
 * What has moved, told as what happened to the records: a field came or went, changed its type, its unit, or stopped moving.
 * Evidence decides that something has moved; this says what it looks like. Private to judge/. */
#ifndef JUDGE_SCHEMA_H
#define JUDGE_SCHEMA_H

#include "base/buf.h"
#include "model/reference.h"
#include "model/schema.h"
#include "model/signal.h"
#include "model/window.h"

#include <stdbool.h>

/* What was remarked in windows before: since when, in how many records. */
struct schema_past {
	struct schema_known {
		enum schema_kind kind;
		char *field;
		int64_t first_us, records;
		int64_t silent; /* windows since it was last remarked */
	} *at;
	size_t n;
};
void schema_past_done(struct schema_past *p);

/* Remarks on measure `i` of r, whose shares in the window are q. now: the measure as is usual at this time, centre: its
 * mean. f: its finding,
 * filled; what is remarked goes into f->change too. */
void schema_look(const struct reference *r, size_t i, const struct measure *now, double centre, const struct window *w, const double *q,
	struct finding *f, struct schema *to);
/* After the last measure of a window: remarks are sorted, and told since when. */
void schema_settle(struct schema_past *p, const struct window *w, struct schema *to);

struct msgpack_object;
void schema_past_pack(const struct schema_past *p, struct buf *to);
bool schema_past_read(const struct msgpack_object *o, struct schema_past *ret); /* NULL is the empty one */

#endif
