/* SPDX-License-Identifier: Apache-2.0
 * Rows in the order of the file, columns by name, what is absent left out. */
#include "tests/input/decode_dump.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "input/json.h"

#define MUST(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                             \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

struct row_at {
	const struct batch *batch;
	size_t row;
};

static int by_offset(const void *a, const void *b)
{
	const struct row_at *x = a, *y = b;
	uint64_t left = x->batch->offset[x->row], right = y->batch->offset[y->row];

	return left < right ? -1 : left > right;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct column *const *)a)->name, (*(const struct column *const *)b)->name);
}

static void dump_text(struct buf *to, const char *name, struct text t)
{
	if (!t.at)
		return;
	MUST(json_utf8(t.at, t.n) == t.n);
	buf_format(to, " %s=", name);
	buf_json_text(to, t.at, t.n);
}

static void dump_cell(struct buf *to, const struct column *c, size_t row)
{
	buf_format(to, " %s:%d", c->name, c->kind[row]);
	MUST(isnan(c->number[row]) == (c->kind[row] != CELL_NUMBER && c->kind[row] != CELL_BOOL));
	if (c->kind[row] == CELL_NUMBER || c->kind[row] == CELL_BOOL)
		buf_format(to, "=%a", c->number[row]);
	if (c->kind[row] == CELL_TEXT)
		dump_text(to, "", c->text[row]);
}

static void dump_columns(struct buf *to, const char *name, const struct columns *columns, size_t row)
{
	const struct column **sorted = malloc((columns->n + 1) * sizeof *sorted);
	size_t n = 0;

	for (size_t i = 0; i < columns->n; i++)
		if (columns->at[i].kind[row] != CELL_ABSENT)
			sorted[n++] = &columns->at[i];
	qsort(sorted, n, sizeof *sorted, by_name);
	buf_format(to, " %s[", name);
	for (size_t i = 0; i < n; i++)
		dump_cell(to, sorted[i], row);
	buf_text(to, " ]");
	free(sorted);
}

static void dump_vector(struct buf *to, const char *name, const float *rows, size_t n, size_t row)
{
	const float *at = n ? rows + row * n : NULL;

	if (!at || isnan(at[0]))
		return;
	buf_format(to, " %s(", name);
	for (size_t i = 0; i < n; i++) {
		MUST(isfinite(at[i]));
		buf_format(to, " %a", (double)at[i]);
	}
	buf_text(to, " )");
}

static void dump_row(struct buf *to, const struct batch *b, size_t row)
{
	buf_format(to, "row %s/%s @%llu+%u t=%lld h=%llx", b->model, b->version, (unsigned long long)b->offset[row], b->length[row],
		(long long)b->time_us[row], (unsigned long long)b->hash[row]);
	dump_text(to, "id", b->id[row]);
	dump_text(to, "prediction", b->prediction[row]);
	dump_text(to, "text", b->label_text[row]);
	buf_format(to, " c=%a", isnan(b->confidence[row]) ? -1 : b->confidence[row]);
	dump_vector(to, b->logits_normalised ? "log_p" : "logits", b->logits, b->n_logits, row);
	dump_vector(to, "embedding", b->embedding, b->n_embedding, row);
	dump_columns(to, "features", &b->features, row);
	dump_columns(to, "tags", &b->tags, row);
	dump_columns(to, "metrics", &b->metrics, row);
	buf_text(to, "\n");
}

/* Every byte consumed is a row's or a reject's, and is counted once. */
static void books_check(const struct decoded *d)
{
	struct tally sum = {0, 0};
	size_t rows = 0;

	for (size_t i = 0; i < d->n_batches; i++) {
		MUST(!i || d->batches[i - 1]->n || !d->batches[i]->n);
		for (size_t row = 0; row < d->batches[i]->n; row++, rows++)
			sum.bytes += d->batches[i]->length[row];
	}
	sum.records = (int64_t)rows;
	for (size_t i = 0; i < REJECT_N; i++) {
		sum.records += d->counts.rejected[i].records;
		sum.bytes += d->counts.rejected[i].bytes;
	}
	MUST(sum.records == d->counts.read.records);
	MUST(sum.bytes == d->counts.read.bytes);
	MUST(sum.bytes == (int64_t)d->consumed);
}

