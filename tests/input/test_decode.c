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

static void takes_model_and_version_from_the_source(void **state)
{
	struct decode_options o = DECODE_OPTIONS;
	const struct batch *b;

	(void)state;
	o.model = (char *)"from-source";
	o.version = (char *)"7";
	b = run(&o, "{\"ts\":1795000000}\n", 18, true);
	assert_string_equal(b->model, "from-source");
	assert_string_equal(b->version, "7");
	b = run(&o, "{\"ts\":1795000000,\"model\":\"own\",\"version\":3}\n", 44, true);
	assert_string_equal(b->model, "own");
	assert_string_equal(b->version, "3");
	b = take("{\"ts\":1795000000,\"model\":\"m\"}\n");
	assert_string_equal(b->version, "");
	refuse("{\"ts\":1795000000}\n", REJECT_NO_MODEL);
	refuse("{\"ts\":1795000000,\"model\":\"\"}\n", REJECT_NO_MODEL);
	refuse("{\"ts\":1795000000,\"model\":null,\"features\":{\"a\":1}}\n", REJECT_NO_MODEL);
}

static void reads_times_however_written(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} times[] = {
		{"\"2026-03-01T19:25:40Z\"", TS_US - 100000}, {"\"2026-03-01 19:25:40.1Z\"", TS_US},
		{"\"2026-03-01T20:25:40.100+01:00\"", TS_US}, {"\"2026-03-01T19:25:40.123456789Z\"", TS_US + 23456},
		{"1772393140.1", TS_US}, {"1772393140", TS_US - 100000}, {"1772393140100", TS_US}, {"1772393140100.25", TS_US + 250},
		{"1772393140100000", TS_US}, {"1772393140100000999", TS_US}, {"\"1772393140.1\"", TS_US}, {"\"1772393140100000999\"", TS_US},
		{"1.7723931401e9", TS_US}, {"0", 0}, {"-1", -1000000}, {"\"1969-12-31T23:59:59Z\"", -1000000},
	};
	static const char *const not_times[] = {"\"soon\"", "\"\"", "true", "[]", "{}", "1e300", "NaN", "Infinity", "\"2026-02-30T00:00:00Z\"",
		"\"2026-03-01T25:00:00Z\"", "\"2026-03-01\"", "\"NaN\"", "1e19"};
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		snprintf(line, sizeof line, "{\"model\":\"m\",\"ts\":%s}\n", times[i].text);
		assert_int_equal(take(line)->time_us[0], times[i].us);
	}
	for (size_t i = 0; i < sizeof not_times / sizeof *not_times; i++) {
		snprintf(line, sizeof line, "{\"model\":\"m\",\"ts\":%s}\n", not_times[i]);
		refuse(line, REJECT_NO_TIME);
	}
	refuse("{\"model\":\"m\",\"ts\":null}\n", REJECT_NO_TIME);
	assert_string_equal(refuse("{\"model\":\"m\"}\n", REJECT_NO_TIME), "no time");
}

/* The short way for times of one day must say what time_parse says. */
static void reads_times_of_one_day_as_time_parse_does(void **state)
{
	static const char *const tails[] = {"T00:00:00Z", "T23:59:59.999999Z", "T12:34:56.1234567Z", " 12:34:56.000001Z", "T12:34:56.5+00:00",
		"T12:34:60Z", "T24:00:00Z", "T12:60:00Z", "T12:34:56.Z", "T12:34:5Z", "T12:34:56z", "t12:34:56Z", "T12:34:56,5Z", "T1a:34:56Z",
		"T12:34:56.1234567890Z", "T12:34:56.12345678x0Z", "T12:34:56", "T-1:34:56Z"};
	char lines[256], time[64];

	(void)state;
	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
		int64_t us = TIME_NONE;
		bool fine;

		snprintf(time, sizeof time, "2026-11-21%s", tails[i]);
		fine = !time_parse(time, strlen(time), &us);
		snprintf(lines, sizeof lines, "{\"model\":\"m\",\"ts\":\"2026-11-21T01:02:03Z\"}\n{\"model\":\"m\",\"ts\":\"%s\"}\n", time);
		run(&DECODE_OPTIONS, lines, strlen(lines), true);
		if (accepted(&decoded) != 1 + fine)
			print_message("%s\n", time);
		assert_int_equal(accepted(&decoded), 1 + fine);
		if (fine)
			assert_int_equal(decoded.batches[0]->time_us[1], us);
	}
}

