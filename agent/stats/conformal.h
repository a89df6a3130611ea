/* SPDX-License-Identifier: Apache-2.0
 * Split-conformal p-values (Vovk, Gammerman, Shafer 2005, chapter 2): how rare a score is among
 * calibration scores. */
#ifndef STATS_CONFORMAL_H
#define STATS_CONFORMAL_H

#include <stddef.h>
#include <stdint.h>

/* (1 + greater + unit * equal) / (total + 1), in (0, 1]. greater, equal: how many of `total`
 * calibration scores are above, and tied with, the score; unit in (0, 1), drawn once for each
 * record. When record and calibration are exchangeable, P(p <= a) <= a for every a, whatever the
 * ties; the least p is 1 / (total + 1). */
double conformal_p(uint64_t greater, uint64_t equal, uint64_t total, double unit);
/* A p-value that holds for the calibration set at hand, not only on average over calibration sets:
 * with probability at least 1 - delta over the drawing of the set, P(result <= a) <= a for every a
 * at once. p: a conformal p-value against `total` scores. The generalised Simes bound with half of
 * the scores (Bates, Candes, Lei, Romano & Sesia, Testing for outliers with conformal p-values,
 * Annals of Statistics 51, 2023, section 3.2): in closed form, and tightest where p is small. At
 * least p; the least it can be is 1 - delta^(2/total). */
double conformal_strict(double p, uint64_t total, double delta);
/* Calibration scores without which a p-value at or below `level` cannot be trusted to within a
 * third: 10 / level. */
size_t conformal_least(double level);

#endif
