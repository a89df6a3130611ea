/* SPDX-License-Identifier: Apache-2.0
 * Kinds of odd records in words. */
#include "model/odd.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *const odd_words[ODD_KINDS] = {
#define X(name, word, one, many, why) [name] = word,
	ODD_KIND_TABLE(X)
#undef X
};
const char *const odd_whys[ODD_KINDS] = {
#define X(name, word, one, many, why) [name] = why,
	ODD_KIND_TABLE(X)
#undef X
};
static const char *const sentences[ODD_KINDS][2] = {
#define X(name, word, one, many, why) [name] = {one, many},
	ODD_KIND_TABLE(X)
#undef X
};

void odd_group_done(struct odd_group *g)
{
	free(g->like);
	free(g->text);
	for (size_t i = 0; i < ODD_MEMBERS; i++)
		free(g->members[i]);
	*g = (struct odd_group){0};
}

void signal_odd_done(struct signal_odd *s)
{
	for (size_t i = 0; i < s->n_groups; i++)
		odd_group_done(&s->groups[i]);
	free(s->groups);
	for (size_t i = 0; i < s->n_examples; i++)
		sample_done(&s->examples[i]);
	free(s->examples);
	free(s->words);
	*s = (struct signal_odd){0};
}

static void like_words(const struct signal_odd *s, struct buf *to)
{
	for (size_t i = 0; i < s->n_groups; i++) {
		const struct odd_group *g = &s->groups[i];

		buf_format(to, "%s%s", i ? ", " : " (like ", *g->like ? g->like : "a record without id");
		if (g->text)
			buf_format(to, " \"%s\"", g->text);
	}
	buf_text(to, s->n_groups ? ")" : "");
}

/* The commonest first; of equally common ones in the order of the table. */
static size_t kind_next(const struct signal_odd *s, const bool *told)
{
	size_t best = ODD_KINDS;

	for (size_t k = 0; k < ODD_KINDS; k++)
		if (!told[k] && s->kinds[k] > 0 && (best == ODD_KINDS || s->kinds[k] > s->kinds[best]))
			best = k;
	return best;
}

void signal_odd_tell(struct signal_odd *s)
{
	struct buf text = BUF_EMPTY;
	bool told[ODD_KINDS] = {false};
	const char *comma = ": ";
	size_t k;

	if (s->n > 0)
		buf_format(&text, "%lld odd record%s", (long long)s->n, s->n > 1 ? "s" : "");
	while ((k = kind_next(s, told)) < ODD_KINDS) {
		told[k] = true;
		if (k == ODD_NOVEL && s->n_groups_all > 1)
			buf_format(&text, "%s%lld of %zu new groups", comma, (long long)s->kinds[k], s->n_groups_all);
		else
			buf_format(&text, "%s%lld %s", comma, (long long)s->kinds[k], sentences[k][s->kinds[k] > 1]);
		if (k == ODD_NOVEL)
			like_words(s, &text);
		comma = ", ";
	}
	free(s->words);
	s->words = mem_copy_span(text.at ? text.at : "", text.n);
	buf_done(&text);
}
