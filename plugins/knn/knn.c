/* SPDX-License-Identifier: Apache-2.0
 *
 * Deep nearest neighbours: how far an embedding of length 1 stands from the k-th nearest of the reference's (Sun et al. 2022).
 * No shape is assumed, and the answer names the very records that are nearest.
 *
 * Exact, by brute force: for vectors of length 1 the nearest have the largest inner products, and inner products with a whole
 * bank are a matrix product. Blocks of the bank that stay in the cache are multiplied with blocks of rows, and only products
 * above a row's floor, its candidate that is worst so far, are looked at. Very near ones (duplicates) are measured again
 * directly, since 2 - 2 x.b has no digits left there.
 *
 * Where the processor multiplies bytes, products are made of these first, and the true ones only of those that bytes cannot tell
 * from the k nearest: the same bits, in a third of the time.
 */
#include "oodd/detector.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/batches.h"
#include "algebra/bytes.h"
#include "algebra/coarse.h"
#include "algebra/product.h"
#include "algebra/rows.h"
#include "algebra/top.h"

#define MAGIC "oodknn01"
#define BLOCK_ROWS 96
#define BLOCK_BYTES (256 * 1024) /* of the bank: half of a small second-level cache */
#define MOST_COLUMNS 512
#define SPARE 8                  /* candidates beyond k: rounding may swap neighbours that are equally far */
#define ASKED 32                 /* bytes_pay: so many rows of the bank ... */
#define MOST_BLURRED 32          /* ... may be like one in so many others, each of which costs as much as so many */
#define LEAST_GLANCES 64
#define GLANCES_EACH 32
#define MOST_GLANCES_K 64
#define NEAR 0.96875f            /* inner products above are measured again: a distance below 1/4 */

struct state {
	size_t d, n, k, candidates;
	size_t columns;  /* of the bank in one block: a multiple of the panel */
	int64_t *row;    /* of the fit data, for each of the bank */
	struct product_f32 *bank; /* NULL where the processor multiplies bytes: then these two */
	struct coarse *coarse;
	float *plain;
	size_t glances;  /* room for those of the bank that bytes cannot tell from a row's nearest, before all have been looked at */
	const struct rows *rows;
};

/* ---- fit ---- */

/* Length-1 copy; false where there is none. */
static bool row_unit(const float *x, size_t d, float *to)
{
	double squares = rows_for(PRODUCT_BEST)->squares(x, d), scale = 1 / sqrt(squares);

	if (!isfinite(squares) || !isfinite(scale))
		return false;
	for (size_t j = 0; j < d; j++)
		to[j] = (float)((double)x[j] * scale);
	return true;
}

static bool row_usable(const float *x, size_t d)
{
	double squares = rows_for(PRODUCT_BEST)->squares(x, d);
	return isfinite(squares) && isfinite(1 / sqrt(squares));
}

static size_t rows_usable(const struct oodd_batch *const *batches, size_t n_batches, size_t d)
{
	size_t n = 0;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++)
			n += row_usable(oodd_row(batches[b]->embedding, i), d);
	return n;
}

/* Every usable row, or, when there are more than fit into the bank, evenly spaced ones: all of the reference's time is there. */
static void bank_fill(const struct oodd_batch *const *batches, size_t n_batches, size_t d, size_t usable, size_t kept, struct bytes *b,
	int64_t *rows)
{
	float *to = (float *)(void *)b->at;
	size_t met = 0, taken = 0;
	int64_t row = 0;

	for (size_t i = 0; i < n_batches; i++)
		for (size_t j = 0; j < batches[i]->n; j++, row++) {
			const float *x = oodd_row(batches[i]->embedding, j);
			if (!row_usable(x, d))
				continue;
			/* A row is taken where its share of the bank reaches the next whole number: `kept` times in all. */
			if (++met * kept / usable == taken)
				continue;
			row_unit(x, d, to + taken * d);
			rows[taken++] = row;
		}
}

