/* SPDX-License-Identifier: Apache-2.0
 * Runs the judge over count vectors that trial.py made of a real log: learns, replays or
 * self-tests, prints what it says.
 *
 * usage: trial FILE replay | selftest N [SEED]      FILE: one msgpack map, see trial.py */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "judge/judge.h"
#include "model/pack.h"

static void die(const char *what)
{
	fprintf(stderr, "trial: %s\n", what);
	exit(2);
}

static int64_t integer(const struct msgpack_object *o, const char *key)
{
	int64_t x;

	if (!unpack_int(unpack_field(o, key), INT64_MIN, INT64_MAX, &x))
		die(key);
	return x;
}

static double real(const struct msgpack_object *o, const char *key)
{
	double x;

	if (!unpack_real(unpack_field(o, key), &x))
		die(key);
	return x;
}

static char *text(const struct msgpack_object *o)
{
	const char *at;
	size_t n;

	if (!unpack_text(o, &at, &n))
		die("text");
	return mem_copy_span(at, n);
}

static size_t bin(const struct msgpack_object *o, const char *key)
{
	int64_t x = integer(o, key);

	return x < 0 ? MEASURE_NO_BIN : (size_t)x;
}

static void measure_read(const struct msgpack_object *o, struct measure *m)
{
	const struct msgpack_object *words = unpack_field(o, "words"),
				    *edges = unpack_field(o, "edges");

	*m = (struct measure){.name = text(unpack_field(o, "name")),
		.kind = (enum measure_kind)integer(o, "kind"),
		.first = (size_t)integer(o, "first"),
		.n = (size_t)integer(o, "n"),
		.below = bin(o, "below"),
		.above = bin(o, "above"),
		.other = bin(o, "other"),
		.missing = bin(o, "missing"),
		.mistyped = bin(o, "mistyped"),
		.sums = bin(o, "sums"),
		.least = real(o, "least"),
		.most = real(o, "most"),
		.centre = real(o, "centre"),
		.scale = real(o, "scale")};
	m->n_edges = unpack_length(edges);
	m->edges = mem_alloc((m->n_edges + 1) * sizeof *m->edges);
	unpack_reals(edges, m->edges, m->n_edges);
	m->n_words = unpack_length(words);
	m->words = mem_alloc((m->n_words + 1) * sizeof *m->words);
	for (size_t i = 0; i < m->n_words; i++)
		m->words[i] = text(unpack_item(words, i));
	m->base = mem_alloc(m->n * sizeof *m->base);
	if (!unpack_ints(unpack_field(o, "base"), m->base, m->n))
		die("base");
}

static struct reference_window *windows_read(
	const struct msgpack_object *list, size_t width, size_t *ret_n)
{
	size_t n = unpack_length(list);
	struct reference_window *w = mem_zero(n + 1, sizeof *w);

	for (size_t i = 0; i < n; i++) {
		const struct msgpack_object *o = unpack_item(list, i);
		w[i] = (struct reference_window){
			.start_us = integer(o, "start"), .n = integer(o, "n"), .width = width};
		w[i].v = mem_alloc(width * sizeof *w[i].v);
		if (!unpack_ints(unpack_field(o, "v"), w[i].v, width))
			die("v");
	}
	*ret_n = n;
	return w;
}

static struct reference *reference_from(const struct msgpack_object *o)
{
	struct reference *r = reference_new();
	const struct msgpack_object *measures = unpack_field(o, "measures");

	r->model = mem_copy_text("trial");
	r->version = mem_copy_text("1");
	r->window_us = integer(o, "window_us");
	r->n_cal_b = integer(o, "n_cal_b");
	r->width = (size_t)integer(o, "width");
	r->n_measures = unpack_length(measures);
	r->measures = mem_zero(r->n_measures + 1, sizeof *r->measures);
	for (size_t i = 0; i < r->n_measures; i++)
		measure_read(unpack_item(measures, i), &r->measures[i]);
	r->windows = windows_read(unpack_field(o, "windows"), r->width, &r->n_windows);
	r->others = windows_read(unpack_field(o, "others"), r->width, &r->n_others);
	return r;
}

