/* SPDX-License-Identifier: Apache-2.0
 * oodd eval, records: every detector's scores, and the fused p-value, against labels. A curve is one of them against one kind of
 * odd records, with all normal ones on the other side; the same resamples serve every curve, so that two of them can be compared. */
#include "command_eval.h"

#include "base/hash.h"
#include "base/mem.h"
#include "stats/roc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUSED SIZE_MAX
#define SEED UINT64_C(0x6f6f6464) /* every run of eval draws the same */

static void records_grow(struct eval_records *r)
{
	r->room = r->room ? 2 * r->room : 1024;
	r->p = mem_grow(r->p, r->room, sizeof *r->p);
	r->score = mem_grow(r->score, r->room * (r->n_detectors + 1), sizeof *r->score);
	r->against = mem_grow(r->against, r->room * (r->n_detectors + 1), 1);
	r->flagged = mem_grow(r->flagged, r->room, 1);
	r->truth = mem_grow(r->truth, r->room, 1);
	r->kind = mem_grow(r->kind, r->room, sizeof *r->kind);
}

void eval_records_add(struct eval_records *r, const struct reference *reference, const struct labels *labels, const struct batch *b,
	const struct scored *s, size_t row)
{
	const struct label *label = b->id[row].at ? labels_find(labels, b->id[row].at, b->id[row].n) : NULL;

	r->n_detectors = reference->n_detectors;
	r->n_without_id += !b->id[row].at;
	r->n_unlabelled += b->id[row].at && !label;
	if (!label)
		return;
	if (r->n == r->room)
		records_grow(r);
	r->n_truth[label->truth]++;
	r->p[r->n] = s->fused[row];
	r->flagged[r->n] = s->flagged[row];
	r->truth[r->n] = label->truth;
	r->kind[r->n] = label->kind;
	for (size_t d = 0; d < r->n_detectors; d++) {
		double p = s->p[d * s->n + row];

		r->score[r->n * r->n_detectors + d] = s->score[d * s->n + row];
		r->against[r->n * r->n_detectors + d] = isnan(p) ? EVAL_NO_P : p <= reference->flag_rate;
	}
	r->n++;
}

void eval_records_done(struct eval_records *r)
{
	free(r->p);
	free(r->score);
	free(r->against);
	free(r->flagged);
	free(r->truth);
	free(r->kind);
}

/* Which records a curve is about: of one truth, and of one kind or of all. */
struct group {
	enum truth truth;
	int kind;                /* -1: all */
};

struct curve {
	size_t n_normal, n_odd;
	struct roc_figures at, low, high;
};

/* The score by which a record stands in a curve; NaN: in none. */
static double score_of(const struct eval_records *r, size_t i, size_t detector)
{
	return detector == FUSED ? -r->p[i] : (double)r->score[i * r->n_detectors + detector];
}

/* Is it the group's (1), one to tell the group from (0), or neither (-1)? */
static int side_of(const struct eval_records *r, size_t i, struct group g)
{
	if (r->truth[i] == g.truth && (g.kind < 0 || r->kind[i] == g.kind))
		return g.truth != TRUTH_NORMAL;
	return g.truth != TRUTH_NORMAL && r->truth[i] == TRUTH_NORMAL ? 0 : -1;
}

static void curve_of(const struct eval_records *r, struct group g, size_t detector, size_t resamples, struct curve *ret)
{
	double *score = mem_zero(r->n + 1, sizeof *score);
	uint8_t *positive = mem_zero(r->n + 1, 1), *against = mem_zero(r->n + 1, 1);
	bool decided = true;
	size_t n = 0;
	struct roc *roc;

	*ret = (struct curve){.low = {NAN, NAN, NAN, NAN, NAN}, .high = {NAN, NAN, NAN, NAN, NAN}};
	for (size_t i = 0; i < r->n; i++) {
		int side = side_of(r, i, g);
		double x = score_of(r, i, detector);

		if (side < 0 || isnan(x))
			continue;
		score[n] = x;
		positive[n] = (uint8_t)side;
		against[n] = detector == FUSED ? r->flagged[i] : r->against[i * r->n_detectors + detector];
		decided = decided && against[n] != EVAL_NO_P;
		*(side ? &ret->n_odd : &ret->n_normal) += 1;
		n++;
	}
	roc = roc_open(score, positive, decided ? against : NULL, n);
	roc_measure(roc, &ret->at);
	if (resamples && n)
		roc_intervals(roc, resamples, SEED, &ret->low, &ret->high);
	roc_close(roc);
	free(score);
	free(positive);
	free(against);
}

/* Groups by kind: every (kind, truth) that was met. Returns how many. */
static size_t groups_of(const struct eval_records *r, size_t n_kinds, struct group *to)
{
	bool *met = mem_zero(n_kinds * TRUTH_N + 1, 1);
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->kind[i] != LABELS_NO_KIND)
			met[r->kind[i] * TRUTH_N + r->truth[i]] = true;
	for (size_t k = 0; k < n_kinds * TRUTH_N; k++)
		if (met[k])
			to[n++] = (struct group){(enum truth)(k % TRUTH_N), (int)(k / TRUTH_N)};
	free(met);
	return n;
}

