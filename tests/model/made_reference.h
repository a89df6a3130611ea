/* SPDX-License-Identifier: Apache-2.0
 * A small reference with something in every field, for tests and the fuzzer. */
#ifndef TESTS_MODEL_MADE_REFERENCE_H
#define TESTS_MODEL_MADE_REFERENCE_H

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/reference.h"

static inline double unit(uint64_t i, uint64_t seed)
{
	return hash_unit(hash_bytes(&i, sizeof i, seed));
}

static inline void table_fill(struct score_table *t, size_t n, size_t knots, uint64_t seed)
{
	float *scores = mem_alloc(n * sizeof *scores);

	for (size_t i = 0; i < n; i++)
		scores[i] = (float)log(unit(i, seed));
	score_table_make(t, scores, n, knots);
	free(scores);
}

static inline char **words(const char *a, const char *b)
{
	char **w = mem_zero(2, sizeof *w);

	w[0] = mem_copy_text(a);
	w[1] = mem_copy_text(b);
	return w;
}

static inline void measure_fill(
	struct measure *m, const char *name, enum measure_kind kind, size_t first)
{
	*m = (struct measure){.name = mem_copy_text(name),
		.kind = kind,
		.first = first,
		.below = MEASURE_NO_BIN,
		.above = MEASURE_NO_BIN,
		.other = MEASURE_NO_BIN,
		.missing = MEASURE_NO_BIN,
		.mistyped = MEASURE_NO_BIN,
		.sums = MEASURE_NO_BIN,
		.scale = 1.0};
}

static inline void detector_fill(struct reference_detector *d, const char *name)
{
	*d = (struct reference_detector){.name = mem_copy_text(name),
		.plugin_version = mem_copy_text("1.0"),
		.weight = 1.0,
		.agreement = (double)NAN,
		.held_out_flag_rate = 0.0101,
		.n_bytes = 5,
		.bytes = mem_copy("\0abc\xff", 5)};
	d->n_options = 1;
	d->options = mem_zero(1, sizeof *d->options);
	d->options[0] = (struct reference_option){mem_copy_text("k"), 50.0};
	table_fill(&d->table, 300, 64, 1);
	d->n_by_class = 2;
	d->by_class = mem_zero(2, sizeof *d->by_class);
	table_fill(&d->by_class[1], 100, 128, 2);
}

static inline void window_fill(struct reference_window *w, int64_t start_us, size_t width)
{
	*w = (struct reference_window){.start_us = start_us,
		.n = 7,
		.n_flagged = 1,
		.width = width,
		.v = mem_zero(width, sizeof(int64_t))};
	w->v[1] = 7;
	w->v[11] = 6; /* a mean's sum, and its terms */
	w->v[10] = -123456789012345;
}

static inline void measures_fill(struct reference *r)
{
	struct measure *m;

	r->measures = mem_zero(2, sizeof *r->measures);
	r->n_measures = 2;
	m = &r->measures[0];
	measure_fill(m, "class", MEASURE_CLASS, 0);
	m->words = words("no", "yes");
	m->n_words = 2;
	m->other = 2;
	m->n = 3;
	m->why = mem_copy_text("too few windows");
	m = &r->measures[1];
	measure_fill(m, "age", MEASURE_NUMERIC, 3);
	m->edges = mem_copy((double[]){-1.5, 0.1, 40.0}, 3 * sizeof(double));
	m->n_edges = 3;
	m->below = 4;
	m->above = 5;
	m->missing = 6;
	m->n = 7;
	m->least = -2;
	m->most = 90;
	m->sums = 10;
	m->mean = mem_zero(7, sizeof(double));
	m->base = mem_zero(7, sizeof(int64_t));
	for (size_t i = 0; i < 7; i++) {
		m->mean[i] = 1.0 / 7.0;
		m->base[i] = (int64_t)i * 1000003;
	}
	m->kappa = 123.456;
	m->judged = true;
	r->width = 12;
}

static inline void odd_fill(struct reference *r)
{
	r->rows = mem_zero(2, sizeof *r->rows);
	r->n_rows = 2;
	r->rows[0] = (struct reference_row){3, mem_copy_text("a3"), mem_copy_text("yes")};
	r->rows[1] = (struct reference_row){70, mem_copy_text(""), mem_copy_text("")};
	table_fill(&r->odd.logits, 300, 256, 7);
	table_fill(&r->odd.space, 100, 256, 8);
	r->odd.near_ = 0.01;
	r->odd.radius = 0.75;
	r->odd.n_held = 600;
	r->odd.n_group = 2;
	r->odd.classes = mem_zero(2, sizeof *r->odd.classes);
	r->odd.n_classes = 2;
	r->odd.classes[1] = 77;
}

