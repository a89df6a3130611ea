/* SPDX-License-Identifier: Apache-2.0
 *
 * ECOD (Li et al. 2022): how far out in its own distribution each feature lies, as -log of the tail beyond it, summed over features:
 * the left tails, the right ones, and for each feature the one its skewness points to; the largest of the three sums. What each feature
 * adds is the reason, exactly.
 *
 * Distributions are learned once, as tables of values with how many of the reference lie below and up to them: dense in the tails,
 * with a place for every value that many share. (PyOD ranks each batch anew among train and test rows, so that a row's score depends
 * on its neighbours, and takes the largest tail inside the sum: neither is the paper's.)
 */
#include "oodd/detector.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/batches.h"
#include "algebra/bytes.h"
#include "algebra/table.h"

#define MAGIC "oodecd01"
/* Rows at a time: their sums stay on the stack. */
#define BLOCK 256

struct category {
	size_t n_known;
	double *tail; /* n_known + 1: -log of the share of rows with a category as rare; the last for one never seen */
};

struct state {
	size_t n_numeric, n_category;
	struct table *numeric;
	struct category *category;
};

/* ---- fit ---- */

static int shape_check(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const struct oodd_batch **ret)
{
	const struct oodd_batch *first = n_batches > 0 ? batches[0] : NULL;
	bool same = first && first->n_numeric + first->n_category > 0;
	size_t n = 0;

	for (size_t b = 0; b < n_batches && same; b++) {
		same = batches[b]->n_numeric == first->n_numeric && batches[b]->n_category == first->n_category;
		for (size_t k = 0; k < first->n_category && same; k++)
			same = batches[b]->category[k].n_known == first->category[k].n_known;
		n += batches[b]->n;
	}
	if (!same || n == 0 || first->n_numeric >= BYTES_MOST_WIDTH) {
		host->log(host->context, OODD_LOG_ERROR, "the reference has no rows with features, or too many features");
		return -ENODATA;
	}
	*ret = first;
	return 0;
}

/* What is learned of all numeric features, before it is written. */
static int tables_make(const struct oodd_batch *const *batches, size_t n_batches, size_t n_numeric, size_t points, struct table *tables)
{
	double *values = malloc((batches_rows(batches, n_batches) + 1) * sizeof *values);
	int r = 0;

	if (!values)
		return -ENOMEM;
	for (size_t k = 0; k < n_numeric && !r; k++) {
		size_t n = 0;
		for (size_t b = 0; b < n_batches; b++)
			for (size_t i = 0; i < batches[b]->n; i++)
				if (isfinite(batches[b]->numeric[k].at[i]))
					values[n++] = batches[b]->numeric[k].at[i];
		r = table_make(&tables[k], values, n, points);
	}
	free(values);
	return r;
}

/* How often each known category came. */
static void category_write(const struct oodd_batch *const *batches, size_t n_batches, size_t k, struct bytes *to)
{
	size_t n_known = (size_t)batches[0]->category[k].n_known;
	uint64_t head = n_known;

	bytes_put(to, &head, sizeof head);
	uint64_t *counts = memset(to->at, 0, n_known * sizeof *counts);
	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			int32_t code = batches[b]->category[k].at[i];
			if (code >= 0 && (size_t)code < n_known)
				counts[code]++;
		}
	to->at += n_known * sizeof *counts;
	to->left -= n_known * sizeof *counts;
}

static void result_write(const struct table *tables, const struct oodd_batch *const *batches, size_t n_batches, const struct oodd_host *host,
	const void **ret_bytes, size_t *ret_n)
{
	const struct oodd_batch *first = batches[0];
	/* One more than there are: none of a kind is allowed, and a head of zeros is not. */
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)first->n_numeric + 1, (uint32_t)first->n_category + 1, 0};
	size_t n = 0;

	for (size_t k = 0; k < first->n_numeric; k++)
		n += table_size(&tables[k]);
	for (size_t k = 0; k < first->n_category; k++)
		n += sizeof(uint64_t) * (1 + (size_t)first->category[k].n_known);
	struct bytes b = bytes_result(host, &head, n, ret_bytes, ret_n);
	for (size_t k = 0; k < first->n_numeric; k++)
		table_write(&tables[k], &b);
	for (size_t k = 0; k < first->n_category; k++)
		category_write(batches, n_batches, k, &b);
}

