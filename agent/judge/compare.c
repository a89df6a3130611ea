/* SPDX-License-Identifier: Apache-2.0
 * Pairs of windows into evidence: what is compared stands in `rows`, each a share of records (or several) that both versions
 * count. Everything that bets looks at earlier pairs only. */
#include "judge/compare.h"

#include "base/clock.h"
#include "base/mem.h"
#include "judge/compare_rows.h"
#include "judge/null.h"
#include "model/pack.h"
#include "stats/special.h"
#include "stats/two_sample.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPARE_FORMAT 1
#define MOST_WAITING 256
/* Pairs that only teach: how much two windows of the same minutes differ by nature. */
#define WARM_UP 4
/* The reference's kappa is worth so many pairs of that. */
#define PRIOR_PAIRS 4.0
/* .. and it is taken as large as it might well be: chi-square at this z. */
#define DISPERSION_Z (-.84)
/* Recent windows, from which alternatives are made, fade. */
#define FADE .9
/* Evidence of worse from one pair is cut here: one burst is no proof, however large. */
#define MOST_AT_ONCE 1.5
#define PRIOR_RECORDS 20.0
#define LEAST_SHARE 1e-4
#define GROSS 4.0
#define INTERVAL_ALPHA .05
#define INTERVAL_RHO 5.0

/* A window of one version that waits for the other's. */
struct waiting {
	int64_t start_us, end_us, n;
	int64_t *counts; /* of all rows, one behind the other */
};

struct queue {
	struct waiting at[MOST_WAITING];
	size_t n;
};

struct compare {
	struct compare_options options;
	char *model, *version[2], hash[2][65];
	struct row *rows;
	size_t n_rows, width;
	struct queue waiting[2];
	int64_t n_windows, n_records[2], start_us, end_us;
	int64_t done_us; /* start of the last pair */
	enum comparison_verdict verdict;
	struct comparison_row *shown;
	double *work; /* 3 x the widest row */
};

/* ---- one row ---- */

static double log_mean_exp(const double *x, size_t n)
{
	double sum = -INFINITY;

	for (size_t i = 0; i < n; i++)
		sum = special_log_add(sum, x[i]);
	return sum - log((double)n);
}

static double clipped(double share)
{
	return fmin(fmax(share, LEAST_SHARE), 1 - LEAST_SHARE);
}

/* By how much more two windows differ than two draws of records would: from earlier pairs, and before there are any from how
 * much the reference's windows vary. */
static double dispersion(const struct row *r, const double n[2])
{
	double by_kappa = 0, pairs = (double)r->n_squares + PRIOR_PAIRS, mean;

	for (int g = 0; g < 2; g++)
		by_kappa += 1 / null_independent(r->kappa, n[g]);
	by_kappa /= 1 / n[0] + 1 / n[1];
	mean = (r->squares + PRIOR_PAIRS * by_kappa) / pairs;
	return fmax(1, mean) * pairs / special_chi2_quantile(pairs, DISPERSION_Z);
}

/* Shares as the recent past has them: est[0] and est[1] of the versions, est[2] of both. */
static void estimate(const struct row *r, double *est[3])
{
	double all[2] = {0, 0};

	for (int g = 0; g < 2; g++)
		for (size_t b = 0; b < r->k; b++)
			all[g] += r->recent[g][b];
	for (size_t b = 0; b < r->k; b++) {
		double usual = PRIOR_RECORDS * r->usual[b];

		est[0][b] = (r->recent[0][b] + usual) / (all[0] + PRIOR_RECORDS);
		est[1][b] = (r->recent[1][b] + PRIOR_RECORDS * est[0][b]) / (all[1] + PRIOR_RECORDS);
		est[2][b] = (r->recent[0][b] + r->recent[1][b] + usual) / (all[0] + all[1] + PRIOR_RECORDS);
	}
}

