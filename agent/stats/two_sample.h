/* SPDX-License-Identifier: Apache-2.0
 * Two binomial shares, compared as often as one likes. Pure; any thread.
 *
 * Theory: Turner, Ly & Gruenwald 2024, Generic E-variables for exact sequential k-sample tests that allow for optional
 * stopping, JSPI 230; with a margin: Turner & Gruenwald 2023, Exact anytime-valid confidence intervals for contingency
 * tables, Stat. Prob. Lett. 198. For a null that is a convex set of pairs of shares, and an alternative a fixed before the
 * batch was seen, let t be the pair of the null nearest to it in sum n_g KL(a_g || t_g). Then the ratio of likelihoods
 * S = prod (a_g / t_g)^x_g ((1 - a_g) / (1 - t_g))^(n_g - x_g) has mean at most one under every pair of the null: its mean is
 * prod f_g^n_g with f_g linear in the share and 1 at t, at most exp(sum n_g (f_g - 1)), and that sum is the derivative of the
 * distance at t towards a point of the null, which is not above 0 where t is nearest. The pair may differ from batch to batch
 * as long as it stays in the null; the product over batches is an e-process (Ville: it ever passes 1 / alpha with probability
 * alpha at most). S^(1/c), c >= 1, is an e-value too (Jensen): for records that come c at a time. */
#ifndef STATS_TWO_SAMPLE_H
#define STATS_TWO_SAMPLE_H

enum two_sample_null {
	TWO_SAMPLE_AT_MOST,  /* share 1 - share 0 <= margin */
	TWO_SAMPLE_AT_LEAST, /* share 1 - share 0 >= margin */
};

/* log S for x[g] of n[g] (fractions allowed), alternative a in (0, 1)^2, margin in (-1, 1). 0 where the alternative lies in the
 * null: nothing is betted. */
double two_sample_log_e(const double x[2], const double n[2], const double a[2], double margin, enum two_sample_null null);

/* Half the width of an interval around num / weight for a mean whose sum `num` has variance `variance` so far, at all times at
 * once with probability 1 - alpha: the normal mixture of Robbins 1970 (Howard et al. 2021, Ann. Stat. 49(2), eq. 14), for sums
 * as good as normal. rho: the variance at which it is narrowest, about an eighth of it. */
double two_sample_half_width(double variance, double weight, double rho, double alpha);

#endif
