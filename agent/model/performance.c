/* SPDX-License-Identifier: Apache-2.0
 * The section of a reference that estimates accuracy: freed, sealed into the file, checked. */
#include "model/performance.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/reference.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const performance_basis_words[] = {"none", "told", "labels"};
const char *const performance_score_words[] = {"confidence", "negative entropy", "largest logit"};

#define NO(...) error_set(e, -EINVAL, __VA_ARGS__)
#define MOST_EDGES 4096

void performance_done(struct performance *p)
{
	free(p->edges);
	free(p->calibrated);
	free(p->sure);
	free(p->opportunity);
	free(p->truth_bytes);
	reference_close(p->truth);
	*p = (struct performance){0};
}

void performance_seal(struct performance *p)
{
	struct buf to = BUF_EMPTY;

	free(p->truth_bytes);
	p->truth_bytes = NULL;
	p->n_truth_bytes = 0;
	if (!p->truth)
		return;
	reference_pack(p->truth, &to);
	p->truth_bytes = mem_copy(to.at, to.n);
	p->n_truth_bytes = to.n;
	buf_done(&to);
}

int performance_unseal(struct performance *p, const char *hash, struct error *e)
{
	int code = p->n_truth_bytes > 0 ? reference_unpack_payload(p->truth_bytes, p->n_truth_bytes, &p->truth, e) : 0;

	if (code < 0)
		return error_prefix(e, "what labels look like"), code;
	if (p->truth)
		memcpy(p->truth->hash, hash, sizeof p->truth->hash);
	return 0;
}

static bool share(double x)
{
	return x >= 0.0 && x <= 1.0;
}

static bool map_fits(const struct performance *p)
{
	if (p->n_calibrated == 0)
		return p->n_edges == 0;
	if (p->n_edges > MOST_EDGES || p->n_calibrated != p->n_edges + 1 || !p->calibrated || (p->n_edges > 0 && !p->edges))
		return false;
	for (size_t i = 0; i < p->n_calibrated; i++)
		if (!share(p->calibrated[i]) || (i > 0 && p->calibrated[i] < p->calibrated[i - 1]))
			return false;
	for (size_t i = 0; i < p->n_edges; i++)
		if (!isfinite(p->edges[i]) || (i > 0 && !(p->edges[i] > p->edges[i - 1])))
			return false;
	return true;
}

static bool figures_fit(const struct performance *p)
{
	if (!(p->n >= 0.0) || !isfinite(p->n) || !share(p->confidence) || p->basis >= PERFORMANCE_BASES || p->score >= PERFORMANCE_SCORES)
		return false;
	return p->basis == PERFORMANCE_NONE || (share(p->accuracy) && isfinite(p->threshold) && share(p->atc) && share(p->cbpe) &&
						       isfinite(p->gap_sd) && p->gap_sd >= 0.0 && p->atc_worth > 0.0 && p->atc_worth <= 1.0 && p->n > 0.0 && p->n_calibrated > 0);
}

int performance_check(const struct performance *p, size_t first, size_t n_classes, struct error *e)
{
	if (p->width == 0)
		return p->n_truth_bytes > 0 ? NO("performance: labels, but nothing that is counted") : 0;
	if (p->width != PERFORMANCE_WIDTH || p->first != first)
		return NO("performance: its numbers do not stand where they must");
	if (!figures_fit(p) || !map_fits(p))
		return NO("performance: a figure is not in range");
	if (p->n_sure > 0 && (p->n_sure != n_classes || !p->sure))
		return NO("performance: %zu classes, and not %zu", p->n_sure, n_classes);
	for (size_t i = 0; i < p->n_sure; i++)
		if (!isnan(p->sure[i]) && !share(p->sure[i]))
			return NO("performance: class %zu is not in range", i + 1);
	return 0;
}

size_t performance_opportunity_n(const struct reference *r)
{
	size_t named = 0;

	for (size_t i = 0; i < r->n_classes; i++)
		named += r->classes[i][0] != '\0';
	return r->slices.n > 0 && named > 0 && named <= PERFORMANCE_MOST_GIVEN ? (r->slices.n + 1) * r->n_classes * 2 : 0;
}

int performance_opportunity_check(const struct reference *r, struct error *e)
{
	const struct performance *p = &r->performance;

	if (p->n_opportunity == 0)
		return 0;
	if (p->n_opportunity != performance_opportunity_n(r) || !p->opportunity)
		return NO("performance: %zu numbers of slices, and not %zu", p->n_opportunity, performance_opportunity_n(r));
	for (size_t i = 0; i < p->n_opportunity; i += 2)
		if (p->opportunity[i + 1] < 0 || p->opportunity[i] < p->opportunity[i + 1])
			return NO("performance: more predictions of a class were right than there were");
	return 0;
}

void performance_opportunity_count(const struct reference *r, int32_t class, bool right, const int8_t *slice, int64_t *to)
{
	if (class < 0)
		return;
	for (size_t t = 0; t <= r->slices.n_tags; t++) { /* the first is of all */
		size_t row = t == 0 ? 0 : (size_t)(slice[t - 1] + 1);
		int64_t *at = to + (row * r->n_classes + (size_t)class) * 2;

		if (t > 0 && row == 0)
			continue;
		at[0]++;
		at[1] += right;
	}
}

static size_t label_bin(const struct measure *m, const char *label, size_t n)
{
	for (size_t i = 0; i < m->n_words; i++)
		if (strncmp(m->words[i], label, n) == 0 && m->words[i][n] == '\0')
			return i;
	if (m->n_words > 0 && strcmp(m->words[m->n_words - 1], MEASURE_RARE_WORD) == 0)
		return m->n_words - 1;
	return m->other == MEASURE_NO_BIN ? 0 : m->other;
}

static bool about(const struct measure *m, const char *predicted)
{
	size_t n = strlen(TRUTH_GIVEN);

	return strncmp(m->name, TRUTH_GIVEN, n) != 0 || (predicted && strcmp(m->name + n, predicted) == 0);
}

void truth_count(const struct reference *truth, const char *label, size_t n_label, const char *predicted, bool right, int64_t *v)
{
	for (size_t k = 0; k < truth->n_measures; k++) {
		const struct measure *m = &truth->measures[k];

		if (m->kind == MEASURE_ACCURACY)
			v[m->first + (right || m->other == MEASURE_NO_BIN ? 0 : m->other)]++;
		else if (about(m, predicted))
			v[m->first + label_bin(m, label, n_label)]++;
	}
}

struct performance_share performance_share(double at, double worth)
{
	const double z = 1.959963984540054;
	double middle, half;

	if (!(worth > 0.0) || isnan(at))
		return (struct performance_share){(double)NAN, (double)NAN, (double)NAN};
	middle = (at + z * z / (2.0 * worth)) / (1.0 + z * z / worth);
	half = z / (1.0 + z * z / worth) * sqrt(at * (1.0 - at) / worth + z * z / (4.0 * worth * worth));
	return (struct performance_share){at, fmax(0.0, middle - half), fmin(1.0, middle + half)};
}
