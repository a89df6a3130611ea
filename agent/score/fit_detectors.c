/* SPDX-License-Identifier: Apache-2.0
 * Detectors: chosen, fitted on one part, scored on the others, handed on to be muted, calibrated
 * and fused. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "score/statistic.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which detectors. */

#define MOST_FEATURES 512 /* beyond, a record would cost more than 100 us */
#define MOST_TIMES 1.45 /* see fit_travel.c */

enum holds { RAW_LOGITS = 1, PROBABILITIES = 2, EMBEDDING = 4, FEATURES = 8, FEATURES_ALONE = 16, CONFIDENCE_ALONE = 32 };

/* What is used where nobody chose, by what the log holds: few of each family, since which family is good differs from set to set
 * (README.md). Those of the last layer need not be installed. */
static const struct standard {
	unsigned of; /* all of these */
	const char *name;
	bool may_lack;
} standard[] = {
	{RAW_LOGITS, "maxlogit", false},
	{PROBABILITIES, "msp", false},
	{RAW_LOGITS, "gen", false},
	{PROBABILITIES, "gen", false},
	{RAW_LOGITS, "entropy", false},
	{PROBABILITIES, "entropy", false},
	{CONFIDENCE_ALONE, "confidence", true}, /* neither logits nor probabilities */
	{EMBEDDING, "mahalanobis", false},
	{EMBEDDING, "relative", false},
	{EMBEDDING, "knn", false},
	{RAW_LOGITS | EMBEDDING, "fdbd", true},
	{PROBABILITIES | EMBEDDING, "fdbd", true},
	{FEATURES, "copula", true}, /* where there is no embedding, which holds what the model made of them */
	{FEATURES, "tabular_knn", true},
	{FEATURES_ALONE, "ecod", true},
	{RAW_LOGITS | EMBEDDING, "vim", true},
};

/* Window detectors, likewise, where nobody named any detector: those that found other mixes of ordinary records in a third of the
 * time, and embeddings that change without their mean, for 3 us a record (agent/judge/README.md). They need not be installed. */
static const struct standard standard_windows[] = {
	{EMBEDDING, "mean_shift", true},
	{EMBEDDING, "covariance_shift", true},
	{RAW_LOGITS | EMBEDDING, "bbse", true},
	{PROBABILITIES | EMBEDDING, "bbse", true},
};

/* Rows that knn keeps: its cost is their number times their width, and 30 us a record at 128 dimensions, 100 us at 768 are to do for
 * all detectors together, on processors that do not multiply bytes, too. */
static size_t bank_rows(size_t width)
{
	size_t floats = 640000 + (width > 128 ? 2750 * (width - 128) : 0), rows = floats / (width > 0 ? width : 1);

	return rows < 10000 ? rows : 10000;
}

static bool holds_confidence(const struct fit *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_rows; i++)
		n += isnan(f->batches[f->rows[i].batch]->confidence[f->rows[i].row]) ? 0 : 1;
	return n > 0 && 2 * n >= f->n_rows;
}

static unsigned vectors_held(const struct reference *r)
{
	unsigned holds = r->n_embedding > 0 ? EMBEDDING : 0u;

	if (r->n_logits > 0)
		holds |= r->logits_normalised ? PROBABILITIES : RAW_LOGITS;
	if (r->n_embedding == 0 && r->n_numeric + r->n_category > MOST_FEATURES)
		return holds == 0 ? FEATURES_ALONE : holds;
	if (r->n_embedding == 0 && r->n_numeric + r->n_category > 0)
		holds |= holds == 0 ? FEATURES | FEATURES_ALONE : FEATURES;
	return holds;
}

static unsigned log_holds(const struct work *w)
{
	return vectors_held(w->r) | (w->r->n_logits == 0 && holds_confidence(w->f) ? CONFIDENCE_ALONE : 0u);
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
	{OODD_NEEDS_CONFIDENCE, "confidence"},
};

