/* SPDX-License-Identifier: Apache-2.0
 * Remarks on the schema, as JSON and as text. */
#include "events_schema.h"

#include "base/clock.h"

#include <string.h>

static void remark_json(struct buf *to, const struct schema_remark *r)
{
	char time[32];

	buf_format(to, "{\"kind\":\"%s\",\"field\":", schema_kind_words[r->kind]);
	buf_json_text(to, r->field, strlen(r->field));
	buf_text(to, ",\"detail\":");
	buf_json_text(to, r->detail, strlen(r->detail));
	buf_format(to, ",\"first_seen\":\"%s\",\"records\":%lld,\"moved\":%s,\"latched\":%s}", time_format(r->first_us, time, sizeof time),
		(long long)r->records, r->moved ? "true" : "false", r->latched ? "true" : "false");
}

void event_schema(struct buf *to, const struct schema *s)
{
	buf_text(to, ",\"schema\":[");
	for (size_t i = 0; i < s->n; i++) {
		buf_text(to, i ? "," : "");
		remark_json(to, &s->at[i]);
	}
	buf_text(to, "]");
}

void text_schema(struct buf *to, const struct schema *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->at[i].moved)
			buf_format(to, "    schema: %s: %s\n", s->at[i].field, s->at[i].detail);
}
