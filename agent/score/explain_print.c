/* SPDX-License-Identifier: Apache-2.0
 * An explanation as JSON for programs and in words for people. */
#include "score/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FAULTS_TOLD = 3, FEATURES_MET = 32, FEATURES_TOLD = 4 };
/* Of the fused surprise. */
#define WORTH_TELLING .2
/* Of what the detectors of features say: a feature with less is not told beside others; one with so much is the reason. */
#define FEATURE_WORTH_TELLING .1
#define FEATURE_ALONE .5

static void put_text(struct buf *to, const char *key, const char *text)
{
	buf_format(to, "\"%s\":", key);
	if (text)
		buf_json_text(to, text, strlen(text));
	else
		buf_text(to, "null");
}

/* To nine digits: shares, distances and p-values for a reader, and still a sum of one. */
static void put_number(struct buf *to, const char *key, double x)
{
	buf_format(to, isfinite(x) ? ",\"%s\":%.9g" : ",\"%s\":null", key, x);
}

static void reason_json(const struct explain_reason *r, struct buf *to)
{
	buf_text(to, "{");
	switch (r->kind) {
	case OODD_REASON_CLASS:
		put_text(to, "class", r->name);
		put_number(to, "weight", r->weight);
		break;
	case OODD_REASON_ROW:
		put_text(to, "record", r->name);
		buf_text(to, ",");
		put_text(to, "class", r->class);
		put_number(to, "distance", r->weight);
		break;
	case OODD_REASON_DIMENSION:
		buf_format(to, "\"dimension\":%lld", (long long)r->index);
		put_number(to, "share", r->weight);
		break;
	default:
		put_text(to, "feature", r->name);
		buf_text(to, ",");
		put_text(to, "value", r->value);
		put_number(to, "share", r->weight);
	}
	buf_text(to, "}");
}

static void detector_json(const struct explain_detector *d, struct buf *to)
{
	buf_text(to, "{");
	put_text(to, "name", d->name);
	put_number(to, "share", d->share);
	put_number(to, "score", d->score);
	put_number(to, "p", d->p);
	put_number(to, "weight", d->weight);
	buf_text(to, ",\"reasons\":[");
	for (size_t i = 0; i < d->n_reasons; i++) {
		buf_text(to, i ? "," : "");
		reason_json(&d->reasons[i], to);
	}
	buf_text(to, "]}");
}

void explanation_json(const struct explanation *x, struct buf *to)
{
	buf_text(to, "{");
	put_text(to, "nearest", x->nearest);
	buf_text(to, ",\"families\":{");
	for (int f = 0; f < ODD_FAMILY_N; f++) {
		buf_format(to, "%s\"%s\":", f ? "," : "", odd_family_words[f]);
		buf_json_number(to, x->family[f]);
	}
	buf_text(to, "},\"detectors\":[");
	for (size_t i = 0; i < x->n_detectors; i++) {
		buf_text(to, i ? "," : "");
		detector_json(&x->detectors[i], to);
	}
	buf_text(to, "],\"faults\":[");
	for (size_t i = 0; i < x->n_faults; i++) {
		buf_text(to, i ? ",{" : "{");
		put_text(to, "name", x->faults[i].name);
		buf_text(to, ",");
		put_text(to, "what", x->faults[i].what);
		buf_text(to, "}");
	}
	buf_text(to, "]}");
}

/* Words: family by family, since the detectors of one see the same thing. */

/* The first reason of that kind, of the detectors of the family in their order. */
static const struct explain_reason *reason_first(const struct explanation *x, int family, int32_t kind)
{
	for (size_t i = 0; i < x->n_detectors; i++)
		for (size_t k = 0; x->detectors[i].family == family && k < x->detectors[i].n_reasons; k++)
			if (x->detectors[i].reasons[k].kind == kind && x->detectors[i].reasons[k].name)
				return &x->detectors[i].reasons[k];
	return NULL;
}

/* What is told began at `from`. */
static void between(size_t from, struct buf *to)
{
	buf_text(to, to->n > from ? "; " : "");
}

static void logits_words(const struct explanation *x, size_t from, struct buf *to)
{
	const struct explain_reason *r = reason_first(x, ODD_LOGITS, OODD_REASON_CLASS);

	between(from, to);
	buf_text(to, "the model is unsure");
	if (r)
		buf_format(to, " (%s at %.0f %%)", r->name, 100 * r->weight);
}

