/* SPDX-License-Identifier: Apache-2.0
 * compare = false, or a table: which versions of a model are put side by side, and what is tolerated. */
#include "config_parts.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct key compare_keys[] = {
	{"stable", KEY_TEXT, KEY_AT(struct compare_config, stable), .help = "the version that is trusted"},
	{"canary", KEY_TEXT, KEY_AT(struct compare_config, canary), .help = "the version that is tried beside it"},
	{"tolerance", KEY_NUMBER, KEY_AT(struct compare_config, tolerance), .standard = "0.02", .least = 0.001, .most = 0.1,
		.help = "the share of odd records may grow by so much; other shares by 2.5 times this"},
	{"alpha", KEY_NUMBER, KEY_AT(struct compare_config, alpha), .standard = "0.01", .least = 1e-9, .most = 0.2,
		.help = "probability of a wrong verdict, however often it is looked at"},
};

void value_read_compare(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	static const struct value nothing = {.type = VALUE_TABLE};
	struct compare_config *to = member;
	char was[sizeof r->what];

	to->off = v && v->type == VALUE_BOOL && !v->yes;
	if (v && v->type != VALUE_TABLE && v->type != VALUE_BOOL) {
		table_wrong(r, v->line, "%s must be false or a table such as { stable = \"1.0\", canary = \"2.0\" }, and is %s", k->name,
			value_type_words[v->type]);
		v = NULL;
	}
	memcpy(was, r->what, sizeof was);
	snprintf(r->what, sizeof r->what, "%.120s%s: ", was, k->name);
	table_read(r, v && v->type == VALUE_TABLE ? v : &nothing, compare_keys, COUNT(compare_keys), to);
	memcpy(r->what, was, sizeof was);
	if (!to->stable != !to->canary || (to->stable && !strcmp(to->stable, to->canary)))
		table_wrong(r, v ? v->line : 0, "%s: name both versions, stable and canary, and not the same twice; or neither", k->name);
}

void value_done_compare(void *member)
{
	table_done(compare_keys, COUNT(compare_keys), member);
}

void value_print_compare(const void *member, struct buf *to)
{
	const struct compare_config *c = member;

	if (c->off) {
		buf_text(to, "false");
		return;
	}
	buf_text(to, "{ ");
	if (c->stable) {
		buf_text(to, "stable = ");
		table_print_text(to, c->stable);
		buf_text(to, ", canary = ");
		table_print_text(to, c->canary);
		buf_text(to, ", ");
	}
	buf_text(to, "tolerance = ");
	buf_json_number(to, c->tolerance);
	buf_text(to, ", alpha = ");
	buf_json_number(to, c->alpha);
	buf_text(to, " }");
}
