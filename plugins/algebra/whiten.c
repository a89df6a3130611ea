/* SPDX-License-Identifier: Apache-2.0
 * Whitening by the inverse of the Cholesky factor. */
#include "algebra/whiten.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algebra/lapack.h"

bool whiten_ridge(double *s, size_t d, double share)
{
	double trace = 0;

	for (size_t i = 0; i < d; i++)
		trace += s[i * d + i];
	for (size_t i = 0; i < d; i++)
		s[i * d + i] += share * trace / (double)d;
	return isfinite(trace) && trace > 0;
}

int whiten_make(double *s, size_t d, const char *of, const struct oodd_host *host)
{
	struct lapack l;
	char text[120];
	int r = lapack_open(&l, host), n = (int)d;

	if (r)
		return r;
	if (l.potrf(LAPACK_ROW_MAJOR, 'L', n, s, n) || l.trtri(LAPACK_ROW_MAJOR, 'L', 'N', n, s, n)) {
		snprintf(text, sizeof text, "the covariance of %s cannot be inverted: raise regularisation", of);
		host->log(host->context, OODD_LOG_ERROR, text);
		r = -EDOM;
	}
	lapack_close(&l);
	return r;
}

size_t whiten_floats(size_t d)
{
	return d * (d + 1) / 2;
}

void whiten_write(const double *inverse, size_t d, struct bytes *to)
{
	for (size_t i = 0; i < d; i++)
		bytes_put_f32(to, inverse + i * d, i + 1);
}

struct product_f32 *whiten_open(const float *triangle, size_t d)
{
	float *square = calloc(d * d, sizeof *square);

	for (size_t i = 0; square && i < d; i++)
		memcpy(square + i * d, triangle + i * (i + 1) / 2, (i + 1) * sizeof *square);
	struct product_f32 *p = square ? product_f32_open(square, d, d, NULL, true, PRODUCT_BEST) : NULL;
	free(square);
	return p;
}
