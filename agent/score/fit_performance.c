/* SPDX-License-Identifier: Apache-2.0
 * How often the model is right, and what of a record tells: ATC's threshold, the calibration of confidence, how sure the model
 * is of each class. Learned from records that calibrate: on those that the classifier was trained on it is right more often than
 * it ever will be. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "score/performance.h"
#include "stats/quantile.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAP_BINS 32     /* of equal weight, before neighbours out of order are pooled */
#define BIN_RECORDS 25  /* at least */

/* A record that calibrates. */
struct seen {
	double score, confidence;
	bool right;
};

struct lesson {
	struct fit *f;
	struct performance *p;
	struct seen *at;     /* all of them, or those with a label */
	size_t n, n_scored;
	double *sure, *n_of; /* by class */
};

int32_t fit_class(const struct reference *r, const char *name, size_t n)
{
	for (size_t i = 0; i < r->n_classes; i++)
		if (n > 0 && strncmp(r->classes[i], name, n) == 0 && r->classes[i][n] == '\0')
			return (int32_t)i;
	return -1;
}

/* What the model says of a class: the softmax of its logit; of the class it predicts, its confidence. */
static double probability(const struct oodd_batch *b, size_t row, int32_t class)
{
	const float *z = b->logits.at ? oodd_row(b->logits, row) : NULL;
	double most = (double)-INFINITY, sum = 0.0;

	if (b->predicted[row] == class && b->confidence && !isnan(b->confidence[row]))
		return b->confidence[row];
	if (!z || isnan(z[0]))
		return (double)NAN;
	for (size_t i = 0; i < b->logits.width; i++)
		most = fmax(most, (double)z[i]);
	for (size_t i = 0; i < b->logits.width; i++)
		sum += exp((double)z[i] - most);
	return exp((double)z[class] - most) / sum;
}

static bool right(const struct fit *f, const struct batch *b, const struct oodd_batch *routed, size_t row, const char *label)
{
	struct text said = b->prediction[row];

	if (said.at)
		return strlen(label) == said.n && memcmp(label, said.at, said.n) == 0;
	return routed->predicted[row] >= 0 && strcmp(label, f->r->classes[routed->predicted[row]]) == 0;
}

static void row_learn(struct lesson *l, const struct batch *b, const struct oodd_batch *routed, size_t row, const char *label)
{
	struct seen s = {performance_score((enum performance_score)l->p->score, routed, row), performance_confidence(routed, row),
		label && right(l->f, b, routed, row, label)};
	int32_t class = label ? fit_class(l->f->r, label, strlen(label)) : -1;
	double p = class >= 0 ? probability(routed, row, class) : (double)NAN;

	if (!isnan(p)) {
		l->sure[class] += p;
		l->n_of[class] += 1.0;
	}
	if (!(s.confidence >= 0.0 && s.confidence <= 1.0) || !isfinite(s.score))
		return;
	l->at[l->n++] = s;
}

/* Rows that calibrate, and with `labelled` have a label. */
static void rows_learn(struct lesson *l, bool labelled)
{
	struct fit *f = l->f;
	struct route *route = route_open(f->r);
	struct batch *b = batch_open("", 0, "", 0);
	struct routed routed;
	const char *labels[FIT_ROWS];

	routed_init(&routed);
	for (size_t from = 0; from < f->n_rows;) {
		size_t n = 0, to;

		batch_reset(b);
		for (to = from; to < f->n_rows && n < FIT_ROWS; to++) {
			const struct fit_row *row = &f->rows[to];

			if (!fit_row_calibrates(f, to) || (labelled && !row->label.class))
				continue;
			labels[n] = row->label.class;
			n += fit_rows_gather(f, to, to + 1, PARTS, b) > to;
		}
		from = to;
		route_run(route, b, &routed);
		for (size_t i = 0; i < b->n; i++)
			row_learn(l, b, &routed.batch, i, labels[i]);
	}
	routed_done(&routed);
	batch_close(b);
	route_close(route);
}

static int by_score(const void *a, const void *b)
{
	double x = ((const struct seen *)a)->score, y = ((const struct seen *)b)->score;

	return (x > y) - (x < y);
}

static int by_confidence(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return (x->confidence > y->confidence) - (x->confidence < y->confidence);
}

