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

#include "algebra/top.h"

struct options {
	double temperature;
	double gamma;
	size_t most;
};

/* A usable row: n logits, the largest at `top`. Probabilities that were logged as 0 are -INFINITY here, which is fine. */
struct row {
	const float *z;
	size_t n, top;
};

/* False where the row cannot be scored: a NaN, an infinite logit, or no class with any probability. */
static bool row_find(struct row *r, const float *z, size_t n)
{
	float largest = -INFINITY;
	bool usable = true;

	*r = (struct row){.z = z, .n = n};
	for (size_t c = 0; c < n; c++) {
		usable &= z[c] < INFINITY;
		if (z[c] > largest) {
			largest = z[c];
			r->top = c;
		}
	}
	return usable && largest > -INFINITY;
}

static float row_distance(const struct row *r, size_t c)
{
	return r->z[c] - r->z[r->top];
}

/* sum over c != top of exp(d_c / T). */
static double row_others(const struct row *r, double temperature)
{
	float scale = (float)(1 / temperature);
	double sum = 0;

	for (size_t c = 0; c < r->n; c++)
		sum += c == r->top ? 0 : (double)expf(row_distance(r, c) * scale);
	return sum;
}

/* 1 - max p. Hendrycks & Gimpel 2017, section 2. */
static double msp(const struct row *r, const struct options *o, float *room)
{
	(void)o, (void)room;
	double others = row_others(r, 1);
	return others / (1 + others);
}

/* -max z. Hendrycks et al. 2022, section 3. */
static double maxlogit(const struct row *r, const struct options *o, float *room)
{
	(void)o, (void)room;
	return -(double)r->z[r->top];
}

/* -T log sum exp(z/T). Liu et al. 2020, equation 4. */
static double energy(const struct row *r, const struct options *o, float *room)
{
	(void)room;
	return -((double)r->z[r->top] + o->temperature * log1p(row_others(r, o->temperature)));
}

/* -sum p log p = log(1 + others) - sum e d / (1 + others): two terms of one sign. Shannon 1948. */
static double entropy(const struct row *r, const struct options *o, float *room)
{
	double others = 0, slope = 0;

	(void)o, (void)room;
	for (size_t c = 0; c < r->n; c++) {
		float d = row_distance(r, c), e = c == r->top ? 0 : expf(d);
		others += (double)e;
		slope += e > 0 ? (double)e * (double)d : 0;
	}
	return log1p(others) - slope / (1 + others);
}

/* log of the sum of exp(d), relative to the largest: holds where exp(d) itself would be zero. */
static double log_sum(const float *d, size_t n)
{
	float largest = -INFINITY;
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		largest = d[i] > largest ? d[i] : largest;
	for (size_t i = 0; i < n && largest > -INFINITY; i++)
		sum += (double)expf(d[i] - largest);
	return (double)largest + log(sum);
}

/* sum over the M largest p of p^g (1-p)^g, in logarithms: small p keep their share. Liu et al. 2023, equation 3. */
static double gen(const struct row *r, const struct options *o, float *room)
{
	size_t most = o->most < r->n ? o->most : r->n, n = 0;

	for (size_t c = 0; c < r->n; c++)
		if (c != r->top)
			room[n++] = row_distance(r, c);
	double log_others = log_sum(room, n), log_total = log1p(exp(log_others));
	/* The top class: log p = -log_total, log(1 - p) = log_others - log_total. */
	double sum = exp(o->gamma * (log_others - 2 * log_total));
	float gamma = (float)o->gamma, shift = (float)log_total;
	top_partition(room, n, most - 1);
	for (size_t i = 0; i < most - 1; i++) {
		float log_p = room[i] - shift;
		sum += (double)expf(gamma * (log_p + logf(1 - expf(log_p))));
	}
	return sum;
}

typedef double row_function(const struct row *r, const struct options *o, float *room);

static int rows_score(row_function *function, const struct options *o, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	size_t width = batch->logits.width;
	float few[1024], *room = width <= 1024 ? few : malloc(width * sizeof *room);

	if (!room)
		return -ENOMEM;
	for (size_t i = 0; i < batch->n; i++) {
		struct row r;
		if (status[i] == OODD_ROW_UNSCORED)
			continue;
		if (!row_find(&r, oodd_row(batch->logits, i), width))
			status[i] = OODD_ROW_UNSCORED;
		else
			scores[i] = (float)function(&r, o, room);
	}
	if (room != few)
		free(room);
	return 0;
}

/* Which classes share the probability: the largest first. */
static int row_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	struct row r;
	size_t found = 0;

	(void)state;
	if (!row_find(&r, oodd_row(batch->logits, row), batch->logits.width))
		return 0;
	double total = 1 + row_others(&r, 1);
	for (; found < n && found < r.n && found < 16; found++) {
		size_t best = SIZE_MAX;
		for (size_t c = 0; c < r.n; c++) {
			bool told = false;
			for (size_t i = 0; i < found; i++)
				told |= reasons[i].index == (int64_t)c;
			if (!told && (best == SIZE_MAX || r.z[c] > r.z[best]))
				best = c;
		}
		reasons[found] = (struct oodd_reason){OODD_REASON_CLASS, (int64_t)best, (double)expf(row_distance(&r, best)) / total};
	}
	return (int)found;
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
SCORE(gen) = {.name = "gen", .version = "1.0", .summary = "generalised entropy of the largest softmax probabilities",
	.needs = OODD_NEEDS_LOGITS, .options = gen_options,
	.open = gen_open, .close = free, .score = gen_score, .explain = row_explain};

OODD_PLUGIN("Apache-2.0", &msp_detector, &maxlogit_detector, &energy_detector, &entropy_detector, &gen_detector);
