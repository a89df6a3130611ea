/* SPDX-License-Identifier: Apache-2.0
 * What labels look like as they come in: a small reference whose records are labels. How often the prediction was right, which
 * classes are true, and, where there are few of them, which are true where one is predicted: features may explain how the true
 * classes come and go (a season), and then only the last says that what they mean has changed.
 *
 * Its windows are those in which labels came, not those of the predictions: that is the order in which they will come. */
#include "score/fit_work.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/performance.h"
#include "score/slicer.h"

#include <stdlib.h>
#include <string.h>

#define MOST_WINDOWS 1000

struct known {
	const char *label, *predicted; /* predicted: of f->r, or NULL */
	int64_t time_us;
	bool right;
};

struct truths {
	struct fit *f;
	struct known *at;
	size_t n;
	struct reference *r; /* being made */
};

static const char *predicted_of(const struct fit *f, const struct batch *b, size_t row)
{
	int32_t class = b->prediction[row].at ? fit_class(f->r, b->prediction[row].at, b->prediction[row].n) : -1;

	return class >= 0 ? f->r->classes[class] : NULL;
}

static void rows_take(struct truths *t)
{
	const struct fit *f = t->f;

	for (size_t i = 0; i < f->n_rows; i++) {
		const struct fit_row *row = &f->rows[i];
		const struct batch *b = f->batches[row->batch];
		struct text said = b->prediction[row->row];

		if (!row->label.class || !fit_row_calibrates(f, i) || !said.at)
			continue;
		t->at[t->n++] = (struct known){row->label.class, predicted_of(f, b, row->row),
			row->label.time_us == TIME_NONE ? row->time_us : row->label.time_us,
			strlen(row->label.class) == said.n && memcmp(row->label.class, said.at, said.n) == 0};
	}
}

static int by_time(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return (x->time_us > y->time_us) - (x->time_us < y->time_us);
}

static int by_label(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->label, ((const struct known *)b)->label);
}

struct word {
	const char *text;
	size_t n;
};

static int by_count(const void *a, const void *b)
{
	const struct word *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return strcmp(x->text, y->text);
}

/* Labels, commonest first; one that a single record has counts as never seen, as it would have been. */
static size_t words_of(struct truths *t, struct word **ret)
{
	struct word *words = mem_zero(t->n + 1, sizeof *words);
	size_t n = 0, kept = 0;

	qsort(t->at, t->n, sizeof *t->at, by_label);
	for (size_t i = 0; i < t->n; i++) {
		if (i == 0 || strcmp(t->at[i].label, t->at[i - 1].label) != 0)
			words[n++] = (struct word){t->at[i].label, 0};
		words[n - 1].n++;
	}
	qsort(words, n, sizeof *words, by_count);
	while (kept < n && words[kept].n > 1)
		kept++;
	*ret = words;
	return kept;
}

static struct measure *measure_new(struct reference *r, char *name, enum measure_kind kind)
{
	struct measure *m;

	r->measures = mem_grow(r->measures, r->n_measures + 1, sizeof *r->measures);
	m = &r->measures[r->n_measures++];
	*m = (struct measure){.name = name, .kind = kind, .first = r->width, .below = MEASURE_NO_BIN, .above = MEASURE_NO_BIN,
		.other = MEASURE_NO_BIN, .missing = MEASURE_NO_BIN, .mistyped = MEASURE_NO_BIN, .sums = MEASURE_NO_BIN, .scale = 1.0};
	return m;
}

static void measure_ready(struct reference *r, struct measure *m)
{
	m->n = m->n_words + 1;
	m->other = m->n_words;
	m->base = mem_zero(m->n, sizeof *m->base);
	r->width += m->n;
}

static void accuracy_add(struct reference *r)
{
	struct measure *m = measure_new(r, mem_copy_text("accuracy"), MEASURE_ACCURACY);

	m->words = mem_zero(1, sizeof *m->words);
	m->words[m->n_words++] = mem_copy_text("right");
	measure_ready(r, m);
}

static void label_add(const struct truths *t, char *name, const struct word *words, size_t n)
{
	struct measure *m = measure_new(t->r, name, MEASURE_LABEL);
	size_t most = t->f->o.words, kept = n <= most ? n : most;

	m->words = mem_zero(kept + 1, sizeof *m->words);
	for (size_t i = 0; i < kept; i++)
		m->words[m->n_words++] = mem_copy_text(words[i].text);
	if (kept < n)
		m->words[m->n_words++] = mem_copy_text(MEASURE_RARE_WORD);
	measure_ready(t->r, m);
}

static void measures_add(struct truths *t)
{
	const struct reference *of = t->f->r;
	struct word *words;
	size_t n = words_of(t, &words), given = 0;

	accuracy_add(t->r);
	label_add(t, mem_copy_text(TRUTH_LABEL), words, n);
	for (size_t i = 0; i < of->n_classes; i++)
		given += of->classes[i][0] != '\0';
	for (size_t i = 0; i < of->n_classes && given <= PERFORMANCE_MOST_GIVEN; i++)
		if (of->classes[i][0] != '\0')
			label_add(t, mem_format(TRUTH_GIVEN "%s", of->classes[i]), words, n);
	free(words);
}