/* One event among the bins, and how the two versions fare with it. */
struct event {
	double x[2], n[2]; /* of this pair */
	double est[3];     /* as the recent past has it: of each, of both together */
	double ever[2];    /* as all of the past has it */
};

/* Of two shares the second; of several, those that grew before: the set that tells most of a difference, for
 * max over sets of (canary's share - stable's) is the total variation between them. */
static struct event event_of(const struct row *r, const int64_t *const counts[2], const double n[2], double *const est[3])
{
	struct event e = {.n = {n[0], n[1]}};
	double all[2] = {0, 0};

	for (size_t b = 0; b < r->k; b++) {
		if (r->side == SIDE_MORE_IS_WORSE ? b != 1 : est[1][b] <= est[0][b])
			continue;
		for (int g = 0; g < 2; g++) {
			e.x[g] += (double)counts[g][b];
			e.ever[g] += r->all[g][b];
		}
		for (int i = 0; i < 3; i++)
			e.est[i] += est[i][b];
	}
	for (int i = 0; i < 3; i++)
		e.est[i] = clipped(e.est[i]);
	for (int g = 0; g < 2; g++) {
		for (size_t b = 0; b < r->k; b++)
			all[g] += r->all[g][b];
		e.ever[g] = clipped((e.ever[g] + PRIOR_RECORDS * e.est[0]) / (all[g] + PRIOR_RECORDS));
	}
	return e;
}

/* For the null that the share has grown by `margin` at most: the canary as it was lately, or all along, or some steps beyond. */
static void bet_worse(const struct event *e, double margin, double step, double by, double log_m[ROW_BETS])
{
	const double a[ROW_BETS][2] = {
		{e->est[0], e->est[1]},
		{e->ever[0], e->ever[1]},
		{e->est[0], clipped(e->est[0] + margin + step)},
		{e->est[0], clipped(e->est[0] + margin + 2 * step)},
		{e->est[0], clipped(e->est[0] + margin + 4 * step)},
	};

	for (size_t i = 0; i < ROW_BETS; i++)
		log_m[i] += fmin(two_sample_log_e(e->x, e->n, a[i], margin, TWO_SAMPLE_AT_MOST) / by, MOST_AT_ONCE);
}

/* For the null that it has grown by `margin` at least: nothing differs, or the canary is as it was lately. */
static void bet_not_worse(const struct row *r, const struct event *e, double by)
{
	const double same[2] = {e->est[2], e->est[2]}, lately[2] = {e->est[0], e->est[1]};

	r->same[0] += two_sample_log_e(e->x, e->n, same, r->tolerance, TWO_SAMPLE_AT_LEAST) / by;
	r->same[1] += two_sample_log_e(e->x, e->n, lately, r->tolerance, TWO_SAMPLE_AT_LEAST) / by;
}

/* The same of every bin, both ways. */
static void bet_no_difference(const struct row *r, const int64_t *const counts[2], const double n[2], const double *both, double by)
{
	for (size_t b = 0; b < r->k; b++) {
		const double x[2] = {(double)counts[0][b], (double)counts[1][b]}, p = clipped(both[b]), a[2] = {p, p};

		r->same[2 * b] += two_sample_log_e(x, n, a, r->tolerance, TWO_SAMPLE_AT_LEAST) / by;
		r->same[2 * b + 1] += two_sample_log_e(x, n, a, -r->tolerance, TWO_SAMPLE_AT_MOST) / by;
	}
}

/* Pearson's statistic of the pair's difference around that of the recent past, per degree of freedom; -1: there is no past. */
static double square_of(const struct row *r, const int64_t *const counts[2], const double n[2])
{
	double sum = 0, free = -1, past[2] = {0, 0}, parts;

	for (int g = 0; g < 2; g++)
		for (size_t b = 0; b < r->k; b++)
			past[g] += r->recent[g][b];
	if (past[0] <= 0 || past[1] <= 0)
		return -1;
	parts = 1 / n[0] + 1 / n[1] + 1 / past[0] + 1 / past[1];
	for (size_t b = 0; b < r->k; b++) {
		double x[2] = {(double)counts[0][b], (double)counts[1][b]};
		double p = (x[0] + x[1] + r->recent[0][b] + r->recent[1][b]) / (n[0] + n[1] + past[0] + past[1]);
		double d = x[1] / n[1] - x[0] / n[0] - (r->recent[1][b] / past[1] - r->recent[0][b] / past[0]);

		if (p <= 0)
			continue;
		sum += d * d / (p * parts);
		free++;
	}
	return free > 0 ? sum / free : -1;
}

