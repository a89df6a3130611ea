/* SPDX-License-Identifier: Apache-2.0
 * Detectors that are right, wrong and useless on purpose: what muting and partial scores are tested
 * with. */
#include <math.h>

#include "oodd/detector.h"

/* The first numeric feature, times `sign`; only above `least`. */
static int first_feature(
	const struct oodd_batch *b, double sign, double least, float *scores, uint8_t *status)
{
	for (size_t i = 0; i < b->n; i++) {
		double x = b->numeric[0].at[i];

		scores[i] = (float)(sign * x);
		if (isnan(x) || x < least)
			status[i] = OODD_ROW_UNSCORED;
	}
	return 0;
}

static int upright_score(
	const void *state, const struct oodd_batch *b, float *scores, uint8_t *status)
{
	(void)state;
	return first_feature(b, 1.0, -INFINITY, scores, status);
}

static int backwards_score(
	const void *state, const struct oodd_batch *b, float *scores, uint8_t *status)
{
	(void)state;
	return first_feature(b, -1.0, -INFINITY, scores, status);
}

static int picky_score(
	const void *state, const struct oodd_batch *b, float *scores, uint8_t *status)
{
	(void)state;
	return first_feature(b, 1.0, 1.0, scores, status);
}

static int constant_score(
	const void *state, const struct oodd_batch *b, float *scores, uint8_t *status)
{
	(void)state;
	(void)status;
	for (size_t i = 0; i < b->n; i++)
		scores[i] = 4.0f;
	return 0;
}

static int embedded_score(
	const void *state, const struct oodd_batch *b, float *scores, uint8_t *status)
{
	(void)state;
	(void)status;
	for (size_t i = 0; i < b->n; i++)
		scores[i] = oodd_row(b->embedding, i)[0];
	return 0;
}

static int infinite_score(
	const void *state, const struct oodd_batch *b, float *scores, uint8_t *status)
{
	(void)state;
	(void)status;
	for (size_t i = 0; i < b->n; i++)
		scores[i] = i % 2 ? INFINITY : NAN;
	return 0;
}

static int stubborn_fit(const struct oodd_host *host, const struct oodd_batch *const *batches,
	size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	(void)batches;
	(void)n_batches;
	(void)ret_bytes;
	(void)ret_n;
	host->log(host->context, OODD_LOG_ERROR, "there is no learning this");
	return -22;
}

static int nothing_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	(void)host;
	(void)bytes;
	(void)n;
	*ret_state = 0;
	return 0;
}

#define MADE(id, needs_)                                                                           \
	.name = #id, .version = "1.0", .summary = "made for a test", .needs = needs_
static const struct oodd_detector upright = {
	MADE(upright, OODD_NEEDS_FEATURES | OODD_NEEDS_PREDICTED), .score = upright_score};
static const struct oodd_detector backwards = {
	MADE(backwards, OODD_NEEDS_FEATURES | OODD_NEEDS_PREDICTED), .score = backwards_score};
/* Sees the features alone, and ranks records against those that know the model. */
static const struct oodd_detector rare = {MADE(rare, OODD_NEEDS_FEATURES), .score = backwards_score};
static const struct oodd_detector picky = {MADE(picky, OODD_NEEDS_FEATURES), .score = picky_score};
static const struct oodd_detector constant = {MADE(constant, 0), .score = constant_score};
static const struct oodd_detector infinite = {MADE(infinite, 0), .score = infinite_score};
static const struct oodd_detector embedded = {
	MADE(embedded, OODD_NEEDS_EMBEDDING), .score = embedded_score};
static const struct oodd_detector stubborn = {
	MADE(stubborn, 0), .fit = stubborn_fit, .open = nothing_open, .score = constant_score};

OODD_PLUGIN("Apache-2.0", &upright, &backwards, &rare, &picky, &constant, &infinite, &embedded, &stubborn);
