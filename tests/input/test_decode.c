/* SPDX-License-Identifier: Apache-2.0
 * Lines into batches: every field, every refusal, and the books, which must balance whatever a log holds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "input/decode.h"

#define TS "\"ts\":\"2026-03-01T19:25:40.100Z\",\"model\":\"m\""
#define TS_US INT64_C(1772393140100000)

static struct decoder *decoder;
static struct decoded decoded;

static int64_t accepted(const struct decoded *d)
{
	int64_t rows = 0;

	for (size_t i = 0; i < d->n_batches; i++)
		rows += (int64_t)d->batches[i]->n;
	return rows;
}

static void books_balance(const struct decoded *d)
{
	struct tally all = {accepted(d), 0};

	for (size_t i = 0; i < d->n_batches; i++)
		for (size_t row = 0; row < d->batches[i]->n; row++)
			all.bytes += d->batches[i]->length[row];
	for (size_t i = 0; i < REJECT_N; i++) {
		all.records += d->counts.rejected[i].records;
		all.bytes += d->counts.rejected[i].bytes;
	}
	assert_int_equal(all.records, d->counts.read.records);
	assert_int_equal(all.bytes, d->counts.read.bytes);
	assert_int_equal(all.bytes, d->consumed);
}

/* The chunk lives in memory of exactly its size, so that valgrind and ASan see every byte read too far. */
static char *chunk;

static struct batch *run(const struct decode_options *options, const char *text, size_t n, bool final)
{
	decoder_close(decoder);
	decoded_done(&decoded);
	decoder = decoder_open(options);
	free(chunk);
	chunk = malloc(n ? n : 1);
	memcpy(chunk, text, n);
	decoder_run(decoder, chunk, n, 0, false, final, &decoded);
	books_balance(&decoded);
	return decoded.n_batches ? decoded.batches[0] : NULL;
}

static struct batch *take(const char *line)
{
	struct decode_options o = DECODE_OPTIONS;
	struct batch *b = run(&o, line, strlen(line), true);

	if (decoded.n_rejects)
		print_message("%s: %s\n", line, decoded.rejects[0].why);
	assert_int_equal(accepted(&decoded), 1);
	return b;
}

static const char *refuse_with(const struct decode_options *o, const char *line, enum reject_reason reason)
{
	run(o, line, strlen(line), true);
	if (decoded.counts.rejected[reason].records != 1)
		print_message("%s: %s %s\n", line, decoded.n_rejects ? reject_words[decoded.rejects[0].reason] : "taken",
			decoded.n_rejects ? decoded.rejects[0].why : "");
	assert_int_equal(accepted(&decoded), 0);
	assert_int_equal(decoded.counts.rejected[reason].records, 1);
	return decoded.n_rejects ? decoded.rejects[0].why : "";
}

static const char *refuse(const char *line, enum reject_reason reason)
{
	return refuse_with(&DECODE_OPTIONS, line, reason);
}

static int done(void **state)
{
	(void)state;
	decoder_close(decoder);
	decoded_done(&decoded);
	free(chunk);
	return 0;
}

#define assert_text(t, expected)                                                                                       \
	do {                                                                                                           \
		assert_int_equal((t).n, strlen(expected));                                                             \
		assert_memory_equal((t).at, expected, (t).n);                                                          \
	} while (0)

static void reads_every_field(void **state)
{
	static const char line[] = "{\"ts\":\"2026-03-01T19:25:40.100Z\",\"id\":\"a-1\",\"model\":\"m\",\"version\":\"2\","
		"\"features\":{\"n\":3,\"w\":\"caf\\u00e9\",\"b\":true,\"z\":null},\"embedding\":[1,-2.5,3e2],\"logits\":[0.5,-0.25],"
		"\"prediction\":\"yes\",\"confidence\":0.75,\"tags\":{\"region\":\"eu\"},\"metrics\":{\"ms\":12.5},"
		"\"text\":\"h\xc3\xa9\",\"extra\":{\"a\":[1,{\"b\":null}]}}\n";
	const struct batch *b = take(line);
	const struct column *c;

	(void)state;
	assert_string_equal(b->model, "m");
	assert_string_equal(b->version, "2");
	assert_int_equal(b->time_us[0], TS_US);
	assert_int_equal(b->offset[0], 0);
	assert_int_equal(b->length[0], sizeof line - 1);
	assert_text(b->id[0], "a-1");
	assert_int_equal(b->hash[0], hash_bytes("a-1", 3, 0));
	assert_text(b->prediction[0], "yes");
	assert_text(b->label_text[0], "h\xc3\xa9");
	assert_true(b->label_text[0].at > chunk && b->label_text[0].at < chunk + sizeof line);
	assert_true(b->confidence[0] == 0.75);
	assert_int_equal(b->n_logits, 2);
	assert_true(b->logits[0] == 0.5f && b->logits[1] == -0.25f && !b->logits_normalised);
	assert_int_equal(b->n_embedding, 3);
	assert_true(b->embedding[0] == 1 && b->embedding[1] == -2.5f && b->embedding[2] == 300);
	assert_int_equal(b->features.n, 4);
	c = columns_find(&b->features, "n");
	assert_true(c->kind[0] == CELL_NUMBER && c->number[0] == 3);
	c = columns_find(&b->features, "w");
	assert_int_equal(c->kind[0], CELL_TEXT);
	assert_text(c->text[0], "caf\xc3\xa9");
	c = columns_find(&b->features, "b");
	assert_true(c->kind[0] == CELL_BOOL && c->number[0] == 1);
	assert_int_equal(columns_find(&b->features, "z")->kind[0], CELL_NULL);
	assert_text(columns_find(&b->tags, "region")->text[0], "eu");
	assert_true(columns_find(&b->metrics, "ms")->number[0] == 12.5);
	assert_int_equal(decoded.first_us, TS_US);
	assert_int_equal(decoded.newest_us, TS_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_field),
	};

	(void)refuse;
	return cmocka_run_group_tests(tests, NULL, done);
}
