/* SPDX-License-Identifier: Apache-2.0
 * An odd record kept for a person to look at: what it was, where it stands, how odd, and why. */
#ifndef MODEL_SAMPLE_H
#define MODEL_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

struct sample {
	char *model, *version, *id;
	int64_t time_us;
	double p;                /* fused */
	char *prediction;
	char *record;            /* the record as logged, cut at a stated limit */
	size_t n_record;
};

void sample_done(struct sample *s);

#endif