/* t such that as many are below it as are wrong (Garg et al. 2022, eq. 2). */
static void threshold_set(struct lesson *l)
{
	size_t wrong = (size_t)lround((1.0 - l->p->accuracy) * (double)l->n), above = 0;

	qsort(l->at, l->n, sizeof *l->at, by_score);
	l->p->threshold = wrong < l->n ? l->at[wrong].score : nextafter(l->at[l->n - 1].score, (double)INFINITY);
	for (size_t i = 0; i < l->n; i++)
		above += l->at[i].score >= l->p->threshold;
	l->p->atc = (double)above / (double)l->n;
}

struct pool {
	double sum, n, most; /* right, records, and the highest confidence in it */
};

/* Pool adjacent violators: shares may not fall as confidence rises. */
static size_t pools_join(struct pool *at, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		at[kept++] = at[i];
		while (kept > 1 && at[kept - 1].sum * at[kept - 2].n <= at[kept - 2].sum * at[kept - 1].n) {
			at[kept - 2].sum += at[kept - 1].sum;
			at[kept - 2].n += at[kept - 1].n;
			at[kept - 2].most = at[kept - 1].most;
			kept--;
		}
	}
	return kept;
}

/* Bins of equal weight; records of one confidence are never parted. `off`: added to what the bin says itself, where labels do not. */
static void map_set(struct lesson *l, double off)
{
	struct performance *p = l->p;
	size_t bins = l->n / BIN_RECORDS < MAP_BINS ? l->n / BIN_RECORDS : MAP_BINS, n = 0;
	struct pool *pools;

	bins = bins > 0 ? bins : 1;
	pools = mem_zero(bins + 1, sizeof *pools);
	qsort(l->at, l->n, sizeof *l->at, by_confidence);
	for (size_t i = 0; i < l->n; i++) {
		const struct seen *s = &l->at[i];

		if (i == 0 || (i * bins / l->n >= n && s->confidence > l->at[i - 1].confidence))
			n++;
		pools[n - 1].sum += p->basis == PERFORMANCE_LABELS ? s->right : fmin(1.0, fmax(0.0, s->confidence + off));
		pools[n - 1].n += 1.0;
		pools[n - 1].most = s->confidence;
	}
	n = pools_join(pools, n);
	p->n_calibrated = n;
	p->n_edges = n - 1;
	p->edges = mem_zero(n, sizeof *p->edges);
	p->calibrated = mem_zero(n, sizeof *p->calibrated);
	for (size_t i = 0; i < n; i++) {
		p->calibrated[i] = pools[i].sum / pools[i].n;
		if (i + 1 < n)
			p->edges[i] = pools[i].most;
	}
	free(pools);
}

/* Variance of a label over that of (label less ATC's guess): with both wrong equally often, and as if independent where no label
 * says how often they differ. */
static void worth_set(struct lesson *l)
{
	double differ = 0.0, one = l->p->accuracy * (1.0 - l->p->accuracy);

	for (size_t i = 0; i < l->n; i++)
		differ += l->at[i].right != (l->at[i].score >= l->p->threshold);
	differ = l->p->basis == PERFORMANCE_LABELS ? differ / (double)l->n : 2.0 * one;
	l->p->atc_worth = one > 0.0 && differ > one ? one / differ : 1.0;
}

static void gap_set(struct lesson *l)
{
	double sum = 0.0, square = 0.0, cbpe = 0.0, n = (double)l->n;

	for (size_t i = 0; i < l->n; i++) {
		double is = performance_calibrate(l->p, l->at[i].confidence), gap = is - (l->at[i].score >= l->p->threshold);

		cbpe += is / n;
		sum += gap / n;
		square += gap * gap / n;
	}
	l->p->cbpe = cbpe;
	l->p->gap_sd = sqrt(fmax(0.0, square - sum * sum));
}

static void sure_set(struct lesson *l)
{
	struct performance *p = l->p;

	p->n_sure = l->f->r->n_classes;
	p->sure = mem_zero(p->n_sure + 1, sizeof *p->sure);
	for (size_t i = 0; i < p->n_sure; i++)
		p->sure[i] = l->n_of[i] > 0.0 ? l->sure[i] / l->n_of[i] : (double)NAN;
}

static enum performance_score score_of(const struct fit *f)
{
	if (f->r->n_logits == 0)
		return PERFORMANCE_CONFIDENCE;
	return f->r->logits_normalised ? PERFORMANCE_NEGENTROPY : PERFORMANCE_MAXLOGIT;
}

