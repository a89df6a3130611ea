/* SPDX-License-Identifier: Apache-2.0
 * The ground floor: bytes, times, words, hashes. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/note.h"
#include "base/words.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void buf_grows_up_to_its_limit(void **state)
{
	struct buf b = {.limit = 10};

	(void)state;
	assert_int_equal(buf_text(&b, "12345"), 0);
	assert_int_equal(buf_text(&b, "123456"), -ENOSPC);
	assert_true(b.over);
	assert_string_equal(buf_cstr(&b), "12345");
	assert_int_equal(buf_text(&b, "67890"), 0);
	buf_drop(&b, 3);
	assert_string_equal(buf_cstr(&b), "4567890");
	buf_done(&b);
}

static void json_text_escapes_and_replaces(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	buf_json_text(&b, "a\"\\\n\x01\xc3\xa9\xff\xed\xa0\x80", 11);
	assert_string_equal(buf_cstr(&b), "\"a\\\"\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	buf_done(&b);
}

static void json_numbers_read_back(void **state)
{
	static const double numbers[] = {0, 0.1, 1.0 / 3, 1e300, -2.5e-300, 123456789012345678.0, 5e-324, 42};

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		struct buf b = BUF_EMPTY;

		buf_json_number(&b, numbers[i]);
		assert_true(strtod(buf_cstr(&b), NULL) == numbers[i]);
		buf_done(&b);
	}
}

static void times_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		/* figures: date -u -d TEXT +%s */
		{"1970-01-01T00:00:00Z", 0},
		{"2026-03-01T19:25:40.100Z", INT64_C(1772393140100000)},
		{"2026-03-01 20:25:40.1+01:00", INT64_C(1772393140100000)},
		{"2000-02-29T23:59:59.999999999-0030", INT64_C(951870599999999)},
		{"0001-01-01T00:00:00Z", INT64_C(-62135596800000000)},
		{"9999-12-31T23:59:59Z", INT64_C(253402300799000000)},
	};
	static const char *const bad[] = {"", "2026-03-01", "2026-02-29T00:00:00Z", "2026-03-01T24:00:00Z",
		"2026-03-01T00:00:00", "2026-03-01T00:00:00.Z", "2026-03-01T00:00:00Zx", "2026-13-01T00:00:00Z",
		"0000-01-01T00:00:00Z", "2026-3-01T00:00:00Z"};
	char text[32];
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(time_parse(good[i].text, strlen(good[i].text), &us), 0);
		assert_true(us == good[i].us);
		time_format(us, text, sizeof text);
		assert_int_equal(time_parse(text, strlen(text), &us), 0);
		assert_true(us == good[i].us);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(time_parse(bad[i], strlen(bad[i]), &us), -EINVAL);
	assert_string_equal(time_format(INT64_C(1772393140100000), text, sizeof text), "2026-03-01T19:25:40.100Z");
}

static void durations_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {{"5m", 300 * SECOND_US}, {"90", 90 * SECOND_US}, {"1h30m", 5400 * SECOND_US}, {"250ms", 250000},
		{"30d", 2592000 * SECOND_US}, {"1w", 604800 * SECOND_US}};
	static const char *const bad[] = {"", "m", "5x", "-5m", "5m3", "99999999999999999999s", "1.5h"};
	char text[64];
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(duration_parse(good[i].text, strlen(good[i].text), &us), 0);
		assert_true(us == good[i].us);
		duration_format(us, text, sizeof text);
		assert_int_equal(duration_parse(text, strlen(text), &us), 0);
		assert_true(us == good[i].us);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(duration_parse(bad[i], strlen(bad[i]), &us), -EINVAL);
}

static void the_nearest_word_is_found(void **state)
{
	static const char *const words[] = {"window", "lateness", "reference", "flag"};

	(void)state;
	assert_string_equal(words_nearest("windw", words, 4), "window");
	assert_string_equal(words_nearest("refernece", words, 4), "reference");
	assert_null(words_nearest("colour", words, 4));
	assert_true(words_match("intent-*", "intent-router"));
	assert_true(words_match("*", ""));
	assert_true(words_match("a*b?d", "axxbcd"));
	assert_false(words_match("intent-*", "intent"));
	assert_false(words_match("a?", "a"));
}