static int64_t start_of(int64_t time_us, int64_t window_us)
{
	int64_t rest = time_us % window_us;

	return time_us - rest - (rest < 0 ? window_us : 0);
}

static void base_add(struct reference *r, const int64_t *v)
{
	for (size_t k = 0; k < r->n_measures; k++)
		for (size_t i = 0; i < r->measures[k].n; i++)
			r->measures[k].base[i] += v[r->measures[k].first + i];
}

/* Every stretch of time in which labels came; all count for what is usual, the first and the last may be cut and are not kept. */
static void windows_make(struct truths *t)
{
	struct reference *r = t->r;
	size_t room = 0;

	qsort(t->at, t->n, sizeof *t->at, by_time);
	for (size_t i = 0, next; i < t->n; i = next) {
		struct reference_window w = {.start_us = start_of(t->at[i].time_us, r->window_us), .width = r->width,
			.v = mem_zero(r->width + 1, sizeof *w.v)};

		for (next = i; next < t->n && start_of(t->at[next].time_us, r->window_us) == w.start_us; next++, w.n++)
			truth_count(r, t->at[next].label, strlen(t->at[next].label), t->at[next].predicted, t->at[next].right, w.v);
		base_add(r, w.v);
		if (i == 0 || next == t->n) {
			free(w.v);
			continue;
		}
		if (r->n_windows == room) {
			room = room ? 2 * room : 64;
			r->windows = mem_grow(r->windows, room, sizeof *r->windows);
		}
		r->windows[r->n_windows++] = w;
	}
}

static void windows_thin(struct reference *r)
{
	size_t n = r->n_windows, kept = 0;

	for (size_t i = 0; i < n; i++)
		if (n <= MOST_WINDOWS || i * MOST_WINDOWS / n != (i + 1) * MOST_WINDOWS / n)
			r->windows[kept++] = r->windows[i];
		else
			free(r->windows[i].v);
	r->n_windows = kept;
}

void fit_truth(struct fit *f)
{
	const struct reference *of = f->r;
	struct truths t = {.f = f, .at = mem_zero(f->n_rows + 1, sizeof *t.at), .r = NULL};

	if (of->performance.basis == PERFORMANCE_LABELS && of->performance.width)
		rows_take(&t);
	if (t.n > 0) {
		t.r = reference_new();
		t.r->model = mem_copy_text(of->model);
		t.r->version = mem_copy_text(of->version);
		t.r->made_by = mem_copy_text(of->made_by);
		t.r->flag_rate = of->flag_rate;
		t.r->window_us = of->window_us;
		measures_add(&t);
		windows_make(&t);
		windows_thin(t.r);
		t.r->n_null = (int64_t)t.n;
		f->r->performance.truth = t.r;
	}
	free(t.at);
}

/* One batch of rows that have a label. */
static void opportunity_count(struct fit *f, const struct slicer *slicer, const struct batch *b, const char *const *labels, struct scored *scored)
{
	const struct reference *r = f->r;
	size_t n_tags = r->slices.n_tags;

	slicer_run(slicer, b, scored);
	for (size_t i = 0; i < b->n; i++) {
		struct text said = b->prediction[i];
		int8_t slice[SLICE_MOST_TAGS];

		for (size_t t = 0; t < n_tags; t++)
			slice[t] = (int8_t)scored->slice[i * n_tags + t];
		performance_opportunity_count(r, fit_class(r, labels[i], strlen(labels[i])),
			said.at && strlen(labels[i]) == said.n && memcmp(labels[i], said.at, said.n) == 0, slice, r->performance.opportunity);
	}
}

void fit_opportunity(struct fit *f)
{
	struct reference *r = f->r;
	size_t *sum_of = mem_zero(r->n_measures + 1, sizeof *sum_of);
	struct batch *b = batch_open("", 0, "", 0);
	const char *labels[FIT_ROWS];
	struct slicer *slicer = NULL;
	struct scored scored;

	scored_init(&scored);
	if (r->performance.truth && performance_opportunity_n(r) > 0 && (slicer = slicer_open(r, sum_of))) {
		r->performance.n_opportunity = performance_opportunity_n(r);
		r->performance.opportunity = mem_zero(r->performance.n_opportunity, sizeof(int64_t));
	}
	for (size_t i = 0; slicer && i < f->n_rows;) {
		size_t n = 0;

		batch_reset(b);
		for (; i < f->n_rows && n < FIT_ROWS; i++) {
			if (!fit_row_calibrates(f, i) || !f->rows[i].label.class)
				continue;
			labels[n] = f->rows[i].label.class;
			n += fit_rows_gather(f, i, i + 1, PARTS, b) > i;
		}
		opportunity_count(f, slicer, b, labels, &scored);
	}
	slicer_close(slicer);
	scored_done(&scored);
	batch_close(b);
	free(sum_of);
}