/* Told how often the model is right, and by labels that came in two windows. */
static inline void performance_fill(struct reference *r)
{
	struct performance *p = &r->performance;
	struct reference *truth = reference_new();

	*p = (struct performance){.width = PERFORMANCE_WIDTH, .first = r->width, .basis = PERFORMANCE_LABELS, .score = PERFORMANCE_MAXLOGIT, .n = 300,
		.accuracy = 0.9, .threshold = -1.25, .atc = 0.9, .cbpe = 0.91, .confidence = 0.8, .atc_worth = 0.5, .gap_sd = 0.3};
	p->edges = mem_copy((double[]){0.5, 0.75}, 2 * sizeof(double));
	p->n_edges = 2;
	p->calibrated = mem_copy((double[]){0.25, 0.6, 1.0}, 3 * sizeof(double));
	p->n_calibrated = 3;
	p->sure = mem_copy((double[]){0.7, (double)NAN}, 2 * sizeof(double));
	p->n_sure = 2;
	r->width += p->width;
	truth->model = mem_copy_text("intent");
	truth->version = mem_copy_text("");
	truth->made_by = mem_copy_text("oodd test");
	truth->flag_rate = 0.01;
	truth->window_us = r->window_us;
	truth->measures = mem_zero(1, sizeof *truth->measures);
	truth->n_measures = 1;
	measure_fill(&truth->measures[0], "accuracy", MEASURE_ACCURACY, 0);
	truth->measures[0].words = mem_zero(1, sizeof(char *));
	truth->measures[0].words[0] = mem_copy_text("right");
	truth->measures[0].n_words = truth->measures[0].other = 1;
	truth->measures[0].n = truth->width = 2;
	p->truth = truth;
	performance_seal(p);
}

static inline struct reference *sample(void)
{
	struct reference *r = reference_new();

	r->model = mem_copy_text("intent");
	r->version = mem_copy_text("");
	r->made_by = mem_copy_text("oodd test");
	r->made_us = 1234567890123456;
	r->first_us = -5;
	r->logs = words("/var/log/a", "/var/log/b\xc3\xa9");
	r->n_logs = 2;
	r->n_cal_a = 300;
	r->n_logits = r->n_classes = 2;
	r->n_embedding = 768;
	r->classes = words("no", "yes");
	r->numeric = mem_zero(1, sizeof *r->numeric);
	r->numeric[0] = mem_copy_text("age");
	r->n_numeric = 1;
	r->category = mem_zero(1, sizeof *r->category);
	r->category[0] =
		(struct reference_category){mem_copy_text("job"), words("cook", "smith"), 2};
	r->n_category = 1;
	r->detectors = mem_zero(2, sizeof *r->detectors);
	detector_fill(&r->detectors[r->n_detectors++], "knn");
	detector_fill(&r->detectors[r->n_detectors++], "msp");
	r->ways = mem_zero(2, sizeof *r->ways);
	r->n_ways = 2;
	r->ways[0] = (struct reference_way){mem_copy((double[]){0.25, 1.5}, 2 * sizeof(double)), 2, -3.5};
	r->ways[1] = (struct reference_way){mem_copy((double[]){1.0, 0.0}, 2 * sizeof(double)), 2, 0.5};
	table_fill(&r->fused, 5000, 256, 3);
	r->partial = mem_zero(1, sizeof *r->partial);
	r->partial[0].members = 2;
	table_fill(&r->partial[0].table, 200, 256, 4);
	r->n_partial = 1;
	r->flag_rate = 0.01;
	r->window_us = 300000000;
	measures_fill(r);
	odd_fill(r);
	performance_fill(r);
	r->windows = mem_zero(2, sizeof *r->windows);
	r->n_windows = 2;
	window_fill(&r->windows[0], -600000000, r->width);
	window_fill(&r->windows[1], 300000000, r->width);
	r->others = mem_zero(1, sizeof *r->others);
	r->n_others = 1;
	window_fill(&r->others[0], 0, r->width);
	return r;
}

#endif