static int knn_fit(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, const void **ret_bytes,
	size_t *ret_n)
{
	size_t d, k = (size_t)host->option(host->context, "k"), most = (size_t)host->option(host->context, "bank");
	char text[160];
	int r = batches_embedding(host, batches, n_batches, &d);

	if (r)
		return r;
	size_t usable = rows_usable(batches, n_batches, d), kept = usable < most ? usable : most;
	if (kept < k || kept == 0) {
		snprintf(text, sizeof text, "k is %zu, and only %zu rows with a complete embedding are in the bank", k, kept);
		host->log(host->context, OODD_LOG_ERROR, text);
		return -ENODATA;
	}
	struct bytes_head head = {MAGIC, BYTES_ORDER, (uint32_t)d, (uint32_t)kept, 0};
	int64_t *rows = malloc(kept * sizeof *rows);
	if (!rows)
		return -ENOMEM;
	struct bytes b = bytes_result(host, &head, kept * (d * sizeof(float) + sizeof *rows), ret_bytes, ret_n);
	bank_fill(batches, n_batches, d, usable, kept, &b, rows);
	memcpy(b.at + kept * d * sizeof(float), rows, kept * sizeof *rows);
	free(rows);
	return 0;
}

/* ---- open, close ---- */

static void knn_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	product_f32_close(s->bank);
	coarse_close(s->coarse);
	free(s->plain);
	free(s->row);
	free(s);
}

static void blocks_plan(struct state *s)
{
	size_t panel = s->coarse ? COARSE_PANEL : product_f32_panel(s->bank);
	size_t columns = BLOCK_BYTES / (s->coarse ? 1 : sizeof(float)) / s->d;

	columns = columns > MOST_COLUMNS ? MOST_COLUMNS : columns;
	s->columns = columns < panel ? panel : columns / panel * panel;
}

/* Memory to ask of a row of the bank. */
struct asking {
	float *near;    /* n, rounded up */
	unsigned *some; /* as many */
	float *value;   /* k + 1, and as many indices */
	int8_t *bytes;
};

/* How many of the bank bytes cannot tell from a row's k nearest. */
static size_t row_blurred(const struct state *s, const float *x, const struct asking *a)
{
	struct top top = {.k = s->k + 1, .value = a->value, .index = (uint32_t *)(a->value + s->k + 1)}; /* it is in the bank itself */
	struct coarse_row row;

	coarse_row(s->coarse, x, a->bytes, &row);
	coarse_part(s->coarse, 0, s->n, a->bytes, &row, 1, a->near, 0);
	for (size_t j = 0; j < s->n; j++)
		top_put(&top, a->near[j], (uint32_t)j);
	return s->rows->above(a->near, s->n, top_floor(&top) - 2 * row.off, a->some);
}

/* Bytes pay where few are left to be multiplied one by one. A large k leaves many, and so does an embedding that has collapsed to a
 * point for each class. Asked of some of the bank's own rows. */
static bool bytes_pay(const struct state *s, const float *bank)
{
	size_t asked = s->n < ASKED ? s->n : ASKED, room = s->n + COARSE_PANEL, blurred = 0;
	float *at = malloc((2 * room + 2 * (s->k + 1)) * sizeof *at + coarse_width(s->coarse));
	struct asking a = {at, (unsigned *)(at + room), at + 2 * room, (int8_t *)(at + 2 * room + 2 * (s->k + 1))};

	for (size_t i = 0; i < asked && at; i++)
		blurred += row_blurred(s, bank + i * s->n / asked * s->d, &a);
	free(at);
	return at && blurred * MOST_BLURRED < asked * s->n;
}

/* In bytes, and then in floats as they were, or as a product. */
static int bank_open(struct state *s, const float *bank)
{
	if (coarse_runs() && s->d <= COARSE_MOST)
		s->coarse = coarse_open(bank, s->n, s->d);
	if (s->coarse && bytes_pay(s, bank)) {
		s->plain = malloc(s->n * s->d * sizeof *bank);
		return s->plain ? (memcpy(s->plain, bank, s->n * s->d * sizeof *bank), 0) : -ENOMEM;
	}
	coarse_close(s->coarse);
	s->coarse = NULL;
	s->bank = product_f32_open(bank, s->n, s->d, NULL, false, PRODUCT_BEST);
	return s->bank ? 0 : -ENOMEM;
}