static void signal_print(const struct signal *s, size_t t)
{
	printf("%zu %s n=%lld log_m=%.2f severity=%d", t, signal_state_words[s->state],
		(long long)s->n, s->log_m, s->severity);
	for (size_t i = 0; i < s->n_findings && i < 6; i++) {
		const struct finding *f = &s->findings[i];
		if (i < (getenv("TRIAL_ALL") ? 3 : 0) || f->moved)
			printf(" | %s%s log_m=%.1f e=%.1f psi=%.2f sev=%d %s", f->name,
				f->latched ? "*" : "", f->log_m, f->log_e, f->psi, f->severity,
				f->change);
	}
	printf("%s%s\n", s->why ? " why=" : "", s->why ? s->why : "");
}

/* Every twentieth window the judge is packed, closed and resumed: whatever is printed must be the
 * same. */
static struct judge *restarted(
	struct judge *j, const struct reference *r, const struct judge_options *options)
{
	struct buf b = BUF_EMPTY;
	struct error e;

	judge_pack(j, &b);
	judge_close(j);
	j = judge_open(r, options);
	if (judge_unpack(j, b.at, b.n, &e) != 0)
		die(e.text);
	buf_done(&b);
	return j;
}

static void replay(const struct reference *r, const struct msgpack_object *stream,
	const struct judge_options *options)
{
	struct judge *j = judge_open(r, options);
	size_t n;
	struct reference_window *w = windows_read(stream, r->width, &n);
	int64_t spent = 0;

	for (size_t t = 0; t < n; t++) {
		bool cut = integer(unpack_item(stream, t), "cut");
		struct window one = {.start_us = w[t].start_us,
			.end_us = w[t].start_us + r->window_us,
			.n = w[t].n,
			.cut = cut,
			.width = r->width,
			.v = w[t].v};
		struct signal s;
		int64_t begin = clock_monotonic_us();
		judge_window(j, &one, &s);
		spent += clock_monotonic_us() - begin;
		signal_print(&s, t);
		signal_done(&s);
		free(w[t].v);
		if (t % 20 == 19)
			j = restarted(j, r, options);
	}
	fprintf(stderr, "%.1f us a window, %zu measures\n", (double)spent / (double)n,
		r->n_measures);
	free(w);
	judge_close(j);
}

static void learned_print(const struct reference *r)
{
	for (size_t i = 0; i < r->n_measures; i++) {
		const struct measure *m = &r->measures[i];
		fprintf(stderr,
			"%-16s k=%-3zu kappa=%-8.0f memory=%.2f tolerance=%.4f n=%.0f "
			"effective=%.0f windows=%zu%s%s\n",
			m->name, m->n, m->kappa, m->memory, m->tolerance, m->n_records,
			m->n_effective, m->n_windows,
			m->judged ? "" : " UNJUDGED: ", m->judged ? "" : m->why);
	}
}

int main(int argc, char **argv)
{
	struct judge_options options = JUDGE_OPTIONS;
	struct buf b = BUF_EMPTY;
	FILE *f = argc > 2 ? fopen(argv[1], "rb") : NULL;
	size_t n;

	if (!f)
		die("usage: trial FILE replay | selftest N [SEED]");
	do {
		char *at = buf_reserve(&b, 1 << 20);
		n = fread(at, 1, 1 << 20, f);
		buf_wrote(&b, n);
	} while (n);
	fclose(f);
	struct unpacked *u = unpack_open(b.at, b.n);
	if (!u)
		die("not msgpack");
	struct reference *r = reference_from(unpack_root(u));
	/* The evidence is to be compared between sets: the same budget in windows for all. */
	if (getenv("TRIAL_SEASON"))
		options.season = (enum season)atoi(getenv("TRIAL_SEASON"));
	options.per_us = r->window_us * integer(unpack_root(u), "budget_windows");
	judge_learn(r, &options);
	if (getenv("TRIAL_LEARNED"))
		learned_print(r);
	if (strcmp(argv[2], "replay") == 0) {
		replay(r, unpack_field(unpack_root(u), "stream"), &options);
	} else {
		struct judge_selftest t;
		judge_selftest(r, &options, strtoul(argv[3], NULL, 10),
			argc > 4 ? strtoul(argv[4], NULL, 10) : 0, &t);
		printf("alarms=%zu windows=%zu judged=%zu held_out=%zu highest=%.2f budget=%.2f "
		       "unjudged_measures=%zu of %zu\n",
			t.n_alarms, t.n_windows, t.n_judged, t.held_out, t.highest_log_m,
			t.log_budget, t.n_unjudged_measures, t.n_measures);
	}
	reference_close(r);
	unpack_close(u);
	buf_done(&b);
	return 0;
}