static const char *const truth_words[TRUTH_N] = {"false", "true", "null"};

/* The kind, and the truth behind it where records of one kind have several. */
static const char *group_name(const struct labels *labels, const struct group *groups, size_t n, size_t at, char *to, size_t room)
{
	size_t same = 0;

	for (size_t i = 0; i < n; i++)
		same += groups[i].kind == groups[at].kind;
	snprintf(to, room, same > 1 ? "%s (ood %s)" : "%s", labels_kind(labels, (size_t)groups[at].kind), truth_words[groups[at].truth]);
	return to;
}

/* ---- JSON ---- */

static void put_interval(struct buf *to, const char *key, double low, double high)
{
	buf_format(to, "\"%s\":[", key);
	buf_json_number(to, low);
	buf_text(to, ",");
	buf_json_number(to, high);
	buf_text(to, "]");
}

static void put_figure(struct buf *to, const char *key, double x)
{
	buf_format(to, "\"%s\":", key);
	buf_json_number(to, x);
	buf_text(to, ",");
}

static void put_curve(struct buf *to, const struct curve *c)
{
	put_figure(to, "auroc", c->at.auroc);
	put_figure(to, "aupr", c->at.aupr);
	put_figure(to, "fpr95", c->at.fpr95);
	put_figure(to, "tpr", c->at.tpr);
	put_figure(to, "fpr", c->at.fpr);
	buf_format(to, "\"n_id\":%zu,\"n_ood\":%zu,\"intervals\":{", c->n_normal, c->n_odd);
	put_interval(to, "auroc", c->low.auroc, c->high.auroc);
	buf_text(to, ",");
	put_interval(to, "aupr", c->low.aupr, c->high.aupr);
	buf_text(to, ",");
	put_interval(to, "fpr95", c->low.fpr95, c->high.fpr95);
	buf_text(to, ",");
	put_interval(to, "tpr", c->low.tpr, c->high.tpr);
	buf_text(to, ",");
	put_interval(to, "fpr", c->low.fpr, c->high.fpr);
	buf_text(to, "}");
}

/* "detectors":[...],"fused":{...} */
static void put_group(const struct eval_records *r, const struct reference *reference, struct group g, size_t resamples, struct buf *to)
{
	struct curve c;

	buf_text(to, "\"detectors\":[");
	for (size_t d = 0; d < r->n_detectors; d++) {
		buf_text(to, d ? ",{\"name\":" : "{\"name\":");
		buf_json_text(to, reference->detectors[d].name, strlen(reference->detectors[d].name));
		buf_text(to, ",");
		curve_of(r, g, d, resamples, &c);
		put_curve(to, &c);
		buf_text(to, "}");
	}
	buf_text(to, "],\"fused\":{");
	curve_of(r, g, FUSED, resamples, &c);
	put_curve(to, &c);
	buf_text(to, "}");
}

void eval_records_json(const struct eval_records *r, const struct reference *reference, const struct labels *labels, size_t resamples,
	struct buf *to)
{
	size_t n_kinds = labels_n_kinds(labels), n;
	struct group *groups = mem_zero(n_kinds * TRUTH_N + 1, sizeof *groups);
	char name[256];

	buf_format(to, ",\"records\":{\"labelled\":%zu,\"id\":%lld,\"ood\":%lld,\"neither\":%lld,\"unlabelled\":%lld,\"without_id\":%lld},",
		r->n, (long long)r->n_truth[TRUTH_NORMAL], (long long)r->n_truth[TRUTH_ODD], (long long)r->n_truth[TRUTH_NEITHER],
		(long long)r->n_unlabelled, (long long)r->n_without_id);
	put_group(r, reference, (struct group){TRUTH_ODD, -1}, resamples, to);
	buf_text(to, ",\"kinds\":{");
	n = groups_of(r, n_kinds, groups);
	for (size_t i = 0; i < n; i++) {
		group_name(labels, groups, n, i, name, sizeof name);
		buf_text(to, i ? "," : "");
		buf_json_text(to, name, strlen(name));
		buf_format(to, ":{\"ood\":%s,", truth_words[groups[i].truth]);
		put_group(r, reference, groups[i], resamples, to);
		buf_text(to, "}");
	}
	buf_text(to, "}");
	free(groups);
}

/* ---- a table ---- */

static void text_figure(struct buf *to, double x, double low, double high)
{
	char text[64];

	if (isnan(x))
		snprintf(text, sizeof text, "-");
	else if (isnan(low))
		snprintf(text, sizeof text, "%.4f", x);
	else
		snprintf(text, sizeof text, "%.4f [%.4f %.4f]", x, low, high);
	buf_format(to, "  %-22s", text);
}

