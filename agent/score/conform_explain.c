/* SPDX-License-Identifier: Apache-2.0
 * What the conformance kit checks of a detector that says why: reasons are of the row alone, name what there is, and add up. */
#include "score/conform_checks.h"

#include <math.h>

static bool reason_check(struct trial *t, const struct oodd_reason *r)
{
	static const int64_t most[] = {CONFORM_CLASSES, CONFORM_NUMERIC, CONFORM_CATEGORY, CONFORM_WIDTH, CONFORM_FIT_ROWS};

	if (r->kind < 0 || r->kind > OODD_REASON_ROW)
		return trial_wrong(t, "a reason is of kind %d, which there is not", r->kind);
	if (r->index < 0 || r->index >= most[r->kind])
		return trial_wrong(t, "a reason of kind %d has index %lld, there are %lld", r->kind, (long long)r->index, (long long)most[r->kind]);
	return isfinite(r->weight) || trial_wrong(t, "the weight of a reason is not finite");
}

/* What features and dimensions add are shares: none beyond 1, nor all together. */
static bool shares_check(struct trial *t, const struct oodd_reason *r, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++) {
		bool share = r[i].kind == OODD_REASON_NUMERIC || r[i].kind == OODD_REASON_CATEGORY || r[i].kind == OODD_REASON_DIMENSION;
		if (share && (r[i].weight < 0 || r[i].weight > 1 + 1e-6))
			return trial_wrong(t, "a share of the score is %g", r[i].weight);
		sum += share ? r[i].weight : 0;
	}
	return sum <= 1 + 1e-6 || trial_wrong(t, "shares of the score add up to %g", sum);
}

/* Reasons are of the row: alone in its batch it has the same ones. */
static bool check_reasons_alone(struct trial *t)
{
	struct conform_data *one = conform_data_open(1, 99);
	struct oodd_reason among[16], alone[16];
	bool good = true;

	for (size_t row = 0; row < 20 && good; row++) {
		conform_data_copy(one, 0, t->rows, row);
		int n = t->d->explain(t->state, &t->rows->batch, row, among, 16), m = t->d->explain(t->state, &one->batch, 0, alone, 16);
		good = n == m || trial_wrong(t, "row %zu has %d reasons, and %d when it is alone", row, n, m);
		for (int i = 0; i < n && good; i++)
			good = (among[i].kind == alone[i].kind && among[i].index == alone[i].index && among[i].weight == alone[i].weight) ||
			       trial_wrong(t, "row %zu has other reasons when it is alone", row);
		good = good && shares_check(t, among, n < 0 ? 0 : n);
	}
	conform_data_close(one);
	return good;
}

/* The rows that may be named are those of the fit data, each once, rising; and no other is. */
static bool check_rows(struct trial *t)
{
	int64_t all[CONFORM_FIT_ROWS + 1], n = t->d->rows(t->state, NULL, 0);
	struct oodd_reason reasons[16];

	if (n < 0 || n > CONFORM_FIT_ROWS || t->d->rows(t->state, all, CONFORM_FIT_ROWS) != n)
		return trial_wrong(t, "rows says that %lld of %d rows may be named", (long long)n, CONFORM_FIT_ROWS);
	for (int64_t i = 0; i < n; i++)
		if (all[i] < 0 || all[i] >= CONFORM_FIT_ROWS || (i > 0 && all[i] <= all[i - 1]))
			return trial_wrong(t, "rows that may be named do not rise within the fit data");
	for (size_t row = 0; row < 20; row++) {
		int found = t->d->explain(t->state, &t->rows->batch, row, reasons, 16);
		for (int i = 0; i < found; i++) {
			bool known = reasons[i].kind != OODD_REASON_ROW;
			for (int64_t k = 0; k < n && !known; k++)
				known = all[k] == reasons[i].index;
			if (!known)
				return trial_wrong(t, "row %lld is named, which rows did not announce", (long long)reasons[i].index);
		}
	}
	return true;
}

static bool check_explain(struct trial *t)
{
	for (size_t row = 0; row < 20; row++)
		for (size_t n = 0; n < 40; n = 2 * n + 1) {
			struct oodd_reason reasons[41];
			reasons[n].kind = 4242;
			int found = t->d->explain(t->state, &t->rows->batch, row, reasons, n);
			if (found < 0 || (size_t)found > n)
				return trial_wrong(t, "explain returned %d where there is room for %zu", found, n);
			if (reasons[n].kind != 4242)
				return trial_wrong(t, "explain wrote more than the %zu reasons there is room for", n);
			for (int i = 0; i < found; i++)
				if (!reason_check(t, &reasons[i]))
					return false;
		}
	return true;
}

static bool explains(const struct trial *t)
{
	return t->d->explain != NULL;
}

static bool names_rows(const struct trial *t)
{
	return t->d->explain && t->d->rows;
}

const struct check conform_explain_checks[] = {
	{"reasons", explains, check_explain},
	{"a row's reasons depend on no neighbour; shares are shares", explains, check_reasons_alone},
	{"the rows that may be named", names_rows, check_rows},
	{0},
};
