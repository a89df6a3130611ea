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
static int make_pairs(struct rule_file *f, const struct rule *r, const struct named_text *from,
	size_t n, const struct signal *signal, struct pair **ret, size_t *ret_n, struct error *e)
{
	int rc = 0;

	*ret = mem_zero(n + 1, sizeof **ret);
	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		char *text = NULL;
		int failed = rule_text(f, r, &from[i].text, signal, &text, rc ? NULL : e);

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

int compose_begin(struct rule_file *f, const struct rule *r, struct series *s,
	const struct signal *signal, struct error *e)
{
	struct alert *a = &s->alert;
	int rc;

	alert_done(a);
	*a = (struct alert){.name = mem_copy_text(r->name),
		.model = mem_copy_text(s->model),
		.version = mem_copy_text(s->version),
		.state = ALERT_PENDING,
		.severity = mem_copy_text("ticket"),
		.summary = plain_summary(signal),
		.starts_us = signal->start_us,
		.ends_us = TIME_NONE,
		.at_us = signal->end_us};
	rc = make_pairs(f, r, r->labels, r->n_labels, signal, &a->labels, &a->n_labels, e);
	make_key(a, f->base);
	return rc;
}

/* One text of the alert: replaced when there is a new one, otherwise by `otherwise` (taken), or
 * left. */
static int say(struct rule_file *f, const struct rule *r, const struct text_or_function *t,
	const struct signal *signal, char **text, char *otherwise, struct error *e)
{
	char *said = NULL;
	int rc = rule_text(f, r, t, signal, &said, e);

	free(*text);
	*text = said && *said ? said : otherwise;
	if (*text != said)
		free(said);
	if (*text != otherwise)
		free(otherwise);
	return rc;
}

int compose_fire(const struct rules *all, struct rule_file *f, const struct rule *r,
	struct series *s, const struct signal *signal, struct error *e)
{
	struct alert *a = &s->alert;
	int rc, failed;

	a->state = ALERT_FIRING;
	a->at_us = signal->end_us;
	for (size_t i = 0; i < a->n_to; i++)
		free(a->to[i]);
	free(a->to);
	copy_to(all, r, a);
	free_pairs(a->annotations, a->n_annotations);
	rc = make_pairs(f, r, r->annotations, r->n_annotations, signal, &a->annotations,
		&a->n_annotations, e);
	failed = say(
		f, r, &r->severity, signal, &a->severity, mem_copy_text("ticket"), rc ? NULL : e);
	rc = rc ? rc : failed;
	failed = say(f, r, &r->summary, signal, &a->summary, plain_summary(signal), rc ? NULL : e);
	rc = rc ? rc : failed;
	failed = say(f, r, &r->description, signal, &a->description, NULL, rc ? NULL : e);
	return rc ? rc : failed;
}

static void add_label(struct alert *a, const char *name, const char *value)
{
	a->labels = mem_grow(a->labels, a->n_labels + 1, sizeof *a->labels);
	a->labels[a->n_labels++] = (struct pair){mem_copy_text(name), mem_copy_text(value)};
}

void compose_trouble(const struct rules *all, const struct rule_file *f, const struct rule *r,
	struct series *s, const struct signal *signal, const struct error *e)
{
	struct alert *a = &s->trouble;

	*a = (struct alert){.name = mem_copy_text(RULES_ERROR_ALERT),
		.model = mem_copy_text(s->model),
		.version = mem_copy_text(s->version),
		.state = ALERT_FIRING,
		.severity = mem_copy_text("ticket"),
		.summary = mem_format("rule \"%s\" fails: %s", r->name, e->text),
		.description = mem_format("The alert keeps the state it had. After %d failures in "
					  "a row the rule is left out for this "
					  "stream until the configuration is read again.",
			RULES_ERRORS_MOST),
		.starts_us = signal->start_us,
		.ends_us = TIME_NONE,
		.at_us = signal->end_us};
	add_label(a, "rule", r->name);
	add_label(a, "rule_file", f->base);
	copy_to(all, r, a);
	make_key(a, f->base);
}