static void row_remember(struct row *r, const int64_t *const counts[2], const double n[2])
{
	for (size_t b = 0; b < r->k; b++) {
		double x[2] = {(double)counts[0][b], (double)counts[1][b]}, p = (x[0] + x[1]) / (n[0] + n[1]);

		for (int g = 0; g < 2; g++) {
			r->recent[g][b] = FADE * r->recent[g][b] + x[g];
			r->all[g][b] += x[g];
		}
		r->difference[b] += (x[1] * n[0] - x[0] * n[1]) / (n[0] + n[1]);
		r->variance[b] += p * (1 - p) * n[0] * n[1] / (n[0] + n[1]);
	}
	r->weight += n[0] * n[1] / (n[0] + n[1]);
}

static void row_step(struct row *r, const int64_t *const counts[2], double *work)
{
	double *est[3] = {work, work + r->k, work + 2 * r->k}, n[2] = {0, 0}, by, square;
	struct event e;

	for (int g = 0; g < 2; g++)
		for (size_t b = 0; b < r->k; b++)
			n[g] += (double)counts[g][b];
	if (n[0] <= 0 || n[1] <= 0)
		return;
	estimate(r, est);
	e = event_of(r, counts, n, est);
	by = r->by = dispersion(r, n);
	if (r->n_pairs >= WARM_UP) {
		if (r->side == SIDE_MORE_IS_WORSE) {
			bet_worse(&e, 0, r->tolerance, by, r->worse);
			bet_not_worse(r, &e, by);
		} else {
			bet_worse(&e, GROSS * r->tolerance, r->tolerance, by, r->worse);
			bet_worse(&e, r->tolerance, r->tolerance, by, r->differs);
			bet_no_difference(r, counts, n, est[2], by);
		}
	}
	square = square_of(r, counts, n);
	if (square >= 0) {
		r->squares += square;
		r->n_squares++;
	}
	r->n_pairs++;
	row_remember(r, counts, n);
}

static double row_not_worse(const struct row *r)
{
	double least = INFINITY;

	if (r->side == SIDE_MORE_IS_WORSE)
		return log_mean_exp(r->same, 2);
	for (size_t i = 0; i < 2 * r->k; i++)
		least = fmin(least, r->same[i]);
	return least;
}

/* The bin to show: of several the one that differs most, in standard errors. */
static size_t row_bin(const struct row *r)
{
	size_t best = r->side == SIDE_MORE_IS_WORSE ? 1 : 0;
	double most = -1;

	for (size_t b = 0; b < r->k && r->side != SIDE_MORE_IS_WORSE; b++) {
		double z = fabs(r->difference[b]) / sqrt(r->variance[b] + 1);

		if (z > most) {
			most = z;
			best = b;
		}
	}
	return best;
}

static double share(const double *x, size_t k, size_t b)
{
	double all = 0;

	for (size_t i = 0; i < k; i++)
		all += x[i];
	return all > 0 ? x[b] / all : (double)NAN;
}

