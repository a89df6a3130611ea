/* SPDX-License-Identifier: Apache-2.0
 * learn = { records = 5000, span = "7d", spool = "512MiB", keep = 5 }, or false: how a stream without a reference gets one. */
#include "config_parts.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static const struct key learn_keys[] = {
	{"records", KEY_INTEGER, KEY_AT(struct learn_config, records), .standard = "5000", .least = 200, .most = 4e6,
		.help = "at least so many records met .."},
	{"span", KEY_DURATION, KEY_AT(struct learn_config, span_us), .standard = "7d", .least = 0, .most = 366 * 86400,
		.help = ".. and at least so long, in event time, before a reference is made"},
	{"spool", KEY_SIZE, KEY_AT(struct learn_config, spool_bytes), .standard = "512MiB", .least = 1 << 16, .most = 1e12,
		.help = "what a stream may keep on disk meanwhile; more traffic than that is thinned evenly"},
	{"keep", KEY_INTEGER, KEY_AT(struct learn_config, keep), .standard = "5", .least = 0, .most = 1000,
		.help = "replaced references that are kept beside the new one"},
};

enum { N_LEARN_KEYS = sizeof learn_keys / sizeof *learn_keys };

void value_read_learn(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	static const struct value nothing = {.type = VALUE_TABLE};
	struct learn_config *to = member;
	char was[sizeof r->what];

	to->on = !v || v->type != VALUE_BOOL || v->yes;
	if (v && v->type != VALUE_TABLE && v->type != VALUE_BOOL)
		table_wrong(r, v->line, "%s must be a table such as { records = 5000, span = \"7d\" }, or false, and is %s", k->name,
			value_type_words[v->type]);
	memcpy(was, r->what, sizeof was);
	snprintf(r->what, sizeof r->what, "%.120s%s: ", was, k->name);
	table_read(r, v && v->type == VALUE_TABLE ? v : &nothing, learn_keys, N_LEARN_KEYS, to);
	memcpy(r->what, was, sizeof was);
}

void value_print_learn(const void *member, struct buf *to)
{
	const struct learn_config *l = member;
	char span[64];

	if (!l->on) {
		buf_text(to, "false");
		return;
	}
	buf_format(to, "{ records = %lld, span = \"%s\", spool = %lld, keep = %lld }", (long long)l->records,
		duration_format(l->span_us, span, sizeof span), (long long)l->spool_bytes, (long long)l->keep);
}
