/* SPDX-License-Identifier: Apache-2.0
 * Two versions side by side, as a line for programs and as one for people. */
#include "events.h"

#include "base/clock.h"
#include "base/member.h"

#include <string.h>

static void put_reals(struct buf *to, const struct comparison_row *r)
{
	const struct {
		const char *key;
		double x;
	} reals[] = {{"stable", r->stable}, {"canary", r->canary}, {"difference", r->difference}, {"low", r->low}, {"high", r->high},
		{"tolerance", r->tolerance}, {"log_worse", r->log_worse}, {"log_differs", r->log_differs},
		{"log_not_worse", r->log_not_worse}};

	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		member_number(to, reals[i].key, reals[i].x);
}

static void put_row(struct buf *to, const struct comparison_row *r)
{
	buf_text(to, "{");
	member_text(to, "name", r->name);
	member_text(to, "side", comparison_side_words[r->side]);
	member_text(to, "what", r->what);
	put_reals(to, r);
	buf_format(to, ",\"worse\":%s,\"differs\":%s,\"not_worse\":%s}", r->worse ? "true" : "false", r->differs ? "true" : "false",
		r->not_worse ? "true" : "false");
}

void event_compare(struct buf *to, const struct comparison *c)
{
	buf_text(to, "{\"event\":\"compare\"");
	member_time(to, "ts", c->end_us);
	member_text(to, "model", c->model);
	member_text(to, "stable", c->stable);
	member_text(to, "canary", c->canary);
	member_time(to, "start", c->start_us);
	member_time(to, "end", c->end_us);
	buf_format(to, ",\"windows\":%lld,\"n_stable\":%lld,\"n_canary\":%lld", (long long)c->n_windows, (long long)c->n_stable,
		(long long)c->n_canary);
	member_text(to, "verdict", comparison_verdict_words[c->verdict]);
	buf_format(to, ",\"fresh\":%s", c->fresh ? "true" : "false");
	member_text(to, "reason", c->reason);
	member_number(to, "alpha", c->alpha);
	member_number(to, "log_needed", c->log_needed);
	buf_text(to, ",\"rows\":[");
	for (size_t i = 0; i < c->n_rows; i++) {
		buf_text(to, i ? "," : "");
		put_row(to, &c->rows[i]);
	}
	buf_text(to, "]}\n");
}

void text_compare(struct buf *to, const struct comparison *c)
{
	char at[32];

	buf_format(to, "%s COMPARE %s %s with %s: %s; %s\n", time_format(c->end_us, at, sizeof at), c->model, c->canary, c->stable,
		comparison_verdict_words[c->verdict], c->reason);
}

static const char *row_words(const struct comparison_row *r)
{
	if (r->worse)
		return "worse";
	if (r->differs)
		return r->side == SIDE_TRAFFIC ? "not the same traffic" : "different";
	return r->not_worse ? r->side == SIDE_MORE_IS_WORSE ? "not worse" : "the same" : "not known yet";
}

void text_comparison(struct buf *to, const struct comparison *c)
{
	text_compare(to, c);
	buf_format(to, "    %lld pairs of windows, %lld and %lld records; shares of records:\n", (long long)c->n_windows, (long long)c->n_stable,
		(long long)c->n_canary);
	for (size_t i = 0; i < c->n_rows; i++) {
		const struct comparison_row *r = &c->rows[i];

		buf_format(to, "    %-20s %-20s %6.2f %% -> %6.2f %% (%+.2f points, %.2f to %.2f; tolerated %.2g): %s\n", r->name, r->what,
			100 * r->stable, 100 * r->canary, 100 * r->difference, 100 * r->low, 100 * r->high, 100 * r->tolerance, row_words(r));
	}
}
