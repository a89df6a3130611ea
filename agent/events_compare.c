/* SPDX-License-Identifier: Apache-2.0
 * Two versions side by side, as a line for programs and as one for people. */
#include "events.h"

#include "base/clock.h"

#include <string.h>

static void put(struct buf *to, const char *key, const char *text)
{
	buf_format(to, ",\"%s\":", key);
	buf_json_text(to, text, strlen(text));
}

static void put_time(struct buf *to, const char *key, int64_t us)
{
	char text[32];

	put(to, key, time_format(us, text, sizeof text));
}

static void put_reals(struct buf *to, const struct comparison_row *r)
{
	const struct {
		const char *key;
		double x;
	} reals[] = {{"stable", r->stable}, {"canary", r->canary}, {"difference", r->difference}, {"low", r->low}, {"high", r->high},
		{"tolerance", r->tolerance}, {"log_worse", r->log_worse}, {"log_differs", r->log_differs},
		{"log_not_worse", r->log_not_worse}};

	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
		buf_format(to, ",\"%s\":", reals[i].key);
		buf_json_number(to, reals[i].x);
	}
}

static void put_row(struct buf *to, const struct comparison_row *r)
{
	buf_text(to, "{\"name\":");
	buf_json_text(to, r->name, strlen(r->name));
	put(to, "side", comparison_side_words[r->side]);
	put(to, "what", r->what);
	put_reals(to, r);
	buf_format(to, ",\"worse\":%s,\"differs\":%s,\"not_worse\":%s}", r->worse ? "true" : "false", r->differs ? "true" : "false",
		r->not_worse ? "true" : "false");
}

void event_compare(struct buf *to, const struct comparison *c)
{
	buf_text(to, "{\"event\":\"compare\"");
	put_time(to, "ts", c->end_us);
	put(to, "model", c->model);
	put(to, "stable", c->stable);
	put(to, "canary", c->canary);
	put_time(to, "start", c->start_us);
	put_time(to, "end", c->end_us);
	buf_format(to, ",\"windows\":%lld,\"n_stable\":%lld,\"n_canary\":%lld", (long long)c->n_windows, (long long)c->n_stable,
		(long long)c->n_canary);
	put(to, "verdict", comparison_verdict_words[c->verdict]);
	buf_format(to, ",\"fresh\":%s", c->fresh ? "true" : "false");
	put(to, "reason", c->reason);
	buf_text(to, ",\"alpha\":");
	buf_json_number(to, c->alpha);
	buf_text(to, ",\"log_needed\":");
	buf_json_number(to, c->log_needed);
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
