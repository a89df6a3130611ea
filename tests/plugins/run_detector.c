/* SPDX-License-Identifier: Apache-2.0
 * One detector, by the agent's own host, for tests in other languages:
 *
 *     run_detector DIR DETECTOR FIT|- SCORE OUT [OPTION=VALUE...]
 *
 * FIT and SCORE hold, in native byte order: int64 n, n_logits, n_embedding, has_predicted, n_numeric, n_category; n x n_logits floats;
 * n x n_embedding floats; n int32 predicted; for each numeric feature n doubles; for each categorical one int64 n_known and n int32
 * codes. OUT gets n floats, n status bytes, int64 n_bytes and the bytes that fit wrote; then for each of the first 100 rows int64
 * n_reasons and as many of kind, index, weight, as doubles. A SCORE of more than 4096 rows is scored in batches of 1000, as the agent
 * would. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "score/options.h"
#include "score/registry.h"

static void die(const char *what, const char *why)
{
	fprintf(stderr, "run_detector: %s: %s\n", what, why);
	exit(1);
}

static void *take(FILE *f, size_t n, size_t size)
{
	void *at = mem_aligned((n * size + 64) / 64 * 64 + 64);

	if (fread(at, size, n, f) != n)
		die("batch", "cut short");
	return at;
}

static void features_read(FILE *f, size_t n_numeric, size_t n_category, struct oodd_batch *b)
{
	struct oodd_numeric *numeric = mem_zero(n_numeric + 1, sizeof *numeric);
	struct oodd_category *category = mem_zero(n_category + 1, sizeof *category);

	for (size_t k = 0; k < n_numeric; k++)
		numeric[k] = (struct oodd_numeric){"number", take(f, b->n, sizeof(double))};
	for (size_t k = 0; k < n_category; k++) {
		int64_t *n_known = take(f, 1, sizeof *n_known);
		category[k] = (struct oodd_category){"word", take(f, b->n, sizeof(int32_t)), (int32_t)*n_known};
		free(n_known);
	}
	b->numeric = numeric;
	b->category = category;
	b->n_numeric = n_numeric;
	b->n_category = n_category;
}

static void batch_read(const char *path, struct oodd_batch *b)
{
	FILE *f = fopen(path, "rb");

	if (!f)
		die(path, strerror(errno));
	int64_t *head = take(f, 6, sizeof *head);
	size_t n = (size_t)head[0], logits = (size_t)head[1], embedding = (size_t)head[2];
	*b = (struct oodd_batch){.size = sizeof *b, .n = n, .n_classes = (int32_t)logits};
	if (logits)
		b->logits = (struct oodd_matrix){take(f, n * logits, sizeof(float)), logits};
	if (embedding)
		b->embedding = (struct oodd_matrix){take(f, n * embedding, sizeof(float)), embedding};
	if (head[3])
		b->predicted = take(f, n, sizeof(int32_t));
	features_read(f, (size_t)head[4], (size_t)head[5], b);
	free(head);
	fclose(f);
}

static void batch_free(struct oodd_batch *b)
{
	free((void *)(uintptr_t)b->logits.at);
	free((void *)(uintptr_t)b->embedding.at);
	free((void *)(uintptr_t)b->predicted);
	for (size_t k = 0; k < b->n_numeric; k++)
		free((void *)(uintptr_t)b->numeric[k].at);
	for (size_t k = 0; k < b->n_category; k++)
		free((void *)(uintptr_t)b->category[k].at);
	free((void *)(uintptr_t)b->numeric);
	free((void *)(uintptr_t)b->category);
}

#define MOST_FEATURES 256

/* Columns of features, from a row on: room for those of one part at a time. */
static void features_part(const struct oodd_batch *b, size_t from, struct oodd_batch *part)
{
	static struct oodd_numeric numeric[MOST_FEATURES];
	static struct oodd_category category[MOST_FEATURES];

	if (b->n_numeric > MOST_FEATURES || b->n_category > MOST_FEATURES)
		die("batch", "too many features");
	for (size_t k = 0; k < b->n_numeric; k++)
		numeric[k] = (struct oodd_numeric){b->numeric[k].name, b->numeric[k].at + from};
	for (size_t k = 0; k < b->n_category; k++)
		category[k] = (struct oodd_category){b->category[k].name, b->category[k].at + from, b->category[k].n_known};
	part->numeric = numeric;
	part->category = category;
}

/* Rows [from, from + n) as a batch of their own. */
static struct oodd_batch batch_part(const struct oodd_batch *b, size_t from, size_t n)
{
	struct oodd_batch part = *b;

	features_part(b, from, &part);

	part.n = n;
	part.logits.at = b->logits.at ? oodd_row(b->logits, from) : NULL;
	part.embedding.at = b->embedding.at ? oodd_row(b->embedding, from) : NULL;
	part.predicted = b->predicted ? b->predicted + from : NULL;
	return part;
}

static void score_all(const struct oodd_detector *d, const void *state, const struct oodd_batch *b, FILE *out)
{
	size_t most = b->n > 4096 ? 1000 : b->n;
	float *scores = mem_zero(b->n, sizeof *scores);
	uint8_t *status = mem_zero(b->n, 1);

	for (size_t from = 0; from < b->n; from += most) {
		struct oodd_batch part = batch_part(b, from, b->n - from < most ? b->n - from : most);
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
	struct oodd_reason reasons[2 * MOST_FEATURES];

	for (size_t i = 0; d->explain && i < b->n && i < 100; i++) {
		int64_t n = d->explain(state, b, i, reasons, 2 * MOST_FEATURES);
		if (n < 0)
			die(d->name, "explain failed");
		fwrite(&n, sizeof n, 1, out);
		for (int64_t k = 0; k < n; k++)
			fwrite((double[]){reasons[k].kind, (double)reasons[k].index, reasons[k].weight}, sizeof(double), 3, out);
	}
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
		batch_read(argv[3], &fit);
		if (detector_fit(d, options, n_options, &batches, 1, &bytes, &n, &e))
			die("fit", e.text);
	}
	if (detector_open(d, options, n_options, bytes, n, &state, &e))
		die("open", e.text);
	batch_read(argv[4], &score);
	FILE *out = fopen(argv[5], "wb");
	if (!out)
		die(argv[5], strerror(errno));
	score_all(d, state, &score, out);
	fwrite(&(int64_t){(int64_t)n}, sizeof(int64_t), 1, out);
	if (n)
		fwrite(bytes, 1, n, out);
	reasons_write(d, state, &score, out);
	if (fclose(out))
		die(argv[5], strerror(errno));
	detector_close(d, state);
	detector_options_free(options, n_options);
	batch_free(&fit);
	batch_free(&score);
	free(bytes);
	plugins_close(plugins);
	return 0;
}