static void makes_text_of_numbers_where_text_is_meant(void **state)
{
	const struct batch *b = take("{" TS ",\"id\":12345678901234567890,\"prediction\":1.50,\"text\":false}\n");

	(void)state;
	assert_text(b->id[0], "12345678901234567890");
	assert_text(b->prediction[0], "1.50");
	assert_text(b->label_text[0], "false");
	assert_null(take("{" TS ",\"prediction\":NaN}\n")->prediction[0].at);
	refuse("{" TS ",\"prediction\":[1]}\n", REJECT_WRONG_TYPE);
	refuse("{" TS ",\"id\":{}}\n", REJECT_WRONG_TYPE);
}

static void keeps_cells_apart(void **state)
{
	const struct batch *b = take("{" TS ",\"features\":{\"a\":1,\"b\":\"12\",\"c\":false,\"d\":null,\"e\":[1],\"f\":NaN,\"g\":-Infinity,\"h\":1e999,"
		"\"i\":\"\",\"j\":{\"k\":{\"l\":-0.0}},\"m\":{}}}\n");
	static const struct {
		const char *name;
		enum cell kind;
	} cells[] = {{"a", CELL_NUMBER}, {"b", CELL_TEXT}, {"c", CELL_BOOL}, {"d", CELL_NULL}, {"e", CELL_OTHER}, {"f", CELL_NULL},
		{"g", CELL_NULL}, {"h", CELL_NULL}, {"i", CELL_TEXT}, {"j.k.l", CELL_NUMBER}};

	(void)state;
	assert_int_equal(b->features.n, sizeof cells / sizeof *cells);
	for (size_t i = 0; i < b->features.n; i++) {
		const struct column *c = columns_find(&b->features, cells[i].name);

		assert_int_equal(c->kind[0], cells[i].kind);
		assert_int_equal(isnan(c->number[0]), cells[i].kind != CELL_NUMBER && cells[i].kind != CELL_BOOL);
	}
	assert_true(signbit(columns_find(&b->features, "j.k.l")->number[0]));
	assert_text(columns_find(&b->features, "b")->text[0], "12");
	assert_non_null(columns_find(&b->features, "i")->text[0].at);
	refuse("{" TS ",\"features\":[1]}\n", REJECT_WRONG_TYPE);
	refuse("{" TS ",\"tags\":\"x\"}\n", REJECT_WRONG_TYPE);
}

static void flattens_so_deep_and_no_deeper(void **state)
{
	const struct batch *b = take("{" TS ",\"features\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1,\"b\":{\"c\":1}}}}}}}}}}}\n");

	(void)state;
	assert_int_equal(columns_find(&b->features, "a.a.a.a.a.a.a.a.a")->kind[0], CELL_NUMBER);
	assert_int_equal(columns_find(&b->features, "a.a.a.a.a.a.a.a.b")->kind[0], CELL_OTHER);
}

static void lets_the_last_of_equal_keys_win(void **state)
{
	const struct batch *b = take("{" TS ",\"id\":\"a\",\"id\":\"b\",\"features\":{\"x\":1,\"x\":\"2\"},\"embedding\":[1,2],\"embedding\":[3,4,5],"
		"\"logits\":[1],\"logits\":null,\"features\":{\"y\":3}}\n");

	(void)state;
	assert_text(b->id[0], "b");
	assert_int_equal(b->n_embedding, 3);
	assert_true(b->embedding[2] == 5);
	assert_int_equal(b->n_logits, 0);
	assert_int_equal(columns_find(&b->features, "x")->kind[0], CELL_TEXT);
	assert_true(isnan(columns_find(&b->features, "x")->number[0]));
	assert_true(columns_find(&b->features, "y")->number[0] == 3);
}