static void hashes_agree_with_the_world(void **state)
{
	char hex[65];

	(void)state;
	/* printf abc | sha256sum; printf abc | openssl dgst -sha256 -hmac key; xxhsum -H3 of an empty file */
	hash_sha256_hex("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash_hmac_sha256_hex("key", 3, "abc", 3, hex);
	assert_string_equal(hex, "9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab");
	assert_true(hash_bytes("", 0, 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(hash_unit(0) > 0 && hash_unit(UINT64_MAX) < 1);
}

static void the_arena_aligns_and_is_reused(void **state)
{
	struct arena *a = arena_open();
	size_t held;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t n = 1; n < 3000; n += 7) {
			char *at = arena_alloc(a, n);

			assert_int_equal((uintptr_t)at % (n >= 64 ? 64 : 16), 0);
			memset(at, 1, n);
		}
		if (round)
			assert_int_equal(arena_bytes(a), held);
		held = arena_bytes(a);
		arena_reset(a);
	}
	arena_close(a);
}

static void errors_name_the_place(void **state)
{
	struct error e = {0};

	(void)state;
	assert_int_equal(error_set(&e, -EINVAL, "unknown key '%s'", "windw"), -EINVAL);
	error_prefix(&e, "oodd.lua:%d", 14);
	assert_string_equal(e.text, "oodd.lua:14: unknown key 'windw'");
}

static void a_number_is_as_printf_has_it(double x)
{
	char got[64], want[64];

	for (int digits = 1; digits <= 9; digits++) {
		struct note note = note_open(got, sizeof got);

		note_number(&note, x, digits);
		snprintf(want, sizeof want, "%.*g", digits, x);
		assert_string_equal(got, want);
	}
}

static void notes_are_written_as_printf_does(void **state)
{
	const double odd[] = {0, -0.0, NAN, INFINITY, -INFINITY, 1, .5, 2.5, .125, 1e-4, 9.9999e-5, 99999.5, 999999.5, 9.5, 99.5, .00015, 1e22, -3.25};
	uint64_t seed = 1;
	char text[12], longer[96];
	struct note note = note_open(text, sizeof text);

	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		a_number_is_as_printf_has_it(odd[i]);
	for (int i = 0; i < 40000; i++) {
		seed = hash_bytes(&seed, sizeof seed, 0);
		double u = (double)(seed >> 11) * 0x1p-53, x = exp((u - .5) * 40);

		a_number_is_as_printf_has_it(i % 2 ? x : -x);
		a_number_is_as_printf_has_it(round(u * 1e5) / 1e4); /* as logs have them, ties among them */
	}
	note_text(&note, "mean ");
	note_number(&note, 40.437, 4);
	note_text(&note, " -> much more");
	assert_string_equal(text, "mean 40.44 ");
	note = note_open(longer, sizeof longer);
	for (double share = 1e-4; share < 20; share *= 10) {
		note_percent(&note, share);
		note_text(&note, ",");
		note_percent(&note, 2.3 * share);
		note_text(&note, ";");
	}
	assert_string_equal(longer, "0.01 %,0.023 %;0.1 %,0.2 %;1.0 %,2.3 %;10 %,23 %;100 %,230 %;1000 %,2300 %;");
}

/* What printf and strtod say: the first of 15, 16, 17 digits that reads back. */
static void a_decimal_is_as_printf_has_it(double x)
{
	char got[DECIMAL_ROOM], want[DECIMAL_ROOM];
	int digits = 15;

	do
		snprintf(want, sizeof want, "%.*g", digits, x);
	while (strtod(want, NULL) != x && ++digits <= 17);
	assert_int_equal(decimal_write(x, got), strlen(want));
	assert_string_equal(got, want);
}

static void decimals_read_back(void **state)
{
	const double odd[] = {1, 7, 100, 123456789012345, .1, .5, 1e-11, 9.999999999999999e-12, 1e15, 999999999999999.9, 1e-4, 9.99999999999999999e-5, 5e-324, 1.7e308, -0.0, 1e22, 0.3};
	uint64_t seed = 1, bits;
	double x;

	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		for (int step = -2; step <= 2; step++) {
			memcpy(&bits, &odd[i], sizeof bits);
			bits += (uint64_t)(odd[i] ? step : 0);
			memcpy(&x, &bits, sizeof x);
			a_decimal_is_as_printf_has_it(x);
			a_decimal_is_as_printf_has_it(-x);
		}
	for (int e = -40; e < 52; e++)
		for (int step = -1; step <= 1; step++)
			a_decimal_is_as_printf_has_it(ldexp(1 + step * 0x1p-52, e));
	for (int i = 0; i < 30000; i++) {
		bits = seed = hash_bytes(&seed, sizeof seed, 0);
		bits = (bits >> 12) | (UINT64_C(980) + bits % 96) << 52;
		memcpy(&x, &bits, sizeof x);
		a_decimal_is_as_printf_has_it(x);
		a_decimal_is_as_printf_has_it(round(x * 1e6) / 1e6);
		a_decimal_is_as_printf_has_it(.1 * (double)(i + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_grows_up_to_its_limit), cmocka_unit_test(json_text_escapes_and_replaces),
		cmocka_unit_test(json_numbers_read_back), cmocka_unit_test(times_are_read_and_written),
		cmocka_unit_test(durations_are_read_and_written), cmocka_unit_test(the_nearest_word_is_found),
		cmocka_unit_test(hashes_agree_with_the_world), cmocka_unit_test(the_arena_aligns_and_is_reused),
		cmocka_unit_test(errors_name_the_place), cmocka_unit_test(notes_are_written_as_printf_does),
		cmocka_unit_test(decimals_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
