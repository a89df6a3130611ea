/* SPDX-License-Identifier: Apache-2.0
 * The invariants of a reference, one small function each. A file from elsewhere passes here before
 * anything indexes by what it says, and a reference of ours before it is written, so that a mistake
 * shows where it was made. */
#include "model/reference.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define MOST_WIDTH (1 << 24)
#define MOST_VECTOR (1 << 20)
/* Small enough that sums of counts over all windows fit, and of 2^40-clipped terms. */
#define MOST_RECORDS (INT64_C(1) << 40)

#define NO(...) error_set(e, -EINVAL, __VA_ARGS__)

static int texts_check(char *const *texts, size_t n, const char *what, struct error *e)
{
	for (size_t i = 0; i < n; i++)
		if (!texts || !texts[i])
			return NO("%s %zu has no name", what, i + 1);
	return 0;
}

static int provenance_check(const struct reference *r, struct error *e)
{
	if (!r->model || !r->version || !r->made_by)
		return NO("model, version or maker is missing");
	if (!(r->flag_rate > 0.0 && r->flag_rate < 1.0))
		return NO("flag rate %g, expected one between 0 and 1", r->flag_rate);
	if (r->window_us <= 0)
		return NO("window of %lld microseconds", (long long)r->window_us);
	if (r->season >= SEASON_KINDS || season_bucket_us((enum season)r->season) < r->window_us)
		return NO("season %zu does not fit its windows", r->season);
	if (r->n_fit < 0 || r->n_cal_a < 0 || r->n_cal_b < 0 || r->n_null < 0)
		return NO("a part with a negative number of records");
	return texts_check(r->logs, r->n_logs, "log", e);
}

static int schema_check(const struct reference *r, struct error *e)
{
	int code;

	if (r->n_logits > MOST_VECTOR || r->n_embedding > MOST_VECTOR || r->n_classes > MOST_VECTOR)
		return NO("a vector wider than %d", MOST_VECTOR);
	if (r->n_logits > 0 && r->n_classes != r->n_logits)
		return NO("%zu logits and %zu classes", r->n_logits, r->n_classes);
	code = texts_check(r->classes, r->n_classes, "class", e);
	if (code == 0)
		code = texts_check(r->numeric, r->n_numeric, "numeric feature", e);
	for (size_t i = 0; i < r->n_category && code == 0; i++) {
		if (!r->category[i].name)
			return NO("categorical feature %zu has no name", i + 1);
		code = r->category[i].n_words < INT32_MAX
			       ? texts_check(r->category[i].words, r->category[i].n_words,
					 "category", e)
			       : NO("feature %s has too many categories", r->category[i].name);
	}
	for (size_t i = 0; i < r->n_left_out && code == 0; i++)
		if (!r->left_out[i].name || !r->left_out[i].why)
			return NO("feature %zu that was left out has no name or reason", i + 1);
	return code;
}

static int table_check(const struct score_table *t, const char *of, struct error *e)
{
	if (t->n == 0)
		return t->total == 0 && t->n_exact == 0
			       ? 0
			       : NO("table of %s: scores without knots", of);
	if (!t->score || !t->above || t->n_exact > t->n)
		return NO("table of %s: knots are missing", of);
	if (t->above[0] != t->total || t->above[t->n - 1] == 0)
		return NO("table of %s: its ends do not fit its total", of);
	for (size_t i = 0; i < t->n; i++)
		if (!isfinite(t->score[i]))
			return NO("table of %s: knot %zu is not finite", of, i + 1);
	for (size_t i = 1; i < t->n; i++)
		if (!(t->score[i] > t->score[i - 1]) || t->above[i] >= t->above[i - 1])
			return NO("table of %s: knot %zu is out of order", of, i + 1);
	return 0;
}

static int detector_check(
	const struct reference *r, const struct reference_detector *d, struct error *e)
{
	int code;

	if (!d->name || !d->plugin_version)
		return NO("a detector without a name or version");
	for (size_t i = 0; i < d->n_options; i++)
		if (!d->options[i].name || !isfinite(d->options[i].value))
			return NO("detector %s: option %zu", d->name, i + 1);
	if (!(isfinite(d->weight) && d->weight >= 0.0) || (d->muted && d->weight > 0.0))
		return NO("detector %s: weight %g%s", d->name, d->weight,
			d->muted ? ", though muted" : "");
	if (d->weight > 0.0 && d->table.n == 0)
		return NO("detector %s counts, but has no calibration scores", d->name);
	if (d->n_by_class != 0 && d->n_by_class != r->n_classes)
		return NO("detector %s: %zu tables for %zu classes", d->name, d->n_by_class,
			r->n_classes);
	code = table_check(&d->table, d->name, e);
	for (size_t i = 0; i < d->n_by_class && code == 0; i++)
		code = table_check(&d->by_class[i], d->name, e);
	return code;
}