static void refuses_vectors_that_are_none(void **state)
{
	(void)state;
	refuse("{" TS ",\"embedding\":[1,null]}\n", REJECT_VECTOR_VALUE);
	refuse("{" TS ",\"embedding\":[1,\"2\"]}\n", REJECT_VECTOR_VALUE);
	refuse("{" TS ",\"embedding\":[[1]]}\n", REJECT_VECTOR_VALUE);
	refuse("{" TS ",\"embedding\":[NaN]}\n", REJECT_VECTOR_VALUE);
	assert_string_equal(refuse("{" TS ",\"embedding\":[1,1e39]}\n", REJECT_VECTOR_VALUE), "element 1 of embedding is not a finite number");
	refuse("{" TS ",\"embedding\":\"AAAA\"}\n", REJECT_WRONG_TYPE);
	refuse("{" TS ",\"logits\":{}}\n", REJECT_WRONG_TYPE);
	/* What is not JSON is syntax, whatever else is wrong. */
	refuse("{" TS ",\"embedding\":[1,null,]}\n", REJECT_SYNTAX);
	refuse("{\"ts\":true,\"embedding\":[1,2}\n", REJECT_SYNTAX);
	assert_int_equal(take("{" TS ",\"embedding\":[],\"logits\":null}\n")->n_embedding, 0);
}

static void holds_vectors_to_one_width(void **state)
{
	static const char lines[] = "{" TS "}\n{" TS ",\"embedding\":[1,2]}\n{" TS ",\"embedding\":[1,2,3]}\n{" TS ",\"embedding\":[1]}\n{" TS "}\n{" TS
		",\"embedding\":[3,4]}\n";
	const struct batch *b = run(&DECODE_OPTIONS, lines, sizeof lines - 1, true);
	struct decoder *d;
	struct decoded to;

	(void)state;
	assert_int_equal(b->n, 4);
	assert_int_equal(decoded.counts.rejected[REJECT_VECTOR_WIDTH].records, 2);
	assert_true(isnan(b->embedding[0]) && b->embedding[2] == 1 && isnan(b->embedding[5]) && b->embedding[7] == 4);
	d = decoder_open(&DECODE_OPTIONS);
	decoded_init(&to);
	decoder_shape(d, "m", "", 0, 3);
	decoder_run(d, lines, sizeof lines - 1, 0, false, true, &to);
	assert_int_equal(to.batches[0]->n_embedding, 3);
	assert_int_equal(to.batches[0]->n, 3);
	assert_int_equal(to.counts.rejected[REJECT_VECTOR_WIDTH].records, 3);
	decoder_close(d);
	/* Another decoder, of another mind, into the same memory. */
	d = decoder_open(&DECODE_OPTIONS);
	decoded_reset(&to);
	decoder_run(d, lines, sizeof lines - 1, 0, false, true, &to);
	assert_int_equal(to.batches[0]->n_embedding, 2);
	assert_int_equal(to.batches[0]->n, 4);
	decoder_close(d);
	decoded_done(&to);
}

/* A width that only a refused record had is no width. */
static void learns_nothing_from_what_it_refuses(void **state)
{
	static const char lines[] = "{\"model\":\"m\",\"embedding\":[1,2,3]}\n{" TS ",\"embedding\":[1,2]}\n";

	(void)state;
	assert_int_equal(run(&DECODE_OPTIONS, lines, sizeof lines - 1, true)->n_embedding, 2);
}