static int ecod_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes, size_t *ret_n)
{
	const struct oodd_batch *first = NULL;
	int r = shape_check(host, batches, n_batches, &first);

	if (r)
		return r;
	struct table *tables = calloc(first->n_numeric + 1, sizeof *tables);
	r = tables ? tables_make(batches, n_batches, first->n_numeric, (size_t)host->option(host->context, "points"), tables) : -ENOMEM;
	if (!r)
		result_write(tables, batches, n_batches, host, ret_bytes, ret_n);
	for (size_t k = 0; tables && k < first->n_numeric; k++)
		table_done(&tables[k]);
	free(tables);
	return r;
}

/* ---- open, close ---- */

static void ecod_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	for (size_t k = 0; s->numeric && k < s->n_numeric; k++)
		table_done(&s->numeric[k]);
	for (size_t k = 0; s->category && k < s->n_category; k++)
		free(s->category[k].tail);
	free(s->numeric);
	free(s->category);
	free(s);
}

static int count_order(const void *a, const void *b)
{
	const uint64_t *x = *(const uint64_t *const *)a, *y = *(const uint64_t *const *)b;

	return (*x > *y) - (*x < *y);
}

/* From counts to tails: the rows of a category, and of all that are as rare or rarer. */
static bool tails_make(struct category *c, const uint64_t *counts)
{
	const uint64_t **order = malloc((c->n_known + 1) * sizeof *order);
	double all = 0, below = 0;

	c->tail = malloc((c->n_known + 1) * sizeof *c->tail);
	if (!order || !c->tail) {
		free(order);
		return false;
	}
	for (size_t i = 0; i < c->n_known; i++) {
		order[i] = counts + i;
		all += (double)counts[i];
	}
	qsort(order, c->n_known, sizeof *order, count_order);
	for (size_t i = 0, j; i < c->n_known; i = j) {
		for (j = i; j < c->n_known && *order[j] == *order[i]; j++)
			below += (double)*order[j];
		for (size_t l = i; l < j; l++)
			c->tail[order[l] - counts] = log((all + 1) / (below + 1));
	}
	c->tail[c->n_known] = log(all + 1);
	free(order);
	return true;
}

static bool category_read(struct category *c, struct bytes *b)
{
	uint64_t n = 0;

	b->bad |= !bytes_get(b, &n, sizeof n) || n > INT32_MAX;
	c->n_known = b->bad ? 0 : (size_t)n;
	uint64_t *counts = bytes_take(b, c->n_known, sizeof *counts);
	bool good = counts && tails_make(c, counts);
	free(counts);
	return good;
}

static int ecod_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->numeric = calloc(head.width, sizeof *s->numeric);
	s->category = calloc(head.rows, sizeof *s->category);
	bool good = s->numeric && s->category;
	for (; good && s->n_numeric + 1 < head.width; s->n_numeric++)
		good = table_read(&s->numeric[s->n_numeric], &b);
	for (; good && s->n_category + 1 < head.rows; s->n_category++)
		good = category_read(&s->category[s->n_category], &b);
	b.bad |= !good;
	if (!bytes_end(&b, host)) {
		ecod_close(s);
		return -EINVAL;
	}
	*ret_state = s;
	return 0;
}

/* ---- score ---- */

/* Sums of -log tails of a row. */
struct sums {
	double left, right, skewed;
	size_t n; /* features that are there */
};

static double tail_of(const struct category *c, int32_t code)
{
	return c->tail[code >= 0 && (size_t)code < c->n_known ? (size_t)code : c->n_known];
}

static void numeric_add(const struct table *t, const double *at, size_t n, struct sums *sums)
{
	for (size_t i = 0; i < n; i++) {
		double left, right;
		if (isnan(at[i]))
			continue;
		table_tails(t, at[i], &left, &right);
		sums[i].left += left;
		sums[i].right += right;
		sums[i].skewed += t->left_skewed ? left : right;
		sums[i].n++;
	}
}

