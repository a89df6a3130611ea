/* SPDX-License-Identifier: Apache-2.0
 * The same records cut into windows of 5, 20, 80 and 320 (agent/judge/README.md, "Tiny windows"):
 *
 *     tiny_windows [REFERENCES]
 *
 * One measure of ten bins, 8,000 records of reference. After 4,000 ordinary records a shift, at once or growing over 20,000 records,
 * that lasts for 40,000. Prints after how many records it was found on average, in how many it was not, how often it was told again,
 * and false alarms before. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "judge/judge.h"
#include "judge/made.h"
#include "model/window.h"

#define BINS 10
#define RECORDS 8000
#define BEFORE 4000
#define AFTER 40000
#define GROWS 20000

struct shift {
	double psi;
	bool slow;
};

struct found {
	double records;
	long never, again, false_alarms;
};

static void shares(double psi, double own[BINS], double away[BINS])
{
	double own_all = 0, away_all = 0;

	for (size_t i = 0; i < BINS; i++) {
		own[i] = .04 + .012 * (double)i;
		own_all += own[i];
		away[i] = own[i] * exp(i % 2 ? sqrt(psi) / 2 : -sqrt(psi) / 2);
		away_all += away[i];
	}
	for (size_t i = 0; i < BINS; i++) {
		own[i] /= own_all;
		away[i] /= away_all;
	}
}

static void draw(const double share[BINS], size_t n, int64_t *v)
{
	memset(v, 0, BINS * sizeof *v);
	for (size_t i = 0; i < n; i++)
		v[made_pick(share, BINS)]++;
}

/* The budget is of time, and so is a window: as many false alarms may come of the same records. */
static struct reference *reference_of(size_t n, const double own[BINS], long seed)
{
	static const double edges[BINS - 1] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	struct judge_options options = JUDGE_OPTIONS;
	struct reference *r = reference_new();

	srand48(seed);
	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	r->window_us = INT64_C(300000000) * (int64_t)n / 80;
	r->n_measures = 1;
	r->measures = mem_zero(1, sizeof *r->measures);
	r->measures[0] = made_measure("x", MEASURE_NUMERIC, 0, BINS);
	made_edges(&r->measures[0], edges, BINS - 1);
	r->width = BINS;
	r->n_windows = RECORDS / n;
	r->windows = mem_zero(r->n_windows, sizeof *r->windows);
	for (size_t i = 0; i < r->n_windows; i++) {
		r->windows[i] = (struct reference_window){(int64_t)i * r->window_us, (int64_t)n, 0, BINS, mem_zero(BINS, sizeof(int64_t))};
		draw(own, n, r->windows[i].v);
	}
	options.season = SEASON_NONE;
	judge_learn(r, &options);
	return r;
}

static void stream(struct shift shift, size_t n, long seed, struct found *to)
{
	double own[BINS], away[BINS], now[BINS];
	struct reference *r;
	struct judge *j;
	struct window w;
	long first = 0;

	shares(shift.psi, own, away);
	r = reference_of(n, own, seed);
	j = judge_open(r, &JUDGE_OPTIONS);
	window_init(&w, 0, r->window_us, BINS);
	for (long at = -BEFORE; at < AFTER; at += (long)n) {
		double part = at < 0 ? 0 : shift.slow ? fmin(1, (double)at / GROWS) : 1;
		struct signal s;

		for (size_t k = 0; k < BINS; k++)
			now[k] = own[k] + part * (away[k] - own[k]);
		draw(now, n, w.v);
		w.n = (int64_t)n;
		judge_window(j, &w, &s);
		to->false_alarms += s.fresh && at < 0;
		to->again += s.fresh && first > 0;
		first = s.fresh && at >= 0 && first == 0 ? at + (long)n : first;
		signal_done(&s);
		w.start_us = w.end_us;
		w.end_us += r->window_us;
	}
	to->never += first == 0;
	to->records += (double)first;
	window_done(&w);
	judge_close(j);
	reference_close(r);
}

int main(int argc, char **argv)
{
	static const struct shift shifts[] = {{.1, false}, {.2, false}, {.4, false}, {2, false}, {.2, true}, {.4, true}};
	static const size_t sizes[] = {5, 20, 80, 320};
	long references = argc > 1 ? atol(argv[1]) : 6;

	for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++)
		for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
			struct found f = {0};
			for (long seed = 1; seed <= references; seed++)
				stream(shifts[i], sizes[k], seed, &f);
			printf("PSI %.1f %s, windows of %3zu: found after %6.0f records, never in %ld of %ld, told again %ld times, %ld false alarms before\n",
				shifts[i].psi, shifts[i].slow ? "slowly " : "at once", sizes[k], f.records / fmax(1, (double)(references - f.never)), f.never,
				references, f.again, f.false_alarms);
		}
	return 0;
}
