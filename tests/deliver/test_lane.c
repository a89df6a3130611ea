/* SPDX-License-Identifier: Apache-2.0
 * A lane lives through hours here: order, pauses, expiry, what level endpoints are told. No I/O but
 * a store that is never asked: transactions are opened, written into, and ended by hand. */
#include "deliver/lane.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

#define T0 (INT64_C(1700000000) * SECOND_US)
#define MINUTE_US (60 * SECOND_US)

static struct lane_policy edge(void)
{
	return (struct lane_policy){.resend_us = MINUTE_US,
		.resolved_us = 15 * MINUTE_US,
		.expire_us = 60 * MINUTE_US,
		.retry_us = SECOND_US,
		.retry_most_us = 5 * MINUTE_US,
		.pause_most_us = MINUTE_US,
		.at_once = 1,
		.most = 100,
		.dead_most = 10,
		.seed = 7};
}

static struct lane_policy level(void)
{
	struct lane_policy p = edge();

	p.level = true;
	return p;
}

static struct alert alert(const char *key, enum alert_state state)
{
	struct alert a = {.name = (char *)"A",
		.model = (char *)"m",
		.version = (char *)"1",
		.severity = (char *)"page",
		.state = state,
		.starts_us = T0,
		.ends_us = state == ALERT_RESOLVED ? T0 : TIME_NONE,
		.at_us = T0};

	snprintf(a.key, sizeof a.key, "%s", key);
	return a;
}

/* Put and commit. */
static void put(struct lane *l, const char *key, enum alert_state state, int64_t now)
{
	struct txn *t = txn_open();
	struct alert a = alert(key, state);

	lane_put(l, t, &a, now);
	lane_committed(l, txn_number(t), 0);
	txn_close(&t);
}

/* Record what happened, and commit that. */
static void record(struct lane *l)
{
	struct txn *t = txn_open();

	lane_record(l, t);
	lane_committed(l, txn_number(t), 0);
	txn_close(&t);
}

static void expect(
	struct lane *l, int64_t now, const char *key, enum alert_state state, enum verdict v)
{
	struct row *r = lane_next(l, now);

	assert_non_null(r);
	assert_string_equal(r->alert.key, key);
	assert_int_equal(r->alert.state, state);
	lane_answered(l, r->number, v, 0, v == VERDICT_ACCEPTED ? NULL : "no", now);
}

static void test_nothing_is_sent_before_its_commit(void **state)
{
	struct lane_policy p = edge();
	struct lane *l = lane_open("e", &p);
	struct txn *t = txn_open(), *dropped = txn_open();
	struct alert a = alert("a", ALERT_FIRING), b = alert("b", ALERT_FIRING);

	(void)state;
	lane_put(l, t, &a, T0);
	lane_put(l, dropped, &b, T0);
	assert_null(lane_next(l, T0));
	assert_true(lane_wake(l, T0) == INT64_MAX);
	lane_committed(l, txn_number(dropped), -ECANCELED);
	assert_null(lane_next(l, T0));
	lane_committed(l, txn_number(t), 0);
	assert_true(lane_wake(l, T0) == T0);
	expect(l, T0, "a", ALERT_FIRING, VERDICT_ACCEPTED);
	assert_null(lane_next(l, T0 + MINUTE_US)); /* b never was */
	txn_close(&t);
	txn_close(&dropped);
	lane_close(l);
}

static void test_transitions_of_an_alert_keep_their_order(void **state)
{
	struct lane_policy p = edge();
	struct lane *l;
	struct row *first, *other;

	(void)state;
	p.at_once = 3;
	l = lane_open("e", &p);
	put(l, "a", ALERT_FIRING, T0);
	put(l, "a", ALERT_RESOLVED, T0);
	put(l, "b", ALERT_FIRING, T0);
	first = lane_next(l, T0);
	other = lane_next(l, T0);
	assert_string_equal(first->alert.key, "a");
	assert_string_equal(other->alert.key, "b"); /* another alert need not wait */
	assert_null(lane_next(l, T0));
	lane_answered(l, first->number, VERDICT_RETRY, 0, "503", T0);
	lane_answered(l, other->number, VERDICT_ACCEPTED, 0, NULL, T0);
	expect(l, T0 + 2 * SECOND_US, "a", ALERT_FIRING, VERDICT_ACCEPTED);
	expect(l, T0 + 2 * SECOND_US, "a", ALERT_RESOLVED, VERDICT_ACCEPTED);
	lane_close(l);
}