static void category_add(const struct category *c, const int32_t *at, size_t n, struct sums *sums)
{
	for (size_t i = 0; i < n; i++) {
		if (at[i] < 0)
			continue;
		double tail = tail_of(c, at[i]);
		sums[i].left += tail;
		sums[i].right += tail;
		sums[i].skewed += tail;
		sums[i].n++;
	}
}

static void rows_sum(const struct state *s, const struct oodd_batch *batch, size_t from, size_t n, struct sums *sums)
{
	memset(sums, 0, n * sizeof *sums);
	for (size_t k = 0; k < s->n_numeric; k++)
		numeric_add(&s->numeric[k], batch->numeric[k].at + from, n, sums);
	for (size_t k = 0; k < s->n_category; k++)
		category_add(&s->category[k], batch->category[k].at + from, n, sums);
}

static double largest(const struct sums *s)
{
	return fmax(s->skewed, fmax(s->left, s->right));
}

static int ecod_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;
	struct sums sums[BLOCK];

	if (batch->n == 0)
		return 0;
	if (!s || batch->n_numeric != s->n_numeric || batch->n_category != s->n_category)
		return -EINVAL;
	for (size_t from = 0; from < batch->n; from += BLOCK) {
		size_t n = batch->n - from < BLOCK ? batch->n - from : BLOCK;
		rows_sum(s, batch, from, n, sums);
		for (size_t i = 0; i < n; i++) {
			scores[from + i] = (float)largest(&sums[i]);
			if (sums[i].n == 0)
				status[from + i] = OODD_ROW_UNSCORED;
		}
	}
	return 0;
}

/* ---- explain ---- */

/* What feature k of a numeric row adds to the sum that was the largest. */
static double numeric_part(const struct table *t, double x, const struct sums *sums)
{
	double left, right, most = largest(sums);

	if (isnan(x))
		return 0;
	table_tails(t, x, &left, &right);
	if (sums->skewed == most)
		return t->left_skewed ? left : right;
	return sums->left == most ? left : right;
}

static int reason_order(const void *a, const void *b)
{
	const struct oodd_reason *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind - y->kind;
	return (x->index > y->index) - (x->index < y->index);
}

/* Features by their share of the score, largest first; all of them add up to 1. */
static int ecod_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct sums sums;
	size_t found = 0;

	if (!s || row >= batch->n || batch->n_numeric != s->n_numeric || batch->n_category != s->n_category)
		return -EINVAL;
	rows_sum(s, batch, row, 1, &sums);
	double most = largest(&sums);
	struct oodd_reason *all = malloc((s->n_numeric + s->n_category + 1) * sizeof *all);
	if (!all)
		return -ENOMEM;
	for (size_t k = 0; k < s->n_numeric; k++)
		all[found++] = (struct oodd_reason){OODD_REASON_NUMERIC, (int64_t)k, numeric_part(&s->numeric[k], batch->numeric[k].at[row], &sums)};
	for (size_t k = 0; k < s->n_category; k++) {
		int32_t code = batch->category[k].at[row];
		all[found++] = (struct oodd_reason){OODD_REASON_CATEGORY, (int64_t)k, code >= 0 ? tail_of(&s->category[k], code) : 0};
	}
	qsort(all, found, sizeof *all, reason_order);
	size_t told = 0;
	for (; told < found && told < n && all[told].weight > 0; told++)
		reasons[told] = (struct oodd_reason){all[told].kind, all[told].index, all[told].weight / most};
	free(all);
	return (int)told;
}

static const struct oodd_option options[] = {
	{"points", OODD_OPTION_INT, 1024, 16, 65536, NULL, "places of a feature's table; a feature with no more distinct values is kept exactly"},
	{0},
};

static const struct oodd_detector ecod = {
	.name = "ecod",
	.version = "1.0",
	.summary = "tails of the features' own distributions, added up",
	.needs = OODD_NEEDS_FEATURES,
	.options = options,
	.fit = ecod_fit,
	.open = ecod_open,
	.close = ecod_close,
	.score = ecod_score,
	.explain = ecod_explain,
};

OODD_PLUGIN("Apache-2.0", &ecod);