static int knn_open(const struct oodd_host *host, const void *bytes, size_t n, void **ret_state)
{
	struct bytes_head head;
	struct bytes b;

	if (!bytes_begin(&b, bytes, n, MAGIC, host, &head))
		return -EINVAL;
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->rows = rows_for(PRODUCT_BEST);
	s->d = head.width;
	s->n = head.rows;
	s->k = (size_t)host->option(host->context, "k");
	s->candidates = s->k + SPARE < s->n ? s->k + SPARE : s->n;
	s->glances = LEAST_GLANCES + GLANCES_EACH * (s->k < MOST_GLANCES_K ? s->k : MOST_GLANCES_K);
	float *bank = bytes_take(&b, s->n * s->d, sizeof *bank);
	s->row = bytes_take(&b, s->n, sizeof *s->row);
	bool good = bytes_end(&b, host) && s->k >= 1 && s->k <= s->n && bytes_finite_f32(bank, s->n * s->d);
	int r = good ? bank_open(s, bank) : -EINVAL;
	free(bank);
	if (r) {
		knn_close(s);
		return r;
	}
	blocks_plan(s);
	*ret_state = s;
	return 0;
}

/* Memory for a block of rows, in one piece. */
struct scratch {
	float *x;         /* rows x d: of length 1, zeros where there is no direction */
	float *near;      /* rows x columns: inner products with a block of the bank */
	unsigned *some;   /* columns */
	float *value;     /* rows x candidates */
	uint32_t *index;  /* rows x candidates */
	struct top *best; /* rows */
	struct glance *glances; /* rows; in bytes only, as are the next */
	struct coarse_row *coarse;
	int8_t *bytes;    /* rows x coarse_width */
};


/* What bytes say of a row: how near its k-th nearest is at least, and who may be it. */
struct glance {
	struct top top; /* of coarse products */
	size_t n;
	float *value;    /* `glances` of the state, as the next */
	uint32_t *index;
};

static bool scratch_open(struct scratch *w, const struct state *s, size_t rows)
{
	size_t words = rows * (s->d + s->columns + 2 * s->candidates) + s->columns;
	size_t glance = s->coarse ? sizeof *w->glances + sizeof *w->coarse + 2 * (s->glances + s->candidates) * sizeof(float) + coarse_width(s->coarse) : 0;
	char *at = malloc(rows * (sizeof *w->best + glance) + words * sizeof(float));

	if (!at)
		return false;
	w->best = (struct top *)(void *)at;
	w->glances = (struct glance *)(void *)(w->best + rows);
	w->coarse = (struct coarse_row *)(void *)(w->glances + (glance ? rows : 0));
	w->x = (float *)(void *)(w->coarse + (glance ? rows : 0));
	w->near = w->x + rows * s->d;
	w->value = w->near + rows * s->columns;
	w->index = (uint32_t *)(void *)(w->value + rows * s->candidates);
	w->some = (unsigned *)(w->index + rows * s->candidates);
	float *more = (float *)(w->some + s->columns);
	for (size_t i = 0; i < rows && glance; i++, more += 2 * (s->glances + s->candidates))
		w->glances[i] = (struct glance){.top = {.value = more, .index = (uint32_t *)(void *)(more + s->candidates)},
			.value = more + 2 * s->candidates, .index = (uint32_t *)(void *)(more + 2 * s->candidates + s->glances)};
	w->bytes = (int8_t *)more;
	return true;
}

static void scratch_close(struct scratch *w)
{
	free(w->best);
}

static void row_look(const struct state *s, const struct scratch *w, struct top *best, const float *near, size_t from, size_t columns)
{
	size_t n = s->rows->above(near, columns, top_floor(best), w->some);

	for (size_t i = 0; i < n; i++)
		top_put(best, near[w->some[i]], (uint32_t)(from + w->some[i]));
}

/* ---- search in bytes ---- */

#define CHAINS 8

/* The products that algebra/product.h would have made, several chains at a time. */
#if defined(__x86_64__)
__attribute__((target("fma")))
#endif
static void products(const struct state *s, const float *x, const uint32_t *index, size_t n, float *to)
{
	for (size_t i = 0; i < n; i += CHAINS) {
		float sum[CHAINS] = {0};
		const float *row[CHAINS];

		for (size_t c = 0; c < CHAINS; c++)
			row[c] = s->plain + index[i + c < n ? i + c : i] * s->d;
		for (size_t j = 0; j < s->d; j++)
#pragma GCC unroll 8
			for (size_t c = 0; c < CHAINS; c++)
				sum[c] = fmaf(x[j], row[c][j], sum[c]);
		memcpy(to + i, sum, (n - i < CHAINS ? n - i : CHAINS) * sizeof *to);
	}
}

