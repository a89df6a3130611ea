/* SPDX-License-Identifier: Apache-2.0
 * Slices against the rest of the stream, and against what they were. Every interval is widened by how unlike one another windows
 * are (the measure's kappa and memory); those of one list hold together (Bonferroni). */
#include "judge/slice_gap.h"

#include "base/clock.h"
#include "base/mem.h"
#include "judge/caution.h"
#include "judge/null.h"
#include "stats/gap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_COMPARED 30 /* records, now and in the reference */
#define MOST_GAPS 48
#define MOST_WHERE 12
#define FIXED_POINT 1048576.0
/* A slice carries a shift that has this much more of the excess than of the records. */
#define CARRIES 1.25
/* The rest of what moved is not looked at. */
#define MOST_MOVED 3

/* What is compared. */

struct quantity {
	const struct slice_aspect *aspect; /* NULL: flags */
	const struct measure *m;           /* whose kappa it has; NULL: the usual */
	size_t bin;                        /* of the aspect; its n: the mean */
	const char *name;
};

struct sums {
	double k, n; /* a share; of a mean: its sum, in standard deviations of the reference */
};

static bool is_mean(const struct quantity *q)
{
	return q->aspect && q->bin == q->aspect->n;
}

static bool is_missing(const struct slice_aspect *a, size_t bin)
{
	return bin + 1 == a->n && strcmp(a->words[bin], "missing") == 0;
}

/* Of one slice, or of all. */
static struct sums sums_of(const struct quantity *q, const int64_t *at)
{
	const struct slice_aspect *a = q->aspect;
	double n = 0;

	if (!a)
		return (struct sums){(double)at[SLICE_FLAGGED], (double)at[SLICE_SCORED]};
	if (is_mean(q))
		return (struct sums){(double)at[a->at + a->n] / FIXED_POINT, (double)at[a->at + a->n + 1]};
	for (size_t i = 0; i < a->n; i++)
		n += is_missing(a, i) && i != q->bin ? 0 : (double)at[a->at + i];
	return (struct sums){(double)at[a->at + q->bin], n};
}

/* A part that is more than the whole (a self-test deals every measure for itself) leaves nothing. */
static struct sums less(const struct quantity *q, struct sums a, struct sums b)
{
	struct sums left = {a.k - b.k, fmax(0, a.n - b.n)};

	if (!is_mean(q))
		left.k = fmin(fmax(left.k, 0), left.n);
	return left;
}

/* The same in independent records. */
static struct sums worth(const struct quantity *q, struct sums x, double windows)
{
	double kappa = !q->m || q->m->n_windows < CAUTION_LEAST_WINDOWS ? CAUTION_USUAL_KAPPA : q->m->kappa;
	double each = windows > 0 ? x.n / windows : x.n, memory = q->m ? fmax(q->m->memory, 1) : 1, part;

	if (!(x.n > 0))
		return x;
	part = each > 1 ? null_independent(kappa, each) / each / memory : 1 / memory;
	return (struct sums){x.k * part, x.n * part};
}

static void gap_fill(struct gap in, struct gap rest, struct gap in_then, struct gap rest_then, struct slice_gap *to)
{
	struct gap now = gap_difference(in, rest), then = gap_difference(in_then, rest_then), change = gap_difference(now, then);

	to->inside = in.at;
	to->rest = rest.at;
	to->low = now.low;
	to->high = now.high;
	to->ratio = rest.at != 0 ? in.at / rest.at : (double)NAN;
	to->before = in_then.at;
	to->before_rest = rest_then.at;
	to->change = change.at;
	to->change_low = change.low;
	to->change_high = change.high;
	to->differs = now.low > 0 || now.high < 0;
	to->news = change.low > 0 || change.high < 0;
}

void slice_gap_shares(const double k[4], const double n[4], double tail, struct slice_gap *to)
{
	struct gap x[4];

	for (size_t i = 0; i < 4; i++)
		x[i] = gap_share(k[i], n[i], tail);
	gap_fill(x[0], x[1], x[2], x[3], to);
}

