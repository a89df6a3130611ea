/* SPDX-License-Identifier: Apache-2.0
 * Families of detectors, by their needs. */
#include "score/family.h"

#include <math.h>

int family_of(const struct oodd_detector *d)
{
	bool logits = (d->needs & (OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS | OODD_NEEDS_CONFIDENCE)) != 0;
	bool space = (d->needs & OODD_NEEDS_EMBEDDING) != 0, features = (d->needs & OODD_NEEDS_FEATURES) != 0;

	if (logits + space + features != 1)
		return -1;
	return logits ? ODD_LOGITS : space ? ODD_SPACE : ODD_FEATURES;
}

float family_surprise(const struct reference *r, const int *family, enum odd_family f, const double *p, size_t stride, size_t row)
{
	double sum = 0, weight = 0;

	for (size_t i = 0; i < r->n_detectors; i++) {
		double w = r->detectors[i].weight, x = p[i * stride + row];

		if (family[i] != (int)f || !(w > 0) || isnan(x))
			continue;
		sum -= w * log(x);
		weight += w;
	}
	return weight > 0 ? (float)(sum / weight) : NAN;
}
