/* SPDX-License-Identifier: Apache-2.0
 *
 * A numeric feature keeps some of its values with the normal score of each one's mid-rank, u = (below + up to + 1) / 2 (n + 1), and
 * straight lines between; beyond the reference the score goes on by standard deviations. A category's coordinate is -log of its share
 * (Laplace's half a row added), one never seen being rarer than any. Missing: the middle of its column, and -log of how often this
 * feature is missing added to the last coordinate, where features that are always or never there add next to nothing. */
#include "tabular/scores.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/table.h"

#define POINTS 512
#define MOST 1e3f /* of a coordinate: farther is as odd */

struct numeric {
	struct table table;
	double spread;     /* standard deviation in the reference, > 0 */
	double missing[2]; /* what being there, and not, adds to the last coordinate */
	double *score;     /* of each knot */
};

struct category {
	uint64_t n_known;
	double *rarity;    /* n_known + 1: the last of one never seen */
	double middle;     /* expected rarity */
	double missing[2];
};

struct scores {
	size_t n_numeric, n_category;
	struct numeric *numeric;
	struct category *category;
};

void scores_close(struct scores *s)
{
	if (!s)
		return;
	for (size_t k = 0; s->numeric && k < s->n_numeric; k++) {
		table_done(&s->numeric[k].table);
		free(s->numeric[k].score);
	}
	for (size_t k = 0; s->category && k < s->n_category; k++)
		free(s->category[k].rarity);
	free(s->numeric);
	free(s->category);
	free(s);
}

static struct scores *scores_room(size_t n_numeric, size_t n_category)
{
	struct scores *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	*s = (struct scores){n_numeric, n_category, calloc(n_numeric + 1, sizeof *s->numeric), calloc(n_category + 1, sizeof *s->category)};
	if (s->numeric && s->category)
		return s;
	scores_close(s);
	return NULL;
}

/* ---- learning ---- */

static void missing_set(double to[2], double n_there, double n)
{
	to[0] = -log((n_there + .5) / (n + 1));
	to[1] = -log((n - n_there + .5) / (n + 1));
}

/* z with Phi(z) = u, by Newton's steps on erfc from the logistic's quantile: used when a detector is opened, not for rows. */
static double normal_quantile(double u)
{
	double z = u < .5 ? -sqrt(-2 * log(u)) : sqrt(-2 * log(1 - u));

	for (int i = 0; i < 100; i++) {
		double tail = z < 0 ? erfc(-z / M_SQRT2) / 2 - u : (1 - u) - erfc(z / M_SQRT2) / 2;
		double step = tail / (exp(-z * z / 2) / sqrt(2 * M_PI));

		step = step > .5 ? .5 : step < -.5 ? -.5 : step;
		z -= step;
		if (fabs(step) < 1e-12)
			break;
	}
	return z;
}

static bool numeric_scores(struct numeric *f)
{
	const struct table *t = &f->table;

	f->score = malloc((t->n_knots + 1) * sizeof *f->score);
	for (size_t k = 0; f->score && k < t->n_knots; k++)
		f->score[k] = normal_quantile(((double)t->below[k] + (double)t->up_to[k] + 1) / 2 / ((double)t->n + 1));
	return f->score != NULL;
}

/* Standard deviation; of what never varies, its own size: any other value is then far out. */
static double spread_of(const double *values, size_t n)
{
	double mean = 0, squares = 0;
	bool varies = false; /* asked of the values: rounding of the mean would say yes */

	for (size_t i = 0; i < n; i++) {
		mean += values[i] / (double)n;
		varies |= values[i] != values[0];
	}
	for (size_t i = 0; i < n; i++)
		squares += (values[i] - mean) * ((values[i] - mean) / (double)n);
	if (varies && squares > 0 && isfinite(squares))
		return sqrt(squares);
	return n > 0 && mean != 0 && isfinite(mean) ? fabs(mean) : 1;
}

static int numeric_learn(struct numeric *f, const struct oodd_batch *const *batches, size_t n_batches, size_t k, double *values, size_t rows)
{
	size_t n = 0;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++)
			if (isfinite(batches[b]->numeric[k].at[i]))
				values[n++] = batches[b]->numeric[k].at[i];
	f->spread = spread_of(values, n);
	missing_set(f->missing, (double)n, (double)rows);
	return table_make(&f->table, values, n, POINTS) || !numeric_scores(f) ? -ENOMEM : 0;
}

