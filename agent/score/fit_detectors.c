/* SPDX-License-Identifier: Apache-2.0
 * Detectors: chosen, fitted on one part, calibrated on the next, compared with one another, fused on the third.
 *
 * A detector that disagrees with the consensus of the others on the reference ranks records the wrong way round here, whatever
 * it does elsewhere (trial: inverted scores correlate at -0.6, useful ones at +0.65 and more): it is muted. The worst goes first
 * and the rest are asked again, so that one bad detector cannot take a good one with it. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "score/calibrate.h"
#include "score/detector.h"
#include "stats/conformal.h"
#include "stats/rank.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_COMMON 30 /* records that all detectors scored, for ranks to mean something */
#define LEAST_PARTIAL 100

/* Held-out records of one part, scored. */
struct held {
	size_t n;
	float *score;   /* n_detectors x n */
	double *p;      /* n_detectors x n */
	int32_t *predicted;
	uint64_t *hash;
};

struct work {
	struct fit *f;
	struct reference *r;
	struct route *route;
	struct detector *detectors;
	struct held held[PARTS]; /* cal-A and cal-B */
};

/* Which detectors. */

enum holds { RAW_LOGITS = 1, PROBABILITIES = 2, EMBEDDING = 4 };

/* What is used where nobody chose, by what the log holds. */
static const struct {
	enum holds of;
	const char *name;
} standard[] = {
	{RAW_LOGITS, "energy"},
	{RAW_LOGITS, "gen"},
	{PROBABILITIES, "entropy"},
	{PROBABILITIES, "gen"},
	{EMBEDDING, "mahalanobis"},
	{EMBEDDING, "knn"},
};

static unsigned log_holds(const struct reference *r)
{
	unsigned holds = r->n_embedding > 0 ? EMBEDDING : 0u;

	if (r->n_logits > 0)
		holds |= r->logits_normalised ? PROBABILITIES : RAW_LOGITS;
	return holds;
}

static const struct {
	uint32_t need;
	const char *words;
} needs[] = {
	{OODD_NEEDS_LOGITS, "logits or probabilities"},
	{OODD_NEEDS_RAW_LOGITS, "raw logits"},
	{OODD_NEEDS_EMBEDDING, "an embedding"},
	{OODD_NEEDS_PREDICTED, "predictions"},
	{OODD_NEEDS_FEATURES, "features"},
};

/* What of these the log lacks, in words, or NULL. */
static const char *need_unmet(const struct reference *r, uint32_t of)
{
	uint32_t has = (r->n_logits > 0 ? OODD_NEEDS_LOGITS : 0u) | (r->n_embedding > 0 ? OODD_NEEDS_EMBEDDING : 0u);

	has |= r->n_logits > 0 && !r->logits_normalised ? OODD_NEEDS_RAW_LOGITS : 0u;
	has |= r->n_classes > 0 ? OODD_NEEDS_PREDICTED : 0u;
	has |= r->n_numeric + r->n_category > 0 ? OODD_NEEDS_FEATURES : 0u;
	for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
		if (of & needs[i].need & ~has)
			return needs[i].words;
	return NULL;
}

/* Fitting. */

/* The part that detectors learn from, as the plugin wants it. */
struct lesson {
	struct batch **batches;
	struct routed *routed;
	const struct oodd_batch **lent;
	size_t n;
};

static void lesson_open(const struct work *w, struct lesson *to)
{
	const struct fit *f = w->f;
	size_t most = fit_rows_in(f, IN_FIT) / FIT_ROWS + 1;

	*to = (struct lesson){mem_zero(most, sizeof *to->batches), mem_zero(most, sizeof *to->routed),
		mem_zero(most, sizeof *to->lent), 0};
	for (size_t i = 0; i < f->n_rows && to->n < most; to->n++) {
		struct batch *b = batch_open("", 0, "", 0);

		i = fit_rows_gather(f, i, f->n_rows, IN_FIT, b);
		routed_init(&to->routed[to->n]);
		route_run(w->route, b, &to->routed[to->n]);
		to->batches[to->n] = b;
		to->lent[to->n] = &to->routed[to->n].batch;
	}
}

