/* SPDX-License-Identifier: Apache-2.0
 * Names beside a window: exact while there are few, fair when there are many, and the same whatever the order and the sharing
 * out of records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "model/pack.h"
#include "model/unseen.h"

static uint64_t draw(uint64_t i, uint64_t what)
{
	uint64_t key[2] = {i, what};

	return hash_bytes(key, sizeof key, 0);
}

/* Record i: every third holds "common", the others one of `different` values. */
static void put(struct unseen *u, uint64_t i, unsigned different)
{
	char text[32];
	int n = i % 3 == 0 ? snprintf(text, sizeof text, "common") : snprintf(text, sizeof text, "v%u", (unsigned)(draw(i, 1) % different));

	unseen_put(u, 4, draw(i, 2), (struct text){text, (uint32_t)n}, (int64_t)(1000 + i));
}

static void same(const struct unseen *a, const struct unseen *b)
{
	size_t x[UNSEEN_VALUES], y[UNSEEN_VALUES];
	const struct unseen_set *s = unseen_find(a, 4), *t = unseen_find(b, 4);

	assert_int_equal(s->level, t->level);
	assert_int_equal(s->n, t->n);
	unseen_order(s, x);
	unseen_order(t, y);
	for (size_t i = 0; i < s->n; i++) {
		assert_string_equal(s->at[x[i]].text, t->at[y[i]].text);
		assert_memory_equal(s->at[x[i]].count, t->at[y[i]].count, sizeof s->at[0].count);
	}
}

static double count_of(const struct unseen *u, const char *text)
{
	const struct unseen_set *s = unseen_find(u, 4);

	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->at[i].text, text))
			return unseen_count(s, &s->at[i]);
	return 0;
}

static void test_few_are_exact(void **state)
{
	struct unseen u = {0};
	double sum = 0;

	(void)state;
	for (uint64_t i = 0; i < 9000; i++)
		put(&u, i, UNSEEN_VALUES - 1);
	assert_int_equal(unseen_find(&u, 4)->n, UNSEEN_VALUES);
	assert_int_equal(unseen_find(&u, 4)->level, 0);
	assert_true(count_of(&u, "common") == 3000);
	for (size_t i = 0; i < UNSEEN_VALUES; i++)
		sum += unseen_count(unseen_find(&u, 4), &unseen_find(&u, 4)->at[i]);
	assert_true(sum == 9000);
	assert_null(unseen_find(&u, 5));
	unseen_done(&u);
}

static void test_what_is_common_stays(void **state)
{
	struct unseen u = {0};

	(void)state;
	for (uint64_t i = 0; i < 30000; i++)
		put(&u, i, 20000);
	assert_in_range(unseen_find(&u, 4)->n, 1, UNSEEN_VALUES);
	assert_true(unseen_find(&u, 4)->level > 5);
	assert_true(fabs(count_of(&u, "common") / 10000 - 1) < .5); /* of 40 to 80 sampled ones */
	unseen_done(&u);
}

static void test_order_and_sharing_out_change_nothing(void **state)
{
	static const unsigned different[] = {3, 127, 200, 5000};

	(void)state;
	for (size_t d = 0; d < 4; d++) {
		struct unseen whole = {0}, backwards = {0}, part[3] = {{0}};
		enum { N = 4000 };

		for (uint64_t i = 0; i < N; i++) {
			put(&whole, i, different[d]);
			put(&backwards, N - 1 - i, different[d]);
			put(&part[draw(i, 3) % 3], i, different[d]);
		}
		same(&whole, &backwards);
		unseen_add(&part[d % 3], &part[(d + 1) % 3]);
		unseen_add(&part[d % 3], &part[(d + 2) % 3]);
		same(&whole, &part[d % 3]);
		for (size_t i = 0; i < 3; i++)
			unseen_done(&part[i]);
		unseen_done(&whole);
		unseen_done(&backwards);
	}
}

static void test_kept_and_read_back(void **state)
{
	struct unseen u = {0}, back;
	struct buf b = BUF_EMPTY;
	struct unpacked *doc;

	(void)state;
	for (uint64_t i = 0; i < 3000; i++)
		put(&u, i, 1000);
	unseen_put(&u, 2, 1, (struct text){"\xc3\xa4", 2}, 5);
	unseen_pack(&u, &b);
	doc = unpack_open(b.at, b.n);
	assert_true(unseen_read(unpack_root(doc), &back));
	same(&u, &back);
	assert_int_equal(unseen_find(&back, 2)->at[0].first_us, 5);
	unseen_done(&back);
	unpack_close(doc);
	for (size_t i = 0; i < b.n; i++) { /* damaged: refused or read, never a crash */
		char was = b.at[i];

		b.at[i] ^= 0x55;
		doc = unpack_open(b.at, b.n);
		unseen_read(unpack_root(doc), &back);
		unseen_done(&back);
		unpack_close(doc);
		b.at[i] = was;
	}
	buf_done(&b);
	unseen_done(&u);
}

static void test_long_values_are_cut_at_a_character(void **state)
{
	struct unseen u = {0};
	char text[200];

	(void)state;
	memset(text, 'a', sizeof text);
	text[UNSEEN_BYTES - 1] = '\xc3';
	text[UNSEEN_BYTES] = '\xa4';
	unseen_put(&u, 0, 1, (struct text){text, sizeof text}, 1);
	assert_int_equal(unseen_find(&u, 0)->at[0].n, UNSEEN_BYTES - 1);
	unseen_put(&u, 0, 1, (struct text){"", 0}, 1);
	assert_int_equal(unseen_find(&u, 0)->n, 2);
	unseen_done(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_are_exact),
		cmocka_unit_test(test_what_is_common_stays),
		cmocka_unit_test(test_order_and_sharing_out_change_nothing),
		cmocka_unit_test(test_kept_and_read_back),
		cmocka_unit_test(test_long_values_are_cut_at_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