static void learn(struct lesson *l)
{
	struct performance *p = l->p;
	double n = (double)l->n, n_right = 0.0;

	for (size_t i = 0; i < l->n; i++) {
		n_right += l->at[i].right;
		p->confidence += l->at[i].confidence / n;
	}
	p->confidence = fmin(p->confidence, 1.0);
	p->n = n;
	if (p->basis == PERFORMANCE_NONE)
		return;
	p->accuracy = p->basis == PERFORMANCE_LABELS ? n_right / n : l->f->o.accuracy;
	threshold_set(l);
	map_set(l, p->accuracy - p->confidence);
	worth_set(l);
	gap_set(l);
	if (p->basis == PERFORMANCE_LABELS)
		sure_set(l);
}

static size_t labels_n(const struct fit *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_rows; i++)
		n += fit_row_calibrates(f, i) && f->rows[i].label.class;
	return n;
}

void fit_performance(struct fit *f)
{
	struct reference *r = f->r;
	struct performance *p = &r->performance;
	size_t n_labels = labels_n(f);
	struct lesson l = {.f = f, .p = p, .at = mem_zero(f->n_rows + 1, sizeof *l.at),
		.sure = mem_zero(r->n_classes + 1, sizeof(double)), .n_of = mem_zero(r->n_classes + 1, sizeof(double))};

	f->notes->n_labels = (int64_t)n_labels;
	p->basis = n_labels >= FIT_LEAST_LABELS ? PERFORMANCE_LABELS : f->o.accuracy > 0.0 ? PERFORMANCE_TOLD : PERFORMANCE_NONE;
	p->accuracy = p->threshold = p->atc = p->cbpe = (double)NAN;
	p->score = score_of(f);
	rows_learn(&l, p->basis == PERFORMANCE_LABELS);
	if (f->o.label && n_labels < FIT_LEAST_LABELS)
		fit_note(f, "only %zu records that calibrate have a label, %d are needed: accuracy is not estimated from them", n_labels, FIT_LEAST_LABELS);
	if (l.n > 0) {
		learn(&l);
		p->width = PERFORMANCE_WIDTH;
		p->first = r->width;
		r->width += p->width;
	} else {
		*p = (struct performance){0};
	}
	free(l.at);
	free(l.sure);
	free(l.n_of);
}

void performance_text(const struct performance *p, int64_t n_labels, struct buf *to)
{
	if (p->width == 0)
		return;
	if (p->basis == PERFORMANCE_NONE) {
		buf_format(to, "\naccuracy   not known: give --labels, or `accuracy` in the configuration; mean confidence %.2f %%\n", 100.0 * p->confidence);
		return;
	}
	buf_format(to, "\naccuracy   %.2f %% ", 100.0 * p->accuracy);
	if (p->basis == PERFORMANCE_LABELS)
		buf_format(to, "by %" PRId64 " labels", n_labels);
	else
		buf_text(to, "as told");
	buf_format(to, ", mean confidence %.2f %%; ATC: %s >= %.6g; calibration in %zu steps\n", 100.0 * p->confidence,
		performance_score_words[p->score], p->threshold, p->n_calibrated);
	if (!p->truth)
		return;
	buf_format(to, "labels     %zu whole windows of them\n", p->truth->n_windows);
	for (size_t i = 0; i < p->truth->n_measures; i++) {
		const struct measure *m = &p->truth->measures[i];

		buf_format(to, "  %-24s %-10s %4zu bins%s%s\n", m->name, measure_kind_words[m->kind], m->n, m->why ? "  not judged: " : "",
			m->why ? m->why : "");
	}
}

static void json_number(const char *key, double x, struct buf *to)
{
	buf_format(to, ",\"%s\":", key);
	buf_json_number(to, x);
}

static void json_numbers(const char *key, const double *x, size_t n, struct buf *to)
{
	buf_format(to, ",\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		buf_text(to, i > 0 ? "," : "");
		buf_json_number(to, x[i]);
	}
	buf_text(to, "]");
}

void performance_json(const struct performance *p, int64_t n_labels, struct buf *to)
{
	buf_format(to, ",\"performance\":{\"basis\":\"%s\",\"score\":\"%s\",\"labels\":%" PRId64, performance_basis_words[p->basis],
		performance_score_words[p->score], n_labels);
	json_number("accuracy", p->accuracy, to);
	json_number("threshold", p->threshold, to);
	json_number("atc", p->atc, to);
	json_number("atc_worth", p->atc_worth, to);
	json_number("cbpe", p->cbpe, to);
	json_number("confidence", p->confidence, to);
	json_numbers("edges", p->edges, p->n_edges, to);
	json_numbers("calibrated", p->calibrated, p->n_calibrated, to);
	json_numbers("sure", p->sure, p->n_sure, to);
	buf_text(to, "}");
}
