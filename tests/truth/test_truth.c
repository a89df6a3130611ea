/* SPDX-License-Identifier: Apache-2.0
 * Labels that meet predictions: each once, in any order, for as long as predictions are kept; and all of it out of the database as
 * it went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/store.h"
#include "truth.h"
#include "waiting.h"

enum { HOUR = 3600 };
#define US INT64_C(1000000)

static struct measure *measure_new(struct reference *r, const char *name, enum measure_kind kind, const char *const *words)
{
	struct measure *m;

	r->measures = mem_grow(r->measures, r->n_measures + 1, sizeof *r->measures);
	m = &r->measures[r->n_measures++];
	*m = (struct measure){.name = mem_copy_text(name), .kind = kind, .first = r->width, .below = MEASURE_NO_BIN, .above = MEASURE_NO_BIN,
		.missing = MEASURE_NO_BIN, .mistyped = MEASURE_NO_BIN, .sums = MEASURE_NO_BIN, .scale = 1};
	while (words[m->n_words]) {
		m->words = mem_grow(m->words, m->n_words + 1, sizeof *m->words);
		m->words[m->n_words] = mem_copy_text(words[m->n_words]);
		m->n_words++;
	}
	m->other = m->n_words;
	m->n = m->n_words + 1;
	r->width += m->n;
	return m;
}

/* Windows of labels in which four of five predictions were right. */
static struct reference *labels_like(void)
{
	static const char *const right[] = {"right", NULL}, *const classes[] = {"no", "yes", NULL};
	struct reference *r = reference_new();
	struct judge_options o = JUDGE_OPTIONS;

	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	r->made_by = mem_copy_text("test");
	r->flag_rate = .01;
	r->window_us = HOUR * US;
	measure_new(r, "accuracy", MEASURE_ACCURACY, right);
	measure_new(r, "label", MEASURE_LABEL, classes);
	measure_new(r, TRUTH_GIVEN "yes", MEASURE_LABEL, classes);
	r->n_windows = 40;
	r->windows = mem_zero(r->n_windows, sizeof *r->windows);
	for (size_t i = 0; i < r->n_windows; i++) {
		struct reference_window *w = &r->windows[i];

		*w = (struct reference_window){.start_us = (int64_t)i * HOUR * US, .n = 100, .width = r->width, .v = mem_zero(r->width, 8)};
		for (size_t k = 0; k < 100; k++)
			truth_count(r, k % 2 ? "yes" : "no", k % 2 ? 3 : 2, k % 10 < 5 ? "yes" : "no", (k + i) % 5 != 0, w->v);
	}
	judge_learn(r, &o);
	return r;
}

static struct reference *reference_like(void)
{
	struct reference *r = reference_new();
	struct performance *p = &r->performance;

	r->model = mem_copy_text("m");
	r->version = mem_copy_text("1");
	r->made_by = mem_copy_text("test");
	r->flag_rate = .01;
	r->window_us = HOUR * US;
	r->n_classes = r->n_logits = 2;
	r->classes = mem_zero(2, sizeof *r->classes);
	r->classes[0] = mem_copy_text("no");
	r->classes[1] = mem_copy_text("yes");
	strcpy(r->hash, "abc");
	p->truth = labels_like();
	p->n_sure = 2;
	p->sure = mem_copy((double[]){.7, .8}, 2 * sizeof(double));
	p->truth->hash[0] = 'a';
	return r;
}

static struct truth_book *book(const struct reference *r, size_t most, int64_t keep_us)
{
	struct truth_options o = {.most = most, .keep_us = keep_us, .judge = JUDGE_OPTIONS};

	return truth_open(r, &o);
}

/* Record i, at second i, says yes where i is even; its confidence is .75, p is .5. */
static void predict(struct truth_book *t, uint64_t i, bool odd)
{
	struct batch *b = batch_open("m", 1, "1", 1);
	struct scored s;
	char id[32];

	scored_init(&s);
	scored_room(&s, 1, 0, 0, 0);
	s.fused[0] = odd ? .1 : .5;
	batch_row_begin(b);
	b->time_us[0] = (int64_t)i * US;
	b->confidence[0] = .75;
	b->id[0] = (struct text){id, (uint32_t)snprintf(id, sizeof id, "%llu", (unsigned long long)i)};
	b->hash[0] = hash_bytes(id, b->id[0].n, 0);
	b->prediction[0] = i % 2 ? (struct text){"no", 2} : (struct text){"yes", 3};
	b->n = 1;
	truth_predicted(t, b, &s, 0);
	scored_done(&s);
	batch_close(b);
}