static void test_pauses_double_are_random_and_bounded(void **state)
{
	struct lane_policy p = edge();
	struct lane *l;
	int64_t now = T0, longest = 0, sum = 0;

	(void)state;
	p.expire_us = 100 * 24 * 60 * MINUTE_US;
	l = lane_open("e", &p);
	put(l, "a", ALERT_FIRING, now);
	for (int i = 1; i <= 200; i++) {
		int64_t wake = lane_wake(l, now),
			most = i - 1 < 9 ? SECOND_US << (i - 1 > 0 ? i - 2 : 0) : 5 * MINUTE_US;

		if (i > 1) {
			assert_true(wake - now >= SECOND_US / 10);
			assert_true(wake - now <= (most > MINUTE_US ? 5 * MINUTE_US : MINUTE_US));
			longest = wake - now > longest ? wake - now : longest;
			sum += wake - now;
		}
		now = wake;
		expect(l, now, "a", ALERT_FIRING, VERDICT_RETRY);
	}
	/* Drawn from 0 to 5 minutes: the mean of 190 draws is near 150 s, and some come near the
	 * end. */
	assert_in_range(sum / 199 / SECOND_US, 110, 190);
	assert_true(longest > 4 * MINUTE_US);
	assert_int_equal(lane_counts(l).failed, 200);
	assert_int_equal(lane_counts(l).retried, 199);
	lane_close(l);
}

static void test_same_seed_same_pauses(void **state)
{
	struct lane_policy p = edge();
	int64_t wake[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct lane *l;

		p.seed = i < 2 ? 5 : 6;
		l = lane_open("e", &p);
		put(l, "a", ALERT_FIRING, T0);
		expect(l, T0, "a", ALERT_FIRING, VERDICT_RETRY);
		wake[i] = lane_wake(l, T0);
		lane_close(l);
	}
	assert_true(wake[0] == wake[1] && wake[0] != wake[2]);
}

static void test_retry_after_wins(void **state)
{
	struct lane_policy p = edge();
	struct lane *l = lane_open("e", &p);
	struct row *r;

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	put(l, "b", ALERT_FIRING, T0);
	r = lane_next(l, T0);
	lane_answered(l, r->number, VERDICT_RETRY, 90 * SECOND_US, "429", T0);
	assert_null(lane_next(l, T0 + 89 * SECOND_US)); /* of the endpoint, so b waits too */
	expect(l, T0 + 90 * SECOND_US, "a", ALERT_FIRING, VERDICT_ACCEPTED);
	expect(l, T0 + 90 * SECOND_US, "b", ALERT_FIRING, VERDICT_ACCEPTED);
	lane_close(l);
}

static void test_one_probe_while_nothing_passes(void **state)
{
	struct lane_policy p = edge();
	struct lane *l;
	struct row *r;
	char key[8];
	int tries = 0;

	(void)state;
	p.at_once = 8;
	l = lane_open("e", &p);
	for (int i = 0; i < 50; i++) {
		snprintf(key, sizeof key, "%d", i);
		put(l, key, ALERT_FIRING, T0);
	}
	for (int64_t now = T0; now < T0 + 30 * MINUTE_US; now += SECOND_US) {
		while ((r = lane_next(l, now))) {
			lane_answered(l, r->number, VERDICT_RETRY, 0, "connection refused", now);
			tries++;
		}
	}
	/* About one in half a minute, not fifty of them. */
	assert_in_range(tries, 30, 150);
	/* And all of them when it is back. */
	while ((r = lane_next(l, T0 + 50 * MINUTE_US)))
		lane_answered(l, r->number, VERDICT_ACCEPTED, 0, NULL, T0 + 50 * MINUTE_US);
	assert_int_equal(lane_counts(l).accepted, 50);
	lane_close(l);
}

