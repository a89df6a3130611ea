/* SPDX-License-Identifier: Apache-2.0
 * The reference as a file: what is written comes back bit for bit, and nothing that is not what we
 * wrote gets in. Score tables and bins, on which every p-value and every count stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "model/reference.h"
#include "model/reference_inherit.h"

#include "made_reference.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static char folder[] = "/tmp/oodd-test-reference-XXXXXX";

static const char *file(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static struct buf bytes_of(const char *path)
{
	struct buf b = BUF_EMPTY;
	FILE *in = fopen(path, "rb");
	char part[4096];
	size_t n;

	assert_non_null(in);
	while ((n = fread(part, 1, sizeof part, in)) > 0)
		buf_put(&b, part, n);
	fclose(in);
	return b;
}

static void what_is_written_comes_back_bit_for_bit(void **state)
{
	struct reference *r = sample(), *back = NULL;
	struct buf a = BUF_EMPTY, b = BUF_EMPTY;
	struct error e = {""};
	struct stat is;

	(void)state;
	assert_int_equal(reference_write(r, file("a.ref"), &e), 0);
	assert_int_equal(strlen(r->hash), 64);
	assert_int_equal(reference_read(file("a.ref"), &back, &e), 0);
	reference_pack(r, &a);
	reference_pack(back, &b);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.at, b.at, a.n);
	assert_string_equal(r->hash, back->hash);
	/* pack could leave out the same thing twice: some fields by eye. */
	assert_memory_equal(back->fused.score, r->fused.score, r->fused.n * sizeof(float));
	assert_memory_equal(back->fused.above, r->fused.above, r->fused.n * sizeof(uint32_t));
	assert_int_equal(back->fused.n_exact, r->fused.n_exact);
	assert_memory_equal(back->measures[1].edges, r->measures[1].edges, 3 * sizeof(double));
	assert_memory_equal(back->measures[1].base, r->measures[1].base, 7 * sizeof(int64_t));
	assert_true(back->measures[0].base == NULL && back->measures[0].below == MEASURE_NO_BIN &&
		    back->measures[1].judged);
	assert_memory_equal(back->detectors[0].bytes, "\0abc\xff", 5);
	assert_true(isnan(back->detectors[0].agreement));
	assert_string_equal(back->category[0].words[1], "smith");
	assert_int_equal(back->windows[1].v[10], -123456789012345);
	assert_memory_equal(back->performance.calibrated, r->performance.calibrated, 3 * sizeof(double));
	assert_true(back->performance.threshold == -1.25 && isnan(back->performance.sure[1]));
	assert_string_equal(back->performance.truth->measures[0].words[0], "right");
	assert_string_equal(back->performance.truth->hash, back->hash);
	assert_int_equal(back->partial[0].members, 2);
	assert_int_equal(stat(file("a.ref"), &is), 0);
	assert_int_equal(is.st_mode & 07, 0); /* not for others */
	buf_done(&a);
	buf_done(&b);
	reference_close(r);
	reference_close(back);
}

static void a_failed_write_leaves_the_old_one(void **state)
{
	struct reference *r = sample(), *back = NULL;
	struct error e = {""};

	(void)state;
	assert_int_equal(reference_write(r, file("b.ref"), &e), 0);
	r->flag_rate = 7;
	assert_int_equal(reference_write(r, file("b.ref"), &e), -EINVAL);
	assert_non_null(strstr(e.text, "flag rate 7"));
	r->flag_rate = 0.02;
	assert_int_equal(reference_write(r, file("no/such/folder.ref"), &e), -ENOENT);
	assert_int_equal(reference_read(file("b.ref"), &back, &e), 0);
	assert_true(back->flag_rate == 0.01);
	reference_close(back);
	reference_close(r);
}