static void lesson_close(struct lesson *l)
{
	for (size_t i = 0; i < l->n; i++) {
		batch_close(l->batches[i]);
		routed_done(&l->routed[i]);
	}
	free(l->batches);
	free(l->routed);
	free(l->lent);
}

/* Append the fitted detector to the reference. */
static int detector_learn(struct work *w, const struct lesson *l, const struct fit_detector *by, struct error *e)
{
	struct reference_detector d = {.agreement = (double)NAN, .held_out_flag_rate = (double)NAN, .weight = 1.0};
	const struct oodd_detector *plugin;
	const char *unmet;
	int code = plugins_find(w->f->plugins, by->name, &plugin, e);

	if (code < 0)
		return code;
	unmet = need_unmet(w->r, plugin->needs);
	if (unmet)
		return error_set(e, -EINVAL, "detector %s needs %s, which the log of %s does not hold", by->name, unmet, w->r->model);
	code = detector_options(plugin, by->options, by->n_options, &d.options, &d.n_options, e);
	if (code == 0)
		code = detector_fit(plugin, d.options, d.n_options, l->lent, l->n, &d.bytes, &d.n_bytes, e);
	if (code < 0) {
		reference_detector_done(&d);
		return code;
	}
	d.name = mem_copy_text(plugin->name);
	d.plugin_version = mem_copy_text(plugin->version);
	w->r->detectors = mem_grow(w->r->detectors, w->r->n_detectors + 1, sizeof d);
	w->r->detectors[w->r->n_detectors++] = d;
	return 0;
}

static int detectors_asked(struct work *w, const struct lesson *l, struct error *e)
{
	int code = 0;

	if (w->f->o.n_detectors > REFERENCE_MOST_DETECTORS)
		return error_set(e, -EINVAL, "%zu detectors, at most %d", w->f->o.n_detectors, REFERENCE_MOST_DETECTORS);
	for (size_t i = 0; i < w->f->o.n_detectors && code == 0; i++)
		code = detector_learn(w, l, &w->f->o.detectors[i], e);
	return code;
}

/* One of these that cannot work here is left out: nobody asked for it by name. */
static void detectors_standard(struct work *w, const struct lesson *l)
{
	unsigned holds = log_holds(w->r);

	for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++) {
		struct error e = {""};

		if ((standard[i].of & holds) && detector_learn(w, l, &(struct fit_detector){standard[i].name, NULL, 0}, &e) < 0)
			fit_note(w->f, "left out: %s", e.text);
	}
	if (w->r->n_detectors == 0)
		fit_note(w->f, "no detector: %s; windows of features, classes and confidence are still counted", holds == 0
			? "the log holds neither logits nor probabilities nor an embedding" : "none of the standard ones is at hand");
}

static int detectors_learn(struct work *w, struct error *e)
{
	struct lesson l;
	int code = 0;

	if (w->f->o.no_detectors)
		return 0;
	lesson_open(w, &l);
	if (w->f->o.n_detectors > 0)
		code = detectors_asked(w, &l, e);
	else
		detectors_standard(w, &l);
	lesson_close(&l);
	return code;
}

static int detectors_open(struct work *w, struct error *e)
{
	int code = 0;

	w->detectors = mem_zero(w->r->n_detectors + 1, sizeof *w->detectors);
	for (size_t i = 0; i < w->r->n_detectors && code == 0; i++)
		code = detector_attach(&w->r->detectors[i], w->f->plugins, &w->detectors[i], e);
	return code;
}

/* Scoring what was held out. */

static void held_score(const struct work *w, const struct routed *routed, const struct batch *b, size_t at, struct held *h)
{
	uint8_t status[FIT_ROWS];

	memcpy(h->predicted + at, routed->predicted, b->n * sizeof *h->predicted);
	memcpy(h->hash + at, b->hash, b->n * sizeof *h->hash);
	for (size_t k = 0; k < w->r->n_detectors; k++)
		detector_score(&w->detectors[k], &routed->batch, h->score + k * h->n + at, status);
}