/* x: inside, rest, inside then, rest then; windows now and then. */
static void compare(const struct quantity *q, const struct sums x[4], const double windows[2], double tail, struct slice_gap *to)
{
	struct gap g[4];

	for (size_t i = 0; i < 4; i++) {
		struct sums w = worth(q, x[i], windows[i / 2]);

		if (!is_mean(q))
			g[i] = gap_share(w.k, w.n, tail);
		else
			g[i] = gap_mean(q->m->centre + q->m->scale * x[i].k / x[i].n, q->m->scale / sqrt(w.n), tail);
	}
	gap_fill(g[0], g[1], g[2], g[3], to);
	to->n = (int64_t)x[0].n;
	to->mean = is_mean(q);
	to->name = q->name;
}

static void four(const struct reference *r, const struct quantity *q, size_t slice, const int64_t *counts, const int64_t *base,
	struct sums x[4])
{
	size_t at = (slice + 1) * r->slices.width;

	x[0] = sums_of(q, counts + at);
	x[1] = less(q, sums_of(q, counts), x[0]);
	x[2] = sums_of(q, base + at);
	x[3] = less(q, sums_of(q, base), x[2]);
}

static bool enough(const struct sums x[4])
{
	for (size_t i = 0; i < 4; i++)
		if (!(x[i].n >= LEAST_COMPARED))
			return false;
	return true;
}

static const struct measure *p_values(const struct reference *r)
{
	for (size_t i = 0; i < r->n_measures; i++)
		if (r->measures[i].kind == MEASURE_P_VALUE)
			return &r->measures[i];
	return NULL;
}

/* All counts. */

static void coarse_add(const struct slice_aspect *a, const int64_t *count, int64_t *to)
{
	for (size_t i = 0; i < a->n_map; i++)
		to[a->at + (size_t)a->map[i]] += count[i];
}

void slice_all(const struct reference *r, const int64_t *v, int64_t n, int64_t n_flagged, int64_t *to)
{
	const struct measure *p = p_values(r);

	memset(to, 0, r->slices.width * sizeof *to);
	to[SLICE_RECORDS] = n;
	to[SLICE_FLAGGED] = n_flagged;
	for (size_t i = 0; p && i <= p->n_edges; i++)
		to[SLICE_SCORED] += v[p->first + i];
	for (size_t k = 0; k < r->slices.n_aspects; k++) {
		const struct slice_aspect *a = &r->slices.aspects[k];
		const struct measure *m = &r->measures[a->measure];

		coarse_add(a, v + m->first, to);
		if (a->sums)
			memcpy(to + a->at + a->n, v + m->sums, 2 * sizeof *to);
	}
}

/* p-values count in the null part only, as they do for slices. */
static void base_flags(const struct reference *r, int64_t *to)
{
	const struct measure *p = p_values(r);
	bool edge = false;

	for (size_t i = 0; p && p->base && i <= p->n_edges; i++) {
		to[SLICE_SCORED] += p->base[i];
		if (i < p->n_edges && p->edges[i] <= r->flag_rate * (1 + 1e-9))
			to[SLICE_FLAGGED] += p->base[i];
		edge |= i < p->n_edges && fabs(p->edges[i] - r->flag_rate) <= 1e-9 * r->flag_rate;
	}
	if (!edge)
		to[SLICE_FLAGGED] = (int64_t)rint(r->flag_rate * (double)to[SLICE_SCORED]);
}

void slice_base(const struct reference *r, int64_t *to)
{
	const struct slices *s = &r->slices;

	memset(to, 0, s->width * sizeof *to);
	base_flags(r, to);
	for (size_t k = 0; k < s->n_aspects; k++) {
		const struct slice_aspect *a = &s->aspects[k];
		const struct measure *m = &r->measures[a->measure];
		int64_t n = 0;

		for (size_t i = 0; m->base && i < m->n; i++)
			n += m->base[i];
		to[SLICE_RECORDS] = n > to[SLICE_RECORDS] ? n : to[SLICE_RECORDS];
		if (m->base)
			coarse_add(a, m->base, to);
		for (size_t i = 0; a->sums && m->base && i <= m->n_edges; i++) /* their mean is the centre */
			to[a->at + a->n + 1] += m->base[i];
	}
	memcpy(to + s->width, s->base, s->n_base * sizeof *to);
}

/* Gaps. */