static void makes_logits_of_probabilities(void **state)
{
	static const char lines[] = "{" TS ",\"probabilities\":[0.25,0.75,0]}\n{" TS ",\"logits\":[1,2,3]}\n";
	static const char raw_first[] = "{" TS ",\"probabilities\":[0.5,0.5],\"logits\":[1,2]}\n{" TS ",\"probabilities\":[0.5,0.5]}\n";
	const struct batch *b = run(&DECODE_OPTIONS, lines, sizeof lines - 1, true);

	(void)state;
	assert_true(b->logits_normalised);
	assert_true(fabsf(b->logits[0] - logf(0.25f)) < 1e-6f && fabsf(b->logits[2] - logf(1e-12f)) < 1e-5f);
	/* numpy: x - scipy.special.logsumexp(x) */
	assert_true(fabsf(b->logits[3] + 2.40760596f) < 1e-6f && fabsf(b->logits[5] + 0.40760596f) < 1e-6f);
	b = run(&DECODE_OPTIONS, raw_first, sizeof raw_first - 1, true);
	assert_true(!b->logits_normalised && b->logits[1] == 2 && isnan(b->logits[2]));
}

static void names_what_is_wrong_and_where(void **state)
{
	(void)state;
	assert_string_equal(refuse("{\"a\" 1}\n", REJECT_SYNTAX), "byte 6: expected ':', found '1'");
	assert_string_equal(refuse("{" TS "} x\n", REJECT_SYNTAX), "byte 47: expected the end of the line, found 'x'");
	assert_string_equal(refuse("{\"a\":tru}\n", REJECT_SYNTAX), "byte 6: expected a value, found 't'");
	assert_string_equal(refuse("{\"a\":\"b\n", REJECT_SYNTAX),
		"byte 8: expected '\"' (control characters must be escaped), found the end of the line");
	assert_string_equal(refuse("{\"a\":\"\xff\"}\n", REJECT_UTF8), "byte 7: expected UTF-8, found byte 0xFF");
}

static void refuses_each_under_one_reason(void **state)
{
	(void)state;
	refuse("[1,2]\n", REJECT_NOT_OBJECT);
	refuse("\"x\"\n", REJECT_NOT_OBJECT);
	refuse("17\n", REJECT_NOT_OBJECT);
	refuse("17 18\n", REJECT_SYNTAX);
	refuse("hello\n", REJECT_SYNTAX);
	refuse("{}\n", REJECT_NO_MODEL);
	refuse("\n", REJECT_BLANK);
	refuse(" \t\r\n", REJECT_BLANK);
	refuse("   ", REJECT_BLANK);
	refuse("{" TS "}{" TS "}\n", REJECT_SYNTAX);
	refuse("{" TS ",}\n", REJECT_SYNTAX);
	refuse("{" TS ",\"features\":{\"a\":01}}\n", REJECT_SYNTAX);
	refuse("{" TS ",\"features\":{\"a\":+1}}\n", REJECT_SYNTAX);
	refuse("{" TS ",\"x\":\"\\ud800\"}\n", REJECT_UTF8);
	refuse("{" TS ",\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n", REJECT_TOO_DEEP);
	take("{" TS ",\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n");
	refuse("{" TS ",\"conf", REJECT_PARTIAL);
	refuse("{" TS, REJECT_PARTIAL);
	take("{" TS "}");
	refuse("{" TS ",\"confidence\":\"high\"}\n", REJECT_WRONG_TYPE);
}

static void limits_what_a_log_may_bring(void **state)
{
	struct decode_options o = DECODE_OPTIONS;
	static const char many[] = "{" TS ",\"features\":{\"a\":1,\"b\":1}}\n{" TS ",\"features\":{\"b\":1}}\n{" TS ",\"features\":{\"c\":1}}\n";
	char *long_key = calloc(1, 2000);

	(void)state;
	o.most_columns = 2;
	run(&o, many, sizeof many - 1, true);
	assert_int_equal(accepted(&decoded), 2);
	assert_int_equal(decoded.counts.rejected[REJECT_TOO_MANY_FIELDS].records, 1);
	o.longest = 60;
	refuse_with(&o, "{" TS ",\"text\":\"0123456789\"}\n", REJECT_TOO_LONG);
	refuse_with(&o, "{" TS ",\"text\":\"0123456789xxxx\n", REJECT_TOO_LONG);
	memset(long_key, 'k', 1500);
	snprintf(long_key + 1500, 400, "\":1}}\n");
	memcpy(long_key, "{" TS ",\"features\":{\"", sizeof("{" TS ",\"features\":{\"") - 1);
	refuse(long_key, REJECT_TOO_MANY_FIELDS);
	free(long_key);
}