static void held_open(const struct work *w, enum part part, struct held *h)
{
	const struct fit *f = w->f;
	size_t n = fit_rows_in(f, part), k = w->r->n_detectors, at = 0;
	struct batch *b = batch_open("", 0, "", 0);
	struct routed routed;

	*h = (struct held){n, mem_zero(n * k + 1, sizeof *h->score), mem_zero(n * k + 1, sizeof *h->p),
		mem_zero(n + 1, sizeof *h->predicted), mem_zero(n + 1, sizeof *h->hash)};
	routed_init(&routed);
	for (size_t i = 0; i < f->n_rows; at += b->n) {
		batch_reset(b);
		i = fit_rows_gather(f, i, f->n_rows, part, b);
		route_run(w->route, b, &routed);
		held_score(w, &routed, b, at, h);
	}
	assert(at == n);
	routed_done(&routed);
	batch_close(b);
}

static void held_done(struct held *h)
{
	free(h->score);
	free(h->p);
	free(h->predicted);
	free(h->hash);
}

/* Muting. */

static void mute(struct reference_detector *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void mute(struct reference_detector *d, const char *format, ...)
{
	char why[256];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	d->weight = 0.0;
	d->muted = mem_copy_text(why);
}

static void mute_silent(struct reference_detector *d, const float *scores, size_t n)
{
	size_t scored = 0;
	float least = (float)INFINITY, most = -(float)INFINITY;

	for (size_t i = 0; i < n; i++)
		if (!isnan(scores[i])) {
			scored++;
			least = fminf(least, scores[i]);
			most = fmaxf(most, scores[i]);
		}
	if (scored == 0 || 2 * scored < n)
		mute(d, "it can score only %.1f %% of the records", n > 0 ? 100.0 * (double)scored / (double)n : 0.0);
	else if (!(least < most))
		mute(d, "it gives every record the same score");
}

/* Ranks of the records that every detector in question scored: n_detectors x n. */
struct ranks {
	double *at;
	size_t n;
};

static struct ranks ranks_make(const struct reference *r, const struct held *h)
{
	struct ranks ranks = {mem_zero(r->n_detectors * h->n + 1, sizeof *ranks.at), 0};
	double *x = mem_zero(h->n + 1, sizeof *x);
	uint8_t *common = mem_zero(h->n + 1, 1);

	for (size_t i = 0; i < h->n; i++) {
		common[i] = 1;
		for (size_t k = 0; k < r->n_detectors; k++)
			common[i] = common[i] && !(r->detectors[k].weight > 0.0 && isnan(h->score[k * h->n + i]));
		ranks.n += common[i];
	}
	for (size_t k = 0; k < r->n_detectors; k++) {
		size_t n = 0;

		for (size_t i = 0; i < h->n; i++)
			if (common[i])
				x[n++] = isnan(h->score[k * h->n + i]) ? -(double)INFINITY : (double)h->score[k * h->n + i];
		rank_average(x, n, ranks.at + k * ranks.n);
	}
	free(common);
	free(x);
	return ranks;
}

/* Spearman with the mean rank by the others that count; NaN when there are none. */
static double agreement(const struct reference *r, const struct ranks *ranks, size_t of, double *consensus)
{
	bool any = false;

	memset(consensus, 0, ranks->n * sizeof *consensus);
	for (size_t k = 0; k < r->n_detectors; k++) {
		if (k == of || !(r->detectors[k].weight > 0.0))
			continue;
		any = true;
		for (size_t i = 0; i < ranks->n; i++)
			consensus[i] += ranks->at[k * ranks->n + i];
	}
	return any ? rank_correlation(ranks->at + of * ranks->n, consensus, ranks->n) : (double)NAN;
}

/* The detector that counts and agrees least, SIZE_MAX when all agree. Of equals (two alone always are) the later one, which its
 * user named last. */
static size_t most_contrary(struct reference *r, const struct ranks *ranks, double *consensus)
{
	size_t worst = SIZE_MAX;

	for (size_t k = 0; k < r->n_detectors; k++) {
		struct reference_detector *d = &r->detectors[k];

		d->agreement = agreement(r, ranks, k, consensus);
		if (d->weight > 0.0 && d->agreement < 0.0 && (worst == SIZE_MAX || d->agreement <= r->detectors[worst].agreement))
			worst = k;
	}
	return worst;
}

static void mute_contrary(struct reference *r, const struct held *h)
{
	struct ranks ranks = ranks_make(r, h);
	double *consensus = mem_zero(ranks.n + 1, sizeof *consensus);
	size_t worst;

	while (ranks.n >= LEAST_COMMON && (worst = most_contrary(r, &ranks, consensus)) != SIZE_MAX)
		mute(&r->detectors[worst], "on the reference it ranks records against the other detectors (Spearman %.2f)",
			r->detectors[worst].agreement);
	free(consensus);
	free(ranks.at);
}

static void detectors_mute(struct work *w)
{
	const struct held *h = &w->held[IN_CAL_A];

	for (size_t k = 0; k < w->r->n_detectors; k++)
		mute_silent(&w->r->detectors[k], h->score + k * h->n, h->n);
	mute_contrary(w->r, h);
}

/* Calibrating. */

static void table_of(const struct work *w, const float *scores, size_t n, struct score_table *to)
{
	float *copy = mem_copy(scores, (n > 0 ? n : 1) * sizeof *copy);

	score_table_make(to, copy, n, w->f->o.knots);
	free(copy);
}

static size_t scores_of_class(const struct held *h, const float *scores, int32_t class, float *to)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		if (h->predicted[i] == class && !isnan(scores[i]))
			to[n++] = scores[i];
	return n;
}

