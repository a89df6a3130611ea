/* SPDX-License-Identifier: Apache-2.0
 *
 * The logit family: what the classifier's own last layer says about how sure it is. Nothing to fit, nothing to keep.
 * Formulas and papers stand in README.md; here stands how each is computed without cancellation. Everything is relative to the
 * largest logit z_a, so that expf() cannot overflow: d_c = z_c - z_a, e_c = exp(d_c), and `others` = sum of e_c over c != a.
 * Then p_a = 1/(1 + others), and 1 - p_a = others/(1 + others) is exact where 1 - p_a itself would be zero.
 */
#include "oodd/detector.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/rows.h"

#define MOST_REASONS 16

struct options {
	double temperature;
	double gamma;
	size_t most;
};

/* A usable row: the distances d_c = z_c - z_a of the n - 1 other classes, none above 0. */
struct row {
	const struct rows *rows;
	float largest;
	size_t n_others;
	float *others;
};

/* False where the row cannot be scored: a NaN, an infinite logit, or no class with any probability. Probabilities that were
 * logged as 0 are -INFINITY here, which is fine. */
static bool row_find(struct row *r, const float *z, size_t n)
{
	size_t top = 0;

	r->largest = r->rows->most(z, n);
	if (r->rows->count(z, n, -INFINITY) != n || !isfinite(r->largest))
		return false;
	while (z[top] != r->largest)
		top++;
	r->n_others = n - 1;
	r->rows->minus(z, r->largest, r->others, top);
	r->rows->minus(z + top + 1, r->largest, r->others + top, n - 1 - top);
	return true;
}

/* 1 - max p. Hendrycks & Gimpel 2017, section 2. */
static double msp(const struct row *r, const struct options *o)
{
	(void)o;
	double others = r->rows->exps(r->others, 1, r->n_others, NULL);
	return others / (1 + others);
}

/* -max z. Hendrycks et al. 2022, section 3. */
static double maxlogit(const struct row *r, const struct options *o)
{
	(void)o;
	return -(double)r->largest;
}

/* -T log sum exp(z/T). Liu et al. 2020, equation 4. */
static double energy(const struct row *r, const struct options *o)
{
	double others = r->rows->exps(r->others, (float)(1 / o->temperature), r->n_others, NULL);
	return -((double)r->largest + o->temperature * log1p(others));
}

/* -sum p log p = log(1 + others) - sum e d / (1 + others): two terms of one sign. Shannon 1948. */
static double entropy(const struct row *r, const struct options *o)
{
	double slope, others = r->rows->exps(r->others, 1, r->n_others, &slope);

	(void)o;
	return log1p(others) - slope / (1 + others);
}

/* 1 - (p_a - p_b), b the runner-up: (others + e_b)/(1 + others), two terms of one sign. Scheffer et al. 2001, section 3. */
static double margin(const struct row *r, const struct options *o)
{
	(void)o;
	double others = r->rows->exps(r->others, 1, r->n_others, NULL);
	float second = r->rows->most(r->others, r->n_others);
	return (others + exp((double)second)) / (1 + others);
}

/* log of the sum of exp(d), relative to the largest: holds where exp(d) itself would be zero. */
static double log_sum(const struct row *r)
{
	float second = r->rows->most(r->others, r->n_others), up[256];
	double sum = 0;

	if (!(second > -INFINITY))
		return -INFINITY;
	for (size_t from = 0; from < r->n_others; from += 256) {
		size_t n = r->n_others - from < 256 ? r->n_others - from : 256;
		r->rows->minus(r->others + from, second, up, n);
		sum += r->rows->exps(up, 1, n, NULL);
	}
	return (double)second + log(sum);
}

static float negative(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof x);
	return -x;
}

/* A floor with at most k distances above it, and as many of those at the floor itself as make it k: by halving the range of
 * bits, in which the numbers below zero are ordered. */
static float floor_find(const struct row *r, size_t k)
{
	uint32_t low = 0, high = 0x7f800000;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		size_t n = r->rows->count(r->others, r->n_others, negative(middle));
		if (n == k)
			return negative(middle + 1);
		if (n > k)
			high = middle;
		else
			low = middle + 1;
	}
	return negative(low);
}

/* sum over the M largest p of p^g (1-p)^g, in logarithms: small p keep their share. Liu et al. 2023, equation 3. */
static double gen(const struct row *r, const struct options *o)
{
	size_t k = o->most - 1 < r->n_others ? o->most - 1 : r->n_others;
	double log_others = log_sum(r), log_total = log1p(exp(log_others));
	/* The top class: log p = -log_total, log(1 - p) = log_others - log_total. */
	double sum = exp(o->gamma * (log_others - 2 * log_total));
	float floor = k == r->n_others ? -INFINITY : floor_find(r, k), gamma = (float)o->gamma, shift = (float)log_total;

	if (k == 0)
		return sum;
	sum += r->rows->powers(r->others, r->n_others, floor, shift, gamma);
	size_t above = k == r->n_others ? k : r->rows->count(r->others, r->n_others, nextafterf(floor, INFINITY));
	if (above < k)
		sum += (double)(k - above) * r->rows->powers(&floor, 1, -INFINITY, shift, gamma);
	return sum;
}

typedef double row_function(const struct row *r, const struct options *o);

