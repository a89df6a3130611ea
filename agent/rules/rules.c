/* SPDX-License-Identifier: Apache-2.0
 * A signal past every rule that watches its stream: ask the rule, step its alarm, speak when the
 * alarm does. A rule that fails keeps the state it had, says so by an alert of its own, and after
 * some failures in a row is left out; the others go on. */
#include "rules/rule.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/words.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where alerts go during one rules_signal. */
struct outlet {
	void (*on_alert)(void *context, const struct alert *a);
	void *context;
};

static bool load_files(struct rules *r, const struct rules_options *o, struct buf *errors)
{
	bool fine = true;

	for (size_t i = 0; i < o->n_files; i++) {
		struct rule_file *f = &r->files[r->n_files++];
		const char *slash;

		f->path = mem_copy_text(o->files[i]);
		slash = strrchr(f->path, '/');
		f->base = slash ? slash + 1 : f->path;
		if (!rule_file_load(f, o, errors))
			fine = false;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(r->files[j].base, f->base) != 0)
				continue;
			buf_format(errors, "%s: there is another rule file of that name: %s\n",
				f->path, r->files[j].path);
			fine = false;
		}
	}
	return fine;
}

int rules_open(const struct rules_options *o, struct rules **ret, struct buf *errors)
{
	struct rules *r = mem_zero(1, sizeof *r);

	r->endpoints = mem_zero(o->n_endpoints + 1, sizeof *r->endpoints);
	for (; r->n_endpoints < o->n_endpoints; r->n_endpoints++)
		r->endpoints[r->n_endpoints] = mem_copy_text(o->endpoints[r->n_endpoints]);
	r->files = mem_zero(o->n_files + 1, sizeof *r->files);
	if (!load_files(r, o, errors)) {
		rules_close(r);
		return -EINVAL;
	}
	*ret = r;
	return 0;
}

void rules_close(struct rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_files; i++)
		rule_file_done(&r->files[i]);
	for (size_t i = 0; i < r->n_endpoints; i++)
		free(r->endpoints[i]);
	for (size_t i = 0; i < r->n_series; i++)
		series_done(&r->series[i]);
	free(r->files);
	free(r->endpoints);
	free(r->series);
	series_moved(r);
	free(r);
}

static void resolve(struct alert *a, int64_t at_us, const struct outlet *out)
{
	if (a->state == ALERT_FIRING) {
		a->state = ALERT_RESOLVED;
		a->ends_us = a->at_us = at_us;
		out->on_alert(out->context, a);
	}
	alert_done(a);
}

/* The rule failed on this window: loud, and once. */
static void fail(const struct showing *x, const struct error *e, const struct outlet *out)
{
	struct series *s = x->series;

	x->file->stat.errors++;
	x->file->last_error = *e;
	s->errors++;
	log_error("rules",
		s->errors == RULES_ERRORS_MOST
			? "a rule failed, and is left out for this stream from now on"
			: "a rule failed",
		"alert", log_s(x->rule->name), "model", log_s(s->model), "error", log_s(e->text));
	if (s->trouble.name)
		return;
	compose_trouble(x, e);
	out->on_alert(out->context, &s->trouble);
}

static void recover(struct series *s, const struct signal *signal, const struct outlet *out)
{
	s->errors = 0;
	if (s->trouble.name)
		resolve(&s->trouble, signal->end_us, out);
}

/* What began as a ticket may have become a page: asked for each window that is worse than all that was told. What became milder, or
 * as bad again, is not told. */
static bool is_worse(const struct showing *x, struct error *e)
{
	const struct text_or_function *severity = &x->rule->severity;
	char *word = NULL;
	bool is;

	if (severity->text || x->signal->severity <= x->series->told || rule_text(x, severity, &word, e))
		return false;
	is = word && *word && strcmp(word, x->series->alert.severity);
	free(word);
	return is;
}

/* What the alarm's step means for the alert. A cause that is new while the alert fires already is
 * told under the same key, and so is one that has become worse than the rule's severity says. */
static int speak(const struct showing *x, enum alarm_step step, bool hot, const struct outlet *out, struct error *e)
{
	struct series *s = x->series;
	const struct signal *signal = x->signal;
	int rc = 0, failed;

	if (step == ALARM_BEGINS || (step == ALARM_FIRES && !s->alert.name))
		rc = compose_begin(x, e);
	if (step == ALARM_FIRES ||
		(step == ALARM_STAYS && s->alarm.state == ALARM_FIRING && hot &&
			(signal->fresh || is_worse(x, rc ? NULL : e)))) {
		s->told = signal->severity;
		failed = compose_fire(x, rc ? NULL : e);
		rc = rc ? rc : failed;
		out->on_alert(out->context, &s->alert);
	}
	if (step == ALARM_RESOLVES)
		resolve(&s->alert, signal->end_us, out);
	if (step == ALARM_ENDS)
		alert_done(&s->alert);
	return rc;
}