static struct truth_label label_of(uint64_t i, const char *class, int64_t time_us)
{
	char id[32];
	int n = snprintf(id, sizeof id, "%llu", (unsigned long long)i);

	return (struct truth_label){.id = hash_bytes(id, (size_t)n, 0), .class = class, .n_class = strlen(class), .time_us = time_us};
}

static enum truth_met say(struct truth_book *t, uint64_t i, const char *class, int64_t time_us)
{
	struct truth_label l = label_of(i, class, time_us);

	return truth_label(t, &l);
}

static struct signal close_window(struct truth_book *t, int64_t hour)
{
	struct window w = {.start_us = hour * HOUR * US, .end_us = (hour + 1) * HOUR * US, .n = HOUR};
	struct signal s = {.state = SIGNAL_QUIET, .since_us = TIME_NONE, .log_m = -INFINITY, .log_budget = 9};

	truth_window_closed(t, &w, &s);
	return s;
}

static void test_each_once(void **state)
{
	struct reference *r = reference_like();
	struct truth_book *t = book(r, 100000, INT64_C(1) << 60);
	struct truth_label l;
	struct signal s;

	(void)state;
	for (uint64_t i = 0; i < 9000; i++) /* the ring grows twice */
		predict(t, i, i == 4);
	for (uint64_t i = 0; i < 9000; i += 3)
		assert_int_equal(say(t, i, i % 4 ? "no" : "yes", (int64_t)i * US), TRUTH_MET);
	assert_int_equal(say(t, 3, "no", 0), TRUTH_REPEATED);
	assert_int_equal(say(t, 9000, "no", 0), TRUTH_UNKNOWN);
	l = label_of(1, "yes", 0); /* said no, .75 sure, and records truly of "no" are .7: rather the label */
	assert_int_equal(truth_label(t, &l), TRUTH_MET);
	assert_true(!l.right && l.mislabelled && !strcmp(l.predicted, "no") && l.predicted_us == US);
	l = label_of(2, "no", 0); /* said yes, and those are .8 */
	assert_int_equal(truth_label(t, &l), TRUTH_MET);
	assert_true(!l.right && !l.mislabelled);
	s = close_window(t, 0);
	assert_int_equal(s.performance.n_labels, 1200 + 2);
	/* i = 0, 3, 6 ..: said yes where even, true is yes where i % 4 == 0, so wrong where i % 4 == 2: each fourth of them. */
	assert_int_equal(s.performance.n_right, 900);
	assert_int_equal(s.n_findings, 3);
	signal_done(&s);
	truth_close(t);
	reference_close(r);
}

static void test_predictions_are_forgotten(void **state)
{
	struct reference *r = reference_like();
	struct truth_book *t = book(r, 1000, 2 * HOUR * US);
	struct signal s;

	(void)state;
	for (uint64_t i = 0; i < 1500; i++)
		predict(t, i, false);
	assert_int_equal(say(t, 499, "no", 0), TRUTH_UNKNOWN);
	assert_int_equal(say(t, 500, "yes", 0), TRUTH_MET);
	assert_int_equal(say(t, 1499, "no", 0), TRUTH_MET);
	s = close_window(t, 2); /* ends at hour 3: what is older than hour 1 goes with the next record */
	signal_done(&s);
	predict(t, 3 * HOUR, false);
	assert_int_equal(say(t, 1498, "yes", 0), TRUTH_UNKNOWN);
	assert_int_equal(say(t, 3 * HOUR, "yes", 0), TRUTH_MET);
	truth_close(t);
	reference_close(r);
}

struct saved {
	char *key[64];
	struct buf blob[64];
	size_t n;
};

static int keep_state(void *context, const char *key, const void *at, size_t n)
{
	struct saved *s = context;

	s->key[s->n] = mem_copy_text(key);
	s->blob[s->n] = BUF_EMPTY;
	buf_put(&s->blob[s->n++], at, n);
	return 0;
}

static void saved_done(struct saved *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->key[i]);
		buf_done(&s->blob[i]);
	}
}

/* What the database holds after t was saved into it. */
static struct saved save(struct store *store, struct truth_book *t)
{
	struct txn *txn = txn_open();
	struct saved s = {.n = 0};
	struct error e;

	truth_save(t, "m 1", txn);
	assert_int_equal(store_commit_wait(store, &txn, US, &e), 0);
	assert_int_equal(store_each_state(store, STATE_LABEL, keep_state, &s, &e), 0);
	return s;
}

