/* SPDX-License-Identifier: Apache-2.0
 * A window detector's answers are distrusted as its scores are: what is not finite, or not in range, is no answer. */
#include "model/statistic.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/reference.h"

static void door_close(struct statistic_door *d)
{
	if (d && d->close)
		d->close(d->state);
	free(d);
}

void statistic_done(struct statistic *s)
{
	door_close(s->door);
	free(s->name);
	free(s->plugin_version);
	for (size_t i = 0; i < s->n_options; i++)
		free(s->options[i].name);
	free(s->options);
	free(s->bytes);
	free(s->base);
	free(s->longer);
	free(s->why);
	*s = (struct statistic){0};
}

static bool answers(const struct oodd_comparison *c)
{
	if (!isfinite(c->statistic) || !isfinite(c->expected) || !isfinite(c->effect))
		return false;
	return c->statistic >= 0 && c->expected > 0 && c->effect >= 0 && c->n_shifts <= OODD_MOST_SHIFTS;
}

bool statistic_compare(const struct statistic *s, const int64_t *base, const int64_t *stretch, struct oodd_comparison *ret)
{
	*ret = (struct oodd_comparison){0};
	if (!s->door || !base || base[0] <= 0 || stretch[0] <= 0)
		return false;
	return s->door->compare(s->door->state, base + 1, base[0], stretch + 1, stretch[0], ret) == 0 && answers(ret);
}

void statistic_add(int64_t *to, const int64_t *v, size_t n, int64_t times)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (int64_t)((uint64_t)to[i] + (uint64_t)times * (uint64_t)v[i]);
}

/* A quotient of a thousandth is as good as none, and has a logarithm. */
#define LOWEST 1e-3

double statistic_height(const struct statistic_law *law, const struct oodd_comparison *c)
{
	double usual = fmax(c->expected * law->ratio, c->expected + law->excess);

	return log(fmax(c->statistic / usual, LOWEST));
}

struct statistic *statistics_vary(const struct statistic *from, size_t n)
{
	struct statistic *to = mem_alloc((n + 1) * sizeof *to);

	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		to[i].base = from[i].base ? mem_copy(from[i].base, from[i].n_base * sizeof *from[i].base) : NULL;
		to[i].longer = NULL;
		to[i].n_longer = 0;
		to[i].why = NULL;
		to[i].judged = false;
	}
	return to;
}

void statistics_vary_done(struct statistic *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(s[i].base);
		free(s[i].longer);
		free(s[i].why);
	}
	free(s);
}
