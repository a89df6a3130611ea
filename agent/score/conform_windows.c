/* SPDX-License-Identifier: Apache-2.0
 *
 * The conformance kit for window detectors: merging is addition, whatever was batched with what, and an answer is a number.
 */
#include "score/conform_checks.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define GUARD INT64_C(0x5a5a5a5a5a5a5a5a)
#define WINDOW_ROWS 30

static int64_t *vector_make(const struct trial *t, const void *state, size_t *ret_n)
{
	size_t n = *ret_n = t->d->width(state);
	int64_t *v = mem_zero(n + 1, sizeof *v);

	v[n] = GUARD;
	return v;
}

/* Adds rows; -1 and a sentence when that failed. */
static int64_t add(struct trial *t, const void *state, const struct oodd_batch *b, size_t from, size_t to, int64_t *v, size_t n)
{
	int added = t->d->accumulate(state, b, from, to, v);

	if (added < 0 || (size_t)added > to - from) {
		trial_wrong(t, "accumulate returned %d for %zu rows", added, to - from);
		return -1;
	}
	if (v[n] == GUARD)
		return added;
	trial_wrong(t, "accumulate wrote beyond its %zu numbers", n);
	return -1;
}

static bool answer_check(struct trial *t, int code, const struct oodd_comparison *c)
{
	if (code < 0)
		return true; /* a refusal is an answer */
	if (!isfinite(c->statistic) || !isfinite(c->expected) || !isfinite(c->effect) || c->statistic < 0 || c->expected < 0 ||
		c->effect < 0 || c->n_shifts > OODD_MOST_SHIFTS)
		return trial_wrong(t, "compare says %g, %g expected, an effect of %g, %zu shifts", c->statistic, c->expected, c->effect,
			c->n_shifts);
	for (size_t i = 0; i < c->n_shifts; i++)
		if (!isfinite(c->shifts[i].before) || !isfinite(c->shifts[i].after) || c->shifts[i].index < 0)
			return trial_wrong(t, "compare names a shift that is none");
	return true;
}

bool window_try(struct trial *t, const void *state, const struct oodd_batch *b)
{
	struct oodd_comparison c = {0};
	size_t n, half = b->n / 2;
	int64_t *reference = vector_make(t, state, &n), *window = vector_make(t, state, &n), rows[2];
	bool good = n > 0 || trial_wrong(t, "its vector is of width 0");

	rows[0] = good ? add(t, state, b, 0, half, reference, n) : -1;
	rows[1] = rows[0] >= 0 ? add(t, state, b, half, b->n, window, n) : -1;
	good = rows[1] >= 0;
	if (good && rows[0] > 0 && rows[1] > 0)
		good = answer_check(t, t->d->compare(state, reference, rows[0], window, rows[1], &c), &c);
	free(reference);
	free(window);
	return good;
}

/* Row `i` of the trial alone. */
static bool row_alone(struct trial *t, size_t i, int64_t *v, size_t n, int64_t *ret_added)
{
	memset(v, 0, n * sizeof *v);
	*ret_added = add(t, t->state, &t->rows->batch, i, i + 1, v, n);
	for (size_t k = 0; k < n && *ret_added == 0; k++)
		if (v[k])
			return trial_wrong(t, "row %zu was not added, and yet it changed the vector", i);
	for (size_t k = 0; k < n; k++)
		if (v[k] > OODD_MOST_TERM || v[k] < -OODD_MOST_TERM)
			return trial_wrong(t, "row %zu adds more than OODD_MOST_TERM", i);
	return *ret_added >= 0;
}

