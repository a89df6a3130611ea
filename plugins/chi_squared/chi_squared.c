/* SPDX-License-Identifier: Apache-2.0
 *
 * Pearson's chi-squared test of homogeneity on predicted classes: a window's counts beside the reference's. A window adds up how
 * often each class was predicted. README.md has the formulas.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/bytes.h"
#include "algebra/window.h"
#include "oodd/detector.h"

#define MAGIC "oodd-chi"
#define MOST_CLASSES 4096

struct state {
	size_t c;
	double least, sample;
};

static bool any_predicted(const struct oodd_batch *const *batches, size_t n_batches)
{
	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; batches[b]->predicted && i < batches[b]->n; i++)
			if (batches[b]->predicted[i] >= 0)
				return true;
	return false;
}

static int chi_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	int64_t c = n_batches ? batches[0]->n_classes : 0;
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)c, 1, 0};
	struct bytes b;

	if (c < 2 || c > MOST_CLASSES) {
		host->log(host->context, OODD_LOG_ERROR, c < 2 ? "fewer than two classes" : "more than 4096 classes");
		return -EDOM;
	}
	if (!any_predicted(batches, n_batches)) {
		host->log(host->context, OODD_LOG_ERROR, "no predicted class");
		return -ENODATA;
	}
	b = (struct bytes){host->alloc(host->context, sizeof head), sizeof head, false};
	*ret_bytes = b.at;
	*ret_n = sizeof head;
	bytes_put(&b, &head, sizeof head);
	return 0;
}

static int chi_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head) || !bytes_end(&b, host) || head.width > MOST_CLASSES)
		return -EINVAL;
	struct state *s = malloc(sizeof *s);
	if (!s)
		return -ENOMEM;
	*s = (struct state){head.width, host->option(host->context, "least"), host->option(host->context, "sample")};
	*ret_state = s;
	return 0;
}

static size_t chi_width(const void *state)
{
	return ((const struct state *)state)->c;
}

static int chi_accumulate(const void *state, const struct oodd_batch *batch, size_t from, size_t to, int64_t *vector)
{
	const struct state *s = state;
	int added = 0;

	for (size_t i = from; batch->predicted && i < to; i++) {
		int32_t class = batch->predicted[i];
		if (class < 0 || (size_t)class >= s->c || !oodd_sampled(batch, i, s->sample))
			continue;
		vector[class]++;
		added++;
	}
	return added;
}

/* Classes side by side until enough are expected: a cell of the table. */
struct cell {
	double before, after; /* counts */
};

/* By what is expected of the smaller row, from the reference's counts alone: a partition that does not look at the window. A last
 * one that stays small goes to the cell before it. Returns how many cells hold anything. */
static size_t cells_make(const struct state *s, const int64_t *reference, const int64_t *window, double smaller, struct cell *to)
{
	struct cell open = {0, 0};
	size_t n = 0;

	for (size_t i = 0; i < s->c; i++) {
		open.before += (double)reference[i];
		open.after += (double)window[i];
		if (open.before + open.after > 0 && open.before * smaller >= s->least) {
			to[n++] = open;
			open = (struct cell){0, 0};
		}
	}
	if (open.before + open.after > 0 && n > 0 && s->least > 0) {
		to[n - 1].before += open.before;
		to[n - 1].after += open.after;
	} else if (open.before + open.after > 0) {
		to[n++] = open;
	}
	return n;
}

static bool counts_fit(const int64_t *v, size_t c, int64_t n)
{
	int64_t left = n;

	for (size_t i = 0; i < c; i++) {
		if (v[i] < 0 || v[i] > left)
			return false;
		left -= v[i];
	}
	return left == 0;
}

/* chi-squared of the 2 x k table over n m / (n + m); given both margins it is (k - 1) (n + m) / (n + m - 1) on average. */
static int chi_compare(const void *state, const int64_t *reference, int64_t m, const int64_t *window, int64_t n, struct oodd_comparison *ret)
{
	const struct state *s = state;
	struct cell cells[MOST_CLASSES];
	double per_m = 1 / (double)m, per_n = 1 / (double)n, all = (double)m + (double)n, sum = 0;
	size_t k;

	if (!counts_fit(reference, s->c, m) || !counts_fit(window, s->c, n))
		return -EDOM;
	k = cells_make(s, reference, window, fmin(1, (double)n * per_m), cells);
	if (k < 2)
		return -EDOM;
	for (size_t i = 0; i < k; i++) {
		double off = cells[i].after * per_n - cells[i].before * per_m;
		sum += off * off / ((cells[i].before + cells[i].after) / all);
	}
	*ret = window_answer(sum, (double)(k - 1) * all / (all - 1) * (per_n + per_m));
	for (size_t i = 0; i < s->c; i++)
		window_shift_put(ret, (struct oodd_shift){OODD_REASON_CLASS, (int64_t)i, (double)reference[i] * per_m, (double)window[i] * per_n});
	return 0;
}

static const struct oodd_option options[] = {
	{"least", OODD_OPTION_REAL, 5, 0, 1e6, NULL, "records expected of a class, at least: neighbours of fewer are counted together"},
	WINDOW_OPTION_SAMPLE,
	{0},
};

static const struct oodd_detector chi_squared = {
	.name = "chi_squared",
	.version = "1.0",
	.summary = "Pearson's chi-squared of a window's predicted classes beside the reference's",
	.needs = OODD_NEEDS_PREDICTED,
	.options = options,
	.fit = chi_fit,
	.open = chi_open,
	.close = free,
	.width = chi_width,
	.accumulate = chi_accumulate,
	.compare = chi_compare,
};

OODD_PLUGIN("Apache-2.0", &chi_squared);