/* A class needs 10 / flag rate scores for a table of its own; where none has, there are no such tables. */
static void tables_by_class(const struct work *w, const struct held *h, const float *scores, struct reference_detector *d)
{
	size_t least = conformal_least(w->r->flag_rate);
	float *of_class = mem_zero(h->n + 1, sizeof *of_class);

	for (size_t c = 0; c < w->r->n_classes && h->n >= least; c++) {
		size_t n = scores_of_class(h, scores, (int32_t)c, of_class);

		if (n < least)
			continue;
		if (!d->by_class) {
			d->by_class = mem_zero(w->r->n_classes, sizeof *d->by_class);
			d->n_by_class = w->r->n_classes;
		}
		score_table_make(&d->by_class[c], of_class, n, w->f->o.knots);
	}
	free(of_class);
}

static void detectors_calibrate(struct work *w)
{
	const struct held *h = &w->held[IN_CAL_A];

	for (size_t k = 0; k < w->r->n_detectors; k++) {
		struct reference_detector *d = &w->r->detectors[k];
		const float *scores = h->score + k * h->n;

		table_of(w, scores, h->n, &d->table);
		tables_by_class(w, h, scores, d);
	}
}

static double share_flagged(const double *p, size_t n, double rate)
{
	size_t scored = 0, flagged = 0;

	for (size_t i = 0; i < n; i++) {
		scored += isnan(p[i]) ? 0 : 1;
		flagged += p[i] <= rate ? 1 : 0; /* NaN is not */
	}
	return scored > 0 ? (double)flagged / (double)scored : (double)NAN;
}

static void detectors_hold_out(struct work *w)
{
	struct held *h = &w->held[IN_CAL_B];

	for (size_t k = 0; k < w->r->n_detectors; k++) {
		struct reference_detector *d = &w->r->detectors[k];

		calibrate_p(d, calibrate_seed(d->name), h->hash, h->predicted, h->score + k * h->n, h->n, h->p + k * h->n);
		d->held_out_flag_rate = share_flagged(h->p + k * h->n, h->n, w->r->flag_rate);
	}
}

/* Fusing. */

static bool row_has(const struct work *w, uint64_t members, const struct held *h, size_t row)
{
	for (size_t k = 0; k < w->r->n_detectors; k++)
		if (members >> k & 1 && isnan(h->p[k * h->n + row]))
			return false;
	return members != 0;
}

/* The table of the members' sum over cal-B; no knots when fewer than `least` records have it. */
static void fusion_table(const struct work *w, uint64_t members, size_t least, struct score_table *to)
{
	const struct held *h = &w->held[IN_CAL_B];
	float *sums = mem_zero(h->n + 1, sizeof *sums);
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		if (row_has(w, members, h, i))
			sums[n++] = calibrate_sum(w->r, members, h->p, h->n, i);
	if (n >= least)
		score_table_make(to, sums, n, w->f->o.knots);
	free(sums);
}

