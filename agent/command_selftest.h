/* SPDX-License-Identifier: Apache-2.0
 * What the files of `oodd selftest` share: versions of a reference (what else its windows might have been while nothing moved), and
 * trials on them. */
#ifndef COMMAND_SELFTEST_H
#define COMMAND_SELFTEST_H

#include "judge/judge.h"
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
/* Records without time: a reference of as many windows and records as r, and then n_windows live windows of the same sizes, all
 * drawn from the shares that r has learned, each measure by itself. So the null is true, and what the finite reference does not
 * know of it is in the result; bursts, drift, and what records have in common between measures are not. A function of the seed. */
void varied_selftest(const struct reference *r, const struct judge_options *options, size_t n_windows, int64_t times, uint64_t seed,
	struct judge_selftest *ret);

struct trial_kind {
	const char *name, *help;
	bool shuffled, in_order;
	int64_t times; /* every record so often */
};

enum { TRIALS = 9 };
extern const struct trial_kind trial_kinds[TRIALS];

struct trial {
	const struct trial_kind *kind;
	size_t replays, alarms, windows, alarmed; /* alarmed: replays with an alarm in them */
	double squares;           /* sum over replays of their alarms, squared */
	size_t ongoing;           /* windows judged while a false cause stood */
	struct judge_selftest last;
	double highest_log_m;
};

/* Those whose name begins with `only` (NULL: all). */
bool trial_wanted(const struct trial_kind *kind, const char *only);
/* `replays` of each trial that is wanted (in order: one, since nothing in it is drawn), `windows` judged in each; ret[TRIALS], the
 * others without replays. Threads change nothing in it. */
void trials_run(const struct reference *r, const struct judge_options *options, const char *only, size_t windows, size_t replays, long threads,
	struct trial *ret);

#endif