static void test_a_body_that_fails_does_not_hold_up_the_others(void **state)
{
	struct lane_policy p = edge();
	struct lane *l = lane_open("e", &p);
	int accepted = 0;

	(void)state;
	put(l, "bad", ALERT_FIRING, T0);
	for (int64_t now = T0; now < T0 + 10 * MINUTE_US; now += SECOND_US) {
		struct row *r;
		char key[32];

		if ((now - T0) % MINUTE_US == 0) {
			snprintf(key, sizeof key, "%lld", (long long)now);
			put(l, key, ALERT_FIRING, now);
		}
		while ((r = lane_next(l, now))) {
			bool bad = !strcmp(r->alert.key, "bad");

			lane_answered(l, r->number, bad ? VERDICT_RETRY : VERDICT_ACCEPTED, 0,
				bad ? "500" : NULL, now);
			accepted += !bad;
		}
		record(l);
	}
	assert_in_range(accepted, 9, 10);
	lane_close(l);
}

static void remember(void *context, const struct row *row)
{
	snprintf(context, 64, "%s", row->said);
}

static void test_expiry_leaves_a_dead_letter(void **state)
{
	struct lane_policy p = edge();
	struct lane *l = lane_open("e", &p);
	char said[64] = "";

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	expect(l, T0, "a", ALERT_FIRING, VERDICT_RETRY);
	lane_expire(l, T0 + 59 * MINUTE_US, remember, said);
	assert_string_equal(said, "");
	assert_true(lane_wake(l, T0 + 59 * MINUTE_US) <= T0 + 60 * MINUTE_US);
	lane_expire(l, T0 + 60 * MINUTE_US, remember, said);
	assert_non_null(strstr(said, "after 1 attempts; the last: no"));
	assert_null(lane_next(l, T0 + 60 * MINUTE_US));
	assert_true(lane_counts(l).dead == 1 && lane_counts(l).expired == 1 &&
		    lane_counts(l).queued == 0);
	assert_true(lane_has_news(l));
	record(l);
	assert_false(lane_has_news(l));
	lane_close(l);
}

static void test_refusal_is_a_dead_letter_and_the_rest_goes_on(void **state)
{
	struct lane_policy p = edge();
	struct lane *l = lane_open("e", &p);
	struct row *r;

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	put(l, "b", ALERT_FIRING, T0);
	r = lane_next(l, T0);
	assert_true(lane_answered(l, r->number, VERDICT_REFUSED, 0, "answered 400", T0));
	expect(l, T0, "b", ALERT_FIRING, VERDICT_ACCEPTED);
	assert_int_equal(lane_counts(l).dead, 1);
	lane_close(l);
}

static void test_held_row_does_not_pause_the_lane(void **state)
{
	struct lane_policy p = edge();
	struct lane *l = lane_open("e", &p);

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	put(l, "b", ALERT_FIRING, T0);
	expect(l, T0, "a", ALERT_FIRING, VERDICT_HELD);
	expect(l, T0, "b", ALERT_FIRING, VERDICT_HELD);
	assert_null(lane_next(l, T0));
	lane_policy_set(l, &p); /* the script was mended */
	expect(l, T0, "a", ALERT_FIRING, VERDICT_ACCEPTED);
	lane_close(l);
}

static void test_end_is_recorded_until_a_commit_passed(void **state)
{
	struct lane_policy p = edge();
	struct lane *l = lane_open("e", &p);
	struct txn *t = txn_open();

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	expect(l, T0, "a", ALERT_FIRING, VERDICT_ACCEPTED);
	assert_true(lane_record(l, t));
	assert_false(lane_has_news(l));
	lane_committed(l, txn_number(t), -ECANCELED); /* given up: say it again */
	assert_true(lane_has_news(l));
	txn_close(&t);
	record(l);
	assert_false(lane_has_news(l));
	lane_close(l);
}