static void dump_chunk(struct buf *to, const struct decoded *d, struct buf *rejects)
{
	struct row_at *rows = NULL;
	size_t n = 0;

	for (size_t i = 0; i < d->n_batches; i++)
		n += d->batches[i]->n;
	rows = malloc((n + 1) * sizeof *rows);
	n = 0;
	for (size_t i = 0; i < d->n_batches; i++)
		for (size_t row = 0; row < d->batches[i]->n; row++)
			rows[n++] = (struct row_at){d->batches[i], row};
	qsort(rows, n, sizeof *rows, by_offset);
	for (size_t i = 0; i < n; i++)
		dump_row(to, rows[i].batch, rows[i].row);
	free(rows);
	for (size_t i = 0; i < d->n_rejects; i++) {
		const struct reject *r = &d->rejects[i];

		buf_format(rejects, "reject @%llu+%llu %s \"%s\" %llx\n", (unsigned long long)r->offset, (unsigned long long)r->length,
			reject_words[r->reason], r->why, (unsigned long long)hash_bytes(r->at, r->kept, 0));
	}
}

static size_t next_step(uint64_t *seed, size_t step)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return 1 + (size_t)(*seed >> 20) % step;
}

static void dump_counts(struct buf *to, const struct counts *c)
{
	buf_format(to, "read %lld %lld\n", (long long)c->read.records, (long long)c->read.bytes);
	for (size_t i = 0; i < REJECT_N; i++)
		if (c->rejected[i].bytes)
			buf_format(to, "rejected %s %lld %lld\n", reject_words[i], (long long)c->rejected[i].records,
				(long long)c->rejected[i].bytes);
}

void decode_dump(const struct decode_options *options, const char *at, size_t n, size_t step, uint64_t seed, struct buf *to)
{
	struct decoder *d = decoder_open(options);
	struct decoded out[2]; /* two in flight, as in the agent */
	struct buf rejects = BUF_EMPTY;
	struct counts counts = {0};
	size_t begin = 0, end = 0;
	bool skipping = false;

	decoded_init(&out[0]);
	decoded_init(&out[1]);
	for (size_t turn = 0; begin < n || !turn; turn++) {
		struct decoded *o = &out[turn % 2];
		size_t more = step ? next_step(&seed, step) : n;
		char *chunk;

		end = more < n - end ? end + more : n;
		chunk = malloc(end - begin ? end - begin : 1);
		memcpy(chunk, at + begin, end - begin);
		decoded_reset(o);
		decoder_run(d, chunk, end - begin, begin, skipping, end == n, o);
		books_check(o);
		MUST(o->consumed <= end - begin && (end < n || o->consumed == end - begin));
		dump_chunk(to, o, &rejects);
		counts_add(&counts, &o->counts);
		skipping = o->skipping;
		begin += o->consumed;
		free(chunk);
	}
	if (rejects.n)
		buf_put(to, rejects.at, rejects.n);
	dump_counts(to, &counts);
	buf_done(&rejects);
	decoded_done(&out[0]);
	decoded_done(&out[1]);
	decoder_close(d);
}

static void compare(const struct decode_options *options, const char *at, size_t n, const struct buf *whole, size_t step, uint64_t seed)
{
	struct buf cut = BUF_EMPTY;

	decode_dump(options, at, n, step, seed, &cut);
	if (cut.n != whole->n || memcmp(cut.at, whole->at, cut.n)) {
		fprintf(stderr, "--- whole\n%.*s--- in steps of 1 to %zu, seed %llu\n%.*s", (int)whole->n, whole->at, step,
			(unsigned long long)seed, (int)cut.n, cut.at);
		abort();
	}
	buf_done(&cut);
}

void decode_dump_compare(const struct decode_options *options, const char *at, size_t n)
{
	struct buf whole = BUF_EMPTY;
	uint64_t seed = hash_bytes(at, n, 1) | 1;

	decode_dump(options, at, n, 0, 0, &whole);
	if (n <= 600)
		compare(options, at, n, &whole, 1, 1);
	compare(options, at, n, &whole, 1 + seed % 40, seed);
	compare(options, at, n, &whole, 1 + n / 3, seed);
	buf_done(&whole);
}

void decode_dump_fuzz(enum format format, const char *at, size_t n)
{
	struct decode_options plain = DECODE_OPTIONS, strange = DECODE_OPTIONS;

	plain.format = strange.format = format;
	strange.longest = 200;
	strange.deepest = 4;
	strange.most_columns = 3;
	strange.future_us = 1000000;
	strange.model = (char *)"m";
	strange.pointer[FIELD_FEATURES] = (char *)"";
	strange.pointer[FIELD_TAGS] = (char *)"/metrics";
	strange.pointer[FIELD_TIME] = (char *)"/features/0";
	strange.pointer[FIELD_EMBEDDING] = (char *)"/tags/0/e~1";
	strange.pointer[FIELD_ID] = (char *)"/features/0";
	if (n > 20000)
		return;
	decode_dump_compare(&plain, at, n);
	decode_dump_compare(&strange, at, n);
}