static void row_show(const struct compare *c, const struct row *r, struct comparison_row *to)
{
	size_t b = row_bin(r);
	double needed = log(1 / c->options.alpha), some = needed + log((double)c->n_rows);
	double half = two_sample_half_width(r->by * r->variance[b], r->weight, INTERVAL_RHO, INTERVAL_ALPHA);

	*to = (struct comparison_row){.name = r->name, .side = r->side, .what = r->words[b], .tolerance = r->tolerance,
		.stable = share(r->all[0], r->k, b), .canary = share(r->all[1], r->k, b),
		.difference = r->weight > 0 ? r->difference[b] / r->weight : (double)NAN,
		.log_worse = log_mean_exp(r->worse, ROW_BETS), .log_differs = log_mean_exp(r->differs, ROW_BETS),
		.log_not_worse = row_not_worse(r)};
	to->low = fmax(to->difference - half, -1);
	to->high = fmin(to->difference + half, 1);
	/* One of several rows is enough to be worse, hence more evidence of it; to be no worse takes all of them. */
	to->worse = r->side != SIDE_TRAFFIC && to->log_worse >= some && (r->side == SIDE_DIFFERENCE || to->difference > r->tolerance);
	to->differs = to->log_differs >= some;
	to->not_worse = to->log_not_worse >= needed;
}

/* ---- the verdict ---- */

static const struct comparison_row *row_first(const struct compare *c, enum comparison_side side, bool worse)
{
	const struct comparison_row *best = NULL;

	for (size_t i = 0; i < c->n_rows; i++) {
		const struct comparison_row *r = &c->shown[i];

		if (worse ? r->worse && (!best || r->log_worse > best->log_worse)
			  : r->side == side && r->differs && (!best || r->log_differs > best->log_differs))
			best = r;
	}
	return best;
}

/* Of what has to be shown no worse, that which is furthest from it; NULL when there is nothing of the kind. */
static const struct comparison_row *row_furthest(const struct compare *c)
{
	const struct comparison_row *least = NULL;

	for (size_t i = 0; i < c->n_rows; i++) {
		const struct comparison_row *r = &c->shown[i];

		if (r->side != SIDE_TRAFFIC && (!least || r->log_not_worse < least->log_not_worse))
			least = r;
	}
	return least;
}

static void say(char *to, size_t n, const struct comparison_row *r, const char *end)
{
	bool own = !strcmp(r->name, r->what);

	snprintf(to, n, "%s%s%s %.3g %% -> %.3g %% (%+.3g points, %.3g to %.3g)%s", r->name, own ? "" : " ", own ? "" : r->what,
		100 * r->stable, 100 * r->canary, 100 * r->difference, 100 * r->low, 100 * r->high, end);
}

/* Two digits of a number of windows. */
static double rounded(double x)
{
	double by = 1;

	while (x / by >= 100)
		by *= 10;
	return ceil(x / by) * by;
}

/* What is lacking, and whether more windows will bring it: intervals shrink as the root of what was seen. A difference that may be
 * chance is taken for half of what it seems. */
static void say_undecided(const struct compare *c, const struct comparison_row *r, char *to, size_t n)
{
	double half = (r->high - r->low) / 2, off = r->side == SIDE_MORE_IS_WORSE ? fmax(r->difference, 0) : fabs(r->difference);
	double margin = r->tolerance - (off < half ? off / 2 : off), more = (double)c->n_windows * (half * half / (margin * margin) - 1);
	char end[240], span[64];

	if (c->n_windows <= WARM_UP || isnan(r->difference)) {
		snprintf(to, n, "not enough data yet: of the first %d pairs of windows, which only teach how much two windows differ, %lld are there",
			WARM_UP, (long long)c->n_windows);
		return;
	}
	if (margin < r->tolerance / 8)
		snprintf(end, sizeof end, ": close to the %.3g points tolerated, so that more windows will hardly decide it; another tolerance would",
			100 * r->tolerance);
	else if (more >= 1)
		snprintf(end, sizeof end, ": not enough data yet: it may still be more than the %.3g points tolerated; some %.0f windows more (%s) at this traffic",
			100 * r->tolerance, rounded(more), duration_format((int64_t)rounded(more) * (c->end_us - c->start_us), span, sizeof span));
	else
		snprintf(end, sizeof end, ": not enough data yet: evidence %.1f of %.1f that it is within the %.3g points tolerated",
			fmax(r->log_not_worse, 0), log(1 / c->options.alpha), 100 * r->tolerance);
	say(to, n, r, end);
}

