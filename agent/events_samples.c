/* SPDX-License-Identifier: Apache-2.0
 * Odd records of a window, as JSON and as text. */
#include "events_samples.h"

#include "base/clock.h"
#include "base/member.h"

#include <string.h>

static void group_json(struct buf *to, const struct odd_group *g)
{
	buf_text(to, "{");
	member_text(to, "like", g->like);
	member_text(to, "text", g->text);
	member_whole(to, "n", g->n);
	member_whole(to, "size", g->size);
	member_time(to, "first_seen", g->first_us);
	buf_format(to, ",\"fresh\":%s,\"members\":[", g->fresh ? "true" : "false");
	for (size_t i = 0; i < ODD_MEMBERS && g->members[i]; i++) {
		buf_text(to, i ? "," : "");
		buf_json_text(to, g->members[i], strlen(g->members[i]));
	}
	buf_text(to, "]}");
}

static void example_json(struct buf *to, const struct sample *s)
{
	buf_text(to, "{");
	member_text(to, "id", s->id);
	member_time(to, "ts", s->time_us);
	member_number(to, "p", s->p);
	member_text(to, "kind", s->kind);
	member_text(to, "prediction", s->prediction);
	member_text(to, "nearest", s->nearest);
	member_text(to, "why", s->why);
	buf_text(to, "}");
}

void event_odd(struct buf *to, const struct signal_odd *o)
{
	member_text(to, "odd", o->words ? o->words : "");
	buf_text(to, ",\"kinds\":{");
	for (size_t k = 0; k < ODD_KINDS; k++)
		buf_format(to, "%s\"%s\":%lld", k ? "," : "", odd_words[k], (long long)o->kinds[k]);
	buf_text(to, "},\"groups\":[");
	for (size_t i = 0; i < o->n_groups; i++) {
		buf_text(to, i ? "," : "");
		group_json(to, &o->groups[i]);
	}
	buf_text(to, "],\"examples\":[");
	for (size_t i = 0; i < o->n_examples; i++) {
		buf_text(to, i ? "," : "");
		example_json(to, &o->examples[i]);
	}
	buf_text(to, "]");
}

void text_odd(struct buf *to, const struct signal_odd *o)
{
	if (o->n == 0)
		return;
	buf_format(to, "    %s\n", o->words);
	for (size_t i = 0; i < o->n_examples && i < 3; i++) {
		const struct sample *s = &o->examples[i];

		buf_format(to, "      %s %s: %s\n", s->id ? s->id : "-", s->kind, s->why && *s->why ? s->why : odd_words[ODD_OTHER]);
	}
}