static size_t quantities_of(const struct reference *r, struct quantity *to)
{
	size_t n = 0;

	if (p_values(r))
		to[n++] = (struct quantity){.m = p_values(r), .name = "flagged"};
	for (size_t k = 0; k < r->slices.n_aspects; k++) {
		const struct slice_aspect *a = &r->slices.aspects[k];
		const struct measure *m = &r->measures[a->measure];
		bool two = m->n_words == 2;

		if (!a->output)
			continue;
		if (a->sums)
			to[n++] = (struct quantity){a, m, a->n, m->name};
		for (size_t b = two ? 1 : 0; m->n_words > 0 && b < a->n && b < m->n_words && strcmp(a->words[b], "(rest)") != 0; b++)
			to[n++] = (struct quantity){a, m, b, m->kind == MEASURE_CLASS ? a->words[b] : m->name};
	}
	return n;
}

static size_t quantities_most(const struct reference *r)
{
	size_t n = 1;

	for (size_t k = 0; k < r->slices.n_aspects; k++)
		n += r->slices.aspects[k].n + 1;
	return n;
}

static void what_words(const struct quantity *q, struct slice_gap *to)
{
	if (!q->aspect)
		snprintf(to->what, sizeof to->what, "flag rate");
	else if (is_mean(q))
		snprintf(to->what, sizeof to->what, "mean of %.80s", q->name);
	else if (q->m->kind == MEASURE_CLASS)
		snprintf(to->what, sizeof to->what, "share of %.80s", q->name);
	else
		snprintf(to->what, sizeof to->what, "rate of %.80s", q->name);
}

static void gap_words(struct slice_gap *g)
{
	double unit = g->mean ? 1 : 100;
	const char *sign = g->mean ? "" : " %", *news = !g->news ? "as in the reference" : g->differs ? "news" : "no more as in the reference";

	snprintf(g->words, sizeof g->words, "%.60s %.60s: %s %.3g%s, in the rest %.3g%s (before: %.3g%s and %.3g%s); %s", g->tag, g->value,
		g->what, unit * g->inside, sign, unit * g->rest, sign, unit * g->before, sign, unit * g->before_rest, sign, news);
}

static int news_first(const void *a, const void *b)
{
	const struct slice_gap *p = a, *q = b;
	double x = fabs(p->inside - p->rest), y = fabs(q->inside - q->rest);

	if (p->news != q->news)
		return p->news ? -1 : 1;
	if (p->mean != q->mean)
		return p->mean ? 1 : -1;
	return x != y ? (x < y ? 1 : -1) : strcmp(p->words, q->words);
}

void slice_gaps_find(const struct reference *r, const int64_t *counts, const int64_t *base, int64_t windows, struct slice_gaps *to)
{
	struct quantity *q = mem_zero(quantities_most(r), sizeof *q);
	size_t n = quantities_of(r, q), compared = 0;
	double each[2] = {(double)windows, (double)(r->n_windows + r->n_others)};
	struct sums x[4];

	*to = (struct slice_gaps){mem_zero(r->slices.n * n + 1, sizeof *to->at), 0};
	for (size_t i = 0; i < r->slices.n * n; i++) {
		four(r, &q[i % n], i / n, counts, base, x);
		compared += enough(x);
	}
	for (size_t i = 0; i < r->slices.n * n; i++) {
		struct slice_gap g = {.tag = r->slices.at[i / n].tag, .value = r->slices.at[i / n].value, .share = (double)NAN,
			.of_records = (double)NAN};

		four(r, &q[i % n], i / n, counts, base, x);
		if (!enough(x))
			continue;
		compare(&q[i % n], x, each, (1 - SLICE_LEVEL) / (4 * (double)compared), &g); /* two intervals, two sides */
		what_words(&q[i % n], &g);
		gap_words(&g);
		if (g.differs || g.news)
			to->at[to->n++] = g;
	}
	if (to->n > 1)
		qsort(to->at, to->n, sizeof *to->at, news_first);
	to->n = to->n < MOST_GAPS ? to->n : MOST_GAPS;
	free(q);
}

/* Parity. */

static bool same_tag(const struct reference *r, size_t a, size_t b)
{
	return strcmp(r->slices.at[a].tag, r->slices.at[b].tag) == 0;
}

static double share_of(const struct quantity *q, const int64_t *at)
{
	struct sums x = sums_of(q, at);

	return x.k / x.n;
}

/* The slices of `first`'s tag with the largest and the smallest share, of those with enough records. Returns how many these
 * are. */
