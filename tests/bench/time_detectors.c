/* SPDX-License-Identifier: Apache-2.0
 * Times detectors at the word of detectors.py, so that another implementation takes turns with them on the same rows:
 *
 *     time_detectors PLUGINS FIT SCORE OUT DETECTOR[:OPTION=VALUE]...
 *
 * fits each on FIT (both are batch files, tests/plugins/batch_file.h); then for each line "I BATCH" on standard input scores SCORE with
 * the I-th, BATCH rows at a time, writes the scores to OUT (floats), and answers with the seconds of CPU that a row took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "plugins/batch_file.h"
#include "score/options.h"
#include "score/registry.h"

#define MOST_DETECTORS 32

struct timed {
	const struct oodd_detector *detector;
	void *state;
};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void timed_open(struct timed *t, const struct plugins *plugins, char *what, const struct oodd_batch *fit)
{
	char *option = strchr(what, ':'), *value = option ? strchr(option, '=') : NULL;
	struct reference_option *options = NULL;
	size_t n_options = 0, n_bytes = 0;
	void *bytes = NULL;
	struct error e = {""};

	if (option)
		*option++ = 0;
	if (value)
		*value++ = 0;
	if (plugins_find(plugins, what, &t->detector, &e) ||
		detector_options(t->detector, &(struct option_text){option, value}, value ? 1 : 0, &options, &n_options, &e) ||
		detector_fit(t->detector, options, n_options, &fit, 1, &bytes, &n_bytes, &e) ||
		detector_open(t->detector, options, n_options, bytes, n_bytes, &t->state, &e))
		die(what, e.text);
	detector_options_free(options, n_options);
	free(bytes);
}

static double timed_run(const struct timed *t, const struct oodd_batch *b, size_t batch, float *scores, uint8_t *status)
{
	double start = cpu_s();

	memset(status, OODD_ROW_SCORED, b->n);
	for (size_t from = 0; from < b->n; from += batch) {
		struct oodd_batch part = batch_file_part(b, from, b->n - from < batch ? b->n - from : batch);
		if (t->detector->score(t->state, &part, scores + from, status + from))
			die(t->detector->name, "score failed");
	}
	return (cpu_s() - start) / (double)b->n;
}

static void scores_write(const char *path, const float *scores, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(scores, sizeof *scores, n, f) != n || fclose(f))
		die(path, "cannot be written");
}

static void serve(const struct timed *timed, int n, const struct oodd_batch *score, const char *out)
{
	float *scores = mem_alloc(score->n * sizeof *scores);
	uint8_t *status = mem_alloc(score->n);
	size_t batch;
	int i;

	while (scanf("%d %zu", &i, &batch) == 2 && i >= 0 && i < n && batch > 0) {
		double each = timed_run(&timed[i], score, batch, scores, status);
		scores_write(out, scores, score->n);
		printf("%.6e\n", each);
		fflush(stdout);
	}
	free(scores);
	free(status);
}

int main(int argc, char **argv)
{
	struct timed timed[MOST_DETECTORS];
	struct oodd_batch fit, score;
	int n = argc - 5;

	if (n < 1 || n > MOST_DETECTORS)
		die("usage", "PLUGINS FIT SCORE OUT DETECTOR[:OPTION=VALUE]...");
	struct plugins *plugins = plugins_open((const char *const *)&argv[1], 1);
	batch_file_read(argv[2], &fit);
	batch_file_read(argv[3], &score);
	for (int i = 0; i < n; i++)
		timed_open(&timed[i], plugins, argv[5 + i], &fit);
	serve(timed, n, &score, argv[4]);
	for (int i = 0; i < n; i++)
		detector_close(timed[i].detector, timed[i].state);
	batch_file_free(&fit);
	batch_file_free(&score);
	plugins_close(plugins);
	return 0;
}
