/* SPDX-License-Identifier: Apache-2.0
 * Batches from files: see batch_file.h. */
#include "plugins/batch_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
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

void batch_file_read(const char *path, struct oodd_batch *b)
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

void batch_file_free(struct oodd_batch *b)
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

/* Columns of features, from a row on: room for those of one part at a time. */
static void features_part(const struct oodd_batch *b, size_t from, struct oodd_batch *part)
{
	static struct oodd_numeric numeric[BATCH_FILE_MOST_FEATURES];
	static struct oodd_category category[BATCH_FILE_MOST_FEATURES];

	if (b->n_numeric > BATCH_FILE_MOST_FEATURES || b->n_category > BATCH_FILE_MOST_FEATURES)
		die("batch", "too many features");
	for (size_t k = 0; k < b->n_numeric; k++)
		numeric[k] = (struct oodd_numeric){b->numeric[k].name, b->numeric[k].at + from};
	for (size_t k = 0; k < b->n_category; k++)
		category[k] = (struct oodd_category){b->category[k].name, b->category[k].at + from, b->category[k].n_known};
	part->numeric = numeric;
	part->category = category;
}

struct oodd_batch batch_file_part(const struct oodd_batch *b, size_t from, size_t n)
{
	struct oodd_batch part = *b;

	features_part(b, from, &part);
	part.n = n;
	part.logits.at = b->logits.at ? oodd_row(b->logits, from) : NULL;
	part.embedding.at = b->embedding.at ? oodd_row(b->embedding, from) : NULL;
	part.predicted = b->predicted ? b->predicted + from : NULL;
	return part;
}
