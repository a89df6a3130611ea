/* SPDX-License-Identifier: Apache-2.0
 *
 * What the conformance kit checks: each function holds a fitted detector to one promise of include/oodd/detector.h, and says in
 * a sentence how it was broken. Batch independence is compared bit for bit, since replay and run must agree.
 */
#include "score/conform_checks.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "score/options.h"

#define LARGE_ROWS 100000

bool trial_wrong(struct trial *t, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(t->why, sizeof t->why, format, list);
	va_end(list);
	return false;
}

/* Room for what score writes, with a guard behind it. */
struct result {
	size_t n;
	float *scores;
	uint8_t *status;
};

static struct result result_make(size_t n)
{
	struct result r = {n, mem_alloc((n + 4) * sizeof(float)), mem_alloc(n + 16)};

	for (size_t i = 0; i < n + 4; i++)
		r.scores[i] = -12345;
	memset(r.status, OODD_ROW_SCORED, n);
	memset(r.status + n, 0x5a, 16);
	return r;
}

static bool result_guarded(const struct result *r)
{
	bool good = true;

	for (size_t i = 0; i < 4; i++)
		good &= r->scores[r->n + i] == -12345;
	for (size_t i = 0; i < 16; i++)
		good &= r->status[r->n + i] == 0x5a;
	return good;
}

static void result_free(struct result *r)
{
	free(r->scores);
	free(r->status);
}

