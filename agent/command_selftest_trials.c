/* SPDX-License-Identifier: Apache-2.0
 * oodd selftest: the trials, and the threads that run them. */
#include "command_selftest.h"

#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 5 };

const struct trial_kind trial_kinds[TRIALS] = {
	{"drawn", "half of the null windows learned from, the other half drawn over and over", false, false, 1},
	{"drawn x5", NULL, false, false, 5},
	{"drawn x20", NULL, false, false, 20},
	{"shuffled", "reference and live windows of records drawn from the whole reference, without time", true, false, 1},
	{"shuffled x5", NULL, true, false, 5},
	{"shuffled x20", NULL, true, false, 20},
	{"in order", "each fifth of the null windows left out of learning and judged once, as it came", false, true, 1},
	{"in order x5", NULL, false, true, 5},
	{"in order x20", "x5, x20: every record 5 and 20 times", false, true, 20},
};

/* All replays of all trials, each a function of the reference and its number alone, so that threads may take them in any order. */
struct jobs {
	const struct reference *r;
	const struct judge_options *options;
	size_t windows, replays, n;
	size_t kinds[TRIALS]; /* that are wanted */
	atomic_size_t next, done;
	struct judge_selftest *results; /* n */
};

bool trial_wanted(const struct trial_kind *kind, const char *only)
{
	return !only || strncmp(kind->name, only, strlen(only)) == 0;
}

static void job_run(const struct jobs *jobs, const struct trial_kind *kind, uint64_t replay, struct judge_selftest *ret)
{
	struct varied v;

	if (kind->shuffled) {
		varied_selftest(jobs->r, jobs->options, jobs->windows, kind->times, replay, ret);
		return;
	}
	varied_open(&v, jobs->r);
	varied_repeat(&v, kind->times);
	if (kind->in_order)
		judge_selftest_blocks(&v.r, jobs->options, BLOCKS, ret);
	else
		judge_selftest(&v.r, jobs->options, jobs->windows, 2 * replay, ret);
	varied_close(&v);
}

/* A worker: thread function. In order there is one replay: nothing in it is drawn. */
static void *jobs_work(void *of)
{
	struct jobs *jobs = of;
	size_t i;

	while ((i = atomic_fetch_add(&jobs->next, 1)) < jobs->n) {
		const struct trial_kind *kind = &trial_kinds[jobs->kinds[i / jobs->replays]];

		if (!kind->in_order || i % jobs->replays == 0)
			job_run(jobs, kind, i % jobs->replays, &jobs->results[i]);
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%zu of %zu replays ", atomic_fetch_add(&jobs->done, 1) + 1, jobs->n);
	}
	return NULL;
}

static void jobs_run(struct jobs *jobs, long threads)
{
	pthread_t *others = mem_zero((size_t)threads, sizeof *others);
	long started = 0;

	while (started < threads - 1 && !pthread_create(&others[started], NULL, jobs_work, jobs))
		started++;
	jobs_work(jobs);
	while (started)
		pthread_join(others[--started], NULL);
	if (isatty(STDERR_FILENO))
		fputs("\r                                        \r", stderr);
	free(others);
}

static void trial_add(struct trial *t, const struct judge_selftest *s)
{
	t->last = *s;
	t->replays++;
	t->alarms += s->n_alarms;
	t->alarmed += s->n_alarms > 0;
	t->squares += (double)s->n_alarms * (double)s->n_alarms;
	t->windows += s->n_judged;
	t->ongoing += s->n_ongoing;
	t->highest_log_m = fmax(t->highest_log_m, s->highest_log_m);
}

void trials_run(const struct reference *r, const struct judge_options *options, const char *only, size_t windows, size_t replays, long threads,
	struct trial *ret)
{
	struct jobs jobs = {.r = r, .options = options, .windows = windows, .replays = replays};
	size_t wanted = 0;

	for (size_t k = 0; k < TRIALS; k++) {
		ret[k] = (struct trial){.kind = &trial_kinds[k], .highest_log_m = -INFINITY};
		if (trial_wanted(&trial_kinds[k], only))
			jobs.kinds[wanted++] = k;
	}
	jobs.n = wanted * replays;
	jobs.results = mem_zero(jobs.n + 1, sizeof *jobs.results);
	jobs_run(&jobs, threads);
	for (size_t j = 0; j < wanted; j++) {
		struct trial *t = &ret[jobs.kinds[j]];

		for (size_t i = 0; i < (t->kind->in_order ? 1 : jobs.replays); i++)
			trial_add(t, &jobs.results[j * jobs.replays + i]);
	}
	free(jobs.results);
}
