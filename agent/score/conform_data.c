/* SPDX-License-Identifier: Apache-2.0
 * Synthetic predictions: enough structure that a detector has something to learn, and no two rows alike. */
#include "score/conform_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* Sum of four uniforms, less their mean: near enough to normal, the same on every machine. */
static double noise(uint64_t *seed)
{
	double sum = 0;

	for (int i = 0; i < 4; i++) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		sum += (double)(*seed >> 11) / 9007199254740992.0 - 0.5;
	}
	return 1.7 * sum;
}

/* Where class c stands in dimension j: fixed, whatever the seed of the rows. */
static double centre(size_t c, size_t j)
{
	uint64_t seed = 977 * c + j + 1;
	noise(&seed);
	return 2 * noise(&seed);
}

/* A last layer over rectified activations, so that those who look for one find it. */
static float logit(const float *x, size_t c)
{
	double z = 3;

	for (size_t j = 0; j < CONFORM_WIDTH; j++)
		z += centre(c, j) * (double)x[j] / CONFORM_WIDTH;
	return (float)z;
}

static void row_make(struct conform_data *d, size_t i, uint64_t *seed)
{
	size_t class = i % CONFORM_CLASSES;
	float *z = d->logits + i * CONFORM_CLASSES, *x = d->embedding + i * CONFORM_WIDTH;
	double sum = 0;

	for (size_t j = 0; j < CONFORM_WIDTH; j++)
		x[j] = (float)fmax(1 + centre(class, j) + noise(seed) * (j < 4 ? 3 : 0.5), 0);
	for (size_t c = 0; c < CONFORM_CLASSES; c++) {
		z[c] = logit(x, c);
		d->predicted[i] = z[c] > z[d->predicted[i]] ? (int32_t)c : d->predicted[i];
	}
	for (size_t c = 0; c < CONFORM_CLASSES; c++)
		sum += exp((double)(z[c] - z[d->predicted[i]]));
	d->confidence[i] = 1 / sum;
	for (size_t k = 0; k < CONFORM_NUMERIC; k++)
		d->number[k][i] = noise(seed) * (double)(10 * k + 1);
	for (size_t k = 0; k < CONFORM_CATEGORY; k++)
		d->code[k][i] = (int32_t)(*seed >> 40) % 5 - 1; /* missing, three known, one never seen */
}

struct conform_data *conform_data_open(size_t n, uint64_t seed)
{
	static const char *const numbers[CONFORM_NUMERIC] = {"age", "amount", "hours"}, *const words[CONFORM_CATEGORY] = {"region", "device"};
	struct conform_data *d = mem_zero(1, sizeof *d);

	d->logits = mem_aligned((n + 1) * CONFORM_CLASSES * sizeof(float));
	d->embedding = mem_aligned((n + 1) * CONFORM_WIDTH * sizeof(float));
	d->predicted = mem_zero(n + 1, sizeof(int32_t));
	d->confidence = mem_zero(n + 1, sizeof(double));
	for (size_t k = 0; k < CONFORM_NUMERIC; k++) {
		d->number[k] = mem_zero(n + 1, sizeof(double));
		d->numeric[k] = (struct oodd_numeric){numbers[k], d->number[k]};
	}
	for (size_t k = 0; k < CONFORM_CATEGORY; k++) {
		d->code[k] = mem_zero(n + 1, sizeof(int32_t));
		d->category[k] = (struct oodd_category){words[k], d->code[k], 3};
	}
	for (size_t i = 0; i < n; i++)
		row_make(d, i, &seed);
	d->batch = (struct oodd_batch){.size = sizeof d->batch, .n = n, .logits = {d->logits, CONFORM_CLASSES},
		.embedding = {d->embedding, CONFORM_WIDTH}, .predicted = d->predicted, .confidence = d->confidence,
		.numeric = d->numeric, .category = d->category, .n_numeric = CONFORM_NUMERIC, .n_category = CONFORM_CATEGORY,
		.n_classes = CONFORM_CLASSES};
	return d;
}

void conform_data_close(struct conform_data *d)
{
	if (!d)
		return;
	free(d->logits);
	free(d->embedding);
	free(d->predicted);
	free(d->confidence);
	for (size_t k = 0; k < CONFORM_NUMERIC; k++)
		free(d->number[k]);
	for (size_t k = 0; k < CONFORM_CATEGORY; k++)
		free(d->code[k]);
	free(d);
}

void conform_data_copy(struct conform_data *d, size_t to, const struct conform_data *source, size_t from)
{
	memcpy(d->logits + to * CONFORM_CLASSES, source->logits + from * CONFORM_CLASSES, CONFORM_CLASSES * sizeof(float));
	memcpy(d->embedding + to * CONFORM_WIDTH, source->embedding + from * CONFORM_WIDTH, CONFORM_WIDTH * sizeof(float));
	d->predicted[to] = source->predicted[from];
	d->confidence[to] = source->confidence[from];
	for (size_t k = 0; k < CONFORM_NUMERIC; k++)
		d->number[k][to] = source->number[k][from];
	for (size_t k = 0; k < CONFORM_CATEGORY; k++)
		d->code[k][to] = source->code[k][from];
}

uint64_t conform_data_hash(const struct conform_data *d)
{
	size_t n = d->batch.n;
	uint64_t h = hash_bytes(&d->batch, sizeof d->batch, 0);

	h = hash_bytes(d->logits, n * CONFORM_CLASSES * sizeof(float), h);
	h = hash_bytes(d->embedding, n * CONFORM_WIDTH * sizeof(float), h);
	h = hash_bytes(d->predicted, n * sizeof(int32_t), h);
	h = hash_bytes(d->confidence, n * sizeof(double), h);
	for (size_t k = 0; k < CONFORM_NUMERIC; k++)
		h = hash_bytes(d->number[k], n * sizeof(double), h);
	for (size_t k = 0; k < CONFORM_CATEGORY; k++)
		h = hash_bytes(d->code[k], n * sizeof(int32_t), h);
	return h;
}

struct oodd_batch conform_data_bare(const struct conform_data *d, uint32_t needs)
{
	struct oodd_batch b = {.size = sizeof b, .n = d->batch.n};

	if (needs & (OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS))
		b.logits = d->batch.logits;
	if (needs & OODD_NEEDS_EMBEDDING)
		b.embedding = d->batch.embedding;
	if (needs & OODD_NEEDS_PREDICTED) {
		b.predicted = d->batch.predicted;
		b.n_classes = d->batch.n_classes;
	}
	if (needs & OODD_NEEDS_CONFIDENCE)
		b.confidence = d->batch.confidence;
	if (needs & OODD_NEEDS_FEATURES) {
		b.numeric = d->batch.numeric;
		b.category = d->batch.category;
		b.n_numeric = d->batch.n_numeric;
		b.n_category = d->batch.n_category;
	}
	return b;
}