/* Those that may still be among the nearest. */
static void glance_thin(struct glance *g, float off)
{
	float least = top_floor(&g->top) - 2 * off;
	size_t kept = 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->value[i] >= least) {
			g->value[kept] = g->value[i];
			g->index[kept++] = g->index[i];
		}
	g->n = kept;
}

static void glance_settle(const struct state *s, const float *x, struct glance *g, struct top *best)
{
	products(s, x, g->index, g->n, g->value);
	for (size_t i = 0; i < g->n; i++)
		top_put(best, g->value[i], g->index[i]);
	g->n = 0;
}

static void glance_look(const struct state *s, const struct scratch *w, size_t row, const float *near, size_t from, size_t columns)
{
	struct glance *g = &w->glances[row];
	float most, off = w->coarse[row].off;

	if (g->top.k > 1)
		row_look(s, w, &g->top, near, from, columns);
	else if ((most = s->rows->most(near, columns)) > top_floor(&g->top))
		top_put(&g->top, most, 0);
	size_t n = s->rows->above(near, columns, nextafterf(top_floor(&g->top) - 2 * off, -INFINITY), w->some);
	for (size_t i = 0; i < n; i++) {
		if (g->n == s->glances)
			glance_thin(g, off);
		if (g->n == s->glances)
			glance_settle(s, w->x + row * s->d, g, &w->best[row]);
		g->value[g->n] = near[w->some[i]];
		g->index[g->n++] = (uint32_t)(from + w->some[i]);
	}
}

/* All of `deep` nearest are among those settled: what is nearer than the deep-th nearest at a glance, give or take what bytes are off. */
static void rows_glance(const struct state *s, const struct scratch *w, size_t n, size_t deep)
{
	size_t width = coarse_width(s->coarse);

	for (size_t i = 0; i < n; i++) {
		coarse_row(s->coarse, w->x + i * s->d, w->bytes + i * width, &w->coarse[i]);
		w->glances[i].top.k = deep;
		w->glances[i].top.n = w->glances[i].n = 0;
	}
	for (size_t from = 0; from < s->n; from += s->columns) {
		size_t columns = s->n - from < s->columns ? s->n - from : s->columns;
		coarse_part(s->coarse, from, columns, w->bytes, w->coarse, n, w->near, s->columns);
		for (size_t i = 0; i < n; i++)
			if (w->coarse[i].off < INFINITY) /* else it has no direction, or the bank holds nonsense */
				glance_look(s, w, i, w->near + i * s->columns, from, columns);
	}
	for (size_t i = 0; i < n; i++) {
		if (w->glances[i].n == 0)
			continue;
		glance_thin(&w->glances[i], w->coarse[i].off);
		glance_settle(s, w->x + i * s->d, &w->glances[i], &w->best[i]);
	}
}

/* ---- search ---- */

/* The candidates of n prepared rows: the `deep` nearest among them for sure. */
static void rows_search(const struct state *s, const struct scratch *w, size_t n, size_t deep)
{
	for (size_t i = 0; i < n; i++)
		w->best[i] = (struct top){.k = s->candidates, .value = w->value + i * s->candidates, .index = w->index + i * s->candidates};
	if (s->coarse) {
		rows_glance(s, w, n, deep);
		return;
	}
	for (size_t from = 0; from < s->n; from += s->columns) {
		size_t columns = s->n - from < s->columns ? s->n - from : s->columns;
		product_f32_part(s->bank, from, columns, w->x, s->d, n, w->near, s->columns);
		for (size_t i = 0; i < n; i++)
			row_look(s, w, &w->best[i], w->near + i * s->columns, from, columns);
	}
}

static float distance_direct(const struct state *s, const float *x, uint32_t index)
{
	double sum = 0;

	for (size_t j = 0; j < s->d; j++) {
		double off = (double)x[j] - (double)(s->plain ? s->plain[index * s->d + j] : product_f32_at(s->bank, index, j));
		sum += off * off;
	}
	return (float)sqrt(sum);
}

