/* SPDX-License-Identifier: Apache-2.0
 * Maps into batches: what they mean is what the same record in JSON means; what is broken costs as little as it can. Packed by
 * msgpack-c, so that two implementations of the wire agree. */
#include <math.h>
#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "input/decode.h"

static msgpack_sbuffer bytes;
static msgpack_packer packer;
static struct decoded decoded;

static int begin(void **state)
{
	(void)state;
	msgpack_sbuffer_init(&bytes);
	msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
	decoded_init(&decoded);
	return 0;
}

static int end(void **state)
{
	(void)state;
	msgpack_sbuffer_destroy(&bytes);
	decoded_done(&decoded);
	return 0;
}

static void text(const char *t)
{
	msgpack_pack_str_with_body(&packer, t, strlen(t));
}

/* Head of a map of `more` pairs behind time and model. */
static void record(size_t more)
{
	msgpack_pack_map(&packer, 2 + more);
	text("ts");
	msgpack_pack_int64(&packer, 1795000000);
	text("model");
	text("m");
}

static const struct batch *run_with(struct decode_options o, bool final)
{
	struct decoder *d;

	o.format = FORMAT_MSGPACK;
	d = decoder_open(&o);
	decoder_run(d, bytes.data, bytes.size, 0, false, final, &decoded);
	decoder_close(d);
	return decoded.n_batches ? decoded.batches[0] : NULL;
}

static const struct batch *run(void)
{
	return run_with(DECODE_OPTIONS, true);
}

static void means_what_json_means(void **state)
{
	static const char line[] = "{\"ts\":1795000000,\"model\":\"m\",\"features\":{\"n\":-3,\"u\":18446744073709551615,\"f\":1.5,\"w\":\"x\",\"b\":true,"
		"\"z\":null,\"o\":{\"p\":{\"q\":7}},\"a\":[1]},\"id\":18446744073709551615,\"prediction\":false,\"confidence\":0.5,\"version\":12}\n";
	struct decoder *d = decoder_open(&DECODE_OPTIONS);
	struct decoded json;
	const struct batch *b;

	(void)state;
	record(5);
	text("features");
	msgpack_pack_map(&packer, 8);
	text("n");
	msgpack_pack_int(&packer, -3);
	text("u");
	msgpack_pack_uint64(&packer, UINT64_MAX);
	text("f");
	msgpack_pack_float(&packer, 1.5f);
	text("w");
	text("x");
	text("b");
	msgpack_pack_true(&packer);
	text("z");
	msgpack_pack_nil(&packer);
	text("o");
	msgpack_pack_map(&packer, 1);
	text("p");
	msgpack_pack_map(&packer, 1);
	text("q");
	msgpack_pack_uint16(&packer, 7);
	text("a");
	msgpack_pack_array(&packer, 1);
	msgpack_pack_int(&packer, 1);
	text("id");
	msgpack_pack_uint64(&packer, UINT64_MAX);
	text("prediction");
	msgpack_pack_false(&packer);
	text("confidence");
	msgpack_pack_double(&packer, 0.5);
	text("version");
	msgpack_pack_int(&packer, 12);
	b = run();
	assert_int_equal(b->n, 1);
	assert_string_equal(b->version, "12");
	assert_int_equal(b->length[0], bytes.size);
	decoded_init(&json);
	decoder_run(d, line, sizeof line - 1, 0, false, true, &json);
	assert_int_equal(json.batches[0]->time_us[0], b->time_us[0]);
	assert_int_equal(json.batches[0]->hash[0], b->hash[0]);
	assert_memory_equal(json.batches[0]->prediction[0].at, b->prediction[0].at, b->prediction[0].n);
	assert_true(b->confidence[0] == 0.5);
	assert_int_equal(json.batches[0]->features.n, b->features.n);
	for (size_t i = 0; i < b->features.n; i++) {
		const struct column *mine = &b->features.at[i], *theirs = columns_find(&json.batches[0]->features, mine->name);

		assert_int_equal(mine->kind[0], theirs->kind[0]);
		assert_true(mine->number[0] == theirs->number[0] || (isnan(mine->number[0]) && isnan(theirs->number[0])));
	}
	decoded_done(&json);
	decoder_close(d);
}

