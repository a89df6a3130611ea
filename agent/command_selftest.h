/* SPDX-License-Identifier: Apache-2.0
 * Versions of a reference for `oodd selftest`: what else its windows might have been while nothing moved. */
#ifndef COMMAND_SELFTEST_H
#define COMMAND_SELFTEST_H

#include "model/reference.h"

#include <stdbool.h>
#include <stdint.h>

/* A copy whose windows may be changed; measures' counts (base) too, all else is borrowed from r. */
struct varied {
	struct reference r;
	const struct reference *of;
};

void varied_open(struct varied *v, const struct reference *r);
void varied_close(struct varied *v);
/* Every record repeated `times` times. The scores that p-values were made from are not: they would be no more than they are. */
void varied_repeat(struct varied *v, int64_t times);
/* The records of all windows dealt anew, each measure by itself, each window keeping its number: no time, no drift, no bursts, and
 * what records have in common between measures is lost. Means (before and after, in words) become the whole's. A function of the
 * seed. */
void varied_shuffle(struct varied *v, uint64_t seed);

#endif