static void space_words(const struct explanation *x, size_t from, struct buf *to)
{
	const struct explain_reason *record = reason_first(x, ODD_SPACE, OODD_REASON_ROW);

	/* A p-value is at least 1 / (n + 1): no share is nothing. */
	between(from, to);
	buf_format(to, "its place is among the oddest %.2g %%", 100 * x->family[ODD_SPACE]);
	if (x->nearest)
		buf_format(to, ", nearest class %s", x->nearest);
	if (record && record->class)
		buf_format(to, ", nearest record %s (%s) at %.2f", record->name, record->class, record->weight);
	else if (record)
		buf_format(to, ", nearest record %s at %.2f", record->name, record->weight);
}

static double family_share(const struct explanation *x, int family)
{
	double sum = 0;

	for (size_t i = 0; i < x->n_detectors; i++)
		sum += x->detectors[i].family == family ? x->detectors[i].share : 0;
	return sum;
}

/* A feature by all detectors of the family that name it: the share of their surprise. */
struct told {
	const struct explain_reason *reason;
	double share;
};

static size_t features_add(const struct explain_detector *d, double whole, struct told *told, size_t n)
{
	for (size_t k = 0; k < d->n_reasons; k++) {
		const struct explain_reason *r = &d->reasons[k];
		size_t at = 0;

		if (!r->name || (r->kind != OODD_REASON_NUMERIC && r->kind != OODD_REASON_CATEGORY))
			continue;
		while (at < n && strcmp(told[at].reason->name, r->name) != 0)
			at++;
		if (at == FEATURES_MET)
			continue;
		n += at == n;
		told[at].reason = r;
		told[at].share += r->weight * d->share / whole;
	}
	return n;
}

static int told_order(const void *a, const void *b)
{
	const struct told *x = a, *y = b;

	if (x->share != y->share)
		return x->share > y->share ? -1 : 1;
	return strcmp(x->reason->name, y->reason->name);
}

/* Has a fault already named what is rarest, or is nothing rare by itself where there is a fault? */
static bool fault_told_it(const struct explanation *x, const struct told *told, size_t n)
{
	for (size_t i = 0; i < x->n_faults && i < FAULTS_TOLD; i++)
		if (n == 0 || told[0].share < FEATURE_WORTH_TELLING || strcmp(told[0].reason->name, x->faults[i].name) == 0)
			return true;
	return false;
}

static void features_words(const struct explanation *x, size_t from, struct buf *to)
{
	const struct explain_reason *record = reason_first(x, ODD_FEATURES, OODD_REASON_ROW);
	double whole = family_share(x, ODD_FEATURES);
	struct told told[FEATURES_MET] = {0};
	size_t n = 0;

	for (size_t i = 0; i < x->n_detectors; i++)
		if (x->detectors[i].family == ODD_FEATURES)
			n = features_add(&x->detectors[i], whole, told, n);
	qsort(told, n, sizeof *told, told_order);
	if (fault_told_it(x, told, n))
		return;
	while (n > 0 && told[n - 1].share < FEATURE_WORTH_TELLING)
		n--;
	between(from, to);
	buf_text(to, n == 0 ? "its features are unusual together, none by itself" : n == 1 || told[0].share >= FEATURE_ALONE ? "rare value: " : "rare together: ");
	for (size_t i = 0; i < n && i < FEATURES_TOLD; i++)
		buf_format(to, "%s%s = %s (%.0f %%%s)", i ? ", " : "", told[i].reason->name, told[i].reason->value, 100 * told[i].share,
			i ? "" : " of what is odd");
	if (record)
		buf_format(to, ", nearest record %s", record->name);
}

static void families_words(const struct explanation *x, size_t from, struct buf *to)
{
	static void (*const words[ODD_FAMILY_N])(const struct explanation *, size_t from, struct buf *) = {
		[ODD_LOGITS] = logits_words, [ODD_SPACE] = space_words, [ODD_FEATURES] = features_words};
	double share[ODD_FAMILY_N];

	for (int f = 0; f < ODD_FAMILY_N; f++)
		share[f] = family_share(x, f);
	for (;;) {
		int best = 0;

		for (int f = 1; f < ODD_FAMILY_N; f++)
			best = share[f] > share[best] ? f : best;
		if (share[best] < WORTH_TELLING)
			return;
		words[best](x, from, to);
		share[best] = 0;
	}
}

void explanation_words(const struct explanation *x, struct buf *to)
{
	size_t n = x->n_faults < FAULTS_TOLD ? x->n_faults : FAULTS_TOLD, from = to->n;

	for (size_t i = 0; i < n; i++)
		buf_format(to, "%s%s %s", i ? "; " : "", x->faults[i].name, x->faults[i].what);
	if (x->flagged)
		families_words(x, from, to);
	if (n == 0 && x->n_detectors && x->flagged && to->n == from)
		buf_format(to, "%s says so", x->detectors[0].name);
}
