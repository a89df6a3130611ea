/* SPDX-License-Identifier: Apache-2.0
 * What is usual at this hour: the mean of a season's bucket is that of its windows, shrunk to the mean of all. Private to
 * judge/. */
#ifndef JUDGE_SEASON_H
#define JUDGE_SEASON_H

#include "judge/learn.h"

/* Which season the reference shows, of those asked for; fills r->season, r->season_why and season_prior of each measure,
 * whose mean and n_records are known by now. lessons: one for each measure. */
void season_learn(struct reference *r, const struct lesson *lessons, enum season asked);
/* Of each window (l->n times m->n) what the others say of it, in its bucket those of other turns only: neighbours of one
 * evening resemble one another, whatever the hour. base as in evidence_means. */
void season_means(const struct lesson *l, const struct measure *m, enum season s, int64_t window_us,
	const int64_t *base, double prior, double *to);

struct season_table {
	size_t n_buckets; /* 0: the measure has no season */
	double *mean;     /* n_buckets times k shares */
	double *factor;   /* the same over the mean of all, between .05 and 20 */
	double *centre;   /* mean of the number, where it has one */
};
void season_table_make(struct season_table *t, const struct reference *r, const struct measure *m);
void season_table_done(struct season_table *t);

#endif
