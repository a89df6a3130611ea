/* SPDX-License-Identifier: Apache-2.0
 *
 * Label shift from predictions alone: how the shares of the true classes must have moved for a model that errs as it always did to
 * say what it now says. A window adds up its rows' probabilities, so windows merge by addition. README.md has the formulas.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/lapack.h"
#include "algebra/window.h"
#include "oodd/detector.h"

#define MAGIC "oodd-bbs"
#define MOST_CLASSES 512
#define MOST_ROWS 4000 /* that confusion is learned from */
#define LEAST_SHARE 1e-9 /* of a class: less was never predicted */

struct state {
	size_t c, n_kept;
	double sample;
	double *mean;    /* c: share of each class in the fit data; 0 where never predicted */
	double *values;  /* n_kept eigenvalues, the largest (always 1) left out */
	double *vectors; /* n_kept x c */
};

/* False where the row cannot be used. */
static bool softmax(const float *z, size_t c, double *to)
{
	double most = -INFINITY, sum = 0;

	for (size_t i = 0; i < c; i++)
		most = (double)z[i] > most ? (double)z[i] : most;
	for (size_t i = 0; i < c; i++)
		sum += to[i] = exp((double)z[i] - most);
	if (!isfinite(sum) || !isfinite(most))
		return false;
	for (size_t i = 0; i < c; i++)
		to[i] /= sum;
	return true;
}

/* ---- fit ---- */

struct learner {
	size_t c, n;
	double *mean;     /* c */
	double *together; /* c x c, lower triangle: E[p p'], scaled; then its eigenvectors, in columns */
	double *values;   /* c, rising */
};

static void learner_done(struct learner *l)
{
	free(l->mean);
	free(l->together);
	free(l->values);
}

static void row_learn(struct learner *l, const float *z)
{
	double p[MOST_CLASSES];

	if (!softmax(z, l->c, p))
		return;
	l->n++;
	for (size_t i = 0; i < l->c; i++) {
		l->mean[i] += p[i];
		for (size_t k = 0; k <= i; k++)
			l->together[i * l->c + k] += p[i] * p[k];
	}
}

static void rows_learn(struct learner *l, const struct oodd_batch *const *batches, size_t n_batches)
{
	size_t all = window_rows(batches, n_batches), seen = 0;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++, seen++)
			if (window_taken(seen, all, MOST_ROWS))
				row_learn(l, oodd_row(batches[b]->logits, i));
}

/* D^-1/2 E[p p'] D^-1/2 with D = diag E[p]: symmetric, its largest eigenvalue 1. */
static void scale(struct learner *l)
{
	double n = (double)l->n;

	for (size_t i = 0; i < l->c; i++)
		l->mean[i] = l->mean[i] / n > LEAST_SHARE ? l->mean[i] / n : 0;
	for (size_t i = 0; i < l->c; i++)
		for (size_t k = 0; k <= i; k++) {
			double both = l->mean[i] * l->mean[k];
			l->together[i * l->c + k] = both > 0 ? l->together[i * l->c + k] / n / sqrt(both) : 0;
		}
}

static int confusion_find(struct learner *l, const struct oodd_host *host)
{
	struct lapack lapack;
	int r = lapack_open(&lapack, host);

	if (r)
		return r;
	r = lapack.syevd(LAPACK_ROW_MAJOR, 'V', 'L', (int)l->c, l->together, (int)l->c, l->values) ? -EDOM : 0;
	lapack_close(&lapack);
	if (r)
		host->log(host->context, OODD_LOG_ERROR, "the eigenvectors of the confusion cannot be found");
	return r;
}

/* What the model cannot tell apart is divided by next to nothing: the condition number allowed says how much of it is kept. */
static size_t values_kept(const struct learner *l, double condition)
{
	size_t n = 0;

	while (n + 1 < l->c && l->values[l->c - 2 - n] * condition >= 1)
		n++;
	return n;
}

static void result_write(const struct learner *l, size_t kept, const struct oodd_host *host, const void **ret_bytes, size_t *ret_n)
{
	size_t c = l->c, n = sizeof(struct bytes_head) + (c + kept + kept * c) * sizeof(double);
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)c, (uint32_t)kept, 0};
	struct bytes b = {host->alloc(host->context, n), n, false};

	*ret_bytes = b.at;
	*ret_n = n;
	bytes_put(&b, &head, sizeof head);
	bytes_put(&b, l->mean, c * sizeof(double));
	for (size_t k = 0; k < kept; k++)
		bytes_put(&b, &l->values[c - 2 - k], sizeof(double));
	for (size_t k = 0; k < kept; k++)
		for (size_t i = 0; i < c; i++)
			bytes_put(&b, &l->together[i * c + (c - 2 - k)], sizeof(double));
}

static int bbse_learn(struct learner *l, const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches,
	const void **ret_bytes, size_t *ret_n)
{
	size_t kept;
	int r;

	rows_learn(l, batches, n_batches);
	if (l->n < 2) {
		host->log(host->context, OODD_LOG_ERROR, "too few predictions");
		return -ENODATA;
	}
	scale(l);
	r = confusion_find(l, host);
	if (r)
		return r;
	kept = values_kept(l, host->option(host->context, "condition"));
	if (kept == 0) {
		host->log(host->context, OODD_LOG_ERROR,
			"predictions tell no class from another well enough to say how classes have moved: raise condition, or do without");
		return -EDOM;
	}
	result_write(l, kept, host, ret_bytes, ret_n);
	return 0;
}