static bool check_adds(struct trial *t)
{
	static const size_t cuts[] = {1, 2, 7, 64, 299};
	size_t n;
	int64_t *whole = vector_make(t, t->state, &n), *parts = vector_make(t, t->state, &n), *one = vector_make(t, t->state, &n);
	int64_t all = add(t, t->state, &t->rows->batch, 0, CONFORM_TRY_ROWS, whole, n), sum = 0, added;
	bool good = all >= 0;

	for (size_t i = CONFORM_TRY_ROWS; good && i-- > 0; sum += added) { /* backwards: order cannot matter */
		good = row_alone(t, i, one, n, &added);
		for (size_t k = 0; k < n; k++)
			parts[k] += one[k];
	}
	if (good && (sum != all || memcmp(whole, parts, n * sizeof *whole) != 0))
		good = trial_wrong(t, "rows one by one do not add up to what they add together");
	if (good && all == 0)
		good = trial_wrong(t, "complete rows add nothing");
	for (size_t c = 0; good && c < sizeof cuts / sizeof *cuts; c++) {
		memset(parts, 0, n * sizeof *parts);
		sum = add(t, t->state, &t->rows->batch, 0, cuts[c], parts, n);
		sum += add(t, t->state, &t->rows->batch, cuts[c], CONFORM_TRY_ROWS, parts, n);
		if (sum != all || memcmp(whole, parts, n * sizeof *whole) != 0)
			good = trial_wrong(t, "cut at row %zu, the parts do not add up to the whole", cuts[c]);
	}
	free(whole);
	free(parts);
	free(one);
	return good;
}

static bool check_add_neighbours(struct trial *t)
{
	struct conform_data *others = conform_data_open(257, 99);
	size_t n;
	int64_t *alone = vector_make(t, t->state, &n), *among = vector_make(t, t->state, &n), added;
	bool good = row_alone(t, 42, alone, n, &added);

	for (size_t at = 0; good && at < 257; at++) {
		conform_data_copy(others, at, t->rows, 42);
		memset(among, 0, n * sizeof *among);
		good = add(t, t->state, &others->batch, at, at + 1, among, n) == added;
		if (!good || memcmp(alone, among, n * sizeof *among) != 0)
			good = trial_wrong(t, "row 42 adds something else at position %zu of 257", at);
	}
	conform_data_close(others);
	free(alone);
	free(among);
	return good;
}

static bool check_add_odd(struct trial *t)
{
	const float values[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f, 0};
	struct conform_data *rows = conform_data_open(sizeof values / sizeof *values, 5);
	size_t n;
	int64_t *v = vector_make(t, t->state, &n);
	bool good = true;

	for (size_t i = 0; good && i < rows->batch.n; i++) {
		for (size_t j = 0; j < CONFORM_WIDTH; j++)
			rows->embedding[i * CONFORM_WIDTH + j] = values[i];
		for (size_t j = 0; j < CONFORM_CLASSES; j++)
			rows->logits[i * CONFORM_CLASSES + j] = values[i];
		for (size_t j = 0; j < CONFORM_NUMERIC; j++)
			rows->number[j][i] = (double)values[i];
		memset(v, 0, n * sizeof *v);
		int64_t added = add(t, t->state, &rows->batch, i, i + 1, v, n);
		good = added >= 0;
		for (size_t k = 0; good && k < n; k++)
			if (v[k] > OODD_MOST_TERM || v[k] < -OODD_MOST_TERM || (added == 0 && v[k]))
				good = trial_wrong(t, "a row of %g adds %lld, %lld rows counted", (double)values[i], (long long)v[k],
					(long long)added);
	}
	conform_data_close(rows);
	free(v);
	return good;
}

/* Windows drawn from the very rows that the reference is made of (which are dealt in turn over the classes: taken as they stand they
 * vary less): the quotient is about 1, or the law in n is not what it says. */
static bool check_law(struct trial *t)
{
	struct conform_data *rows = conform_data_open(CONFORM_FIT_ROWS, 7);
	size_t n, windows = CONFORM_FIT_ROWS / WINDOW_ROWS, compared = 0;
	int64_t *reference = vector_make(t, t->state, &n), *window = vector_make(t, t->state, &n);
	int64_t all = add(t, t->state, &rows->batch, 0, CONFORM_FIT_ROWS, reference, n), some;
	uint64_t seed = 1;
	double ratio = 0;

	for (size_t w = 0; all > 0 && w < windows; w++) {
		struct oodd_comparison c = {0};
		memset(window, 0, n * sizeof *window);
		some = 0;
		for (size_t i = 0; i < WINDOW_ROWS; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			size_t row = (size_t)(seed >> 33) % CONFORM_FIT_ROWS;
			some += add(t, t->state, &rows->batch, row, row + 1, window, n);
		}
		if (some > 0 && t->d->compare(t->state, reference, all, window, some, &c) == 0 && c.expected > 0) {
			ratio += c.statistic / c.expected;
			compared++;
		}
	}
	conform_data_close(rows);
	free(reference);
	free(window);
	ratio /= (double)compared;
	if (compared == 0 || (ratio > .1 && ratio < 10))
		return true;
	return trial_wrong(t, "windows of the reference's own rows are %.3g times as far from it as expected", ratio);
}

