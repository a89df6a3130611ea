/* SPDX-License-Identifier: Apache-2.0
 * What both detectors learn first: the mean of each predicted class, and how rows scatter around it, all in double precision. */
#ifndef MAHALANOBIS_MOMENTS_H
#define MAHALANOBIS_MOMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oodd/detector.h"

struct moments {
	size_t d;
	size_t n;               /* rows used: complete, finite, with a predicted class */
	size_t n_classes;       /* classes that have rows */
	int32_t *class_index;   /* of each, in the order of the logits */
	size_t *class_n;
	double *class_mean;     /* n_classes x d */
	double *mean;           /* d: of all rows */
	double *within;         /* d x d: (1/n) sum (x - mu_c)(x - mu_c)', both triangles */
	double *between;        /* d x d: (1/n) sum n_c (mu_c - m)(mu_c - m)'; within + between is the scatter around m */
};

/* 0, or negative errno after telling the host why: -ENODATA too few rows, -ENOMEM. */
int moments_make(struct moments *m, const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches,
	bool normalise);
void moments_done(struct moments *m);

#endif
