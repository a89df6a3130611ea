/* SPDX-License-Identifier: Apache-2.0
 *
 * Two passes, because the difference of large sums would lose what is looked for: means first, then the products of centred
 * rows, by blocks through the fixed-order kernel. So fitting is reproducible bit for bit, whatever BLAS is installed.
 */
#include "mahalanobis/moments.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/batches.h"
#include "algebra/product.h"
#include "algebra/rows.h"

#define BLOCK 128
#define MOST_CLASSES 1000000

/* One row as double, normalised if asked. False where it cannot be used. */
static bool row_take(const struct oodd_batch *b, size_t i, size_t d, bool normalise, double *to, int32_t *ret_class)
{
	const float *x = oodd_row(b->embedding, i);
	double squares = rows_for(PRODUCT_BEST)->squares(x, d);

	*ret_class = b->predicted ? b->predicted[i] : -1;
	if (!isfinite(squares) || *ret_class < 0 || *ret_class >= MOST_CLASSES || (normalise && squares == 0))
		return false;
	double scale = normalise ? 1 / sqrt(squares) : 1;
	for (size_t j = 0; j < d; j++)
		to[j] = (double)x[j] * scale;
	return true;
}

/* Largest predicted class + 1, over all batches. */
static size_t classes_count(const struct oodd_batch *const *batches, size_t n_batches)
{
	int32_t most = -1;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; batches[b]->predicted && i < batches[b]->n; i++)
			if (batches[b]->predicted[i] > most && batches[b]->predicted[i] < MOST_CLASSES)
				most = batches[b]->predicted[i];
	return (size_t)(most + 1);
}

/* Sums by class; then classes without rows close up, and sums become means. */
static void means_make(struct moments *m, const struct oodd_batch *const *batches, size_t n_batches, bool normalise, double *row)
{
	size_t all = m->n_classes, kept = 0, d = m->d;
	int32_t class;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n; i++) {
			if (!row_take(batches[b], i, d, normalise, row, &class))
				continue;
			m->n++;
			m->class_n[class]++;
			for (size_t j = 0; j < d; j++)
				m->class_mean[(size_t)class * d + j] += row[j];
		}
	for (size_t c = 0; c < all; c++) {
		if (m->class_n[c] == 0)
			continue;
		for (size_t j = 0; j < d; j++) {
			double sum = m->class_mean[c * d + j];
			m->mean[j] += sum / (double)m->n;
			m->class_mean[kept * d + j] = sum / (double)m->class_n[c];
		}
		m->class_n[kept] = m->class_n[c];
		m->class_index[kept++] = (int32_t)c;
	}
	m->n_classes = kept;
}

/* A block of up to BLOCK vectors, one in each column (d x BLOCK, the rest zeros), to be multiplied with itself. */
struct block {
	size_t d, n;
	double *columns; /* d x BLOCK */
	double *product; /* d x stride */
};

/* scatter += columns * columns'. */
static int block_add(struct block *b, double *scatter)
{
	struct product_f64 *p = product_f64_open(b->columns, b->d, BLOCK, NULL, false, PRODUCT_BEST);

	if (!p)
		return -ENOMEM;
	size_t stride = product_f64_stride(p);
	product_f64_rows(p, b->columns, BLOCK, b->d, b->product);
	for (size_t i = 0; i < b->d; i++)
		for (size_t j = 0; j < b->d; j++)
			scatter[i * b->d + j] += b->product[i * stride + j];
	product_f64_close(p);
	memset(b->columns, 0, b->d * BLOCK * sizeof *b->columns);
	b->n = 0;
	return 0;
}

/* scale * (x - centre) into the block; a full block is added to the scatter. */
static int block_put(struct block *b, const double *x, const double *centre, double scale, double *scatter)
{
	for (size_t j = 0; j < b->d; j++)
		b->columns[j * BLOCK + b->n] = scale * (x[j] - centre[j]);
	return ++b->n == BLOCK ? block_add(b, scatter) : 0;
}

static const double *class_mean_of(const struct moments *m, int32_t class)
{
	size_t low = 0, high = m->n_classes;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (m->class_index[middle] <= class)
			low = middle;
		else
			high = middle;
	}
	return m->class_mean + low * m->d;
}

static void scatter_scale(const struct moments *m, double *scatter)
{
	for (size_t i = 0; i < m->d * m->d; i++)
		scatter[i] /= (double)m->n;
}

static int scatters_make(struct moments *m, const struct oodd_batch *const *batches, size_t n_batches, bool normalise, double *row,
	struct block *block)
{
	int32_t class;
	int r = 0;

	for (size_t b = 0; b < n_batches; b++)
		for (size_t i = 0; i < batches[b]->n && !r; i++)
			if (row_take(batches[b], i, m->d, normalise, row, &class))
				r = block_put(block, row, class_mean_of(m, class), 1, m->within);
	if (!r)
		r = block_add(block, m->within);
	for (size_t c = 0; c < m->n_classes && !r; c++)
		r = block_put(block, m->class_mean + c * m->d, m->mean, sqrt((double)m->class_n[c]), m->between);
	if (!r)
		r = block_add(block, m->between);
	scatter_scale(m, m->within);
	scatter_scale(m, m->between);
	return r;
}

static int moments_alloc(struct moments *m, struct block *block, double **ret_row)
{
	size_t d = m->d, classes = m->n_classes ? m->n_classes : 1;

	m->class_index = calloc(classes, sizeof *m->class_index);
	m->class_n = calloc(classes, sizeof *m->class_n);
	m->class_mean = calloc(classes * d, sizeof *m->class_mean);
	m->mean = calloc(d, sizeof *m->mean);
	m->within = calloc(d * d, sizeof *m->within);
	m->between = calloc(d * d, sizeof *m->between);
	*block = (struct block){.d = d};
	block->columns = calloc(d * BLOCK, sizeof *block->columns);
	block->product = malloc(d * (d + 64) * sizeof *block->product);
	*ret_row = malloc(d * sizeof **ret_row);
	bool all = m->class_index && m->class_n && m->class_mean && m->mean && m->within && m->between && block->columns &&
		block->product && *ret_row;
	return all ? 0 : -ENOMEM;
}

static int enough_check(const struct moments *m, const struct oodd_host *host)
{
	char text[200];

	if (m->n < 2 || m->n_classes == 0) {
		host->log(host->context, OODD_LOG_ERROR, "fewer than two rows have a complete embedding and a predicted class");
		return -ENODATA;
	}
	if (m->n < 2 * m->d) {
		snprintf(text, sizeof text, "%zu rows for %zu dimensions are few: distances will be larger for new rows than for these",
			m->n, m->d);
		host->log(host->context, OODD_LOG_WARNING, text);
	}
	return 0;
}

int moments_make(struct moments *m, const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches,
	bool normalise)
{
	struct block block = {0};
	double *row = NULL;

	*m = (struct moments){0};
	int r = batches_embedding(host, batches, n_batches, &m->d);
	if (r)
		return r;
	m->n_classes = classes_count(batches, n_batches);
	r = moments_alloc(m, &block, &row);
	if (!r) {
		means_make(m, batches, n_batches, normalise, row);
		r = enough_check(m, host);
	}
	if (!r)
		r = scatters_make(m, batches, n_batches, normalise, row, &block);
	free(block.columns);
	free(block.product);
	free(row);
	if (r)
		moments_done(m);
	return r;
}

void moments_done(struct moments *m)
{
	free(m->class_index);
	free(m->class_n);
	free(m->class_mean);
	free(m->mean);
	free(m->within);
	free(m->between);
	*m = (struct moments){0};
}
