/* SPDX-License-Identifier: Apache-2.0
 * Limits of output metrics, as JSON and as text. */
#include "events_limits.h"

#include "base/clock.h"
#include "base/member.h"

#include <string.h>

static void limit_json(struct buf *to, const struct limit_finding *f)
{
	char time[32];

	buf_text(to, "{\"name\":");
	buf_json_text(to, f->name, strlen(f->name));
	buf_text(to, ",\"metric\":");
	buf_json_text(to, f->metric, strlen(f->metric));
	buf_format(to, ",\"of\":\"%s\",\"n\":%lld", f->mean ? "mean" : "share", (long long)f->n);
	member_number(to, "value", f->value);
	member_number(to, "low", f->low);
	member_number(to, "high", f->high);
	member_number(to, f->at_least ? "at_least" : "at_most", f->limit);
	buf_format(to, ",\"breached\":%s,\"fresh\":%s", f->breached ? "true" : "false", f->fresh ? "true" : "false");
	if (f->breached)
		buf_format(to, ",\"since\":\"%s\"", time_format(f->since_us, time, sizeof time));
	member_number(to, "log_m", f->log_m);
	buf_text(to, ",\"words\":");
	buf_json_text(to, f->words, strlen(f->words));
	buf_text(to, "}");
}

void event_limits(struct buf *to, const struct limit_signal *s)
{
	if (s->n == 0)
		return;
	buf_text(to, ",\"limits\":[");
	for (size_t i = 0; i < s->n; i++) {
		buf_text(to, i ? "," : "");
		limit_json(to, &s->at[i]);
	}
	buf_text(to, "]");
}

void text_limits(struct buf *to, const struct limit_signal *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].breached)
			buf_format(to, "    limit: %s: %s%s\n", s->at[i].name, s->at[i].words, s->at[i].fresh ? "  (new)" : "");
}
