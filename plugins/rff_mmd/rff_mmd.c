/* SPDX-License-Identifier: Apache-2.0
 *
 * Maximum mean discrepancy between the embeddings of a window and those of the reference, through random Fourier features: what
 * a window adds up to is the sum of its rows' features, so windows merge by addition. README.md has the formula.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/product.h"
#include "algebra/rows.h"
#include "algebra/window.h"
#include "oodd/detector.h"

#define MAGIC "oodd-rff"
#define MOST_FEATURES 1024
#define HEURISTIC_ROWS 1000
#define HEURISTIC_PAIRS 4000

struct state {
	size_t d, n_frequencies;
	bool normalise;
	double sample;
	const struct rows *rows;
	struct product_f32 *frequencies;
};

/* ---- fit ---- */

struct random {
	uint64_t at;
};

static double uniform(struct random *r)
{
	r->at = r->at * 6364136223846793005u + 1442695040888963407u;
	return ((double)(r->at >> 11) + .5) / 9007199254740992.0;
}

/* Box & Muller. What it gives is kept in the state, so that every host has the same frequencies whatever its libm. */
static double normal(struct random *r)
{
	double radius = sqrt(-2 * log(uniform(r))), angle = 6.283185307179586 * uniform(r);

	return radius * cos(angle);
}

struct taken {
	const float *at;
	double scale;
};

/* Evenly over the fit data. */
static size_t rows_take(const struct oodd_batch *const *batches, size_t n_batches, bool normalise, struct taken *to)
{
	const struct rows *rows = rows_for(PRODUCT_BEST);
	size_t all = window_rows(batches, n_batches), seen = 0, n = 0;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++, seen++) {
			const float *x = oodd_row(batches[b]->embedding, i);
			double scale;

			if (!window_taken(seen, all, HEURISTIC_ROWS))
				continue;
			scale = window_scale(rows, x, batches[b]->embedding.width, normalise);
			if (scale > 0)
				to[n++] = (struct taken){x, scale};
		}
	return n;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double squared_distance(struct taken a, struct taken b, size_t d)
{
	double sum = 0;

	for (size_t j = 0; j < d; j++) {
		double off = (double)a.at[j] * a.scale - (double)b.at[j] * b.scale;
		sum += off * off;
	}
	return sum;
}

/* Half the median of squared distances (Gretton et al. 2012). 0: all rows are the same. */
static double heuristic(const struct taken *rows, size_t n, size_t d, struct random *r)
{
	double of[HEURISTIC_PAIRS];

	for (size_t k = 0; k < HEURISTIC_PAIRS; k++) {
		size_t i = (size_t)(uniform(r) * (double)n), j = (size_t)(uniform(r) * (double)(n - 1));
		of[k] = squared_distance(rows[i], rows[j < i ? j : j + 1], d);
	}
	qsort(of, HEURISTIC_PAIRS, sizeof *of, by_value);
	return of[HEURISTIC_PAIRS / 2] / 2;
}

static int bandwidth(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, bool normalise,
	struct random *r, double *ret)
{
	double asked = host->option(host->context, "bandwidth");
	struct taken *rows = malloc((HEURISTIC_ROWS + 1) * sizeof *rows);
	size_t n;

	if (!rows)
		return -ENOMEM;
	n = n_batches ? rows_take(batches, n_batches, normalise, rows) : 0;
	*ret = asked > 0 ? asked * asked : n > 1 ? heuristic(rows, n, batches[0]->embedding.width, r) : 0;
	free(rows);
	if (n > 1 && *ret > 0)
		return 0;
	host->log(host->context, OODD_LOG_ERROR, n > 1 ? "all embeddings are the same" : "too few embeddings");
	return -ENODATA;
}

static int rff_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes,
	size_t *ret_n)
{
	bool normalise = host->option(host->context, "normalise") != 0;
	struct random random = {(uint64_t)host->option(host->context, "seed") * 0x9e3779b97f4a7c15u};
	size_t n_frequencies = (size_t)host->option(host->context, "features") / 2;
	double variance;
	int r = bandwidth(host, batches, n_batches, normalise, &random, &variance);

	if (r)
		return r;
	size_t d = batches[0]->embedding.width, n = sizeof(struct bytes_head) + n_frequencies * d * sizeof(float);
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)d, (uint32_t)n_frequencies, normalise};
	struct bytes b = {host->alloc(host->context, n), n, false};

	*ret_bytes = b.at;
	*ret_n = n;
	bytes_put(&b, &head, sizeof head);
	for (size_t k = 0; k < n_frequencies * d; k++) {
		float w = (float)(normal(&random) / sqrt(variance));
		bytes_put(&b, &w, sizeof w);
	}
	return 0;
}

