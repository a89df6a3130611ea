/* SPDX-License-Identifier: Apache-2.0
 * A batch keeps its promises while it grows: absent is absent, rows are aligned, resets give nothing of the last one away. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "model/batch.h"
#include "model/counts.h"
#include "model/scored.h"

static size_t column(struct batch *b, const char *name)
{
	return batch_column(b, &b->features, name, strlen(name), SIZE_MAX, 4096);
}

static struct column *column_at(struct batch *b, const char *name)
{
	size_t at = column(b, name);

	return &b->features.at[at];
}

static void grows_column_by_column_and_row_by_row(void **state)
{
	struct batch *b = batch_open("m", 1, "", 0);

	(void)state;
	for (size_t row = 0; row < 1000; row++) {
		char name[32];
		struct column *c;

		batch_row_begin(b);
		assert_int_equal(b->time_us[row], TIME_NONE);
		if (row == 100)
			batch_widths(b, 3, 0);
		if (row == 200)
			batch_widths(b, 0, 5);
		snprintf(name, sizeof name, "f%zu", row % 70);
		c = column_at(b, name);
		assert_int_equal(c->kind[row], CELL_ABSENT);
		assert_true(isnan(c->number[row]));
		if (row % 3) {
			c->kind[row] = CELL_NUMBER;
			c->number[row] = (double)row;
		} else {
			batch_text_put(b, c, row, (struct text){"x", 1});
		}
		if (row >= 100)
			b->logits[row * 3] = (float)row;
		b->n++;
	}
	assert_int_equal(b->features.n, 70);
	assert_int_equal((uintptr_t)b->logits % 64, 0);
	assert_int_equal((uintptr_t)b->embedding % 64, 0);
	assert_true(isnan(b->logits[99 * 3]) && b->logits[999 * 3] == 999.0f);
	for (size_t i = 0; i < 1000 * 5; i++)
		assert_true(isnan(b->embedding[i]));
	for (size_t i = 0; i < 70; i++) {
		const struct column *c = &b->features.at[i];

		for (size_t row = 0; row < 1000; row++) {
			bool mine = row % 70 == i;

			assert_int_equal(c->kind[row], !mine ? CELL_ABSENT : row % 3 ? CELL_NUMBER : CELL_TEXT);
			assert_int_equal(isnan(c->number[row]), !mine || row % 3 == 0);
			assert_true(!c->text || !!c->text[row].at == (mine && row % 3 == 0));
		}
	}
	batch_close(b);
	batch_close(NULL);
}

static void finds_columns_by_name_and_by_guess(void **state)
{
	struct batch *b = batch_open("m", 1, "1", 1);

	(void)state;
	batch_row_begin(b);
	assert_null(columns_find(&b->features, "a"));
	assert_int_equal(column(b, "a"), 0);
	assert_int_equal(column(b, "ab"), 1);
	assert_int_equal(batch_column(b, &b->features, "ab", 2, 1, 2), 1);
	assert_int_equal(batch_column(b, &b->features, "ab", 2, 0, 2), 1);
	assert_int_equal(batch_column(b, &b->features, "abc", 3, 1, 2), SIZE_MAX);
	assert_int_equal(batch_column(b, &b->tags, "abc", 3, 1, 2), 0);
	assert_string_equal(columns_find(&b->features, "ab")->name, "ab");
	assert_null(columns_find(&b->features, "b"));
	batch_close(b);
}

static void forgets_rows_and_text_on_reset(void **state)
{
	struct batch *b = batch_open("m", 1, "1", 1);

	(void)state;
	batch_widths(b, 2, 2);
	batch_row_begin(b);
	batch_text_put(b, column_at(b, "a"), 0, (struct text){"x", 1});
	b->n++;
	batch_reset(b);
	assert_int_equal(b->n, 0);
	assert_int_equal(b->n_logits, 2);
	assert_null(b->features.at[0].text);
	batch_row_begin(b);
	assert_int_equal(b->features.at[0].kind[0], CELL_ABSENT);
	assert_true(isnan(b->embedding[0]));
	batch_close(b);
}

static void the_books_balance(void **state)
{
	struct counts all = {0}, part = {.read = {10, 100}, .scored = {4, 40}, .late = {1, 10}, .in_flight = {2, 20}, .flagged = 3};

	(void)state;
	part.rejected[REJECT_BLANK] = (struct tally){3, 30};
	counts_add(&all, &part);
	counts_add(&all, &part);
	assert_int_equal(counts_gap(&all).records, 0);
	assert_int_equal(counts_gap(&all).bytes, 0);
	assert_int_equal(all.flagged, 6);
	all.rejected[REJECT_FUTURE].bytes = 7;
	assert_int_equal(counts_gap(&all).bytes, -7);
	for (size_t i = 0; i < REJECT_N; i++)
		assert_true(reject_words[i] && reject_helps[i]);
}

static void scored_grows_with_rows_and_shape(void **state)
{
	struct scored s;

	(void)state;
	scored_init(&s);
	scored_room(&s, 10, 2, 3, 1);
	s.p[2 * 10 - 1] = 1;
	scored_room(&s, 1000, 5, 30, 4);
	s.p[5 * 1000 - 1] = s.fused[999] = 1;
	s.bin[30 * 1000 - 1] = SCORED_NO_BIN;
	s.term[4 * 1000 - 1] = INT64_MIN;
	s.sum_at[3] = 7;
	scored_room(&s, 3, 5, 30, 4);
	assert_int_equal(s.n, 3);
	scored_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_column_by_column_and_row_by_row),
		cmocka_unit_test(finds_columns_by_name_and_by_guess),
		cmocka_unit_test(forgets_rows_and_text_on_reset),
		cmocka_unit_test(the_books_balance),
		cmocka_unit_test(scored_grows_with_rows_and_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
