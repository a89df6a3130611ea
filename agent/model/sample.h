/* SPDX-License-Identifier: Apache-2.0
 * An odd record kept for a person to look at: what it was, where it stands, how odd, and why. */
#ifndef MODEL_SAMPLE_H
#define MODEL_SAMPLE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sample {
	char *model, *version, *id;
	int64_t time_us;
	double p;                /* fused */
	char *prediction;
	char *record;            /* the record as logged, cut at a stated limit */
	size_t n_record;
	int64_t window_us;       /* start of its window */
	uint64_t hash;           /* of the record: names it within its window */
	const char *kind;        /* a word of odd_words; borrowed */
	double confidence;       /* NaN where not logged */
	char *nearest;           /* class, or NULL */
	char *why;               /* in words, or NULL */
	char *reasons;           /* the explanation, JSON, or NULL */
};

void sample_done(struct sample *s);
/* All but model, version and record; `to` owns the copies. */
void sample_copy(struct sample *to, const struct sample *from);
struct msgpack_object;
/* All but model, version, record and kind, as one msgpack array; and back. */
void sample_pack(const struct sample *s, struct buf *to);
bool sample_read(const struct msgpack_object *o, struct sample *ret);

#endif
