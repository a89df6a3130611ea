/* SPDX-License-Identifier: Apache-2.0
 * Records made for tests, and the plugins to score them: everything follows from a row number and a
 * seed. */
#ifndef TESTS_SCORE_MADE_H
#define TESTS_SCORE_MADE_H

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/batch.h"
#include "score/registry.h"

#define MADE_LOGITS 5
#define MADE_EMBEDDING 8

static inline double made_unit(uint64_t row, uint64_t seed)
{
	return hash_unit(hash_bytes(&row, sizeof row, seed));
}

/* Near enough to a normal deviate. */
static inline double made_normal(uint64_t row, uint64_t seed)
{
	double sum = -6.0;

	for (uint64_t i = 0; i < 12; i++)
		sum += made_unit(row, 1000 * seed + i);
	return sum;
}

static inline struct text made_text(const char *words)
{
	return (struct text){words, (uint32_t)strlen(words)};
}

static inline struct column *made_column(struct batch *b, const char *name)
{
	size_t at = batch_column(b, &b->features, name, strlen(name), 0, 100);

	return &b->features.at[at];
}

static inline void made_number(struct batch *b, const char *name, double x)
{
	struct column *c = made_column(b, name);

	c->kind[b->n] = isnan(x) ? CELL_NULL : CELL_NUMBER;
	c->number[b->n] = x;
}

static inline void made_word(struct batch *b, const char *name, const char *word)
{
	batch_text_put(
		b, made_column(b, name), b->n, made_text(arena_span(b->arena, word, strlen(word))));
}

static inline void made_truth(struct batch *b, const char *name, bool x)
{
	struct column *c = made_column(b, name);

	c->kind[b->n] = CELL_BOOL;
	c->number[b->n] = x;
}

static const char *const made_classes[MADE_LOGITS] = {"ant", "bee", "cat", "dog", "eel"};

/* Which parts a record has. */
enum made_parts { MADE_ALL = 0, NO_LOGITS = 1, NO_EMBEDDING = 2, NO_FEATURES = 4 };

static inline void made_vectors(struct batch *b, uint64_t row, uint64_t seed, unsigned without)
{
	size_t class = (size_t)(made_unit(row, seed + 1) * MADE_LOGITS);
	float *z = b->logits + b->n * MADE_LOGITS, *x = b->embedding + b->n * MADE_EMBEDDING;

	for (size_t i = 0; i < MADE_LOGITS && !(without & NO_LOGITS); i++)
		z[i] = (float)(made_normal(row, seed + 10 + i) + (i == class ? 6.0 : 0.0));
	for (size_t i = 0; i < MADE_EMBEDDING && !(without & NO_EMBEDDING); i++)
		x[i] = (float)(made_normal(row, seed + 30 + i) + (i == class ? 2.0 : 0.0));
	class = 0;
	for (size_t i = 1; i < MADE_LOGITS && !(without & NO_LOGITS); i++)
		class = z[i] > z[class] ? i : class;
	b->prediction[b->n] = made_text(made_classes[class]);
	b->confidence[b->n] =
		without & NO_LOGITS ? (double)NAN : 1.0 / (1.0 + exp(-(double)z[class]));
}

/* Append record `row` of stream `seed`: one second of event time each. */
static inline void made_row(struct batch *b, uint64_t row, uint64_t seed, unsigned without)
{
	char word[32];
	uint64_t name[2] = {row, seed};

	batch_row_begin(b);
	b->time_us[b->n] = (int64_t)row * 1000000;
	b->hash[b->n] = hash_bytes(name, sizeof name, 0);
	made_vectors(b, row, seed, without);
	if (!(without & NO_FEATURES)) {
		made_number(b, "size", made_normal(row, seed + 50) + made_normal(row, seed + 30));
		made_number(b, "zero",
			made_unit(row, seed + 51) < 0.8 ? 0.0 : made_normal(row, seed + 52));
		made_number(b, "count", floor(4.0 * made_unit(row, seed + 53)));
		made_truth(b, "truth", made_unit(row, seed + 54) < 0.3);
		/* Zipf's law: few words are common, most are met once. */
		snprintf(
			word, sizeof word, "w%d", (int)(1.0 / pow(made_unit(row, seed + 55), 1.3)));
		made_word(b, "word", word);
	}
	b->n++;
}

static inline struct batch *made_open(size_t n_logits, size_t n_embedding)
{
	struct batch *b = batch_open("made", 4, "1", 1);

	batch_widths(b, n_logits, n_embedding);
	return b;
}

static inline struct batch *made_batch(uint64_t from, uint64_t to, uint64_t seed, unsigned without)
{
	struct batch *b = made_open(MADE_LOGITS, MADE_EMBEDDING);

	for (uint64_t row = from; row < to; row++)
		made_row(b, row, seed, without);
	return b;
}

/* The plugins of the build tree, and those made for these tests. */
static inline struct plugins *made_plugins(void)
{
	char tests[PATH_MAX];
	const char *built = getenv("OODD_BUILD_PLUGINS");
	const char *dirs[2] = {built ? built : "plugins", tests};

	snprintf(tests, sizeof tests, "%s/../tests/score", dirs[0]);
	return plugins_open(dirs, 2);
}

#endif