/* Records are odd by what they hold: where the two do not get the same, that is no fault of the version. */
static bool by_traffic(const struct comparison_row *worse)
{
	return !worse || !strcmp(worse->name, "odd");
}

/* Evidence that was there is not taken back by a little less of it: half is enough to stay. */
static bool not_worse(const struct compare *c, const struct comparison_row *furthest)
{
	return furthest->not_worse || (c->verdict == COMPARISON_PROMOTE && furthest->log_not_worse >= log(1 / c->options.alpha) / 2);
}

static enum comparison_verdict decide(const struct compare *c, char *reason, size_t n)
{
	const struct comparison_row *worse = row_first(c, SIDE_MORE_IS_WORSE, true), *traffic = row_first(c, SIDE_TRAFFIC, false);
	const struct comparison_row *differs = row_first(c, SIDE_DIFFERENCE, false), *furthest = row_furthest(c);

	if (traffic && by_traffic(worse)) {
		say(reason, n, traffic, worse ? ": the two do not get the same traffic, which is also why more of it is odd; compare random shares of one traffic"
					      : ": the two do not get the same traffic; compare random shares of one traffic");
		return COMPARISON_HOLD;
	}
	if (worse) {
		say(reason, n, worse, traffic ? ": worse than tolerated; but the two do not get the same traffic" : ": worse than tolerated");
		return COMPARISON_ROLL_BACK;
	}
	if (c->verdict == COMPARISON_ROLL_BACK) {
		snprintf(reason, n, "it was worse than tolerated earlier");
		return COMPARISON_ROLL_BACK;
	}
	if (differs) {
		say(reason, n, differs, ": different by more than is tolerated, which may be meant; if it is, it is for a person to promote it");
		return COMPARISON_HOLD;
	}
	if (!furthest) {
		snprintf(reason, n, "the references count nothing in common that says how good a version is");
		return COMPARISON_HOLD;
	}
	if (not_worse(c, furthest)) {
		say(reason, n, furthest, ": this and all else no worse than tolerated");
		return COMPARISON_PROMOTE;
	}
	say_undecided(c, furthest, reason, n);
	return COMPARISON_HOLD;
}

static void show(struct compare *c, struct comparison *to)
{
	enum comparison_verdict before = c->verdict;

	for (size_t i = 0; i < c->n_rows; i++)
		row_show(c, &c->rows[i], &c->shown[i]);
	*to = (struct comparison){.model = c->model, .stable = c->version[0], .canary = c->version[1], .start_us = c->start_us,
		.end_us = c->end_us, .n_windows = c->n_windows, .n_stable = c->n_records[0], .n_canary = c->n_records[1],
		.alpha = c->options.alpha, .log_needed = log(1 / c->options.alpha), .rows = c->shown, .n_rows = c->n_rows};
	to->verdict = c->verdict = decide(c, to->reason, sizeof to->reason);
	to->fresh = to->verdict != before;
}

/* ---- pairs ---- */

static void queue_drop(struct queue *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(q->at[i].counts);
	memmove(q->at, q->at + n, (q->n - n) * sizeof *q->at);
	q->n -= n;
}

static void queue_put(struct queue *q, struct waiting w)
{
	size_t at = q->n;

	if (q->n == MOST_WAITING)
		queue_drop(q, 1);
	for (at = q->n; at > 0 && q->at[at - 1].start_us > w.start_us; at--)
		q->at[at] = q->at[at - 1];
	q->at[at] = w;
	q->n++;
}

static struct waiting window_reduce(const struct compare *c, int which, const struct window *w)
{
	struct waiting to = {w->start_us, w->end_us, w->n, mem_zero(c->width + 1, sizeof(int64_t))};