static void reads_vectors_in_every_dress(void **state)
{
	static const float packed[] = {1, -2.5f, 300};
	const struct batch *b;

	(void)state;
	record(2);
	text("embedding");
	msgpack_pack_bin_with_body(&packer, packed, sizeof packed);
	text("logits");
	msgpack_pack_array(&packer, 3);
	for (int i = 0; i < 3; i++)
		msgpack_pack_float(&packer, packed[i]);
	record(2);
	text("embedding");
	msgpack_pack_array(&packer, 3);
	msgpack_pack_int(&packer, 1);
	msgpack_pack_double(&packer, -2.5);
	msgpack_pack_uint64(&packer, 300);
	text("probabilities");
	msgpack_pack_nil(&packer);
	b = run();
	assert_int_equal(b->n, 2);
	assert_memory_equal(b->embedding, packed, sizeof packed);
	assert_memory_equal(b->embedding + 3, packed, sizeof packed);
	assert_memory_equal(b->logits, packed, sizeof packed);
	assert_true(isnan(b->logits[3]));
}

static void refuses_vectors_that_are_none(void **state)
{
	static const float odd[] = {1, INFINITY};

	(void)state;
	for (int kind = 0; kind < 5; kind++) {
		record(1);
		text("embedding");
		if (kind == 0) {
			msgpack_pack_bin_with_body(&packer, odd, sizeof odd);
		} else if (kind == 1) {
			msgpack_pack_bin_with_body(&packer, odd, 3);
		} else if (kind == 4) {
			text("x");
		} else {
			msgpack_pack_array(&packer, 2);
			msgpack_pack_float(&packer, kind == 2 ? NAN : 1);
			text("2");
		}
	}
	assert_int_equal(run()->n, 0);
	assert_int_equal(decoded.counts.rejected[REJECT_VECTOR_VALUE].records, 4);
	assert_int_equal(decoded.counts.rejected[REJECT_WRONG_TYPE].records, 1);
	assert_int_equal(decoded.consumed, bytes.size);
}

enum odd { ODD_NONE, ODD_INTEGER, ODD_DOUBLE, ODD_NAN, ODD_INFINITE, ODD_TEXT, ODDS };

static void element(enum odd odd, size_t k)
{
	if (odd == ODD_NONE)
		msgpack_pack_float(&packer, (float)k + .5f);
	else if (odd == ODD_INTEGER)
		msgpack_pack_int(&packer, 7);
	else if (odd == ODD_DOUBLE)
		msgpack_pack_double(&packer, .125);
	else if (odd == ODD_TEXT)
		text("x");
	else
		msgpack_pack_float(&packer, odd == ODD_NAN ? NAN : -INFINITY);
}

/* Elements are read six at a time, looked at sixteen at a time: one that is not like the others, wherever it stands. */
static void reads_the_odd_element(void **state)
{
	static const float is[ODDS] = {[ODD_INTEGER] = 7, [ODD_DOUBLE] = .125f};

	(void)state;
	for (size_t n = 1; n <= 40; n++)
		for (size_t at = 0; at < n; at++)
			for (enum odd odd = ODD_NONE; odd < ODDS; odd++) {
				const struct batch *b;

				msgpack_sbuffer_clear(&bytes);
				decoded_done(&decoded);
				record(1);
				text("embedding");
				msgpack_pack_array(&packer, n);
				for (size_t k = 0; k < n; k++)
					element(k == at ? odd : ODD_NONE, k);
				b = run();
				assert_int_equal(decoded.counts.rejected[REJECT_VECTOR_VALUE].records, odd >= ODD_NAN);
				assert_int_equal(b->n, odd < ODD_NAN);
				for (size_t k = 0; k < n && b->n; k++)
					assert_true(b->embedding[k] == (k == at && odd ? is[odd] : (float)k + .5f));
			}
}