/* ---- open, close ---- */

static void rff_close(void *state)
{
	struct state *s = state;

	if (s)
		product_f32_close(s->frequencies);
	free(s);
}

static int rff_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head) || head.rows > MOST_FEATURES / 2)
		return -EINVAL;
	float *w = bytes_take(&b, (size_t)head.rows * head.width, sizeof *w);
	bool good = bytes_end(&b, host) && bytes_finite_f32(w, (size_t)head.rows * head.width);
	struct state *s = good ? calloc(1, sizeof *s) : NULL;
	if (s) {
		*s = (struct state){.d = head.width, .n_frequencies = head.rows, .normalise = head.flags & 1};
		s->sample = host->option(host->context, "sample");
		s->rows = rows_for(PRODUCT_BEST);
		s->frequencies = product_f32_open(w, s->n_frequencies, s->d, NULL, false, PRODUCT_BEST);
	}
	free(w);
	if (!s || !s->frequencies) {
		rff_close(s);
		return good ? -ENOMEM : -EINVAL;
	}
	*ret_state = s;
	return 0;
}

/* ---- at work ---- */

static size_t rff_width(const void *state)
{
	return 2 * ((const struct state *)state)->n_frequencies;
}

/* The scale is applied behind the product, so that no copy of the row is made. */
static int row_add(const struct state *s, const float *x, int64_t *vector)
{
	float angle[MOST_FEATURES];
	size_t n = s->n_frequencies;
	double scale = window_scale(s->rows, x, s->d, s->normalise), length = sqrt(1 / (double)n);

	if (scale == 0)
		return 0;
	product_f32_rows(s->frequencies, x, s->d, 1, angle);
	for (size_t k = 0; k < n; k++)
		if (!isfinite(angle[k]))
			return 0;
	for (size_t k = 0; k < n; k++) {
		vector[k] += window_fixed(length * cos((double)angle[k] * scale));
		vector[n + k] += window_fixed(length * sin((double)angle[k] * scale));
	}
	return 1;
}

static int rff_accumulate(const void *state, const struct oodd_batch *batch, size_t from, size_t to, int64_t *vector)
{
	const struct state *s = state;
	int added = 0;

	if (batch->embedding.width != s->d)
		return -EINVAL;
	for (size_t i = from; i < to; i++)
		if (oodd_sampled(batch, i, s->sample))
			added += row_add(s, oodd_row(batch->embedding, i), vector);
	return added;
}

/* The features of a row have length 1, so their variance is 1 less the squared length of their mean. */
static int rff_compare(const void *state, const int64_t *reference, int64_t n_reference, const int64_t *window, int64_t n_window,
	struct oodd_comparison *ret)
{
	double m = (double)n_reference, n = (double)n_window, apart = 0, length = 0, variance;

	for (size_t k = 0; k < rff_width(state); k++) {
		double before = window_mean(reference[k], m), after = window_mean(window[k], n);
		apart += (after - before) * (after - before);
		length += before * before;
	}
	variance = (1 - length) * m / fmax(m - 1, 1);
	if (!(variance > 1e-9))
		return -EDOM;
	*ret = window_answer(apart, variance * (1 / n + 1 / m));
	ret->effect /= variance;
	return 0;
}

static const struct oodd_option options[] = {
	{"features", OODD_OPTION_INT, 256, 16, MOST_FEATURES, NULL, "numbers a window adds up; a cosine and a sine for every two"},
	WINDOW_OPTION_SAMPLE,
	{"bandwidth", OODD_OPTION_REAL, 0, 0, 1e9, NULL, "of the Gaussian kernel; 0: the median heuristic"},
	WINDOW_OPTION_NORMALISE,
	{"seed", OODD_OPTION_INT, 1, 1, 1000000, NULL, "of the frequencies, which the reference then holds"},
	{0},
};

static const struct oodd_detector rff_mmd = {
	.name = "rff_mmd",
	.version = "1.0",
	.summary = "maximum mean discrepancy of a window's embeddings from the reference's, by random Fourier features",
	.needs = OODD_NEEDS_EMBEDDING,
	.options = options,
	.fit = rff_fit,
	.open = rff_open,
	.close = rff_close,
	.width = rff_width,
	.accumulate = rff_accumulate,
	.compare = rff_compare,
};

OODD_PLUGIN("Apache-2.0", &rff_mmd);