static size_t extremes(const struct reference *r, const struct quantity *q, size_t first, const int64_t *counts,
	const int64_t *base, size_t *high, size_t *low)
{
	size_t n = 0;

	for (size_t i = first; i < r->slices.n && same_tag(r, first, i); i++) {
		const int64_t *at = counts + (i + 1) * r->slices.width;
		struct sums x = sums_of(q, at), then = sums_of(q, base + (i + 1) * r->slices.width);

		if (x.n < LEAST_COMPARED || then.n < LEAST_COMPARED)
			continue;
		if (n == 0 || x.k / x.n > share_of(q, counts + (*high + 1) * r->slices.width))
			*high = i;
		if (n == 0 || x.k / x.n < share_of(q, counts + (*low + 1) * r->slices.width))
			*low = i;
		n++;
	}
	return n;
}

/* Every pair that could have been picked, of every tag and class, holds together. */
static void parity_fill(const struct reference *r, const struct quantity *q, size_t high, size_t low, size_t pairs,
	const int64_t *counts, const int64_t *base, const double windows[2], struct slice_parity *to)
{
	size_t width = r->slices.width;
	const struct sums x[4] = {sums_of(q, counts + (high + 1) * width), sums_of(q, counts + (low + 1) * width),
		sums_of(q, base + (high + 1) * width), sums_of(q, base + (low + 1) * width)};
	struct slice_gap g = {.n = 0};

	compare(q, x, windows, (1 - SLICE_LEVEL) / (4 * (double)pairs), &g);
	*to = (struct slice_parity){.tag = r->slices.at[high].tag, .name = q->name, .highest = r->slices.at[high].value,
		.lowest = r->slices.at[low].value, .difference = g.inside - g.rest, .low = g.low, .high = g.high,
		.ratio = g.inside > 0 ? g.rest / g.inside : (double)NAN, .before = g.before - g.before_rest,
		.change_low = g.change_low, .change_high = g.change_high, .differs = g.differs, .news = g.news};
}

void slice_parity_find(const struct reference *r, const int64_t *counts, const int64_t *base, int64_t windows, struct slice_parities *to)
{
	struct quantity *q = mem_zero(quantities_most(r), sizeof *q);
	size_t n = quantities_of(r, q), pairs = 0, high = 0, low = 0;
	double each[2] = {(double)windows, (double)(r->n_windows + r->n_others)};

	*to = (struct slice_parities){mem_zero(r->slices.n_tags * n + 1, sizeof *to->at), 0};
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < r->slices.n; i++)
			for (size_t k = 0; k < n && (i == 0 || !same_tag(r, i - 1, i)); k++) {
				size_t of;

				if (!q[k].aspect || is_mean(&q[k]) || q[k].m->kind != MEASURE_CLASS)
					continue;
				of = extremes(r, &q[k], i, counts, base, &high, &low);
				if (pass == 0)
					pairs += of * (of - (of > 0)) / 2;
				else if (of > 1)
					parity_fill(r, &q[k], high, low, pairs, counts, base, each, &to->at[to->n++]);
			}
	free(q);
}

/* Where it sits. */

struct moved {
	struct quantity q;
	const struct finding *f;
	struct sums all, then;
	double excess; /* records */
};

/* The bin that says most of those that grew. */
static bool moved_bin(struct moved *m, const int64_t *counts, const int64_t *base)
{
	size_t n = m->q.aspect ? m->q.aspect->n : 1;
	double most = 0;
	struct quantity q = m->q;

	for (size_t b = 0; b < n; b++) {
		struct sums x, then;
		double p, now;

		q.bin = b;
		x = sums_of(&q, counts);
		then = sums_of(&q, base);
		p = (then.k + .5) / (then.n + 1);
		now = (x.k + p) / (x.n + 1);
		if (now <= p || (now - p) * log(now / p) <= most)
			continue;
		most = (now - p) * log(now / p);
		m->q.bin = b;
		m->all = x;
		m->then = then;
		m->excess = x.k - x.n * p;
	}
	return most > 0 && m->excess >= 3;
}

static bool moved_make(const struct reference *r, const struct finding *f, const int64_t *counts, const int64_t *base, struct moved *ret)
{
	*ret = (struct moved){.f = f, .q = {.m = p_values(r), .name = f->name}};
	if (f->kind == MEASURE_P_VALUE)
		return ret->q.m && moved_bin(ret, counts, base);
	for (size_t k = 0; k < r->slices.n_aspects; k++) {
		const struct slice_aspect *a = &r->slices.aspects[k];

		if (strcmp(r->measures[a->measure].name, f->name) != 0 || r->measures[a->measure].kind != f->kind)
			continue;
		ret->q.aspect = a;
		ret->q.m = &r->measures[a->measure];
		return moved_bin(ret, counts, base);
	}
	return false;
}