static void test_full_queue_drops_the_oldest(void **state)
{
	struct lane_policy p = edge();
	struct lane *l;

	(void)state;
	p.most = 3;
	l = lane_open("e", &p);
	put(l, "1", ALERT_FIRING, T0);
	put(l, "2", ALERT_FIRING, T0);
	put(l, "3", ALERT_FIRING, T0);
	put(l, "4", ALERT_FIRING, T0);
	assert_true(lane_counts(l).dead == 1 && lane_counts(l).queued == 3);
	expect(l, T0, "2", ALERT_FIRING, VERDICT_ACCEPTED);
	lane_close(l);
}

/* ---- level ---- */

static void test_level_tells_again_while_it_fires(void **state)
{
	struct lane_policy p = level();
	struct lane *l = lane_open("e", &p);
	int told = 0;

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	for (int64_t now = T0; now < T0 + 180 * MINUTE_US;
		now += SECOND_US) { /* longer than expire */
		lane_expire(l, now, NULL, NULL);
		if (lane_next(l, now)) {
			lane_answered(l, 1, VERDICT_ACCEPTED, 0, NULL, now);
			told++;
		}
	}
	assert_int_equal(told, 180);
	assert_false(lane_has_news(l)); /* nothing to write for it */
	lane_close(l);
}

static void test_level_tells_the_end_for_a_while(void **state)
{
	struct lane_policy p = level();
	struct lane *l = lane_open("e", &p);
	int told = 0;

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	expect(l, T0, "a", ALERT_FIRING, VERDICT_ACCEPTED);
	put(l, "a", ALERT_RESOLVED, T0 + SECOND_US);
	for (int64_t now = T0 + SECOND_US; now < T0 + 60 * MINUTE_US; now += SECOND_US) {
		struct row *r;

		lane_expire(l, now, NULL, NULL);
		if ((r = lane_next(l, now))) {
			assert_int_equal(r->alert.state, ALERT_RESOLVED);
			lane_answered(l, r->number, VERDICT_ACCEPTED, 0, NULL, now);
			told++;
		}
	}
	assert_int_equal(told, 15);
	assert_int_equal(lane_counts(l).queued, 0);
	assert_int_equal(lane_counts(l).dead, 0);
	lane_close(l);
}

static void test_level_never_tells_what_is_overtaken(void **state)
{
	struct lane_policy p = level();
	struct lane *l = lane_open("e", &p);
	struct row *flying;

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	flying = lane_next(l, T0);
	put(l, "a", ALERT_RESOLVED, T0);
	assert_null(lane_next(l, T0)); /* not beside the one in the air */
	lane_answered(l, flying->number, VERDICT_RETRY, 0, "timeout", T0);
	expect(l, T0 + MINUTE_US, "a", ALERT_RESOLVED, VERDICT_ACCEPTED);
	assert_int_equal(lane_counts(l).overtaken, 1);
	record(l);
	assert_int_equal(lane_counts(l).queued, 1);
	lane_close(l);
}

static void test_level_ends_what_no_rule_knows(void **state)
{
	static const char *const keys[] = {"b"};
	struct lane_policy p = level();
	struct lane *l = lane_open("e", &p);
	struct txn *t = txn_open();

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	put(l, "b", ALERT_FIRING, T0);
	assert_int_equal(lane_keep_only(l, t, keys, 1, T0), 1);
	assert_int_equal(lane_keep_only(l, t, keys, 1, T0), 0);
	lane_committed(l, txn_number(t), 0);
	txn_close(&t);
	expect(l, T0, "b", ALERT_FIRING, VERDICT_ACCEPTED);
	expect(l, T0, "a", ALERT_RESOLVED, VERDICT_ACCEPTED);
	lane_close(l);
}

static void test_level_refusal_is_tried_at_the_next_turn(void **state)
{
	struct lane_policy p = level();
	struct lane *l = lane_open("e", &p);

	(void)state;
	put(l, "a", ALERT_FIRING, T0);
	expect(l, T0, "a", ALERT_FIRING, VERDICT_REFUSED);
	assert_null(lane_next(l, T0 + MINUTE_US - 1));
	expect(l, T0 + MINUTE_US, "a", ALERT_FIRING, VERDICT_ACCEPTED);
	assert_int_equal(lane_counts(l).dead, 0);
	lane_close(l);
}

/* ---- loading ---- */