static void nothing_is_left_beside(void **state)
{
	struct reference *r = sample();
	struct error e = {""};
	char *beside;

	(void)state;
	/* one of our own number died while writing */
	beside = mem_format("%s.new-%ld", file("c.ref"), (long)getpid());
	close(open(beside, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(reference_write(r, file("c.ref"), &e), 0);
	assert_int_equal(access(beside, F_OK), -1);
	free(beside);
	reference_close(r);
}

static void files_that_are_none_are_refused_in_words(void **state)
{
	struct reference *back = NULL;
	struct error e = {""};
	FILE *out;

	(void)state;
	assert_int_equal(reference_read(file("none.ref"), &back, &e), -ENOENT);
	assert_int_equal(reference_read(folder, &back, &e), -EINVAL);
	out = fopen(file("text.ref"), "w");
	for (int i = 0; i < 100; i++)
		fputs("not a reference\n", out);
	fclose(out);
	assert_int_equal(reference_read(file("text.ref"), &back, &e), -EINVAL);
	assert_non_null(strstr(e.text, "text.ref: not a reference of oodd"));
	assert_null(back);
}

static void every_broken_byte_is_found(void **state)
{
	struct reference *r = sample(), *back = NULL;
	struct error e = {""};
	struct buf b;

	(void)state;
	assert_int_equal(reference_write(r, file("d.ref"), &e), 0);
	b = bytes_of(file("d.ref"));
	for (size_t i = 0; i < b.n; i += i < 200 ? 1 : 7) {
		b.at[i] ^= 0x20;
		assert_int_equal(reference_unpack(b.at, b.n, "d", &back, &e), -EINVAL);
		b.at[i] ^= 0x20;
		assert_int_equal(reference_unpack(b.at, i, "d", &back, &e), -EINVAL);
	}
	assert_int_equal(reference_unpack(b.at, b.n, "d", &back, &e), 0);
	reference_close(back);
	buf_done(&b);
	reference_close(r);
}

/* Behind the checksum: whatever the payload says, it is refused or it is a reference that can be
 * indexed. */
static void every_broken_payload_is_refused_or_sound(void **state)
{
	struct reference *r = sample();
	struct buf good = BUF_EMPTY, again = BUF_EMPTY;
	size_t taken = 0;

	(void)state;
	reference_pack(r, &good);
	for (size_t i = 0; i < good.n; i++)
		for (unsigned change = 0; change < 4; change++) {
			char was = good.at[i];
			struct reference *back = NULL;
			struct error e = {""};

			good.at[i] = (char[]){(char)(was ^ 1), (char)(was ^ 0x80), (char)0xdd,
				(char)0xc0}[change];
			if (reference_unpack_payload(good.at, good.n, &back, &e) == 0) {
				assert_int_equal(reference_check(back, &e), 0);
				buf_clear(&again);
				reference_pack(back, &again);
				reference_close(back);
				taken++;
			} else {
				assert_true(e.text[0] != '\0');
			}
			good.at[i] = was;
		}
	assert_true(taken > 0);
	buf_done(&good);
	buf_done(&again);
	reference_close(r);
}

/* One promise of the header broken at a time. */
/* clang-format off */
static void b_flag(struct reference *r) { r->flag_rate = 1.0; }
static void b_window(struct reference *r) { r->window_us = 0; }
static void b_classes(struct reference *r) { r->n_logits = 3; }
static void b_knot(struct reference *r) { r->fused.score[3] = r->fused.score[2]; }
static void b_nan(struct reference *r) { r->fused.score[3] = (float)NAN; }
static void b_above(struct reference *r) { r->fused.above[3] = r->fused.above[2]; }
static void b_total(struct reference *r) { r->fused.total++; }
static void b_exact(struct reference *r) { r->fused.n_exact = r->fused.n + 1; }
static void b_by_class(struct reference *r) { r->n_logits = r->n_classes = 1; }
static void b_weight(struct reference *r) { r->detectors[1].weight = -1; }
static void b_muted(struct reference *r) { r->detectors[1].muted = mem_copy_text("why"); }
static void b_members(struct reference *r) { r->partial[0].members = 4; }
static void b_ways(struct reference *r) { r->ways[1].n_weights = 1; }
static void b_way(struct reference *r) { r->ways[0].weights[1] = -1; }
static void b_way_of_none(struct reference *r) { r->ways[1].weights[0] = 0; }
static void b_offset(struct reference *r) { r->ways[0].offset = (double)NAN; }
static void b_edges(struct reference *r) { r->measures[1].edges[1] = 41; }
static void b_first(struct reference *r) { r->measures[1].first = 2; }
static void b_special(struct reference *r) { r->measures[1].above = 4; }
static void b_special_far(struct reference *r) { r->measures[1].missing = 7; }
static void b_special_low(struct reference *r) { r->measures[1].below = 1; }
static void b_sums(struct reference *r) { r->measures[1].sums = 11; }
static void b_scale(struct reference *r) { r->measures[1].scale = 0; }
static void b_mean(struct reference *r) { r->measures[1].mean[0] = 0; }
static void b_mean_sum(struct reference *r) { r->measures[1].mean[0] = 0.5; }
static void b_kappa(struct reference *r) { r->measures[1].kappa = (double)INFINITY; }
static void b_season(struct reference *r) { r->season = SEASON_AUTO; }
static void b_season_day(struct reference *r) { r->season = SEASON_HOUR_OF_DAY, r->window_us = INT64_C(86400000000); }
static void b_season_prior(struct reference *r) { r->measures[1].season_prior = -1; }
static void b_base(struct reference *r) { r->measures[1].base[0] = -1; }
static void b_judged(struct reference *r) { r->measures[0].judged = true; }
static void b_width(struct reference *r) { r->width = 11; }
static void b_performance(struct reference *r) { r->performance.first--; }
static void b_accuracy(struct reference *r) { r->performance.accuracy = 1.5; }
static void b_map(struct reference *r) { r->performance.calibrated[2] = 0.5; }
static void b_edges_of_map(struct reference *r) { r->performance.n_edges = 1; }
static void b_sure(struct reference *r) { r->performance.n_sure = 1; }
static void b_opportunity(struct reference *r) { r->performance.n_opportunity = 1; }
static void b_order(struct reference *r) { r->windows[1].start_us = r->windows[0].start_us; }
static void b_start(struct reference *r) { r->windows[1].start_us += 1; }
static void b_count(struct reference *r) { r->windows[1].v[0] = 8; }
static void b_negative(struct reference *r) { r->windows[1].v[0] = -1; }
static void b_flagged(struct reference *r) { r->others[0].n_flagged = 8; }
/* clang-format on */

static void every_promise_is_checked(void **state)
{
	static void (*const breaks[])(struct reference *) = {b_flag, b_window, b_classes, b_knot,
		b_nan, b_above, b_total, b_exact, b_by_class, b_weight, b_muted, b_members, b_ways, b_way, b_way_of_none, b_offset, b_edges,
		b_first, b_special, b_special_far, b_special_low, b_sums, b_scale, b_mean,
		b_mean_sum, b_kappa, b_season, b_season_day, b_season_prior, b_base, b_judged, b_width, b_performance, b_accuracy, b_map, b_edges_of_map, b_sure, b_opportunity, b_order, b_start, b_count,
		b_negative, b_flagged};

	(void)state;
	for (size_t i = 0; i < COUNT(breaks); i++) {
		struct reference *r = sample();
		struct error e = {""};
		size_t classes = r->n_classes;

		assert_int_equal(reference_check(r, &e), 0);
		breaks[i](r);
		if (reference_check(r, &e) != -EINVAL)
			fail_msg("break %zu was not found", i);
		r->n_classes = classes;
		reference_close(r);
	}
}

/* Score tables. */

static double p_by_counting(const float *x, size_t n, float score, double u)
{
	size_t greater = 0, equal = 0;

	for (size_t i = 0; i < n; i++) {
		greater += x[i] > score;
		equal += x[i] == score;
	}
	return (1.0 + (double)greater + u * (double)equal) / ((double)n + 1.0);
}

static void a_small_table_is_exact(void **state)
{
	float x[500], copy[500];
	struct score_table t;

	(void)state;
	for (size_t i = 0; i < 500; i++)
		x[i] = i % 3 ? (float)log(unit(i, 9)) : (float)(i % 5); /* smooth and tied */
	memcpy(copy, x, sizeof copy);
	copy[17] = copy[18] = (float)NAN;
	score_table_make(&t, copy, 500, 512);
	assert_int_equal(t.total, 498);
	score_table_done(&t);
	memcpy(copy, x, sizeof copy);
	score_table_make(&t, copy, 500, 512);
	assert_int_equal(t.n, t.n_exact);
	for (size_t i = 0; i < 4000; i++) {
		float score = i < 500 ? x[i] : (float)(8.0 * unit(i, 10) - 4.0);
		double u = unit(i, 11);

		assert_true(score_table_p(&t, score, u) == p_by_counting(x, 500, score, u));
	}
	assert_true(score_table_p(&t, -1e30f, 0.5) == 1.0);
	assert_true(score_table_p(&t, 1e30f, 0.5) == 1.0 / 501.0);
	score_table_done(&t);
}

/* 100,000 scores in 1,024 knots: the tail is exact, the body valid and near. */
static void a_thinned_table_is_exact_in_the_tail_and_valid(void **state)
{
	size_t n = 100000, below[4] = {0}, tests = 20000;
	const double levels[] = {0.001, 0.01, 0.2, 0.7};
	float *x = mem_alloc(n * sizeof *x), *copy;
	struct score_table t;

	(void)state;
	for (size_t i = 0; i < n; i++)
		x[i] = i % 4 ? (float)log(unit(i, 12)) : -2.0f;
	copy = mem_copy(x, n * sizeof *x);
	score_table_make(&t, copy, n, 1024);
	assert_true(t.n <= 1024 && t.n_exact == 512);
	for (size_t i = 0; i < tests; i++) {
		float score = i % 4 ? (float)log(unit(i, 13)) : -2.0f;
		double u = unit(i, 14), p = score_table_p(&t, score, u);

		if (score > t.score[t.n - t.n_exact] && i < 4000)
			assert_true(p == p_by_counting(x, n, score, u));
		for (size_t k = 0; k < 4; k++)
			below[k] += p <= levels[k];
	}
	for (size_t k = 0; k < 4; k++)
		assert_true(fabs((double)below[k] / (double)tests - levels[k]) <
			    4.5 * sqrt(levels[k] * (1 - levels[k]) / (double)tests));
	score_table_done(&t);
	free(copy);
	free(x);
}

/* Bins. */

static void bins_are_half_open_and_their_ends_special(void **state)
{
	struct reference *r = sample();
	const struct measure *m = &r->measures[1];
	const struct {
		double x;
		size_t bin;
	} is[] = {{-2, 0}, {-1.5, 0}, {-1.4999, 1}, {0.1, 1}, {0.2, 2}, {40, 2}, {40.1, 3}, {90, 3},
		{90.1, 5}, {-2.1, 4}, {INFINITY, 5}, {-INFINITY, 4}};
	char text[64];

	(void)state;
	for (size_t i = 0; i < COUNT(is); i++)
		assert_int_equal(measure_bin(m, is[i].x), is[i].bin);
	assert_string_equal(measure_bin_words(m, 2, text, sizeof text), "(0.1, 40]");
	assert_string_equal(measure_bin_words(m, 3, text, sizeof text), "> 40");
	assert_string_equal(measure_bin_words(m, 6, text, sizeof text), "missing");
	assert_string_equal(
		measure_bin_words(m, 5, text, sizeof text), "> 90 (beyond the reference)");
	assert_string_equal(measure_bin_words(&r->measures[0], 1, text, sizeof text), "yes");
	assert_string_equal(measure_bin_words(&r->measures[0], 2, text, sizeof text), "never seen");
	reference_close(r);
}

static void bins_of_a_column_are_those_of_each_value(void **state)
{
	double edges[MEASURE_MOST_EDGES], x[1000];
	uint32_t to[3000];

	(void)state;
	for (size_t n = 0; n <= MEASURE_MOST_EDGES; n++) {
		struct measure m;

		measure_fill(&m, "x", MEASURE_NUMERIC, 100);
		for (size_t i = 0; i < n; i++)
			edges[i] = (double)i + 0.5;
		m.edges = edges;
		m.n_edges = n;
		for (size_t i = 0; i < 1000; i++) {
			x[i] = i % 10 == 0 ? (double)NAN
			       : i % 3     ? (double)(i % 70) - 2.5
					   : 66.0 * unit(i, n);
			to[3 * i] = 7;
		}
		measure_bins(&m, x, 1000, to, 3);
		for (size_t i = 0; i < 1000; i++) {
			size_t bin = 0;

			while (bin < n && edges[bin] < x[i])
				bin++;
			assert_int_equal(to[3 * i], isnan(x[i]) ? 7 : 100 + bin);
		}
		free(m.name);
	}
}

/* Of the sample's two measures the class may be counted, the age is judged. */
static void a_new_version_inherits_what_does_not_depend_on_the_model(void **state)
{
	struct reference *r = sample(), *heir = NULL, *again = NULL, *other = NULL;
	struct error e = {""};

	(void)state;
	assert_int_equal(reference_inherit(r, "2.0", &heir, &e), 0);
	assert_string_equal(heir->model, r->model);
	assert_string_equal(heir->version, "2.0");
	assert_string_equal(heir->inherited_from, r->version);
	assert_int_equal(heir->n_detectors, 0);
	assert_int_equal(heir->n_logits + heir->n_embedding, 0);
	assert_int_equal(heir->n_measures, 2);
	assert_false(heir->measures[0].judged);
	assert_non_null(strstr(heir->measures[0].why, "counted, not judged"));
	assert_true(heir->measures[1].judged);
	assert_memory_equal(heir->measures[1].mean, r->measures[1].mean, 7 * sizeof(double));
	assert_true(heir->measures[1].kappa == r->measures[1].kappa);
	assert_int_equal(heir->n_windows, 2);
	assert_memory_equal(heir->windows[1].v, r->windows[1].v, r->performance.first * sizeof(int64_t));
	/* its hash is of what it holds */
	assert_int_equal(reference_inherit(r, "2.0", &again, &e), 0);
	assert_int_equal(reference_inherit(r, "2.1", &other, &e), 0);
	assert_int_equal(strlen(heir->hash), 64);
	assert_string_equal(heir->hash, again->hash);
	assert_string_not_equal(heir->hash, other->hash);
	reference_close(other);
	reference_close(again);
	reference_close(heir);
	reference_close(r);
}

static void a_version_inherits_stretches_of_windows(void **state)
{
	struct reference *r = sample(), *heir = NULL;
	struct error e = {""};

	(void)state;
	r->measures[0].kind = MEASURE_P_VALUE; /* of detectors, which are not inherited */
	assert_int_equal(reference_inherit(r, "2.0", &heir, &e), 0);
	assert_int_equal(heir->n_measures, 1);
	assert_int_equal(heir->width, r->performance.first - 3); /* how often the model is right is not inherited */
	assert_int_equal(heir->measures[0].first, 0);
	assert_int_equal(heir->measures[0].sums, 7);
	assert_memory_equal(heir->windows[0].v, r->windows[0].v + 3, (r->performance.first - 3) * sizeof(int64_t));
	reference_close(heir);
	r->n_measures = 1;
	assert_int_equal(reference_inherit(r, "2.0", &heir, &e), -ENOENT);
	assert_non_null(strstr(e.text, "nothing"));
	r->n_measures = 2;
	reference_close(r);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	static const char *const names[] = {"a.ref", "b.ref", "c.ref", "d.ref", "text.ref"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		unlink(file(names[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_comes_back_bit_for_bit),
		cmocka_unit_test(a_failed_write_leaves_the_old_one),
		cmocka_unit_test(nothing_is_left_beside),
		cmocka_unit_test(files_that_are_none_are_refused_in_words),
		cmocka_unit_test(every_broken_byte_is_found),
		cmocka_unit_test(every_broken_payload_is_refused_or_sound),
		cmocka_unit_test(every_promise_is_checked),
		cmocka_unit_test(a_new_version_inherits_what_does_not_depend_on_the_model),
		cmocka_unit_test(a_version_inherits_stretches_of_windows),
		cmocka_unit_test(a_small_table_is_exact),
		cmocka_unit_test(a_thinned_table_is_exact_in_the_tail_and_valid),
		cmocka_unit_test(bins_are_half_open_and_their_ends_special),
		cmocka_unit_test(bins_of_a_column_are_those_of_each_value),
	};
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