static int category_learn(struct category *f, const struct oodd_batch *const *batches, size_t n_batches, size_t k, size_t rows)
{
	double there = 0;

	f->n_known = (uint64_t)batches[0]->category[k].n_known;
	f->rarity = calloc(f->n_known + 1, sizeof *f->rarity);
	if (!f->rarity)
		return -ENOMEM;
	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			int32_t code = batches[b]->category[k].at[i];

			if (code < 0)
				continue;
			f->rarity[(uint64_t)code < f->n_known ? (uint64_t)code : f->n_known]++;
			there++;
		}
	for (uint64_t c = 0; c <= f->n_known; c++) {
		double share = (f->rarity[c] + .5) / (there + 1);

		f->middle -= f->rarity[c] / fmax(there, 1) * log(share);
		f->rarity[c] = -log(share);
	}
	missing_set(f->missing, there, (double)rows);
	return 0;
}

static size_t rows_alike(const struct oodd_batch *const *batches, size_t n_batches)
{
	size_t rows = 0;

	for (size_t b = 0; b < n_batches; b++) {
		bool same = batches[b]->n_numeric == batches[0]->n_numeric && batches[b]->n_category == batches[0]->n_category;

		for (size_t k = 0; k < batches[0]->n_category && same; k++)
			same = batches[b]->category[k].n_known == batches[0]->category[k].n_known;
		if (!same)
			return 0;
		rows += batches[b]->n;
	}
	return rows;
}

int scores_learn(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, struct scores **ret)
{
	size_t rows = rows_alike(batches, n_batches), width = rows ? batches[0]->n_numeric + batches[0]->n_category : 0;

	if (width == 0 || width >= BYTES_MOST_WIDTH) {
		host->log(host->context, OODD_LOG_ERROR, "the reference has no rows with features, or too many features");
		return -ENODATA;
	}
	struct scores *s = scores_room(batches[0]->n_numeric, batches[0]->n_category);
	double *values = malloc((rows + 1) * sizeof *values);
	int r = s && values ? 0 : -ENOMEM;
	for (size_t k = 0; !r && k < s->n_numeric; k++)
		r = numeric_learn(&s->numeric[k], batches, n_batches, k, values, rows);
	for (size_t k = 0; !r && k < s->n_category; k++)
		r = category_learn(&s->category[k], batches, n_batches, k, rows);
	free(values);
	if (r)
		scores_close(s);
	else
		*ret = s;
	return r;
}

/* ---- keeping ---- */

size_t scores_size(const struct scores *s)
{
	size_t n = 2 * sizeof(uint64_t);

	for (size_t k = 0; k < s->n_numeric; k++)
		n += table_size(&s->numeric[k].table) + 3 * sizeof(double);
	for (size_t k = 0; k < s->n_category; k++)
		n += sizeof(uint64_t) + (s->category[k].n_known + 4) * sizeof(double);
	return n;
}

void scores_write(const struct scores *s, struct bytes *to)
{
	bytes_put(to, (uint64_t[]){s->n_numeric, s->n_category}, 2 * sizeof(uint64_t));
	for (size_t k = 0; k < s->n_numeric; k++) {
		const struct numeric *f = &s->numeric[k];

		bytes_put(to, (double[]){f->spread, f->missing[0], f->missing[1]}, 3 * sizeof(double));
		table_write(&f->table, to);
	}
	for (size_t k = 0; k < s->n_category; k++) {
		const struct category *f = &s->category[k];

		bytes_put(to, &f->n_known, sizeof f->n_known);
		bytes_put(to, (double[]){f->middle, f->missing[0], f->missing[1]}, 3 * sizeof(double));
		bytes_put(to, f->rarity, (f->n_known + 1) * sizeof *f->rarity);
	}
}

static bool three_read(struct bytes *from, double to[3])
{
	return bytes_get(from, to, 3 * sizeof *to) && bytes_finite_f64(to, 3);
}

static bool numeric_read(struct numeric *f, struct bytes *from)
{
	double three[3];

	if (!three_read(from, three) || !(three[0] > 0))
		return false;
	f->spread = three[0];
	f->missing[0] = three[1];
	f->missing[1] = three[2];
	return table_read(&f->table, from) && numeric_scores(f);
}

static bool category_read(struct category *f, struct bytes *from)
{
	uint64_t n;
	double three[3];

	if (!bytes_get(from, &n, sizeof n) || n > INT32_MAX || !three_read(from, three))
		return false;
	f->n_known = n;
	f->middle = three[0];
	f->missing[0] = three[1];
	f->missing[1] = three[2];
	f->rarity = bytes_take(from, f->n_known + 1, sizeof *f->rarity);
	return f->rarity && bytes_finite_f64(f->rarity, f->n_known + 1);
}