static int rows_score(row_function *function, const struct options *o, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	size_t width = batch->logits.width;
	float few[1024];
	struct row r = {.rows = rows_for(PRODUCT_BEST), .others = width <= 1024 ? few : malloc(width * sizeof *r.others)};

	if (!r.others)
		return -ENOMEM;
	for (size_t i = 0; i < batch->n; i++) {
		if (status[i] == OODD_ROW_UNSCORED)
			continue;
		if (!row_find(&r, oodd_row(batch->logits, i), width))
			status[i] = OODD_ROW_UNSCORED;
		else
			scores[i] = (float)function(&r, o);
	}
	if (r.others != few)
		free(r.others);
	return 0;
}

/* The class with the largest logit that is not among the n told. */
static size_t class_next(const float *z, size_t width, const struct oodd_reason *told, size_t n)
{
	size_t best = SIZE_MAX;

	for (size_t c = 0; c < width; c++) {
		bool known = false;
		for (size_t i = 0; i < n; i++)
			known |= told[i].index == (int64_t)c;
		if (!known && (best == SIZE_MAX || z[c] > z[best]))
			best = c;
	}
	return best;
}

/* Which classes share the probability: the largest first. */
static int row_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const float *z = oodd_row(batch->logits, row);
	size_t width = batch->logits.width, found = 0;
	struct row r = {.rows = rows_for(PRODUCT_BEST), .others = malloc((width + 1) * sizeof *r.others)};

	(void)state;
	if (!r.others)
		return -ENOMEM;
	if (row_find(&r, z, width)) {
		double total = 1 + r.rows->exps(r.others, 1, r.n_others, NULL);
		for (; found < n && found < width && found < MOST_REASONS; found++) {
			size_t class = class_next(z, width, reasons, found);
			reasons[found] = (struct oodd_reason){OODD_REASON_CLASS, (int64_t)class, exp((double)(z[class] - r.largest)) / total};
		}
	}
	free(r.others);
	return (int)found;
}

/* 1 - max p where that is all the log holds. Hendrycks & Gimpel 2017, section 2. */
static int confidence_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	(void)state;
	for (size_t i = 0; i < batch->n; i++)
		if (status[i] != OODD_ROW_UNSCORED && isfinite(batch->confidence[i]))
			scores[i] = (float)(1 - batch->confidence[i]);
		else
			status[i] = OODD_ROW_UNSCORED;
	return 0;
}

static int options_open(struct options given, void **ret_state)
{
	struct options *o = malloc(sizeof *o);

	if (!o)
		return -ENOMEM;
	*o = given;
	*ret_state = o;
	return 0;
}

static int energy_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	(void)bytes, (void)n;
	return options_open((struct options){.temperature = host->option(host->context, "temperature")}, ret_state);
}

static int gen_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	(void)bytes, (void)n;
	return options_open((struct options){.gamma = host->option(host->context, "gamma"),
		.most = (size_t)host->option(host->context, "most")}, ret_state);
}

static const struct oodd_option energy_options[] = {
	{"temperature", OODD_OPTION_REAL, 1, 0.001, 1000, NULL, "divides the logits before they are summed"},
	{0},
};

static const struct oodd_option gen_options[] = {
	{"gamma", OODD_OPTION_REAL, 0.1, 0.001, 1, NULL, "exponent: the smaller, the more the small probabilities count"},
	{"most", OODD_OPTION_INT, 100, 1, 1e6, NULL, "how many of the largest probabilities are summed (M)"},
	{0},
};

#define SCORE(name)                                                                                                   \
	static int name##_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)     \
	{                                                                                                              \
		return rows_score(name, state, batch, scores, status);                                                 \
	}                                                                                                              \
	static const struct oodd_detector name##_detector
SCORE(msp) = {.name = "msp", .version = "1.0", .summary = "one less the largest softmax probability",
	.needs = OODD_NEEDS_LOGITS, .score = msp_score, .explain = row_explain};
SCORE(maxlogit) = {.name = "maxlogit", .version = "1.0", .summary = "the largest logit, negated",
	.needs = OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS, .score = maxlogit_score, .explain = row_explain};
SCORE(energy) = {.name = "energy", .version = "1.0", .summary = "free energy of the logits",
	.needs = OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS, .options = energy_options,
	.open = energy_open, .close = free, .score = energy_score, .explain = row_explain};
SCORE(entropy) = {.name = "entropy", .version = "1.0", .summary = "Shannon entropy of the softmax probabilities, in nats",
	.needs = OODD_NEEDS_LOGITS, .score = entropy_score, .explain = row_explain};
SCORE(margin) = {.name = "margin", .version = "1.0", .summary = "one less the lead of the largest softmax probability over the next",
	.needs = OODD_NEEDS_LOGITS, .score = margin_score, .explain = row_explain};
SCORE(gen) = {.name = "gen", .version = "1.0", .summary = "generalised entropy of the largest softmax probabilities",
	.needs = OODD_NEEDS_LOGITS, .options = gen_options,
	.open = gen_open, .close = free, .score = gen_score, .explain = row_explain};
static const struct oodd_detector confidence_detector = {.name = "confidence", .version = "1.0",
	.summary = "one less the confidence that was logged", .needs = OODD_NEEDS_CONFIDENCE, .score = confidence_score};

OODD_PLUGIN("Apache-2.0", &msp_detector, &maxlogit_detector, &energy_detector, &entropy_detector, &margin_detector, &gen_detector,
	&confidence_detector);