static bool same_bits(float a, float b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

/* Scores a batch into r, adds it up; false with a sentence. */
static bool score(struct trial *t, const void *state, const struct oodd_batch *b, struct result *r)
{
	int code = t->d->score ? t->d->score(state, b, r->scores, r->status) : 0;

	if (t->d->accumulate && !window_try(t, state, b))
		return false;
	if (code)
		return trial_wrong(t, "score returned %d for %zu rows", code, b->n);
	return result_guarded(r) || trial_wrong(t, "score wrote beyond its %zu rows", b->n);
}

/* ---- the checks ---- */

static bool check_complete_rows(struct trial *t)
{
	for (size_t i = 0; i < CONFORM_TRY_ROWS; i++) {
		if (t->status[i] == OODD_ROW_UNSCORED)
			return trial_wrong(t, "row %zu is complete, and was not scored", i);
		if (!isfinite(t->scores[i]))
			return trial_wrong(t, "row %zu has a score that is not finite", i);
	}
	return true;
}

static bool check_refit(struct trial *t)
{
	const struct oodd_batch *batches = &t->fit->batch;
	void *bytes = NULL;
	size_t n = 0;
	struct error e = {""};

	if (detector_fit(t->d, t->options, t->n_options, &batches, 1, &bytes, &n, &e))
		return trial_wrong(t, "%s", e.text);
	bool same = n == t->n_bytes && (n == 0 || memcmp(bytes, t->bytes, n) == 0);
	free(bytes);
	return same || trial_wrong(t, "fitting twice on the same rows gave different bytes");
}

static bool check_few_rows(struct trial *t)
{
	for (size_t n = 0; n < 4; n++) {
		struct conform_data *few = conform_data_open(n, 3);
		const struct oodd_batch *batches = &few->batch;
		void *bytes = NULL, *state = NULL;
		size_t n_bytes = 0;
		struct error e = {""};
		struct result r = result_make(CONFORM_TRY_ROWS);
		bool good = true;
		if (detector_fit(t->d, t->options, t->n_options, &batches, n ? 1 : 0, &bytes, &n_bytes, &e) == 0 &&
			detector_open(t->d, t->options, t->n_options, bytes, n_bytes, &state, &e) == 0)
			good = score(t, state, &t->rows->batch, &r);
		detector_close(t->d, state);
		free(bytes);
		result_free(&r);
		conform_data_close(few);
		if (!good)
			return false;
	}
	return true;
}

static bool check_reopen(struct trial *t)
{
	for (int i = 0; i < 20; i++) {
		void *state = NULL;
		struct error e = {""};
		struct result r = result_make(CONFORM_TRY_ROWS);
		bool good = detector_open(t->d, t->options, t->n_options, t->bytes, t->n_bytes, &state, &e) == 0 || trial_wrong(t, "%s", e.text);
		good = good && score(t, state, &t->rows->batch, &r);
		if (good && t->d->score && memcmp(r.scores, t->scores, CONFORM_TRY_ROWS * sizeof(float)) != 0)
			good = trial_wrong(t, "opened again, it gives other scores");
		detector_close(t->d, state);
		result_free(&r);
		if (!good)
			return false;
	}
	return true;
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
/* Bytes that malloc has handed out; a sanitizer's malloc says 0. */
static size_t bytes_held(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
#else
static size_t bytes_held(void)
{
	return 0;
}
#endif

static bool open_once(struct trial *t, const struct oodd_batch *b)
{
	struct result r = result_make(b->n);
	void *state = NULL;
	struct error e = {""};
	bool good = detector_open(t->d, t->options, t->n_options, t->bytes, t->n_bytes, &state, &e) == 0 || trial_wrong(t, "%s", e.text);

	good = good && score(t, state, b, &r);
	detector_close(t->d, state);
	result_free(&r);
	return good;
}

static bool check_leaks(struct trial *t)
{
	enum { WARM = 8, ROUNDS = 32, LEAST = 16 };
	struct oodd_batch few = t->rows->batch;
	size_t before = 0, after;

	few.n = 20;
	for (int i = 0; i < WARM + ROUNDS; i++) {
		if (!open_once(t, &few))
			return false;
		before = i == WARM - 1 ? bytes_held() : before;
	}
	after = bytes_held();
	return after < before + ROUNDS * LEAST ||
		trial_wrong(t, "%zu bytes are held after %d times open, score and close that were not before", after - before, ROUNDS);
}

static bool check_needs(struct trial *t)
{
	struct oodd_batch bare = conform_data_bare(t->rows, t->d->needs);
	struct result r = result_make(CONFORM_TRY_ROWS);
	bool good = score(t, t->state, &bare, &r);

	if (good && t->d->score && memcmp(r.scores, t->scores, CONFORM_TRY_ROWS * sizeof(float)) != 0)
		good = trial_wrong(t, "without what it does not need it gives other scores");
	result_free(&r);
	return good;
}

static bool check_empty(struct trial *t)
{
	struct oodd_batch none = t->rows->batch;
	struct result r = result_make(0);

	none.n = 0;
	bool good = score(t, t->state, &none, &r);
	result_free(&r);
	return good;
}

/* Row i of the trial among `n` others at `position`: the same bits as before? */
static bool among(struct trial *t, struct conform_data *others, size_t i, size_t n, size_t position)
{
	struct result r = result_make(n);
	struct oodd_batch b = others->batch;

	b.n = n;
	conform_data_copy(others, position, t->rows, i);
	bool good = score(t, t->state, &b, &r);
	if (good && (!same_bits(r.scores[position], t->scores[i]) || r.status[position] != t->status[i]))
		good = trial_wrong(t, "row %zu scores %.9g in a batch of %d, and %.9g at position %zu of %zu", i, (double)t->scores[i], CONFORM_TRY_ROWS,
			(double)r.scores[position], position, n);
	result_free(&r);
	return good;
}

static bool check_neighbours(struct trial *t)
{
	static const size_t sizes[] = {1, 2, 3, 5, 7, 12, 31, 64, 97, 256, 257};
	struct conform_data *others = conform_data_open(257, 99);
	bool good = true;

	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0] && good; s++)
		for (size_t i = 0; i < CONFORM_TRY_ROWS && good; i += 11)
			good = among(t, others, i, sizes[s], (i * 7 + s) % sizes[s]);
	/* One row through every position: products in tiles differ by it. */
	for (size_t position = 0; position < 257 && good; position++)
		good = among(t, others, 42, 257, position);
	conform_data_close(others);
	return good;
}

static bool check_odd_neighbours(struct trial *t)
{
	const float values[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f, 0};
	size_t n_values = sizeof values / sizeof values[0];
	struct conform_data *rows = conform_data_open(CONFORM_TRY_ROWS, 5);
	struct result r = result_make(CONFORM_TRY_ROWS);

	/* Every third row is odd: one value of it, or all of them (those the host marks beforehand). */
	for (size_t i = 0; i < CONFORM_TRY_ROWS; i++) {
		conform_data_copy(rows, i, t->rows, i);
		if (i % 3)
			continue;
		bool whole = i % 2;
		float value = whole && i % 5 ? NAN : values[i / 3 % n_values];
		for (size_t j = 0; j < (whole ? CONFORM_WIDTH : 1); j++)
			rows->embedding[i * CONFORM_WIDTH + (whole ? j : i % CONFORM_WIDTH)] = value;
		for (size_t j = 0; j < (whole ? CONFORM_CLASSES : 1); j++)
			rows->logits[i * CONFORM_CLASSES + (whole ? j : i % CONFORM_CLASSES)] = value;
		for (size_t j = 0; j < CONFORM_NUMERIC; j++)
			rows->number[j][i] = whole || j == 0 ? (double)value : rows->number[j][i];
		rows->predicted[i] = whole ? -1 : rows->predicted[i];
		if (whole && isnan(value) && t->d->needs)
			r.status[i] = OODD_ROW_UNSCORED;
	}
	bool good = score(t, t->state, &rows->batch, &r);
	for (size_t i = 0; i < CONFORM_TRY_ROWS && good; i++) {
		bool marked = i % 3 == 0 && i % 2 && i % 5 && t->d->needs;
		if (i % 3 && !same_bits(r.scores[i], t->scores[i]))
			good = trial_wrong(t, "row %zu changed because another row of its batch is not finite", i);
		else if (marked && r.status[i] != OODD_ROW_UNSCORED)
			good = trial_wrong(t, "row %zu was marked as lacking what is needed, and came back scored", i);
		else if (r.status[i] == OODD_ROW_SCORED && !isfinite(r.scores[i]))
			good = trial_wrong(t, "row %zu, which is not finite, is called scored with %g", i, (double)r.scores[i]);
	}
	result_free(&r);
	conform_data_close(rows);
	return good;
}

static bool check_large(struct trial *t)
{
	struct conform_data *large = conform_data_open(LARGE_ROWS, 11);
	struct result r = result_make(LARGE_ROWS);

	for (size_t i = 0; i < CONFORM_TRY_ROWS; i++)
		conform_data_copy(large, i * (LARGE_ROWS / CONFORM_TRY_ROWS) + i % 7, t->rows, i);
	bool good = score(t, t->state, &large->batch, &r);
	for (size_t i = 0; i < CONFORM_TRY_ROWS && good; i++)
		if (!same_bits(r.scores[i * (LARGE_ROWS / CONFORM_TRY_ROWS) + i % 7], t->scores[i]))
			good = trial_wrong(t, "row %zu scores otherwise among %d", i, LARGE_ROWS);
	result_free(&r);
	conform_data_close(large);
	return good;
}

static bool check_borrowed(struct trial *t)
{
	struct result r = result_make(CONFORM_TRY_ROWS);
	uint64_t before = conform_data_hash(t->rows);
	bool good = score(t, t->state, &t->rows->batch, &r);

	result_free(&r);
	return good && (conform_data_hash(t->rows) == before || trial_wrong(t, "it wrote into the batch it was lent"));
}

static bool check_width(struct trial *t)
{
	struct oodd_batch wide = t->rows->batch;
	struct result r = result_make(CONFORM_TRY_ROWS);
	bool good = true;

	/* The same memory read as fewer, wider rows. */
	wide.n = CONFORM_TRY_ROWS / 2;
	wide.embedding.width *= 2;
	if (t->d->fit && (t->d->needs & OODD_NEEDS_EMBEDDING) && t->d->score(t->state, &wide, r.scores, r.status) == 0)
		good = trial_wrong(t, "embeddings of %zu dimensions are scored, it learned %d", wide.embedding.width, CONFORM_WIDTH);
	result_free(&r);
	return good;
}

struct runner {
	struct trial *trial;
	bool same;
};

static void *thread_run(void *argument)
{
	struct runner *run = argument;
	const struct trial *t = run->trial;
	struct result r = result_make(CONFORM_TRY_ROWS);

	run->same = true;
	for (int i = 0; i < 40; i++) {
		run->same &= t->d->score(t->state, &t->rows->batch, r.scores, r.status) == 0;
		run->same &= memcmp(r.scores, t->scores, CONFORM_TRY_ROWS * sizeof(float)) == 0;
	}
	result_free(&r);
	return NULL;
}

static bool check_threads(struct trial *t)
{
	struct runner runs[4];
	pthread_t threads[4];
	bool good = true;

	for (size_t i = 0; i < 4; i++) {
		runs[i] = (struct runner){t, false};
		if (pthread_create(&threads[i], NULL, thread_run, &runs[i]))
			return trial_wrong(t, "no thread");
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		good &= runs[i].same;
	}
	return good || trial_wrong(t, "four threads on one state do not all get the scores that one gets");
}

/* Bytes that may be anything: refused, or opened and scored with, but survived. */
static void garbled_try(struct trial *t, const void *bytes, size_t n)
{
	void *exact = n ? mem_copy(bytes, n) : NULL, *state = NULL;
	struct result r = result_make(CONFORM_TRY_ROWS);
	struct error e = {""};

	if (detector_open(t->d, t->options, t->n_options, exact, n, &state, &e) == 0) {
		struct oodd_batch few = t->rows->batch;
		few.n = 20;
		score(t, state, &few, &r);
		struct oodd_reason reasons[4];
		if (t->d->explain)
			t->d->explain(state, &few, 3, reasons, 4);
		detector_close(t->d, state);
	}
	free(exact);
	result_free(&r);
}

static bool check_garbled(struct trial *t)
{
	uint8_t *bytes = mem_copy(t->bytes, t->n_bytes);
	uint64_t seed = 17;

	for (size_t n = 0; n < t->n_bytes; n = n < 64 ? n + 1 : n + 1 + t->n_bytes / 60)
		garbled_try(t, bytes, n);
	for (size_t i = 0; i < 200; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		size_t at = (size_t)(seed >> 20) % (i % 2 ? t->n_bytes : t->n_bytes < 64 ? t->n_bytes : 64);
		uint8_t kept = bytes[at];
		bytes[at] = (uint8_t)(seed >> 12);
		garbled_try(t, bytes, t->n_bytes);
		bytes[at] = kept;
	}
	free(bytes);
	return true;
}

static bool option_try(struct trial *t, const struct oodd_option *o, double value)
{
	struct reference_option *options = mem_copy(t->options, t->n_options * sizeof *options);
	const struct oodd_batch *batches = &t->fit->batch;
	struct result r = result_make(CONFORM_TRY_ROWS);
	void *bytes = NULL, *state = NULL;
	size_t n = 0;
	struct error e = {""};
	bool good = true;

	options[o - t->d->options].value = value;
	/* A refusal is an answer: 1000 neighbours of 630 rows. */
	if (detector_fit(t->d, options, t->n_options, &batches, 1, &bytes, &n, &e) == 0 &&
		detector_open(t->d, options, t->n_options, bytes, n, &state, &e) == 0)
		good = score(t, state, &t->rows->batch, &r);
	detector_close(t->d, state);
	free(bytes);
	free(options);
	result_free(&r);
	return good;
}

static bool check_options(struct trial *t)
{
	for (const struct oodd_option *o = t->d->options; o && o->name; o++) {
		bool ranged = o->type == OODD_OPTION_INT || o->type == OODD_OPTION_REAL;
		double last = 1;
		for (const char *c = o->type == OODD_OPTION_CHOICE ? o->choices : ""; *c; c++)
			last += *c == ' ';
		if (!option_try(t, o, ranged ? o->least : 0) || !option_try(t, o, ranged ? o->most : o->type == OODD_OPTION_CHOICE ? last - 1 : 1))
			return false;
	}
	return true;
}

/* ---- the table ---- */

static bool always(const struct trial *t)
{
	(void)t;
	return true;
}

static bool scores(const struct trial *t)
{
	return t->d->score != NULL;
}

static bool learns(const struct trial *t)
{
	return t->n_bytes > 0;
}

static bool has_options(const struct trial *t)
{
	return t->n_options > 0;
}

const struct check conform_checks[] = {
	{"complete rows are scored", scores, check_complete_rows},
	{"an empty batch", always, check_empty},
	{"a row's bits depend on no neighbour, number or position", scores, check_neighbours},
	{"rows that are not finite", scores, check_odd_neighbours},
	{"a batch of 100000 rows", scores, check_large},
	{"nothing but what it needs", always, check_needs},
	{"batches are only read", scores, check_borrowed},
	{"another width is refused", scores, check_width},
	{"four threads on one state", scores, check_threads},
	{"opened and closed again and again", always, check_reopen},
	{"what open and score take is given back", always, check_leaks},
	{"fitted twice, the same bytes", learns, check_refit},
	{"fitted on next to nothing", learns, check_few_rows},
	{"bytes cut short and garbled", learns, check_garbled},
	{"options at their limits", has_options, check_options},
	{0},
};