static void passes_over_what_is_too_long_in_constant_memory(void **state)
{
	struct decode_options o = DECODE_OPTIONS;
	struct decoder *d;
	struct decoded to;
	static const char tail[] = "xxx\"}\n{" TS "}\n";
	char part[101];

	(void)state;
	o.longest = 100;
	d = decoder_open(&o);
	decoded_init(&to);
	memset(part, 'x', sizeof part);
	memcpy(part, "{\"text\":\"", 9);
	decoder_run(d, part, 100, 0, false, false, &to);
	assert_true(to.consumed == 0 && !to.skipping);
	decoder_run(d, part, 101, 0, false, false, &to);
	assert_true(to.consumed == 101 && to.skipping);
	assert_int_equal(to.rejects[0].length, 100);
	decoded_reset(&to);
	memset(part, 'x', 9);
	decoder_run(d, part, 101, 101, true, false, &to);
	assert_true(to.consumed == 101 && to.skipping && to.counts.read.records == 0 && to.counts.rejected[REJECT_TOO_LONG].bytes == 101);
	decoded_reset(&to);
	decoder_run(d, tail, sizeof tail - 1, 202, true, false, &to);
	assert_true(to.consumed == sizeof tail - 1 && !to.skipping && to.batches[0]->n == 1);
	assert_int_equal(to.batches[0]->offset[0], 202 + 6);
	assert_int_equal(to.counts.rejected[REJECT_TOO_LONG].bytes, 6);
	decoder_close(d);
	decoded_done(&to);
}

static void leaves_the_unfinished_for_later(void **state)
{
	static const char text[] = "{" TS "}\n{" TS "}\n{" TS;

	(void)state;
	run(&DECODE_OPTIONS, text, sizeof text - 1, false);
	assert_int_equal(accepted(&decoded), 2);
	assert_int_equal(decoded.consumed, 2 * (sizeof("{" TS "}\n") - 1));
	assert_int_equal(decoded.n_rejects, 0);
}

static void forgives_what_editors_and_crashes_leave(void **state)
{
	(void)state;
	assert_int_equal(take("\xef\xbb\xbf{" TS "}\r\n")->length[0], sizeof("\xef\xbb\xbf{" TS "}\r\n") - 1);
	run(&DECODE_OPTIONS, "\0\0\0\0{" TS "}\n", sizeof("\0\0\0\0{" TS "}\n") - 1, true);
	assert_int_equal(accepted(&decoded), 1);
	assert_int_equal(decoded.batches[0]->offset[0], 0);
	run(&DECODE_OPTIONS, "\0\0\0\0\n", 5, true);
	assert_int_equal(decoded.counts.rejected[REJECT_BLANK].bytes, 5);
	run(&DECODE_OPTIONS, "\n\xef\xbb\xbf{}\n", 7, true);
	assert_int_equal(decoded.counts.rejected[REJECT_SYNTAX].records, 1);
}

static void sorts_records_into_streams(void **state)
{
	static const char lines[] = "{\"ts\":1,\"features\":{\"a\":1},\"embedding\":[1,2],\"model\":\"x\"}\n{\"ts\":2,\"features\":{\"b\":2},\"embedding\":[1,2,3],"
		"\"model\":\"y\",\"version\":\"1\"}\n{\"ts\":3,\"features\":{\"a\":3},\"embedding\":[3,4],\"model\":\"x\"}\n"
		"{\"ts\":4,\"model\":\"y\",\"version\":\"2\",\"features\":{\"b\":4}}\n";
	const struct batch *x = run(&DECODE_OPTIONS, lines, sizeof lines - 1, true), *y = decoded.batches[1];

	(void)state;
	assert_int_equal(decoded.n_batches, 3);
	assert_true(!strcmp(x->model, "x") && x->n == 2 && x->n_embedding == 2 && x->embedding[3] == 4);
	assert_true(!strcmp(y->model, "y") && !strcmp(y->version, "1") && y->n == 1 && y->n_embedding == 3);
	assert_true(columns_find(&x->features, "a")->number[1] == 3);
	assert_int_equal(columns_find(&y->features, "b")->kind[0], CELL_NUMBER);
	assert_string_equal(decoded.batches[2]->version, "2");
}

