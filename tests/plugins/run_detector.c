/* SPDX-License-Identifier: Apache-2.0
 * One detector, by the agent's own host, for tests in other languages:
 *
 *     run_detector DIR DETECTOR FIT|- SCORE OUT [OPTION=VALUE...]
 *
 * FIT and SCORE are batches in files (batch_file.h). OUT gets n floats, n status bytes, int64 n_bytes and the bytes that fit wrote;
 * then for each of the first 100 rows int64 n_reasons and as many of kind, index, weight, as doubles. A SCORE of more than 4096 rows is
 * scored in batches of 1000, as the agent would.
 *
 * Of a window detector FIT is the reference too: OUT gets int64 n_bytes and the bytes; int64 width; for FIT and then SCORE int64 how many
 * rows were added, and width int64; then as doubles statistic, expected, effect, and kind, index, before, after of each shift. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugins/batch_file.h"
#include "score/options.h"
#include "score/registry.h"

static void score_all(const struct oodd_detector *d, const void *state, const struct oodd_batch *b, FILE *out)
{
	size_t most = b->n > 4096 ? 1000 : b->n;
	float *scores = mem_zero(b->n, sizeof *scores);
	uint8_t *status = mem_zero(b->n, 1);

	for (size_t from = 0; from < b->n; from += most) {
		struct oodd_batch part = batch_file_part(b, from, b->n - from < most ? b->n - from : most);
		if (d->score(state, &part, scores + from, status + from))
			die(d->name, "score failed");
	}
	fwrite(scores, sizeof *scores, b->n, out);
	fwrite(status, 1, b->n, out);
	free(scores);
	free(status);
}

static void reasons_write(const struct oodd_detector *d, const void *state, const struct oodd_batch *b, FILE *out)
{
	struct oodd_reason reasons[2 * BATCH_FILE_MOST_FEATURES];

	for (size_t i = 0; d->explain && i < b->n && i < 100; i++) {
		int64_t n = d->explain(state, b, i, reasons, 2 * BATCH_FILE_MOST_FEATURES);
		if (n < 0)
			die(d->name, "explain failed");
		fwrite(&n, sizeof n, 1, out);
		for (int64_t k = 0; k < n; k++)
			fwrite((double[]){reasons[k].kind, (double)reasons[k].index, reasons[k].weight}, sizeof(double), 3, out);
	}
}

/* What the rows of b add up to, in parts of 100. */
static int64_t *vector_write(const struct oodd_detector *d, const void *state, const struct oodd_batch *b, FILE *out, int64_t *ret_n)
{
	size_t width = d->width(state);
	int64_t *v = mem_zero(width + 1, sizeof *v);

	*ret_n = 0;
	for (size_t from = 0; from < b->n; from += 100) {
		int added = d->accumulate(state, b, from, b->n - from < 100 ? b->n : from + 100, v);
		if (added < 0)
			die(d->name, "accumulate failed");
		*ret_n += added;
	}
	fwrite(ret_n, sizeof *ret_n, 1, out);
	fwrite(v, sizeof *v, width, out);
	return v;
}

static void windows_write(const struct oodd_detector *d, const void *state, const struct oodd_batch *fit, const struct oodd_batch *score, FILE *out)
{
	struct oodd_comparison c = {0};
	int64_t width = (int64_t)d->width(state), m, n, *reference, *window;

	fwrite(&width, sizeof width, 1, out);
	reference = vector_write(d, state, fit, out, &m);
	window = vector_write(d, state, score, out, &n);
	if (m <= 0 || n <= 0 || d->compare(state, reference, m, window, n, &c))
		die(d->name, "cannot be compared");
	fwrite((double[]){c.statistic, c.expected, c.effect}, sizeof(double), 3, out);
	for (size_t i = 0; i < c.n_shifts; i++)
		fwrite((double[]){c.shifts[i].kind, (double)c.shifts[i].index, c.shifts[i].before, c.shifts[i].after}, sizeof(double), 4, out);
	free(reference);
	free(window);
}

static void options_read(const struct oodd_detector *d, char **text, int n, struct reference_option **ret, size_t *ret_n)
{
	struct option_text given[16];
	struct error e = {""};

	for (int i = 0; i < n && i < 16; i++) {
		char *equals = strchr(text[i], '=');
		if (!equals)
			die(text[i], "expected OPTION=VALUE");
		*equals = 0;
		given[i] = (struct option_text){text[i], equals + 1};
	}
	if (detector_options(d, given, (size_t)n, ret, ret_n, &e))
		die("options", e.text);
}

int main(int argc, char **argv)
{
	const struct oodd_detector *d = NULL;
	struct reference_option *options = NULL;
	struct oodd_batch fit = {0}, score;
	const struct oodd_batch *batches = &fit;
	void *bytes = NULL, *state = NULL;
	size_t n_options = 0, n = 0;
	struct error e = {""};

	if (argc < 6)
		die("usage", "DIR DETECTOR FIT|- SCORE OUT [OPTION=VALUE...]");
	struct plugins *plugins = plugins_open((const char *const *)&argv[1], 1);
	if (plugins_find(plugins, argv[2], &d, &e))
		die(argv[1], e.text);
	options_read(d, argv + 6, argc - 6, &options, &n_options);
	if (strcmp(argv[3], "-") != 0) {
		batch_file_read(argv[3], &fit);
		if (detector_fit(d, options, n_options, &batches, 1, &bytes, &n, &e))
			die("fit", e.text);
	}
	if (detector_open(d, options, n_options, bytes, n, &state, &e))
		die("open", e.text);
	batch_file_read(argv[4], &score);
	FILE *out = fopen(argv[5], "wb");
	if (!out)
		die(argv[5], strerror(errno));
	if (d->score)
		score_all(d, state, &score, out);
	fwrite(&(int64_t){(int64_t)n}, sizeof(int64_t), 1, out);
	if (n)
		fwrite(bytes, 1, n, out);
	if (d->accumulate)
		windows_write(d, state, &fit, &score, out);
	else
		reasons_write(d, state, &score, out);
	if (fclose(out))
		die(argv[5], strerror(errno));
	detector_close(d, state);
	detector_options_free(options, n_options);
	batch_file_free(&fit);
	batch_file_free(&score);
	free(bytes);
	plugins_close(plugins);
	return 0;
}