/* What of these the log lacks, in words, or NULL. */
static const char *need_unmet(const struct work *w, uint32_t of)
{
	const struct reference *r = w->r;
	uint32_t has = (r->n_logits > 0 ? OODD_NEEDS_LOGITS : 0u) |
		       (r->n_embedding > 0 ? OODD_NEEDS_EMBEDDING : 0u);

	has |= r->n_logits > 0 && !r->logits_normalised ? OODD_NEEDS_RAW_LOGITS : 0u;
	has |= r->n_classes > 0 ? OODD_NEEDS_PREDICTED : 0u;
	has |= r->n_numeric + r->n_category > 0 ? OODD_NEEDS_FEATURES : 0u;
	has |= of & OODD_NEEDS_CONFIDENCE && holds_confidence(w->f) ? OODD_NEEDS_CONFIDENCE : 0u;
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

	*to = (struct lesson){mem_zero(most, sizeof *to->batches),
		mem_zero(most, sizeof *to->routed), mem_zero(most, sizeof *to->lent), 0};
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

/* Append the fitted window detector to the reference, its door open: how wide it is, it alone can say. */
static int statistic_learn(struct work *w, const struct lesson *l, const struct oodd_detector *plugin,
	const struct fit_detector *by, struct error *e)
{
	struct statistic s = {.name = mem_copy_text(plugin->name), .plugin_version = mem_copy_text(plugin->version)};
	struct reference *r = w->r;
	int code = detector_options(plugin, by->options, by->n_options, &s.options, &s.n_options, e);

	if (code == 0 && r->n_statistics == STATISTIC_MOST)
		code = error_set(e, -EINVAL, "more than %d window detectors", STATISTIC_MOST);
	if (code == 0)
		code = detector_fit(plugin, s.options, s.n_options, l->lent, l->n, &s.bytes, &s.n_bytes, e);
	if (code == 0)
		code = statistic_attach(&s, w->f->plugins, e);
	if (code < 0) {
		statistic_done(&s);
		return code;
	}
	r->statistics = mem_grow(r->statistics, r->n_statistics + 1, sizeof s);
	r->statistics[r->n_statistics++] = s;
	return 0;
}

/* Append the fitted detector to the reference. */
static int detector_learn(
	struct work *w, const struct lesson *l, const struct fit_detector *by, struct error *e)
{
	struct reference_detector d = {
		.agreement = (double)NAN, .held_out_flag_rate = (double)NAN, .pseudo_auroc = (double)NAN,
		.weight = 1.0};
	const struct oodd_detector *plugin;
	const char *unmet;
	int code = plugins_find(w->f->plugins, by->name, &plugin, e);

	if (code < 0)
		return code;
	unmet = need_unmet(w, plugin->needs);
	if (unmet)
		return error_set(e, -EINVAL,
			"detector %s needs %s, which the log of %s does not hold", by->name, unmet,
			w->r->model);
	code = plugin->accumulate ? statistic_learn(w, l, plugin, by, e) : 0;
	if (code < 0 || !plugin->score)
		return code;
	code = detector_options(plugin, by->options, by->n_options, &d.options, &d.n_options, e);
	if (code == 0)
		code = detector_fit(
			plugin, d.options, d.n_options, l->lent, l->n, &d.bytes, &d.n_bytes, e);
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
		return error_set(e, -EINVAL, "%zu detectors, at most %d", w->f->o.n_detectors,
			REFERENCE_MOST_DETECTORS);
	for (size_t i = 0; i < w->f->o.n_detectors && code == 0; i++)
		code = detector_learn(w, l, &w->f->o.detectors[i], e);
	return code;
}

/* Returns how restless it is (fit_travel.c), 1 where that is not asked. */
static double standard_learn(struct work *w, const struct lesson *l, const struct standard *s)
{
	char bank[24];
	struct option_text knn[] = {{"k", "1"}, {"bank", bank}};
	struct fit_detector d = {s->name, NULL, 0};
	struct error e = {""};
	int code;

	snprintf(bank, sizeof bank, "%zu", bank_rows(w->r->n_embedding > 0 ? w->r->n_embedding : w->r->n_numeric + w->r->n_category));
	if (strcmp(s->name, "knn") == 0 || strcmp(s->name, "tabular_knn") == 0)
		d = (struct fit_detector){s->name, knn, 2};
	code = detector_learn(w, l, &d, &e);
	if (code < 0 && !(code == -ENOENT && s->may_lack))
		fit_note(w->f, "left out: %s", e.text);
	if (code != 0 || !(s->of & FEATURES))
		return 1;
	return detector_travels(w, &w->r->detectors[w->r->n_detectors - 1], l->lent, l->n);
}

static bool is_of_features(const char *name)
{
	bool found = false;

	for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
		found |= standard[i].of == FEATURES && strcmp(standard[i].name, name) == 0;
	return found;
}

/* What drifts are the features: where one of these detectors shows it the others go with it. */
static void features_drop(struct work *w, double times)
{
	struct reference *r = w->r;
	size_t kept = 0;

	for (size_t i = 0; i < r->n_detectors; i++)
		if (is_of_features(r->detectors[i].name))
			reference_detector_done(&r->detectors[i]);
		else
			r->detectors[kept++] = r->detectors[i];
	r->n_detectors = kept;
	fit_note(w->f, "left out: copula, tabular_knn: fitted on the earlier half of the reference, one finds at least %.1f times as many odd records in the "
		       "later half: what is normal of the features does not last", times);
}

/* One of these that cannot work here is left out: nobody asked for it by name. */
static void detectors_standard(struct work *w, const struct lesson *l)
{
	unsigned holds = log_holds(w);
	double times = 1;

	for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
		if ((standard[i].of & ~holds) == 0)
			times = fmax(times, standard_learn(w, l, &standard[i]));
	if (times > MOST_TIMES)
		features_drop(w, times);
	if (w->r->n_detectors == 0)
		fit_note(w->f,
			"no detector: %s; windows of what it does hold are watched all the same",
			holds == 0
				? "the log holds neither logits nor probabilities nor confidence nor an embedding nor features"
				: "none of the standard ones is at hand");
}

static void windows_standard(struct work *w, const struct lesson *l)
{
	unsigned holds = log_holds(w);

	for (size_t i = 0; i < sizeof standard_windows / sizeof standard_windows[0]; i++)
		if ((standard_windows[i].of & ~holds) == 0)
			standard_learn(w, l, &standard_windows[i]);
}

static int detectors_learn(struct work *w, struct error *e)
{
	struct lesson l;
	int code = 0;

	if (w->f->o.no_detectors)
		return 0;
	lesson_open(w, &l);
	code = detectors_asked(w, &l, e);
	if (code == 0 && w->r->n_detectors == 0) {
		w->standard = true;
		detectors_standard(w, &l);
	}
	if (w->f->o.n_detectors == 0)
		windows_standard(w, &l);
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

static void held_score(const struct work *w, const struct routed *routed, const struct batch *b,
	size_t at, struct held *h)
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

	*h = (struct held){n, mem_zero(n * k + 1, sizeof *h->score),
		mem_zero(n * k + 1, sizeof *h->p), mem_zero(n * k + 1, sizeof *h->surprise),
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
	free(h->surprise);
	free(h->predicted);
	free(h->hash);
}

static int work_run(struct work *w, struct error *e)
{
	int code = detectors_learn(w, e);

	if (code == 0)
		code = detectors_open(w, e);
	if (code < 0)
		return code;
	held_open(w, IN_CAL_A, &w->held[IN_CAL_A]);
	if (w->standard)
		detectors_thin_alike(w);
	detectors_mute(w);
	detectors_calibrate(w);
	w->calibration = calibration_open(w->r);
	detectors_weigh(w);
	if (w->standard)
		detectors_thin_light(w);
	held_open(w, IN_CAL_B, &w->held[IN_CAL_B]);
	detectors_hold_out(w);
	detectors_fuse(w);
	odd_learn(w);
	calibration_note(w);
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
	calibration_close(w.calibration);
	route_close(w.route);
	return code;
}