static struct truth_book *load(const struct reference *r, const struct saved *s)
{
	struct truth_book *t = book(r, 3000, INT64_C(1) << 60);
	struct error e = {0};

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < s->n; i++)
			if (truth_load(t, "m 1", pass, s->key[i], s->blob[i].at, s->blob[i].n, &e))
				fail_msg("%s", e.text);
	truth_loaded(t);
	return t;
}

static void same(const struct saved *a, const struct saved *b, const char *oldest)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_string_equal(a->key[i], b->key[i]);
		if (!strcmp(a->key[i], oldest))
			continue; /* some of it is forgotten: how much of that is still there is of no account */
		assert_int_equal(a->blob[i].n, b->blob[i].n);
		assert_memory_equal(a->blob[i].at, b->blob[i].at, a->blob[i].n);
	}
}

/* Two books that are told the same, one of them taken out of the database in between, twice: in the end they save the same. */
static void test_out_of_the_database_as_it_went_in(void **state)
{
	char dir[] = "/tmp/oodd-truth-XXXXXX", other[] = "/tmp/oodd-truth-XXXXXX", *command;
	struct reference *r = reference_like();
	struct truth_book *whole = book(r, 3000, INT64_C(1) << 60), *cut = book(r, 3000, INT64_C(1) << 60);
	struct store_options o = {.dir = mkdtemp(dir)}, o2 = {.dir = mkdtemp(other)};
	struct store *store, *store2;
	struct saved a, b;
	struct error e;

	(void)state;
	assert_int_equal(store_open(&o, &store, &e), 0);
	assert_int_equal(store_open(&o2, &store2, &e), 0);
	for (uint64_t i = 0; i < 8000; i++) {
		struct truth_book *both[] = {whole, cut};

		for (size_t k = 0; k < 2; k++) {
			predict(both[k], i, false);
			if (i >= 50 && i % 3)
				say(both[k], i - 50, i % 7 ? "yes" : "no", (int64_t)(i + 100) * US);
			if (i && i % HOUR == 0) {
				struct signal s = close_window(both[k], (int64_t)i / HOUR - 1);

				signal_done(&s);
			}
		}
		if (i % 2500 == 2400) {
			b = save(store2, cut);
			truth_close(cut);
			cut = load(r, &b);
			saved_done(&b);
		}
	}
	a = save(store, whole);
	b = save(store2, cut);
	same(&a, &b, "segment 4 m 1");
	assert_true(a.n >= 4 && a.n <= 6);
	saved_done(&a);
	saved_done(&b);
	truth_close(whole);
	truth_close(cut);
	store_close(store);
	store_close(store2);
	reference_close(r);
	command = mem_format("rm -r %s %s", dir, other);
	assert_int_equal(system(command), 0);
	free(command);
}

static void test_what_is_no_state_is_refused(void **state)
{
	static const char *const keys[] = {"frame m 1", "judge m 1", "segment 0 m 1"};
	struct reference *r = reference_like();
	struct truth_book *t = book(r, 3000, INT64_C(1) << 60);
	struct error e = {0};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(truth_load(t, "m 1", i == 2, keys[i], "\x81\xa1x\x01", 4, &e), -EINVAL);
	assert_int_equal(truth_load(t, "m 1", 1, "segment 0 x m 1", "x", 1, &e), 0); /* another stream's */
	predict(t, 0, false);
	assert_int_equal(say(t, 0, "yes", 0), TRUTH_MET);
	truth_close(t);
	reference_close(r);
}

/* A second reference of the stream takes over what waits. */
static void test_a_new_reference_adopts(void **state)
{
	struct reference *r = reference_like(), *r2 = reference_like();
	struct truth_book *t = book(r, 3000, INT64_C(1) << 60), *t2 = book(r2, 3000, INT64_C(1) << 60);
	char *first = r2->classes[0];

	(void)state;
	for (uint64_t i = 0; i < 2000; i++)
		predict(t, i, false);
	say(t, 10, "yes", 0);
	r2->classes[0] = r2->classes[1]; /* another order of classes */
	r2->classes[1] = first;
	truth_close(t2);
	t2 = book(r2, 3000, INT64_C(1) << 60);
	truth_adopt(t2, t);
	assert_int_equal(say(t2, 10, "yes", 0), TRUTH_REPEATED);
	for (uint64_t i = 20; i < 22; i++) {
		struct truth_label l = label_of(i, "yes", 0);

		assert_int_equal(truth_label(t2, &l), TRUTH_MET);
		assert_string_equal(l.predicted, i % 2 ? "no" : "yes");
		assert_true(l.right == (i % 2 == 0));
	}
	assert_int_equal(say(t, 30, "yes", 0), TRUTH_UNKNOWN);
	truth_close(t);
	truth_close(t2);
	reference_close(r);
	reference_close(r2);
}