	for (size_t i = 0; i < c->n_rows; i++)
		row_counts(&c->rows[i], which, w, to.counts + c->rows[i].at);
	return to;
}

static void pair_step(struct compare *c, const struct waiting *stable, const struct waiting *canary)
{
	for (size_t i = 0; i < c->n_rows; i++) {
		const int64_t *counts[2] = {stable->counts + c->rows[i].at, canary->counts + c->rows[i].at};

		row_step(&c->rows[i], counts, c->work);
	}
	c->n_windows++;
	c->n_records[0] += stable->n;
	c->n_records[1] += canary->n;
	c->start_us = c->done_us = stable->start_us;
	c->end_us = stable->end_us;
}

bool compare_window(struct compare *c, int which, const struct window *w, struct comparison *ret)
{
	struct queue *mine = &c->waiting[which], *other = &c->waiting[!which];
	size_t before = 0;

	if (w->cut || w->start_us <= c->done_us)
		return false;
	while (before < other->n && other->at[before].start_us < w->start_us)
		before++;
	if (before == other->n || other->at[before].start_us != w->start_us) {
		queue_put(mine, window_reduce(c, which, w));
		return false;
	}
	/* Older ones of either have found no partner, and will not: windows come in order. */
	queue_put(mine, window_reduce(c, which, w));
	while (mine->at[0].start_us < w->start_us)
		queue_drop(mine, 1);
	queue_drop(other, before);
	pair_step(c, &c->waiting[0].at[0], &c->waiting[1].at[0]);
	queue_drop(mine, 1);
	queue_drop(other, 1);
	show(c, ret);
	return true;
}

/* ---- from end to end ---- */

struct compare *compare_open(const struct reference *stable, const struct reference *canary, const struct compare_options *options)
{
	struct compare *c = mem_zero(1, sizeof *c);
	const struct reference *both[2] = {stable, canary};
	size_t widest = 1;

	c->options = *options;
	c->model = mem_copy_text(stable->model);
	for (int g = 0; g < 2; g++) {
		c->version[g] = mem_copy_text(both[g]->version);
		memcpy(c->hash[g], both[g]->hash, sizeof c->hash[g]);
	}
	c->done_us = INT64_MIN;
	c->n_rows = rows_make(stable, canary, options->tolerance, &c->rows);
	for (size_t i = 0; i < c->n_rows; i++) {
		c->rows[i].at = c->width;
		c->width += c->rows[i].k;
		widest = c->rows[i].k > widest ? c->rows[i].k : widest;
	}
	c->shown = mem_zero(c->n_rows + 1, sizeof *c->shown);
	c->work = mem_zero(3 * widest, sizeof *c->work);
	return c;
}

void compare_close(struct compare *c)
{
	if (!c)
		return;
	for (int g = 0; g < 2; g++) {
		queue_drop(&c->waiting[g], c->waiting[g].n);
		free(c->version[g]);
	}
	rows_done(c->rows, c->n_rows);
	free(c->model);
	free(c->shown);
	free(c->work);
	free(c);
}

enum comparison_verdict compare_verdict(const struct compare *c)
{
	return c->verdict;
}

bool compare_alone(const struct compare *c)
{
	return c->waiting[COMPARE_CANARY].n == MOST_WAITING && c->waiting[COMPARE_STABLE].n == 0;
}

bool compare_is_of(const struct compare *c, const struct reference *stable, const struct reference *canary)
{
	return !strcmp(c->hash[0], stable->hash) && !strcmp(c->hash[1], canary->hash);
}

/* ---- kept ---- */

static void pack_queue(const struct compare *c, const struct queue *q, struct buf *to)
{
	pack_array(to, q->n);
	for (size_t i = 0; i < q->n; i++) {
		pack_array(to, 4);
		pack_int(to, q->at[i].start_us);
		pack_int(to, q->at[i].end_us);
		pack_int(to, q->at[i].n);
		pack_ints(to, q->at[i].counts, c->width);
	}
}