struct scores *scores_read(struct bytes *from)
{
	uint64_t n[2];
	bool good = bytes_get(from, n, sizeof n) && n[0] < BYTES_MOST_WIDTH && n[1] < BYTES_MOST_WIDTH && n[0] + n[1] > 0;
	struct scores *s = good ? scores_room(n[0], n[1]) : NULL;

	good = s != NULL;
	for (size_t k = 0; good && k < s->n_numeric; k++)
		good = numeric_read(&s->numeric[k], from);
	for (size_t k = 0; good && k < s->n_category; k++)
		good = category_read(&s->category[k], from);
	if (good)
		return s;
	from->bad = true;
	scores_close(s);
	return NULL;
}

/* ---- rows ---- */

size_t scores_width(const struct scores *s)
{
	return s->n_numeric + s->n_category + 1;
}

bool scores_suit(const struct scores *s, const struct oodd_batch *batch)
{
	return batch->n_numeric == s->n_numeric && batch->n_category == s->n_category;
}

static float bounded(double z)
{
	return z > (double)MOST ? MOST : z < -(double)MOST ? -MOST : (float)z;
}

static float numeric_score(const struct numeric *f, double x)
{
	const struct table *t = &f->table;
	size_t k = table_knots_up_to(t, x);

	if (t->n_knots == 0) /* never there in the reference */
		return 0;
	if (k == 0)
		return bounded(f->score[0] - (t->value[0] - x) / f->spread);
	if (k == t->n_knots)
		return bounded(f->score[k - 1] + (x - t->value[k - 1]) / f->spread);
	double low = t->value[k - 1], high = t->value[k], part = (x / 2 - low / 2) / (high / 2 - low / 2);
	return (float)(f->score[k - 1] + part * (f->score[k] - f->score[k - 1]));
}

/* One column; `rest` gathers what is missing. */
static void numeric_column(const struct numeric *f, const double *at, size_t n, float *to, size_t width, double *rest, bool *there)
{
	for (size_t i = 0; i < n; i++) {
		bool missing = isnan(at[i]) != 0;

		to[i * width] = missing ? 0 : numeric_score(f, at[i]);
		rest[i] += f->missing[missing];
		there[i] |= !missing;
	}
}

static void category_column(const struct category *f, const int32_t *at, size_t n, float *to, size_t width, double *rest, bool *there)
{
	for (size_t i = 0; i < n; i++) {
		bool missing = at[i] < 0;
		uint64_t code = (uint64_t)at[i] < f->n_known ? (uint64_t)at[i] : f->n_known;

		to[i * width] = (float)(missing ? f->middle : f->rarity[code]);
		rest[i] += f->missing[missing];
		there[i] |= !missing;
	}
}

void scores_rows(const struct scores *s, const struct oodd_batch *batch, size_t from, size_t n, float *to, bool *there)
{
	enum { PART = 128 };
	size_t width = scores_width(s);
	double rest[PART];

	for (size_t i = 0; i < n; i += PART) {
		size_t some = n - i < PART ? n - i : PART;
		float *rows = to + i * width;

		memset(rest, 0, sizeof rest);
		memset(there + i, 0, some * sizeof *there);
		for (size_t k = 0; k < s->n_numeric; k++)
			numeric_column(&s->numeric[k], batch->numeric[k].at + from + i, some, rows + k, width, rest, there + i);
		for (size_t k = 0; k < s->n_category; k++)
			category_column(&s->category[k], batch->category[k].at + from + i, some, rows + s->n_numeric + k, width, rest, there + i);
		for (size_t j = 0; j < some; j++)
			rows[j * width + width - 1] = bounded(rest[j]);
	}
}

int scores_reasons(const struct scores *s, const double *part, struct oodd_reason *reasons, size_t n)
{
	size_t width = scores_width(s), features = width - 1, found = 0;
	double all = 0, last = INFINITY;
	size_t last_at = 0;

	for (size_t j = 0; j < width; j++)
		all += fmax(part[j], 0);
	while (found < n && found < features) {
		size_t best = SIZE_MAX;

		/* The next in falling order, equal ones as they stand. */
		for (size_t j = 0; j < features; j++)
			if ((part[j] < last || (part[j] == last && j > last_at)) && (best == SIZE_MAX || part[j] > part[best]))
				best = j;
		if (best == SIZE_MAX || !(part[best] > 0))
			break;
		reasons[found++] = best < s->n_numeric
			? (struct oodd_reason){OODD_REASON_NUMERIC, (int64_t)best, part[best] / all}
			: (struct oodd_reason){OODD_REASON_CATEGORY, (int64_t)(best - s->n_numeric), part[best] / all};
		last = part[best];
		last_at = best;
	}
	return (int)found;
}