static int fusion_check(const struct reference *r, struct error *e)
{
	uint64_t all = 0;
	int code = 0;

	if (r->n_detectors > REFERENCE_MOST_DETECTORS)
		return NO("%zu detectors, at most %d", r->n_detectors, REFERENCE_MOST_DETECTORS);
	for (size_t i = 0; i < r->n_detectors && code == 0; i++) {
		all |= (uint64_t)(r->detectors[i].weight > 0.0) << i;
		code = detector_check(r, &r->detectors[i], e);
	}
	if (code == 0)
		code = reference_ways_check(r, e);
	if (code == 0)
		code = table_check(&r->fused, "the fused score", e);
	for (size_t i = 0; i < r->n_partial && code == 0; i++) {
		if (r->partial[i].members == 0 || (r->partial[i].members & ~all) != 0 ||
			r->partial[i].table.n == 0)
			return NO("partial fusion %zu is not of detectors that count", i + 1);
		code = table_check(&r->partial[i].table, "a partial fusion", e);
	}
	return code;
}

static bool edges_rise(const struct measure *m)
{
	for (size_t i = 0; i < m->n_edges; i++)
		if (!isfinite(m->edges[i]) || (i > 0 && !(m->edges[i] > m->edges[i - 1])))
			return false;
	return true;
}

/* Plain bins first, then each special one at a place of its own, and nothing else. */
static bool bins_fit(const struct measure *m)
{
	size_t special[] = {m->below, m->above, m->other, m->missing, m->mistyped};
	size_t plain = m->n_words > 0 ? m->n_words : m->n_edges + 1, found = 0;
	unsigned seen = 0;

	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
		if (special[i] == MEASURE_NO_BIN)
			continue;
		if (special[i] < plain || special[i] >= m->n || special[i] - plain >= 5 ||
			(seen >> (special[i] - plain) & 1))
			return false;
		seen |= 1u << (special[i] - plain);
		found++;
	}
	return m->n == plain + found && !(m->n_words > 0 && m->n_edges > 0);
}

static bool mean_fits(const struct measure *m)
{
	double sum = 0.0;

	if (!m->mean)
		return !m->judged;
	for (size_t i = 0; i < m->n; i++) {
		if (!(isfinite(m->mean[i]) && m->mean[i] > 0.0))
			return false;
		sum += m->mean[i];
	}
	return fabs(sum - 1.0) < 1e-6;
}

static bool base_fits(const struct measure *m)
{
	for (size_t i = 0; m->base && i < m->n; i++)
		if (m->base[i] < 0 || m->base[i] > MOST_RECORDS)
			return false;
	return true;
}

static bool learned_fits(const struct measure *m)
{
	double all[] = {m->kappa, m->tolerance, m->n_records, m->n_effective, m->memory,
		m->season_prior, m->along.kappa, m->along.memory, m->along.n_effective};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (!(isfinite(all[i]) && all[i] >= 0.0))
			return false;
	return isfinite(m->least) && isfinite(m->most) && isfinite(m->centre) &&
	       isfinite(m->scale) && (m->sums == MEASURE_NO_BIN || m->scale > 0.0);
}

static int measure_check(const struct measure *m, size_t first, struct error *e)
{
	if (!m->name)
		return NO("a measure without a name");
	if (m->kind >= MEASURE_KINDS)
		return NO("measure %s is of a kind that there is not", m->name);
	if (m->first != first || m->n == 0 || m->n > MOST_WIDTH)
		return NO("measure %s: %zu bins at %zu, expected them at %zu", m->name, m->n,
			m->first, first);
	if (m->n_edges > MEASURE_MOST_EDGES || (m->n_edges > 0 && !m->edges) || !edges_rise(m))
		return NO(
			"measure %s: %zu edges do not rise, or are too many", m->name, m->n_edges);
	if (!bins_fit(m))
		return NO("measure %s: %zu bins do not fit its edges, words and special bins",
			m->name, m->n);
	if (m->sums != MEASURE_NO_BIN && m->sums != m->first + m->n)
		return NO("measure %s: its sums do not stand behind its bins", m->name);
	if (!mean_fits(m) || !base_fits(m) || !learned_fits(m))
		return NO("measure %s: what was learned about it is not in range", m->name);
	return texts_check(m->words, m->n_words, m->name, e);
}

static bool law_fits(const struct statistic_law *l, bool judged)
{
	double all[] = {l->ratio, l->excess, l->sd, l->memory};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (!(isfinite(all[i]) && all[i] >= 0.0))
			return false;
	return isfinite(l->mean) && (!judged || (l->ratio > 0.0 && l->sd > 0.0 && l->memory >= 1.0));
}

static bool statistic_learned_fits(const struct statistic *s)
{
	bool fits = law_fits(&s->one, s->judged) && s->n_longer <= STATISTIC_MOST_LONGER;

	for (size_t i = 0; fits && i < s->n_longer; i++)
		fits = law_fits(&s->longer[i], true) && s->longer[i].windows > (i ? s->longer[i - 1].windows : 1) &&
		       s->longer[i].windows <= STATISTIC_MOST_WINDOWS;
	return fits;
}