static void where_words(const struct moved *m, struct slice_gap *g)
{
	snprintf(g->words, sizeof g->words,
		"%.40s %.40s: %.0f %% of the excess of %.80s, in %.0f %% of the records (inside %.3g %%, was %.3g %%; in the rest %.3g %%, was %.3g %%)",
		g->tag, g->value, 100 * fmin(g->share, 1), g->what, 100 * g->of_records, 100 * g->inside, 100 * g->before, 100 * g->rest,
		100 * g->before_rest);
	(void)m;
}

/* Does this slice hold more of the excess than of the records, beyond chance: because its own share rose more than the rest's, or
 * because there are more of its records than there were? */
static bool carries(const struct reference *r, const struct moved *m, size_t slice, const int64_t *counts, const int64_t *base,
	double tail, struct slice_gap *g)
{
	const double windows[2] = {1, (double)(r->n_windows + r->n_others)};
	size_t at = (slice + 1) * r->slices.width;
	double n_now = (double)counts[SLICE_RECORDS], n_then = (double)base[SLICE_RECORDS], p, part;
	struct sums x[4];
	struct gap mix;

	four(r, &m->q, slice, counts, base, x);
	if (!(x[0].n > 0 && x[1].n > 0 && x[2].n > 0 && x[3].n > 0))
		return false;
	g->of_records = (double)counts[at + SLICE_RECORDS] / n_now;
	part = (double)base[at + SLICE_RECORDS] / n_then;
	p = (x[2].k + (m->then.k + .5) / (m->then.n + 1)) / (x[2].n + 1);
	g->share = (x[0].k - m->all.n * part * p) / m->excess;
	if (!(g->share > CARRIES * fmin(part, g->of_records) && g->share > .1))
		return false; /* intervals are dear */
	compare(&m->q, x, windows, tail, g);
	mix = gap_difference(gap_share((double)counts[at + SLICE_RECORDS], n_now, tail),
		gap_share((double)base[at + SLICE_RECORDS], n_then, tail));
	return g->change_low > 0 || (mix.low > 0 && g->low > 0); /* more of its records, but like any: it is everywhere */
}

static int largest_first(const void *a, const void *b)
{
	const struct slice_gap *p = a, *q = b;
	double x = p->share - p->of_records, y = q->share - q->of_records;

	return x != y ? (x < y ? 1 : -1) : strcmp(p->words, q->words);
}

static void where_add(const struct reference *r, const struct moved *m, const int64_t *counts, const int64_t *base, struct slice_gaps *to)
{
	size_t from = to->n;
	double tail = .05 / (2 * (double)r->slices.n);

	for (size_t i = 0; i < r->slices.n && to->n < MOST_WHERE; i++) {
		struct slice_gap g = {.tag = r->slices.at[i].tag, .value = r->slices.at[i].value};

		if (!carries(r, m, i, counts, base, tail, &g))
			continue;
		snprintf(g.what, sizeof g.what, "%.40s%s%.40s", m->f->name, m->q.aspect ? " " : "",
			m->q.aspect ? m->q.aspect->words[m->q.bin] : "");
		where_words(m, &g);
		to->at[to->n++] = g;
	}
	if (to->n > from + 1)
		qsort(to->at + from, to->n - from, sizeof *to->at, largest_first);
}

void slice_where_find(const struct reference *r, const int64_t *counts, const int64_t *base, const struct signal *s,
	struct slice_signal *to)
{
	size_t seen = 0;
	struct moved m;

	to->where = (struct slice_gaps){mem_zero(MOST_WHERE, sizeof *to->where.at), 0};
	for (size_t i = 0; i < s->n_findings && seen < MOST_MOVED; i++) {
		if (!s->findings[i].moved || !moved_make(r, &s->findings[i], counts, base, &m))
			continue;
		seen++;
		where_add(r, &m, counts, base, &to->where);
	}
	if (to->where.n > 0)
		snprintf(to->where_words, sizeof to->where_words, "%s", to->where.at[0].words);
	else if (seen > 0)
		snprintf(to->where_words, sizeof to->where_words, "everywhere: no slice stands out");
}
