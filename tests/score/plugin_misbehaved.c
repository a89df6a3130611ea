/* SPDX-License-Identifier: Apache-2.0
 * Detectors that load, and break one promise each: what the conformance kit must find. MISBEHAVED_... chooses. */
#include "oodd/detector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int __attribute__((unused)) calls; /* a mutable global: one of the things that are not done */

static int promise_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	uint64_t *bytes = host->alloc(host->context, sizeof *bytes);

	(void)batches, (void)n_batches;
	*bytes = 0;
#ifdef MISBEHAVED_REFIT
	*bytes = (uint64_t)++calls;
#endif
	*ret_bytes = bytes;
	*ret_n = sizeof *bytes;
	return 0;
}

static int promise_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	(void)host, (void)ret_state;
#ifdef MISBEHAVED_LEAKS
	*ret_state = malloc(64); /* and no close */
#endif
#ifdef MISBEHAVED_TRUST
	/* Believes the number it reads. */
	return ((const volatile char *)bytes)[*(const uint64_t *)bytes >> (n ? 8 : 0)] == 77 ? -1 : 0;
#else
	return bytes && n == sizeof(uint64_t) ? 0 : -22;
#endif
}

static float row_sum(const struct oodd_batch *b, size_t i)
{
	float sum = 0;

	for (size_t j = 0; j < b->embedding.width; j++)
		sum += oodd_row(b->embedding, i)[j];
	return sum;
}

static int promise_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	(void)state;
	if (batch->embedding.width != 24)
		return -22;
	for (size_t i = 0; i < batch->n; i++) {
		scores[i] = row_sum(batch, i);
		if (!isfinite(scores[i]))
			status[i] = OODD_ROW_UNSCORED;
#if defined MISBEHAVED_NEIGHBOURS
		scores[i] += i ? scores[i - 1] * 1e-7f : 0;
#elif defined MISBEHAVED_THREADS
		scores[i] += (float)(++calls / 100000);
#elif defined MISBEHAVED_WRITES
		((float *)(uintptr_t)batch->embedding.at)[i] = 0;
#elif defined MISBEHAVED_CRASH
		if (isnan(scores[i]))
			abort();
#elif defined MISBEHAVED_EXIT
		if (batch->n == 1)
			exit(3);
#elif defined MISBEHAVED_NAN
		status[i] = OODD_ROW_SCORED;
#elif defined MISBEHAVED_LOGITS
		scores[i] += batch->logits.at ? oodd_row(batch->logits, i)[0] : 0;
#endif
	}
#ifdef MISBEHAVED_PRINTS
	printf("%zu rows\n", batch->n);
#endif
#ifdef MISBEHAVED_BEYOND
	scores[batch->n] = 0;
#endif
	return 0;
}

#ifdef MISBEHAVED_REASONS
static int promise_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	(void)state, (void)row;
	for (size_t i = 0; i < n; i++)
		reasons[i] = (struct oodd_reason){OODD_REASON_DIMENSION, (int64_t)batch->embedding.width, 1};
	return (int)n;
}
#define EXPLAIN .explain = promise_explain
#elif defined MISBEHAVED_ALONE
/* Tells of more classes in a larger batch. */
static int promise_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	size_t found = batch->n > 1 ? 2 : 1;

	(void)state, (void)row;
	for (size_t i = 0; i < n && i < found; i++)
		reasons[i] = (struct oodd_reason){OODD_REASON_CLASS, (int64_t)i, 1};
	return (int)(n < found ? n : found);
}
#define EXPLAIN .explain = promise_explain
#elif defined MISBEHAVED_NAMES
/* Names row 5, and announces row 3. */
static int promise_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	(void)state, (void)batch, (void)row;
	if (n > 0)
		reasons[0] = (struct oodd_reason){OODD_REASON_ROW, 5, 1};
	return n > 0;
}

static int64_t promise_rows(const void *state, int64_t *rows, size_t n)
{
	(void)state;
	if (n > 0)
		rows[0] = 3;
	return 1;
}
#define EXPLAIN .explain = promise_explain, .rows = promise_rows
#else
#define EXPLAIN .explain = NULL
#endif

static const struct oodd_detector promise = {.name = "promise", .version = "1.0", .summary = "breaks one", .needs = OODD_NEEDS_EMBEDDING,
	.fit = promise_fit, .open = promise_open, .score = promise_score, EXPLAIN};
OODD_PLUGIN("Apache-2.0", &promise);
