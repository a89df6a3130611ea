/* SPDX-License-Identifier: Apache-2.0
 * The alert of an incident. Its name, labels, start and so its key are fixed when the incident
 * begins; what it says, when it speaks. A text that fails does not hold an alert back: a plain one
 * takes its place. */
#include "rules/rule.h"

#include "base/clock.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Deterministic: the same records give the same key, before and after a restart, on every host that
 * sees the same. */
static void make_key(struct alert *a, const char *file)
{
	struct buf text = BUF_EMPTY;

	buf_format(&text, "%s\n%s\n%s\n%s\n", file, a->name, a->model, a->version);
	for (size_t i = 0; i < a->n_labels; i++)
		buf_format(&text, "%s=%zu:%s\n", a->labels[i].name, strlen(a->labels[i].value),
			a->labels[i].value);
	buf_format(&text, "%" PRId64, a->starts_us);
	hash_sha256_hex(text.at, text.n, a->key);
	buf_done(&text);
}

static void copy_to(const struct rules *all, const struct rule *r, struct alert *a)
{
	char *const *to = r->n_to ? r->to : all->endpoints;

	a->n_to = r->n_to ? r->n_to : all->n_endpoints;
	a->to = mem_zero(a->n_to + 1, sizeof *a->to);
	for (size_t i = 0; i < a->n_to; i++)
		a->to[i] = mem_copy_text(to[i]);
}

/* The texts that are not empty, in the order of the rule; the first failure is kept. */
static int make_pairs(const struct showing *x, const struct named_text *from, size_t n, struct pair **ret, size_t *ret_n, struct error *e)
{
	int rc = 0;

	*ret = mem_zero(n + 1, sizeof **ret);
	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		char *text = NULL;
		int failed = rule_text(x, &from[i].text, &text, rc ? NULL : e);

		rc = rc ? rc : failed;
		if (text && *text)
			(*ret)[(*ret_n)++] = (struct pair){mem_copy_text(from[i].name), text};
		else
			free(text);
	}
	return rc;
}

static void free_pairs(struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
	free(pairs);
}

static const struct finding *top_finding(const struct signal *s)
{
	for (size_t i = 0; i < s->n_findings; i++)
		if (s->findings[i].moved)
			return &s->findings[i];
	return s->n_findings ? &s->findings[0] : NULL;
}

static char *plain_summary(const struct signal *s)
{
	const struct finding *top = top_finding(s);
	const struct comparison *c = s->comparison;

	if (c)
		return mem_format("%s: version %s beside %s: %s; %s", c->model, c->canary, c->stable, comparison_verdict_words[c->verdict], c->reason);

	if (s->state == SIGNAL_LEARNED)
		return mem_format("%s %s: a reference was learned from %" PRId64 " records", s->model, s->version, s->n);
	if (top && top->change[0])
		return mem_format("%s: %s moved (%s)", s->model, top->name, top->change);
	return mem_format(
		"%s: %" PRId64 " of %" PRId64 " records flagged", s->model, s->n_flagged, s->n);
}

int compose_begin(const struct showing *x, struct error *e)
{
	struct alert *a = &x->series->alert;
	int rc;

	alert_done(a);
	*a = (struct alert){.name = mem_copy_text(x->rule->name),
		.model = mem_copy_text(x->series->model),
		.version = mem_copy_text(x->series->version),
		.state = ALERT_PENDING,
		.severity = mem_copy_text("ticket"),
		.summary = plain_summary(x->signal),
		.starts_us = x->signal->start_us,
		.ends_us = TIME_NONE,
		.at_us = x->signal->end_us};
	rc = make_pairs(x, x->rule->labels, x->rule->n_labels, &a->labels, &a->n_labels, e);
	make_key(a, x->file->base);
	return rc;
}

/* One text of the alert: replaced when there is a new one, otherwise by `otherwise` (taken), or
 * left. */
static int say(const struct showing *x, const struct text_or_function *t, char **text, char *otherwise, struct error *e)
{
	char *said = NULL;
	int rc = rule_text(x, t, &said, e);

	free(*text);
	*text = said && *said ? said : otherwise;
	if (*text != said)
		free(said);
	if (*text != otherwise)
		free(otherwise);
	return rc;
}

int compose_fire(const struct showing *x, struct error *e)
{
	const struct rule *r = x->rule;
	struct alert *a = &x->series->alert;
	int rc, failed;

	a->state = ALERT_FIRING;
	a->at_us = x->signal->end_us;
	for (size_t i = 0; i < a->n_to; i++)
		free(a->to[i]);
	free(a->to);
	copy_to(x->all, r, a);
	free_pairs(a->annotations, a->n_annotations);
	rc = make_pairs(x, r->annotations, r->n_annotations, &a->annotations, &a->n_annotations, e);
	failed = say(x, &r->severity, &a->severity, mem_copy_text("ticket"), rc ? NULL : e);
	rc = rc ? rc : failed;
	failed = say(x, &r->summary, &a->summary, plain_summary(x->signal), rc ? NULL : e);
	rc = rc ? rc : failed;
	failed = say(x, &r->description, &a->description, NULL, rc ? NULL : e);
	return rc ? rc : failed;
}

static void add_label(struct alert *a, const char *name, const char *value)
{
	a->labels = mem_grow(a->labels, a->n_labels + 1, sizeof *a->labels);
	a->labels[a->n_labels++] = (struct pair){mem_copy_text(name), mem_copy_text(value)};
}

void compose_trouble(const struct showing *x, const struct error *e)
{
	struct alert *a = &x->series->trouble;

	*a = (struct alert){.name = mem_copy_text(RULES_ERROR_ALERT),
		.model = mem_copy_text(x->series->model),
		.version = mem_copy_text(x->series->version),
		.state = ALERT_FIRING,
		.severity = mem_copy_text("ticket"),
		.summary = mem_format("rule \"%s\" fails: %s", x->rule->name, e->text),
		.description = mem_format("The alert keeps the state it had. After %d failures in "
					  "a row the rule is left out for this "
					  "stream until the configuration is read again.",
			RULES_ERRORS_MOST),
		.starts_us = x->signal->start_us,
		.ends_us = TIME_NONE,
		.at_us = x->signal->end_us};
	add_label(a, "rule", x->rule->name);
	add_label(a, "rule_file", x->file->base);
	copy_to(x->all, x->rule, a);
	make_key(a, x->file->base);
}