static void load(struct lane *l, int64_t number, const char *key, enum alert_state state,
	int64_t next_us, int64_t dead_us)
{
	struct alert a = alert(key, state);
	struct buf packed = BUF_EMPTY;
	struct error e;

	alert_pack(&a, &packed);
	if (lane_load(l,
		    &(struct outbox_row){.number = number,
			    .key = key,
			    .state = state,
			    .alert = packed.at,
			    .n_alert = packed.n,
			    .made_us = T0,
			    .expires_us = T0 + 60 * MINUTE_US,
			    .next_us = next_us,
			    .dead_us = dead_us},
		    T0, &e))
		fail_msg("%s", e.text);
	buf_done(&packed);
}

static void test_loaded_rows_go_on(void **state)
{
	struct lane_policy p = edge();
	struct lane *l = lane_open("e", &p);

	(void)state;
	load(l, 4, "dead", ALERT_FIRING, T0, T0);
	load(l, 5, "later", ALERT_FIRING, T0 + MINUTE_US, TIME_NONE);
	load(l, 6, "clock was set back", ALERT_FIRING, T0 + 9999 * MINUTE_US, TIME_NONE);
	put(l, "new", ALERT_FIRING, T0);
	expect(l, T0, "clock was set back", ALERT_FIRING, VERDICT_ACCEPTED);
	expect(l, T0, "new", ALERT_FIRING, VERDICT_ACCEPTED);
	assert_null(lane_next(l, T0));
	expect(l, T0 + MINUTE_US, "later", ALERT_FIRING, VERDICT_ACCEPTED);
	lane_close(l);
}

static void test_loaded_level_rows_keep_the_newest(void **state)
{
	struct lane_policy p = level();
	struct lane *l = lane_open("e", &p);

	(void)state;
	load(l, 1, "a", ALERT_FIRING, T0 + MINUTE_US, TIME_NONE);
	load(l, 2, "a", ALERT_RESOLVED, T0 + MINUTE_US, TIME_NONE);
	expect(l, T0, "a", ALERT_RESOLVED, VERDICT_ACCEPTED);
	assert_null(lane_next(l, T0));
	lane_close(l);
}

static void test_broken_row_is_an_error(void **state)
{
	struct lane_policy p = edge();
	struct lane *l = lane_open("e", &p);
	struct error e = {""};

	(void)state;
	assert_true(lane_load(l,
			    &(struct outbox_row){.number = 1,
				    .key = "k",
				    .alert = "\xc1",
				    .n_alert = 1,
				    .dead_us = TIME_NONE},
			    T0, &e) < 0);
	assert_true(*e.text);
	assert_int_equal(lane_counts(l).queued, 0);
	lane_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_sent_before_its_commit),
		cmocka_unit_test(test_transitions_of_an_alert_keep_their_order),
		cmocka_unit_test(test_pauses_double_are_random_and_bounded),
		cmocka_unit_test(test_same_seed_same_pauses),
		cmocka_unit_test(test_retry_after_wins),
		cmocka_unit_test(test_one_probe_while_nothing_passes),
		cmocka_unit_test(test_a_body_that_fails_does_not_hold_up_the_others),
		cmocka_unit_test(test_expiry_leaves_a_dead_letter),
		cmocka_unit_test(test_refusal_is_a_dead_letter_and_the_rest_goes_on),
		cmocka_unit_test(test_held_row_does_not_pause_the_lane),
		cmocka_unit_test(test_end_is_recorded_until_a_commit_passed),
		cmocka_unit_test(test_full_queue_drops_the_oldest),
		cmocka_unit_test(test_level_tells_again_while_it_fires),
		cmocka_unit_test(test_level_tells_the_end_for_a_while),
		cmocka_unit_test(test_level_never_tells_what_is_overtaken),
		cmocka_unit_test(test_level_ends_what_no_rule_knows),
		cmocka_unit_test(test_level_refusal_is_tried_at_the_next_turn),
		cmocka_unit_test(test_loaded_rows_go_on),
		cmocka_unit_test(test_loaded_level_rows_keep_the_newest),
		cmocka_unit_test(test_broken_row_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
