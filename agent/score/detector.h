/* SPDX-License-Identifier: Apache-2.0
 * A fitted detector, attached to its plugin: ready to score batches, from any thread. */
#ifndef SCORE_DETECTOR_H
#define SCORE_DETECTOR_H

#include "base/error.h"
#include "model/reference.h"
#include "oodd/detector.h"
#include "score/registry.h"

#include <stddef.h>
#include <stdint.h>

struct detector {
	const struct oodd_detector *plugin;
	void *state;
};

/* Find the plugin by name and open it with what its fit wrote. 0, or -errno and a sentence. A
 * plugin of another version than the one that fitted is warned of, and may try. */
int detector_attach(const struct reference_detector *from, const struct plugins *plugins,
	struct detector *ret, struct error *e);
void detector_detach(struct detector *d); /* accepts one that was never attached (all zero) */

/* Can the detector work on this batch at all? 0, or the needs (enum oodd_needs) that the batch does
 * not meet. */
uint32_t detector_lacks(const struct oodd_detector *d, const struct oodd_batch *b);
uint32_t detector_needs_lacking(uint32_t needs, const struct oodd_batch *b);
/* n scores, NaN where a row could not be scored: something it needs is missing, the detector said
 * so, or what it gave is not finite. `status` is scratch of n bytes. Negative errno when the
 * detector failed: then all are NaN. */
int detector_score(
	const struct detector *d, const struct oodd_batch *b, float *scores, uint8_t *status);

#endif