/* A reference is learned once: the next window of the stream ends what a rule on that has begun. */
static void learned_is_over(struct series *s, const struct rule *rule, const struct signal *signal, const struct outlet *out)
{
	enum alarm_step step = alarm_step(&s->alarm, &rule->times, false, true, signal->start_us, signal->end_us);

	if (step == ALARM_RESOLVES)
		resolve(&s->alert, signal->end_us, out);
	if (step == ALARM_ENDS)
		alert_done(&s->alert);
}

static void watch(struct rules *r, struct rule_file *f, const struct rule *rule,
	const struct signal *signal, const struct outlet *out)
{
	bool learned = signal->state == SIGNAL_LEARNED;
	struct series *s = learned && rule->on == ON_SIGNAL ? NULL : series_of(r, f->base, rule->name, signal->model, signal->version);
	struct showing x = {r, f, rule, s, signal};
	struct verdict v;
	enum alarm_step step;
	struct error e;

	if (!s || (s->seen_us != TIME_NONE && signal->end_us <= s->seen_us))
		return;
	s->seen_us = signal->end_us;
	if (rule->on == ON_LEARNED && !learned) {
		learned_is_over(s, rule, signal, out);
		return;
	}
	if (s->errors >= RULES_ERRORS_MOST || signal->state == SIGNAL_UNJUDGED ||
		signal->n < rule->min_records)
		return; /* holds the state it has */
	if (rule_judge(&x, &v, &e)) {
		fail(&x, &e, out);
		return;
	}
	buf_done(&s->memory);
	s->memory = v.memory;
	step = alarm_step(
		&s->alarm, &rule->times, v.hot, v.clear, signal->start_us, signal->end_us);
	if (speak(&x, step, v.hot, out, &e))
		fail(&x, &e, out);
	else
		recover(s, signal, out);
}

static void drop_series(struct rules *r, size_t i, int64_t at_us, const struct outlet *out)
{
	struct series *s = &r->series[i];

	if (s->alert.name)
		resolve(&s->alert, at_us, out);
	if (s->trouble.name)
		resolve(&s->trouble, at_us, out);
	series_done(s);
	r->series[i] = r->series[--r->n_series];
	series_moved(r);
}

/* Series whose rule is gone, and those of a version that went quiet while others of its model went
 * on. */
static void sweep(struct rules *r, const struct signal *signal, const struct outlet *out)
{
	for (size_t i = 0; i < r->n_series;) {
		const struct series *s = &r->series[i];
		bool quiet = s->seen_us != TIME_NONE && signal->end_us > s->seen_us &&
			     signal->end_us - s->seen_us > RULES_RETIRE_US &&
			     strcmp(s->model, signal->model) == 0 &&
			     strcmp(s->version, signal->version) != 0;

		if (!s->owned || quiet)
			drop_series(r, i, signal->end_us, out);
		else
			i++;
	}
}

static void watch_all(struct rules *r, const struct signal *s, const struct outlet *out)
{
	for (size_t i = 0; i < r->n_files; i++) {
		struct rule_file *f = &r->files[i];

		for (size_t j = 0; j < f->n_rules; j++)
			if ((f->rules[j].on == ON_COMPARE) == (s->comparison != NULL) && words_match(f->rules[j].model, s->model) &&
				words_match(f->rules[j].version, s->version))
				watch(r, f, &f->rules[j], s, out);
	}
}

void rules_compare(struct rules *r, const struct comparison *c, void (*on_alert)(void *context, const struct alert *a), void *context)
{
	struct signal s = {.model = (char *)c->model, .version = (char *)c->canary, .start_us = c->start_us, .end_us = c->end_us,
		.n = c->n_stable + c->n_canary, .fresh = c->fresh, .since_us = TIME_NONE, .comparison = c};
	struct outlet out = {on_alert, context};

	s.alarm = c->verdict == COMPARISON_ROLL_BACK;
	s.state = s.alarm ? SIGNAL_ALARM : SIGNAL_QUIET;
	watch_all(r, &s, &out);
}

void rules_signal(struct rules *r, const struct signal *s,
	void (*on_alert)(void *context, const struct alert *a), void *context)
{
	struct outlet out = {on_alert, context};

	assert(s->model && s->version);
	sweep(r, s, &out);
	watch_all(r, s, &out);
}

void rules_each_alert(
	const struct rules *r, void (*each)(void *context, const struct alert *a), void *context)
{
	for (size_t i = 0; i < r->n_series; i++) {
		if (r->series[i].alert.name)
			each(context, &r->series[i].alert);
		if (r->series[i].trouble.name)
			each(context, &r->series[i].trouble);
	}
}

void rules_each_stat(const struct rules *r,
	void (*each)(void *context, const struct rules_stat *stat), void *context)
{
	for (size_t i = 0; i < r->n_files; i++) {
		const struct rule_file *f = &r->files[i];
		struct rules_stat stat = f->stat;

		stat.file = f->path;
		stat.n_rules = f->n_rules;
		stat.bytes = sandbox_bytes(f->sandbox);
		stat.last_error = f->last_error.text;
		for (size_t j = 0; j < r->n_series; j++)
			if (strcmp(r->series[j].file, f->base) == 0 &&
				r->series[j].errors >= RULES_ERRORS_MOST)
				stat.n_left_out++;
		each(context, &stat);
	}
}