static void reads_timestamps(void **state)
{
	static const struct {
		size_t n;
		const char *body;
		int64_t us;
	} times[] = {{4, "\x6a\xfd\x41\x80", INT64_C(1794982272000000)}, {8, "\x1d\x6f\x34\x54\x6a\xfd\x41\x80", INT64_C(1794982272123456)},
		{12, "\x07\x5b\xcd\x15\xff\xff\xff\xff\xff\xff\xff\xff", -1 * SECOND_US + 123456}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		msgpack_pack_map(&packer, 2);
		text("ts");
		msgpack_pack_ext(&packer, times[i].n, -1);
		msgpack_pack_ext_body(&packer, times[i].body, times[i].n);
		text("model");
		text("m");
	}
	assert_int_equal(run()->n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(decoded.batches[0]->time_us[i], times[i].us);
}

/* Half a record swallows the beginning of the next one, and now and then the two make one that is valid: that one may be lost,
 * never the one after it; mostly none is. */
static void finds_its_step_again(void **state)
{
	size_t whole, both = 0;
	char *log;

	(void)state;
	record(1);
	text("features");
	msgpack_pack_map(&packer, 1);
	text("a");
	msgpack_pack_double(&packer, 1);
	whole = bytes.size;
	log = malloc(3 * whole);
	for (size_t n = 1; n < whole; n++) {
		msgpack_sbuffer broken = bytes;
		const struct batch *b;

		memcpy(log, bytes.data, n);
		memcpy(log + n, bytes.data, whole);
		memcpy(log + n + whole, bytes.data, whole);
		bytes.data = log;
		bytes.size = n + 2 * whole;
		b = run();
		bytes = broken;
		assert_true(b->n && b->offset[b->n - 1] == n + whole);
		both += b->n >= 2 && b->offset[b->n - 2] == n;
		assert_int_equal(decoded.consumed, n + 2 * whole);
		assert_int_equal(decoded.counts.read.bytes, n + 2 * whole);
		decoded_done(&decoded);
	}
	free(log);
	print_message("both found for %zu of %zu cuts\n", both, whole - 1);
	assert_true(2 * both > whole);
}

static void loses_step_on_what_is_too_long(void **state)
{
	struct decode_options o = DECODE_OPTIONS;
	char long_text[300];

	(void)state;
	o.longest = 100;
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = 0;
	record(1);
	text("text");
	text(long_text);
	record(0);
	assert_int_equal(run_with(o, true)->n, 1);
	assert_int_equal(decoded.counts.rejected[REJECT_TOO_LONG].records, 1);
	assert_int_equal(decoded.counts.rejected[REJECT_TOO_LONG].bytes + decoded.counts.rejected[REJECT_SYNTAX].bytes,
		bytes.size - decoded.batches[0]->length[0]);
}

static void counts_values_that_are_no_records(void **state)
{
	(void)state;
	msgpack_pack_int(&packer, 1);
	text("hello");
	msgpack_pack_array(&packer, 1);
	msgpack_pack_nil(&packer);
	msgpack_sbuffer_write(&bytes, "\0\0", 2);
	record(0);
	msgpack_pack_map(&packer, 5);
	assert_int_equal(run()->n, 1);
	assert_int_equal(decoded.counts.rejected[REJECT_NOT_OBJECT].records, 3);
	assert_int_equal(decoded.counts.rejected[REJECT_BLANK].records, 2);
	assert_int_equal(decoded.counts.rejected[REJECT_PARTIAL].records, 1);
	decoded_done(&decoded);
	assert_int_equal(run_with(DECODE_OPTIONS, false)->n, 1);
	assert_int_equal(decoded.consumed, bytes.size - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(means_what_json_means, begin, end),
		cmocka_unit_test_setup_teardown(reads_vectors_in_every_dress, begin, end),
		cmocka_unit_test_setup_teardown(refuses_vectors_that_are_none, begin, end),
		cmocka_unit_test_setup_teardown(reads_the_odd_element, begin, end),
		cmocka_unit_test_setup_teardown(reads_timestamps, begin, end),
		cmocka_unit_test_setup_teardown(finds_its_step_again, begin, end),
		cmocka_unit_test_setup_teardown(loses_step_on_what_is_too_long, begin, end),
		cmocka_unit_test_setup_teardown(counts_values_that_are_no_records, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