static int bbse_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes,
	size_t *ret_n)
{
	struct learner l = {.c = n_batches ? batches[0]->logits.width : 0};
	int r = -ENOMEM;

	if (l.c < 2 || l.c > MOST_CLASSES) {
		host->log(host->context, OODD_LOG_ERROR, l.c < 2 ? "fewer than two classes" : "more than 512 classes");
		return -EDOM;
	}
	l.mean = calloc(l.c, sizeof(double));
	l.together = calloc(l.c * l.c, sizeof(double));
	l.values = calloc(l.c, sizeof(double));
	if (l.mean && l.together && l.values)
		r = bbse_learn(&l, host, batches, n_batches, ret_bytes, ret_n);
	learner_done(&l);
	return r;
}

/* ---- open, close ---- */

static void bbse_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	free(s->mean);
	free(s->values);
	free(s->vectors);
	free(s);
}

static bool in_range(const double *x, size_t n, double least, double most)
{
	bool good = true;

	for (size_t i = 0; i < n; i++)
		good &= x[i] >= least && x[i] <= most;
	return good;
}

static int bbse_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head) || head.width > MOST_CLASSES || head.rows >= head.width)
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->c = head.width;
	s->n_kept = head.rows;
	s->sample = host->option(host->context, "sample");
	s->mean = bytes_take(&b, s->c, sizeof(double));
	s->values = bytes_take(&b, s->n_kept, sizeof(double));
	s->vectors = bytes_take(&b, s->n_kept * s->c, sizeof(double));
	if (!bytes_end(&b, host) || !in_range(s->mean, s->c, 0, 1.001) || !in_range(s->values, s->n_kept, 1e-9, 1.001) ||
		!in_range(s->vectors, s->n_kept * s->c, -1.001, 1.001)) {
		bbse_close(s);
		return -EINVAL;
	}
	*ret_state = s;
	return 0;
}

/* ---- at work ---- */

static size_t bbse_width(const void *state)
{
	return ((const struct state *)state)->c;
}

static int bbse_accumulate(const void *state, const struct oodd_batch *batch, size_t from, size_t to, int64_t *vector)
{
	const struct state *s = state;
	double p[MOST_CLASSES];
	int added = 0;

	if (batch->logits.width != s->c)
		return -EINVAL;
	for (size_t i = from; i < to; i++) {
		if (!oodd_sampled(batch, i, s->sample) || !softmax(oodd_row(batch->logits, i), s->c, p))
			continue;
		for (size_t k = 0; k < s->c; k++)
			vector[k] += window_fixed(p[k]);
		added++;
	}
	return added;
}

/* theta = D^1/2 (w - 1), the weights' distance from 1 in standard deviations of their class. */
static int bbse_compare(const void *state, const int64_t *reference, int64_t n_reference, const int64_t *window, int64_t n_window,
	struct oodd_comparison *ret)
{
	const struct state *s = state;
	double m = (double)n_reference, n = (double)n_window, off[MOST_CLASSES], theta[MOST_CLASSES] = {0}, sum = 0, expected = 0;

	for (size_t i = 0; i < s->c; i++) {
		double moved = window_mean(window[i], n) - window_mean(reference[i], m);
		off[i] = s->mean[i] > 0 ? moved / sqrt(s->mean[i]) : 0;
	}
	for (size_t k = 0; k < s->n_kept; k++) {
		const double *u = s->vectors + k * s->c;
		double along = 0;
		for (size_t i = 0; i < s->c; i++)
			along += u[i] * off[i];
		along /= s->values[k];
		for (size_t i = 0; i < s->c; i++)
			theta[i] += along * u[i];
		sum += along * along;
		expected += (1 / n + 1 / m) / s->values[k];
	}
	*ret = window_answer(sum, expected);
	for (size_t i = 0; i < s->c; i++) {
		double before = window_mean(reference[i], m);
		window_shift_put(ret, (struct oodd_shift){OODD_REASON_CLASS, (int64_t)i, before,
			fmax(0, before + theta[i] * sqrt(s->mean[i]))});
	}
	return 0;
}

static const struct oodd_option options[] = {
	{"condition", OODD_OPTION_REAL, 10, 1, 1e6, NULL, "largest condition number: of what the model hardly tells apart nothing is claimed"},
	WINDOW_OPTION_SAMPLE,
	{0},
};

static const struct oodd_detector bbse = {
	.name = "bbse",
	.version = "1.0",
	.summary = "label shift, from the model's own probabilities and how it confuses classes",
	.needs = OODD_NEEDS_LOGITS,
	.options = options,
	.fit = bbse_fit,
	.open = bbse_open,
	.close = bbse_close,
	.width = bbse_width,
	.accumulate = bbse_accumulate,
	.compare = bbse_compare,
};

OODD_PLUGIN("Apache-2.0", &bbse);