void compare_pack(const struct compare *c, struct buf *to)
{
	const int64_t whole[] = {c->n_windows, c->n_records[0], c->n_records[1], c->start_us, c->end_us, c->done_us, (int64_t)c->verdict};

	pack_map(to, 7);
	pack_text(to, "oodd_compare");
	pack_int(to, COMPARE_FORMAT);
	pack_text(to, "stable");
	pack_text(to, c->hash[0]);
	pack_text(to, "canary");
	pack_text(to, c->hash[1]);
	pack_text(to, "so_far");
	pack_ints(to, whole, sizeof whole / sizeof *whole);
	pack_text(to, "rows");
	pack_array(to, c->n_rows);
	for (size_t i = 0; i < c->n_rows; i++)
		row_pack(&c->rows[i], to);
	pack_text(to, "stable_waiting");
	pack_queue(c, &c->waiting[0], to);
	pack_text(to, "canary_waiting");
	pack_queue(c, &c->waiting[1], to);
}

static bool unpack_queue(const struct compare *c, const struct msgpack_object *o, struct queue *to)
{
	size_t n = unpack_length(o);

	for (size_t i = 0; i < n && i < MOST_WAITING; i++) {
		const struct msgpack_object *one = unpack_item(o, i);
		struct waiting w = {.counts = mem_zero(c->width + 1, sizeof(int64_t))};

		to->at[to->n++] = w;
		if (!unpack_int(unpack_item(one, 0), INT64_MIN, INT64_MAX, &to->at[i].start_us) ||
			!unpack_int(unpack_item(one, 1), INT64_MIN, INT64_MAX, &to->at[i].end_us) ||
			!unpack_int(unpack_item(one, 2), 0, INT64_MAX, &to->at[i].n) ||
			!unpack_ints(unpack_item(one, 3), to->at[i].counts, c->width))
			return false;
	}
	return n <= MOST_WAITING;
}

static bool compare_read(struct compare *c, const struct msgpack_object *o)
{
	const struct msgpack_object *rows = unpack_field(o, "rows");
	int64_t whole[7], format;

	if (!unpack_int(unpack_field(o, "oodd_compare"), COMPARE_FORMAT, COMPARE_FORMAT, &format) ||
		!unpack_is_text(unpack_field(o, "stable"), c->hash[0]) || !unpack_is_text(unpack_field(o, "canary"), c->hash[1]) ||
		!unpack_ints(unpack_field(o, "so_far"), whole, 7) || whole[6] < 0 || whole[6] > COMPARISON_ROLL_BACK ||
		unpack_length(rows) != c->n_rows || !unpack_queue(c, unpack_field(o, "stable_waiting"), &c->waiting[0]) ||
		!unpack_queue(c, unpack_field(o, "canary_waiting"), &c->waiting[1]))
		return false;
	c->n_windows = whole[0];
	c->n_records[0] = whole[1];
	c->n_records[1] = whole[2];
	c->start_us = whole[3];
	c->end_us = whole[4];
	c->done_us = whole[5];
	c->verdict = (enum comparison_verdict)whole[6];
	for (size_t i = 0; i < c->n_rows; i++)
		if (!row_unpack(&c->rows[i], unpack_item(rows, i)))
			return false;
	return true;
}

int compare_unpack(struct compare *c, const void *at, size_t n, struct error *e)
{
	struct unpacked *u = unpack_open(at, n);
	bool read = compare_read(c, unpack_root(u));

	unpack_close(u);
	if (read)
		return 0;
	for (int g = 0; g < 2; g++)
		queue_drop(&c->waiting[g], c->waiting[g].n);
	for (size_t i = 0; i < c->n_rows; i++)
		row_reset(&c->rows[i]);
	c->n_windows = c->n_records[0] = c->n_records[1] = 0;
	c->done_us = INT64_MIN;
	c->verdict = COMPARISON_HOLD;
	return error_set(e, -EINVAL, "the comparison's state is not of these two references");
}
