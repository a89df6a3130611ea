/* SPDX-License-Identifier: Apache-2.0
 * Inner products of rows with a bank of rows, in bytes: a quarter of the memory, a fraction of the time, and off by less than a bound
 * that is known. Who wants the nearest rows of many computes these first, and the true products of the few that may be it: exact, and
 * the same whatever the processor, because whole numbers are. Only for processors that multiply bytes (AVX-512 VNNI); others are as
 * quick with floats. Immutable once opened: shared by threads without locks. */
#ifndef ALGEBRA_COARSE_H
#define ALGEBRA_COARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COARSE_PANEL 32     /* rows of the bank are taken so many at a time */
#define COARSE_MOST 65536   /* dimensions: sums stay below 2^31 */

bool coarse_runs(void);

/* n rows of d finite floats. NULL when there is no memory. */
struct coarse *coarse_open(const float *rows, size_t n, size_t d);
void coarse_close(struct coarse *c); /* accepts NULL */
size_t coarse_width(const struct coarse *c); /* bytes of a row asked about */

struct coarse_row {
	float off;     /* its coarse products are off by less than this, in their own unit (which differs from row to row) */
	int32_t shift; /* private */
};
/* x, d finite floats, in bytes. */
void coarse_row(const struct coarse *c, const float *x, int8_t *to, struct coarse_row *ret);
/* Products of n rows, coarse_width apart, with rows [from, from + count) of the bank, from a multiple of the panel: to[i * ldt + j],
 * with room for whole panels. */
void coarse_part(const struct coarse *c, size_t from, size_t count, const int8_t *x, const struct coarse_row *rows, size_t n, float *to,
	size_t ldt);

#endif