static void follows_pointers_of_another_log(void **state)
{
	struct decode_options o = DECODE_OPTIONS;
	static const char line[] = "{\"meta\":{\"when\":1795000000000,\"who\":{\"model/name\":\"kserve\"},\"region\":\"eu\"},\"outputs\":[{\"data\":[1,2]},"
		"{\"name\":\"score\",\"data\":[0.5]}],\"age\":4,\"x\":{\"y\":5}}\n";
	const struct batch *b;

	(void)state;
	o.pointer[FIELD_TIME] = (char *)"/meta/when";
	o.pointer[FIELD_MODEL] = (char *)"/meta/who/model~1name";
	o.pointer[FIELD_TAGS] = (char *)"/meta";
	o.pointer[FIELD_EMBEDDING] = (char *)"/outputs/0/data";
	o.pointer[FIELD_LOGITS] = (char *)"/outputs/1/data";
	o.pointer[FIELD_ID] = (char *)"/outputs/1/name";
	o.pointer[FIELD_PREDICTION] = (char *)"/outputs/1/name";
	o.pointer[FIELD_VERSION] = (char *)"";
	o.pointer[FIELD_FEATURES] = (char *)"";
	b = run(&o, line, sizeof line - 1, true);
	assert_int_equal(accepted(&decoded), 1);
	assert_string_equal(b->model, "kserve");
	assert_int_equal(b->time_us[0], INT64_C(1795000000000000));
	assert_true(b->n_embedding == 2 && b->embedding[1] == 2 && b->n_logits == 1 && b->logits[0] == 0.5f);
	assert_text(b->id[0], "score");
	assert_text(b->prediction[0], "score");
	assert_text(columns_find(&b->tags, "region")->text[0], "eu");
	assert_int_equal(b->tags.n, 1);
	assert_true(columns_find(&b->features, "age")->number[0] == 4 && columns_find(&b->features, "x.y")->number[0] == 5);
	assert_int_equal(b->features.n, 2);
}

static void checks_pointers(void **state)
{
	struct error e;

	(void)state;
	assert_int_equal(pointer_check("", &e), 0);
	assert_int_equal(pointer_check("/", &e), 0);
	assert_int_equal(pointer_check("/a~0~1/0", &e), 0);
	assert_true(pointer_check("a", &e) < 0 && strstr(e.text, "\"/a\""));
	assert_true(pointer_check("/a~2", &e) < 0);
	assert_true(pointer_check("/a~", NULL) < 0);
}

/* One clock gone wrong must not move the watermark; a log that goes on after a silence must not be refused for ever. */
static void refuses_a_lone_time_far_ahead(void **state)
{
	struct decode_options o = DECODE_OPTIONS;
	static const char lines[] = "{\"model\":\"m\",\"ts\":1000}\n{\"model\":\"m\",\"ts\":9000}\n{\"model\":\"m\",\"ts\":1001}\n{\"model\":\"m\",\"ts\":5000}\n"
		"{\"model\":\"m\",\"ts\":5001}\n{\"model\":\"m\",\"ts\":5002}\n{\"model\":\"m\",\"ts\":7}\n";

	(void)state;
	o.future_us = 60 * SECOND_US;
	run(&o, lines, sizeof lines - 1, true);
	assert_int_equal(decoded.counts.rejected[REJECT_FUTURE].records, 2);
	assert_int_equal(accepted(&decoded), 5);
	assert_int_equal(decoded.newest_us, 5002 * SECOND_US);
	assert_int_equal(decoded.first_us, 7 * SECOND_US);
}

