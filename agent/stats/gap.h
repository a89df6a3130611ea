/* SPDX-License-Identifier: Apache-2.0
 * How far apart two groups are, with intervals: by the method of variance estimates recovery from each group's own interval
 * (Newcombe 1998, method 10; Zou & Donner 2008), here Clopper & Pearson's. Pure; any thread. */
#ifndef STATS_GAP_H
#define STATS_GAP_H

/* An estimate and its interval. */
struct gap {
	double at, low, high;
};

/* k of n (both may be fractions); each side is missed at most `tail` of the time. n 0: NaN in [0, 1]. */
struct gap gap_share(double k, double n, double tail);
/* A mean with its standard error; normal. */
struct gap gap_mean(double mean, double error, double tail);
/* a - b, of independent estimates. */
struct gap gap_difference(struct gap a, struct gap b);
/* The normal deviate that is exceeded `tail` of the time, tail in (0, .5]. */
double gap_deviate(double tail);

#endif