/* Members left when a record lacks what `lacks` names. */
static uint64_t members_without(const struct work *w, uint32_t lacks)
{
	uint64_t members = calibrate_members(w->r);

	for (size_t k = 0; k < w->r->n_detectors; k++)
		if (w->detectors[k].plugin->needs & lacks)
			members &= ~(UINT64_C(1) << k);
	return members;
}

static bool partial_known(const struct reference *r, uint64_t members)
{
	for (size_t i = 0; i < r->n_partial; i++)
		if (r->partial[i].members == members)
			return true;
	return false;
}

static void partial_add(struct work *w, uint64_t members)
{
	struct reference *r = w->r;
	struct reference_partial p = {.members = members};

	if (members == 0 || members == calibrate_members(r) || partial_known(r, members))
		return;
	fusion_table(w, members, LEAST_PARTIAL, &p.table);
	if (p.table.n == 0)
		return;
	r->partial = mem_grow(r->partial, r->n_partial + 1, sizeof p);
	r->partial[r->n_partial++] = p;
}

static int partial_order(const void *a, const void *b)
{
	const struct reference_partial *p = a, *q = b;
	int n_p = __builtin_popcountll(p->members), n_q = __builtin_popcountll(q->members);

	return n_p != n_q ? n_q - n_p : (p->members > q->members) - (p->members < q->members);
}

/* Every combination of vectors and features that a record may lack. */
static void detectors_fuse(struct work *w)
{
	static const uint32_t groups[] = {OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS, OODD_NEEDS_EMBEDDING, OODD_NEEDS_FEATURES,
		OODD_NEEDS_RAW_LOGITS};
	size_t n_groups = sizeof groups / sizeof groups[0];

	fusion_table(w, calibrate_members(w->r), 1, &w->r->fused);
	for (unsigned lost = 1; lost < 1u << n_groups; lost++) {
		uint32_t lacks = 0;

		for (size_t g = 0; g < n_groups; g++)
			lacks |= lost >> g & 1 ? groups[g] : 0u;
		partial_add(w, members_without(w, lacks));
	}
	if (w->r->n_partial > 1)
		qsort(w->r->partial, w->r->n_partial, sizeof *w->r->partial, partial_order);
}

/* Are there enough records for the flag rate asked for? */
static void sizes_note(struct work *w)
{
	const struct reference *r = w->r;
	size_t least = conformal_least(r->flag_rate);
	int64_t fewest = r->n_cal_a < r->n_cal_b ? r->n_cal_a : r->n_cal_b;

	if (r->n_detectors == 0 || fewest >= (int64_t)least)
		return;
	if ((double)(r->fused.total + 1) * r->flag_rate < 1.0)
		fit_note(w->f, "with %lld records to calibrate on no p-value can reach the flag rate of %g: nothing will be flagged; "
			"at least %.0f are needed, %zu make the rate reliable", (long long)fewest, r->flag_rate,
			ceil(1.0 / r->flag_rate), least);
	else
		fit_note(w->f, "with %lld records to calibrate on, the share flagged of normal traffic may be well off %g: %zu make "
			"it reliable", (long long)fewest, r->flag_rate, least);
}

static int work_run(struct work *w, struct error *e)
{
	int code = detectors_learn(w, e);

	if (code == 0)
		code = detectors_open(w, e);
	if (code < 0)
		return code;
	held_open(w, IN_CAL_A, &w->held[IN_CAL_A]);
	held_open(w, IN_CAL_B, &w->held[IN_CAL_B]);
	detectors_mute(w);
	detectors_calibrate(w);
	detectors_hold_out(w);
	detectors_fuse(w);
	sizes_note(w);
	return 0;
}

int fit_detectors(struct fit *f, struct error *e)
{
	struct work w = {.f = f, .r = f->r, .route = route_open(f->r)};
	int code = work_run(&w, e);

	for (size_t i = 0; w.detectors && i < f->r->n_detectors; i++)
		detector_detach(&w.detectors[i]);
	for (size_t i = 0; i < PARTS; i++)
		held_done(&w.held[i]);
	free(w.detectors);
	route_close(w.route);
	return code;
}