static void hashes_the_record_where_there_is_no_id(void **state)
{
	static const char record[] = "{" TS "}";
	uint64_t hash = hash_bytes(record, sizeof record - 1, 0);

	(void)state;
	assert_int_equal(take("{" TS "}\n")->hash[0], hash);
	assert_int_equal(take("{" TS "}")->hash[0], hash);
	assert_int_equal(take("  {" TS "} \r\n")->hash[0], hash);
}

/* An id where the name of a tag belongs: the records stay, the first tags too. */
static void passes_over_tags_beyond_some(void **state)
{
	struct decode_options o = DECODE_OPTIONS;
	static char text[64 * 1024];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 400; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "{" TS ",\"tags\":{\"region\":\"eu\",\"user-%d\":1}}\n", i);
	run(&o, text, n, true);
	assert_int_equal(accepted(&decoded), 400);
	assert_int_equal(decoded.batches[0]->tags.n, 256);
	assert_true(decoded.batches[0]->tags.at[0].kind[399] == CELL_TEXT);
}

/* A chunk of more streams than can be told apart is refused in part; the next one begins anew, and who was told of keeps its widths. */
static void forgets_streams_when_there_are_too_many(void **state)
{
	struct decode_options o = DECODE_OPTIONS;
	static char text[256 * 1024];
	size_t n = 0;
	int64_t taken = 0, refused = 0;

	(void)state;
	decoder_close(decoder);
	decoded_done(&decoded);
	decoder = decoder_open(&o);
	decoder_shape(decoder, "watched", "", 2, 0);
	for (int round = 0; round < 3; round++) {
		n = 0;
		for (int i = 0; i < 1500; i++)
			n += (size_t)snprintf(text + n, sizeof text - n, "{\"ts\":1772393140,\"model\":\"m\",\"version\":\"%d-%d\"}\n", round, i);
		n += (size_t)snprintf(text + n, sizeof text - n, "{\"ts\":1772393140,\"model\":\"watched\",\"logits\":[1,2,3]}\n");
		decoded_reset(&decoded);
		decoder_run(decoder, text, n, 0, false, true, &decoded);
		books_balance(&decoded);
		taken += accepted(&decoded);
		refused += decoded.counts.rejected[REJECT_TOO_MANY_STREAMS].records;
		assert_int_equal(decoded.counts.rejected[REJECT_VECTOR_WIDTH].records, 1);
	}
	assert_int_equal(taken, 3 * 1024);
	assert_int_equal(refused, 3 * (1500 - 1024));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_field),
		cmocka_unit_test(takes_model_and_version_from_the_source),
		cmocka_unit_test(reads_times_however_written),
		cmocka_unit_test(reads_times_of_one_day_as_time_parse_does),
		cmocka_unit_test(makes_text_of_numbers_where_text_is_meant),
		cmocka_unit_test(keeps_cells_apart),
		cmocka_unit_test(flattens_so_deep_and_no_deeper),
		cmocka_unit_test(lets_the_last_of_equal_keys_win),
		cmocka_unit_test(refuses_vectors_that_are_none),
		cmocka_unit_test(holds_vectors_to_one_width),
		cmocka_unit_test(learns_nothing_from_what_it_refuses),
		cmocka_unit_test(makes_logits_of_probabilities),
		cmocka_unit_test(names_what_is_wrong_and_where),
		cmocka_unit_test(refuses_each_under_one_reason),
		cmocka_unit_test(limits_what_a_log_may_bring),
		cmocka_unit_test(passes_over_what_is_too_long_in_constant_memory),
		cmocka_unit_test(leaves_the_unfinished_for_later),
		cmocka_unit_test(forgives_what_editors_and_crashes_leave),
		cmocka_unit_test(sorts_records_into_streams),
		cmocka_unit_test(passes_over_tags_beyond_some),
		cmocka_unit_test(forgets_streams_when_there_are_too_many),
		cmocka_unit_test(follows_pointers_of_another_log),
		cmocka_unit_test(checks_pointers),
		cmocka_unit_test(refuses_a_lone_time_far_ahead),
		cmocka_unit_test(hashes_the_record_where_there_is_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, done);
}
