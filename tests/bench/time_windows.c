/* SPDX-License-Identifier: Apache-2.0
 * What a closed window costs the judge:
 *
 *     time_windows REFERENCE [RECORDS [WINDOWS]]
 *
 * Windows of RECORDS records are drawn from the reference's own means, and judged one after another, as they are when all is
 * well. Prints microseconds of CPU a window, and a measure: the judgement alone, as in a self-test, and with the words for people. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "judge/judge.h"

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double uniform(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(*seed >> 11) * 0x1p-53;
}

static void draw(const struct measure *m, int64_t n, uint64_t *seed, int64_t *v)
{
	for (int64_t r = 0; r < n; r++) {
		double x = uniform(seed);
		size_t bin = 0;

		for (; bin + 1 < m->n && x >= m->mean[bin]; bin++)
			x -= m->mean[bin];
		v[m->first + bin]++;
	}
	if (m->sums == MEASURE_NO_BIN)
		return;
	v[m->sums] = (int64_t)((uniform(seed) - .5) * 0x1p20 * sqrt((double)n)); /* a mean that is a standard error or so off */
	v[m->sums + 1] = n;
}

static size_t n_judged(const struct reference *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_measures; i++)
		n += r->measures[i].judged;
	return n;
}

static double close_us(const struct reference *r, int64_t n, int64_t windows, bool wordless)
{
	struct judge_options options = JUDGE_OPTIONS;
	struct judge *j;
	uint64_t seed = 1;
	double spent = 0;

	options.wordless = wordless;
	j = judge_open(r, &options);
	for (int64_t i = 0; i < windows; i++) {
		struct window w;
		struct signal s;

		window_init(&w, i * r->window_us, (i + 1) * r->window_us, r->width);
		w.n = n;
		for (size_t k = 0; k < r->n_measures; k++)
			draw(&r->measures[k], n, &seed, w.v);
		double start = cpu_s();
		judge_window(j, &w, &s);
		signal_done(&s);
		spent += cpu_s() - start;
		window_done(&w);
	}
	judge_close(j);
	return spent / (double)windows * 1e6;
}

int main(int argc, char **argv)
{
	int64_t n = argc > 2 ? atoll(argv[2]) : 7500, windows = argc > 3 ? atoll(argv[3]) : 400;
	struct reference *r = NULL;
	struct error e = {""};

	if (argc < 2 || reference_read(argv[1], &r, &e)) {
		fprintf(stderr, "time_windows: %s\n", argc < 2 ? "which reference?" : e.text);
		return 1;
	}
	for (int wordless = 1; wordless >= 0; wordless--) {
		double us = close_us(r, n, windows, wordless);

		printf("a window of %lld records, %zu measures (%zu judged), closed by the judge%s: %.1f us, %.2f us a measure%s\n", (long long)n,
			r->n_measures, n_judged(r), wordless ? ", without words" : "", us, us / (double)r->n_measures, wordless ? "" : " (aim: 25 us)");
	}
	reference_close(r);
	return 0;
}