static int statistic_check(const struct statistic *s, size_t first, struct error *e)
{
	if (!s->name || !s->plugin_version)
		return NO("a window detector without a name or version");
	for (size_t i = 0; i < s->n_options; i++)
		if (!s->options[i].name || !isfinite(s->options[i].value))
			return NO("window detector %s: option %zu", s->name, i + 1);
	if (s->first != first || s->width == 0 || s->width > MOST_WIDTH)
		return NO("window detector %s: a stretch of %zu at %zu, expected it at %zu", s->name, s->width, s->first, first);
	if (!s->base || s->n_base != s->width + 1 || s->base[0] < 0 || s->base[0] > MOST_RECORDS)
		return NO("window detector %s: the reference's own sums are not there", s->name);
	return statistic_learned_fits(s) ? 0 : NO("window detector %s: what was learned about it is not in range", s->name);
}

/* Behind the measures, which end at *at; moves it to where they end. */
static int statistics_check(const struct reference *r, size_t *at, struct error *e)
{
	if (r->n_statistics > STATISTIC_MOST)
		return NO("%zu window detectors, at most %d", r->n_statistics, STATISTIC_MOST);
	for (size_t i = 0; i < r->n_statistics; i++) {
		int code = statistic_check(&r->statistics[i], *at, e);

		if (code < 0)
			return code;
		*at += r->statistics[i].width + 1;
		if (*at > MOST_WIDTH)
			return NO("windows wider than %d", MOST_WIDTH);
	}
	return 0;
}

static int measures_check(const struct reference *r, struct error *e)
{
	size_t at = 0;

	for (size_t i = 0; i < r->n_measures; i++) {
		const struct measure *m = &r->measures[i];
		int code = measure_check(m, at, e);

		if (code < 0)
			return code;
		at = m->first + m->n + (m->sums == MEASURE_NO_BIN ? 0 : 2);
		if (at > MOST_WIDTH)
			return NO("windows wider than %d", MOST_WIDTH);
	}
	if (statistics_check(r, &at, e) < 0 || performance_check(&r->performance, at, r->n_classes, e) < 0)
		return -EINVAL;
	at += r->performance.width;
	if (slices_check(r, at, e) < 0 || performance_opportunity_check(r, e) < 0)
		return -EINVAL;
	at += r->slices.n * r->slices.width;
	return at == r->width ? 0 : NO("windows of width %zu, but what is counted takes %zu", r->width, at);
}

static bool counts_fit(const struct reference *r, const struct reference_window *w)
{
	for (size_t k = 0; k < r->n_measures; k++) {
		const struct measure *m = &r->measures[k];

		for (size_t i = m->first; i < m->first + m->n; i++)
			if (w->v[i] < 0 || w->v[i] > w->n)
				return false;
		if (m->sums != MEASURE_NO_BIN &&
			(w->v[m->sums + 1] < 0 || w->v[m->sums + 1] > w->n))
			return false;
	}
	for (size_t k = 0; k < r->n_statistics; k++)
		if (w->v[r->statistics[k].first] < 0 || w->v[r->statistics[k].first] > w->n)
			return false;
	return true;
}

static int windows_check(const struct reference *r, const struct reference_window *windows,
	size_t n, struct error *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct reference_window *w = &windows[i];

		if (w->width != r->width || !w->v || w->n < 0 || w->n > MOST_RECORDS ||
			w->n_flagged < 0 || w->n_flagged > w->n)
			return NO("window %zu is not one of this reference", i + 1);
		if (w->start_us % r->window_us != 0 ||
			(i > 0 && w->start_us <= windows[i - 1].start_us))
			return NO("window %zu does not begin where one can", i + 1);
		if (!counts_fit(r, w))
			return NO("window %zu counts more than its %lld records", i + 1,
				(long long)w->n);
	}
	return 0;
}

static int layer_check(const struct reference *r, struct error *e)
{
	for (size_t i = 0; i < r->n_measures; i++)
		if (r->measures[i].kind == MEASURE_LAYER && r->layer.n_combine == 0)
			return NO("measure %s, but no last layer", r->measures[i].name);
	return reference_layer_check(&r->layer, r->n_logits, r->n_embedding, e);
}

int reference_check(const struct reference *r, struct error *e)
{
	int code = provenance_check(r, e);

	if (code == 0)
		code = schema_check(r, e);
	if (code == 0)
		code = fusion_check(r, e);
	for (int f = 0; f < ODD_FAMILY_N && code == 0; f++)
		code = table_check(reference_odd_table(&r->odd, (enum odd_family)f), odd_family_words[f], e);
	if (code == 0)
		code = reference_odd_check(&r->odd, r->rows, r->n_rows, e);
	if (code == 0 && r->odd.n_classes != 0 && r->odd.n_classes != r->n_classes)
		code = NO("predictions of %zu classes, of %zu there are", r->odd.n_classes, r->n_classes);
	if (code == 0)
		code = measures_check(r, e);
	if (code == 0)
		code = layer_check(r, e);
	if (code == 0)
		code = windows_check(r, r->windows, r->n_windows, e);
	return code == 0 ? windows_check(r, r->others, r->n_others, e) : code;
}