static void text_curve(struct buf *to, const char *name, const struct curve *c)
{
	buf_format(to, "  %-22s", name);
	text_figure(to, c->at.auroc, c->low.auroc, c->high.auroc);
	text_figure(to, c->at.aupr, c->low.aupr, c->high.aupr);
	text_figure(to, c->at.fpr95, c->low.fpr95, c->high.fpr95);
	text_figure(to, c->at.tpr, c->low.tpr, c->high.tpr);
	text_figure(to, c->at.fpr, c->low.fpr, c->high.fpr);
	while (to->n && to->at[to->n - 1] == ' ')
		to->n--;
	buf_text(to, "\n");
}

static void text_group(const struct eval_records *r, const struct reference *reference, struct group g, size_t resamples, struct buf *to)
{
	struct curve c;
	char name[64];

	curve_of(r, g, FUSED, resamples, &c);
	text_curve(to, "fused", &c);
	for (size_t d = 0; d < r->n_detectors; d++) {
		const struct reference_detector *detector = &reference->detectors[d];

		snprintf(name, sizeof name, "%s%s", detector->name, detector->muted ? " (muted)" : "");
		curve_of(r, g, d, resamples, &c);
		text_curve(to, name, &c);
		if (c.n_odd + c.n_normal < (size_t)(r->n_truth[g.truth] + (g.truth != TRUTH_NORMAL ? r->n_truth[TRUTH_NORMAL] : 0)) && g.kind < 0)
			buf_format(to, "  %-22s  (of %zu normal and %zu odd records that it could score)\n", "", c.n_normal, c.n_odd);
	}
}

/* Kinds of normal records have one figure: how many are flagged. One line each, a column for each detector. */
static void text_normal(const struct eval_records *r, const struct reference *reference, const struct labels *labels,
	const struct group *groups, size_t n, struct buf *to)
{
	struct curve c;
	char name[256];

	buf_format(to, "\n  %-32s %8s %8s", "normal records flagged, by kind", "records", "fused");
	for (size_t d = 0; d < r->n_detectors; d++)
		buf_format(to, " %11.11s", reference->detectors[d].name);
	buf_text(to, "\n");
	for (size_t i = 0; i < n; i++) {
		if (groups[i].truth != TRUTH_NORMAL)
			continue;
		curve_of(r, groups[i], FUSED, 0, &c);
		buf_format(to, "  %-32s %8zu %8.4f", group_name(labels, groups, n, i, name, sizeof name), c.n_normal, c.at.fpr);
		for (size_t d = 0; d < r->n_detectors; d++) {
			curve_of(r, groups[i], d, 0, &c);
			if (isnan(c.at.fpr))
				buf_format(to, " %11s", "-");
			else
				buf_format(to, " %11.4f", c.at.fpr);
		}
		buf_text(to, "\n");
	}
}

void eval_records_text(const struct eval_records *r, const struct reference *reference, const struct labels *labels, size_t resamples,
	struct buf *to)
{
	size_t n_kinds = labels_n_kinds(labels), n;
	struct group *groups = mem_zero(n_kinds * TRUTH_N + 1, sizeof *groups);
	struct curve c;
	char name[256], rate[2][32];

	snprintf(rate[0], sizeof rate[0], "TPR at flag rate %g", reference->flag_rate);
	snprintf(rate[1], sizeof rate[1], "FPR at flag rate %g", reference->flag_rate);
	buf_format(to, "%s %s: %zu records with a label: %lld in distribution, %lld odd, %lld neither; without: %lld\n", reference->model,
		reference->version, r->n, (long long)r->n_truth[TRUTH_NORMAL], (long long)r->n_truth[TRUTH_ODD],
		(long long)r->n_truth[TRUTH_NEITHER], (long long)(r->n_unlabelled + r->n_without_id));
	if (resamples)
		buf_text(to, "in brackets: 95 % intervals of a bootstrap in blocks of time\n");
	buf_format(to, "\n  %-22s  %-22s  %-22s  %-22s  %-22s  %s\n", "odd against normal", "AUROC", "AUPR", "FPR at 95 % TPR", rate[0], rate[1]);
	text_group(r, reference, (struct group){TRUTH_ODD, -1}, resamples, to);
	n = groups_of(r, n_kinds, groups);
	for (size_t i = 0; i < n; i++) {
		if (groups[i].truth == TRUTH_NORMAL)
			continue;
		curve_of(r, groups[i], FUSED, 0, &c);
		buf_format(to, "\n  %s: %zu %s\n", group_name(labels, groups, n, i, name, sizeof name), c.n_odd,
			groups[i].truth == TRUTH_ODD ? "odd records" : "records that are neither, against all in distribution");
		text_group(r, reference, groups[i], resamples, to);
	}
	text_normal(r, reference, labels, groups, n, to);
	free(groups);
}