static bool check_absurd(struct trial *t)
{
	static const int64_t values[] = {0, 1, -1, INT64_MAX, INT64_MIN, OODD_MOST_TERM, -OODD_MOST_TERM};
	struct oodd_comparison c = {0};
	size_t n, n_values = sizeof values / sizeof *values;
	int64_t *reference = vector_make(t, t->state, &n), *window = vector_make(t, t->state, &n);
	bool good = true;

	for (size_t i = 0; good && i < 8 * n_values; i++) {
		for (size_t k = 0; k < n; k++) {
			reference[k] = values[(i + k * (i / n_values)) % n_values];
			window[k] = values[(i / n_values + k) % n_values];
		}
		good = answer_check(t, t->d->compare(t->state, reference, 1 + (int64_t)i, window, i % 2 ? 1 : INT64_MAX, &c), &c);
	}
	free(reference);
	free(window);
	return good;
}

static bool check_add_width(struct trial *t)
{
	struct oodd_batch wide = t->rows->batch;
	size_t n;
	int64_t *v = vector_make(t, t->state, &n);
	bool good = true;

	wide.n = CONFORM_TRY_ROWS / 2;
	wide.embedding.width *= 2;
	wide.logits.width *= 2;
	if (t->d->fit && (t->d->needs & (OODD_NEEDS_EMBEDDING | OODD_NEEDS_LOGITS)) && t->d->accumulate(t->state, &wide, 0, 1, v) >= 0)
		good = trial_wrong(t, "vectors of another width than those learned from are added");
	free(v);
	return good;
}

static bool check_add_borrowed(struct trial *t)
{
	uint64_t before = conform_data_hash(t->rows);
	bool good = window_try(t, t->state, &t->rows->batch);

	return good && (conform_data_hash(t->rows) == before || trial_wrong(t, "it wrote into the batch it was lent"));
}

struct adder {
	const struct trial *trial;
	const int64_t *want;
	bool same;
};

static void *thread_add(void *argument)
{
	struct adder *a = argument;
	const struct trial *t = a->trial;
	size_t n;
	int64_t *v = vector_make(t, t->state, &n);

	a->same = true;
	for (int i = 0; i < 20; i++) {
		memset(v, 0, n * sizeof *v);
		a->same &= t->d->accumulate(t->state, &t->rows->batch, 0, CONFORM_TRY_ROWS, v) >= 0;
		a->same &= memcmp(v, a->want, n * sizeof *v) == 0;
	}
	free(v);
	return NULL;
}

static bool check_add_threads(struct trial *t)
{
	struct adder adders[4];
	pthread_t threads[4];
	size_t n;
	int64_t *want = vector_make(t, t->state, &n);
	bool good = add(t, t->state, &t->rows->batch, 0, CONFORM_TRY_ROWS, want, n) >= 0;

	for (size_t i = 0; i < 4; i++) {
		adders[i] = (struct adder){t, want, false};
		if (pthread_create(&threads[i], NULL, thread_add, &adders[i]))
			return trial_wrong(t, "no thread");
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		good &= adders[i].same;
	}
	free(want);
	return good || trial_wrong(t, "four threads on one state do not all add what one adds");
}

static bool adds(const struct trial *t)
{
	return t->d->accumulate != NULL;
}

const struct check conform_window_checks[] = {
	{"window: merging is addition, in any split and order", adds, check_adds},
	{"window: a row adds the same at any position", adds, check_add_neighbours},
	{"window: rows that are not finite", adds, check_add_odd},
	{"window: what is expected by chance", adds, check_law},
	{"window: vectors that nobody could add up", adds, check_absurd},
	{"window: another width is refused", adds, check_add_width},
	{"window: batches are only read", adds, check_add_borrowed},
	{"window: four threads on one state", adds, check_add_threads},
	{0},
};