/* Candidates become neighbours: nearest first, values become distances. False where the bank gave none: it holds nonsense. */
static bool row_measure(const struct state *s, const float *x, struct top *best)
{
	if (best->n < s->k)
		return false;
	top_sort(best);
	if (best->value[s->k - 1] < NEAR) {
		for (size_t i = 0; i < best->n; i++)
			best->value[i] = sqrtf(fmaxf(0, 2 - 2 * best->value[i]));
		return true;
	}
	struct top again = {.k = best->n, .value = best->value, .index = best->index};
	for (size_t i = 0; i < best->n; i++) {
		uint32_t index = best->index[i];
		top_put(&again, -distance_direct(s, x, index), index);
	}
	top_sort(&again);
	for (size_t i = 0; i < best->n; i++)
		best->value[i] = -best->value[i];
	return isfinite(best->value[s->k - 1]);
}

static bool row_prepare(const struct state *s, const float *x, float *to)
{
	if (row_unit(x, s->d, to))
		return true;
	memset(to, 0, s->d * sizeof *to);
	return false;
}

static void block_score(const struct state *s, const struct oodd_batch *batch, size_t from, size_t n, const struct scratch *w,
	float *scores, uint8_t *status)
{
	for (size_t i = 0; i < n; i++)
		if (!row_prepare(s, oodd_row(batch->embedding, from + i), w->x + i * s->d))
			status[from + i] = OODD_ROW_UNSCORED;
	rows_search(s, w, n, s->k);
	for (size_t i = 0; i < n; i++) {
		if (status[from + i] == OODD_ROW_UNSCORED)
			continue;
		if (row_measure(s, w->x + i * s->d, &w->best[i]))
			scores[from + i] = w->best[i].value[s->k - 1];
		else
			status[from + i] = OODD_ROW_UNSCORED;
	}
}

static int knn_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	const struct state *s = state;
	struct scratch w;

	if (batch->n == 0)
		return 0;
	if (!s || batch->embedding.width != s->d)
		return -EINVAL;
	if (!scratch_open(&w, s, batch->n < BLOCK_ROWS ? batch->n : BLOCK_ROWS))
		return -ENOMEM;
	for (size_t from = 0; from < batch->n; from += BLOCK_ROWS)
		block_score(s, batch, from, batch->n - from < BLOCK_ROWS ? batch->n - from : BLOCK_ROWS, &w, scores, status);
	scratch_close(&w);
	return 0;
}

/* The neighbours themselves, nearest first; some more than k, for people. */
static int knn_explain(const void *state, const struct oodd_batch *batch, size_t row, struct oodd_reason *reasons, size_t n)
{
	const struct state *s = state;
	struct scratch w;
	size_t found = 0;

	if (!s || batch->embedding.width != s->d || row >= batch->n)
		return -EINVAL;
	if (!scratch_open(&w, s, 1))
		return -ENOMEM;
	if (row_prepare(s, oodd_row(batch->embedding, row), w.x)) {
		rows_search(s, &w, 1, s->candidates);
		for (bool good = row_measure(s, w.x, &w.best[0]); good && found < n && found < w.best[0].n; found++)
			reasons[found] = (struct oodd_reason){OODD_REASON_ROW, s->row[w.index[found]], (double)w.value[found]};
	}
	scratch_close(&w);
	return (int)found;
}

/* Those of the bank. */
static int64_t knn_rows(const void *state, int64_t *rows, size_t n)
{
	const struct state *s = state;

	if (!s)
		return -EINVAL;
	for (size_t i = 0; i < n && i < s->n; i++)
		rows[i] = s->row[i];
	return (int64_t)s->n;
}

static const struct oodd_option knn_options[] = {
	{"k", OODD_OPTION_INT, 5, 1, 1000, NULL, "which neighbour: the k-th nearest"},
	{"bank", OODD_OPTION_INT, 10000, 1, 1e6, NULL, "most reference rows to keep, evenly spaced in time; the cost is proportional to it"},
	{0},
};

static const struct oodd_detector knn = {
	.name = "knn",
	.version = "1.0",
	.summary = "distance to the k-th nearest of the reference's embeddings, all of length 1",
	.needs = OODD_NEEDS_EMBEDDING,
	.options = knn_options,
	.fit = knn_fit,
	.open = knn_open,
	.close = knn_close,
	.score = knn_score,
	.explain = knn_explain,
	.rows = knn_rows,
};

OODD_PLUGIN("Apache-2.0", &knn);
