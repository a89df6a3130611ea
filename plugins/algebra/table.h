/* SPDX-License-Identifier: Apache-2.0
 * The distribution of one numeric feature: some of its values, each with how many of the reference's are smaller, and how many
 * are not larger. Counts in between are interpolated. */
#ifndef ALGEBRA_TABLE_H
#define ALGEBRA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "algebra/bytes.h"

struct table {
	uint64_t n;         /* values of the reference; 0: the feature was never there, and adds nothing */
	size_t n_knots;
	bool left_skewed;   /* the third central moment is below zero */
	double *value;      /* n_knots, rising */
	uint32_t *below;    /* n_knots: values < value[k] */
	uint32_t *up_to;    /* n_knots: values <= value[k] */
};

/* Uses up `values` (n, finite). At most `points` knots, but for the values that more rows share than lie between two knots. -ENOMEM. */
int table_make(struct table *t, double *values, size_t n, size_t points);
void table_done(struct table *t);

size_t table_size(const struct table *t);
void table_write(const struct table *t, struct bytes *to);
/* False, with from->bad or nothing, where it cannot be a table. */
bool table_read(struct table *t, struct bytes *from);

size_t table_knots_up_to(const struct table *t, double x); /* knots with a value <= x */
/* -log of the share of values not larger than x and not smaller, x itself counted with them: ((count) + 1) / (n + 1). */
void table_tails(const struct table *t, double x, double *ret_left, double *ret_right);

#endif