/* More errors speak, once; as many as ever do not, fewer do not. */
static void test_errors(void **state)
{
	for (int wrong_of_ten = 0; wrong_of_ten <= 6; wrong_of_ten += 2) {
		struct reference *r = reference_like();
		struct truth_book *t = book(r, 100000, INT64_C(1) << 60);
		size_t fresh = 0;

		(void)state;
		for (int64_t hour = 0; hour < 30; hour++) {
			struct signal s;

			for (uint64_t i = 0; i < 100; i++) {
				uint64_t record = (uint64_t)hour * HOUR + i;
				bool wrong = (int)((i / 2) % 10) < wrong_of_ten;

				predict(t, record, false);
				assert_int_equal(say(t, record, (i % 2 == 0) != wrong ? "yes" : "no", (int64_t)record * US), TRUTH_MET);
			}
			s = close_window(t, hour);
			for (size_t k = 0; k < s.n_findings; k++)
				if (s.fresh && s.findings[k].kind == MEASURE_ACCURACY && s.findings[k].moved) {
					fresh++;
					assert_true(s.alarm && s.state == SIGNAL_ALARM && s.log_m > s.log_budget);
					assert_true(s.findings[k].before < .25 && s.findings[k].after > .35);
				}
			signal_done(&s);
		}
		assert_int_equal(fresh, wrong_of_ten > 2);
		truth_close(t);
		reference_close(r);
	}
}

static bool is_met(void *context, struct waiting_label *l)
{
	return strcmp(l->id, context) != 0;
}

static const char *name_of(const void *context, size_t source)
{
	return ((const char *const *)context)[source];
}

static size_t index_of(const void *context, const char *name, size_t n)
{
	for (size_t i = 0; i < 2; i++)
		if (strlen(((const char *const *)context)[i]) == n && !memcmp(((const char *const *)context)[i], name, n))
			return i;
	return SIZE_MAX;
}

static void test_waiting(void **state)
{
	static const char *const before[] = {"a", "b"}, *const after[] = {"b", "c"};
	struct waiting w = {0}, again = {0};
	struct buf blob = BUF_EMPTY;
	struct error e = {0};
	char id[16];

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		struct waiting_label l = {.label = label_of(i, "yes", (int64_t)i), .id = id, .model = (char *)"m*", .source = i % 2, .bytes = 40};

		snprintf(id, sizeof id, "%llu", (unsigned long long)i);
		waiting_add(&w, &l);
	}
	snprintf(id, sizeof id, "7");
	waiting_each(&w, label_of(7, "", 0).id, is_met, id);
	waiting_each(&w, label_of(7, "", 0).id, is_met, id);
	snprintf(id, sizeof id, "8");
	waiting_sift(&w, is_met, id);
	assert_int_equal(w.n, 998);
	waiting_pack(&w, name_of, before, &blob);
	assert_int_equal(waiting_unpack(&again, blob.at, blob.n, index_of, after, &e), 0);
	assert_int_equal(again.n, 499); /* those of "b" */
	assert_true(again.at[0].source == 0 && !strcmp(again.at[0].id, "1") && !strcmp(again.at[0].label.class, "yes") &&
		    again.at[0].label.id == label_of(1, "", 0).id && again.at[0].bytes == 40);
	assert_int_equal(waiting_unpack(&again, "x", 1, index_of, after, &e), -EINVAL);
	waiting_done(&w);
	waiting_done(&again);
	buf_done(&blob);
}

/* scipy.stats.binomtest(k, n).proportion_ci(method="wilson") */
static void test_intervals(void **state)
{
	static const struct {
		double k, n, low, high;
	} golden[] = {{0, 10, 0, .27753279}, {5, 10, .23659309, .76340691}, {88, 100, .80187901, .93000594}, {1000, 1000, .99617323, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
		struct performance_share s = performance_share(golden[i].k / golden[i].n, golden[i].n);

		assert_true(fabs(s.low - golden[i].low) < 1e-6 && fabs(s.high - golden[i].high) < 1e-6);
	}
	assert_true(isnan(performance_share(.5, 0).at) && isnan(performance_share(NAN, 10).low));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
		cmocka_unit_test(test_predictions_are_forgotten),
		cmocka_unit_test(test_out_of_the_database_as_it_went_in),
		cmocka_unit_test(test_what_is_no_state_is_refused),
		cmocka_unit_test(test_a_new_reference_adopts),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_intervals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
