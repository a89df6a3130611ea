/* SPDX-License-Identifier: Apache-2.0
 * oodd replay: history through the pipeline of `run`, on event time: batch monitoring, and backtests of rules. */
#include "commands.h"

#include "events.h"
#include "offline.h"
#include "school.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct compared {
	char *key;
	struct buf text;
};

struct replay {
	struct offline offline;
	int64_t newest_us;
	struct pipeline *pipeline;
	char *dir;               /* where streams are learned: not in the state of the agent */
	size_t windows, alarms, alerts, mislabelled;
	struct compared *compared; /* as it stood after the last pair of each two versions */
	size_t n_compared;
};

static void on_window(void *context, const struct stream *s, const struct window *w)
{
	struct replay *r = context;

	r->windows++;
	r->newest_us = w->end_us;
	if (r->offline.json)
		event_window(&r->offline.out, s->model, s->version, w);
}

static void on_signal(void *context, const struct signal *s)
{
	struct replay *r = context;

	r->alarms += s->fresh;
	if (r->offline.json)
		event_signal(&r->offline.out, s);
	else
		text_signal(&r->offline.out, s);
	offline_flush(&r->offline, false);
}

/* What two versions are found to be is told when it changes, and as it stands at the end. */
static void compared_keep(struct replay *r, const struct comparison *c)
{
	char *key = mem_format("%s\n%s\n%s", c->model, c->stable, c->canary);
	size_t i = 0;

	while (i < r->n_compared && strcmp(r->compared[i].key, key))
		i++;
	if (i == r->n_compared) {
		r->compared = mem_grow(r->compared, ++r->n_compared, sizeof *r->compared);
		r->compared[i] = (struct compared){mem_copy_text(key), BUF_EMPTY};
	}
	free(key);
	buf_clear(&r->compared[i].text);
	text_comparison(&r->compared[i].text, c);
}

static void compared_tell(struct replay *r)
{
	for (size_t i = 0; i < r->n_compared; i++) {
		buf_put(&r->offline.out, r->compared[i].text.at, r->compared[i].text.n);
		buf_done(&r->compared[i].text);
		free(r->compared[i].key);
	}
	free(r->compared);
	r->compared = NULL;
	r->n_compared = 0;
}

static void on_compare(void *context, const struct comparison *c)
{
	struct replay *r = context;

	if (r->offline.json) {
		event_compare(&r->offline.out, c);
		return;
	}
	if (c->fresh)
		text_compare(&r->offline.out, c);
	compared_keep(r, c);
}

static void on_alert(void *context, const struct alert *a)
{
	struct replay *r = context;

	r->alerts++;
	if (r->offline.json)
		event_alert(&r->offline.out, a);
	else
		text_alert(&r->offline.out, a);
}

/* Streams without a reference: learned as the agent would, but here and now, and for this replay only. */

static void on_learning(void *context, const struct learning_note *n)
{
	struct replay *r = context;

	if (r->offline.json)
		event_learning(&r->offline.out, n);
	else
		text_learning(&r->offline.out, n);
	offline_flush(&r->offline, false);
}

static void on_ready(void *context, struct learner *l)
{
	struct replay *r = context;

	school_now(r->pipeline, l, pipeline_config(r->pipeline));
}

static void opened(void *context, struct pipeline *p)
{
	struct replay *r = context;
	const char *tmp = getenv("TMPDIR");
	struct teaching teaching = {.note = on_learning, .ready = on_ready, .context = r};

	r->pipeline = p;
	r->dir = mem_format("%s/oodd-replay-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(r->dir)) {
		fprintf(stderr, "oodd replay: %s: no folder can be made there: streams without a reference are only counted\n", r->dir);
		return;
	}
	teaching.dir = r->dir;
	pipeline_teach(p, &teaching);
}

static void finish(void *context, struct pipeline *p)
{
	struct replay *r = context;
	struct buf *out = &r->offline.out;
	struct counts total;

	pipeline_flush(p);
	pipeline_total(p, &total);
	if (pipeline_teacher(p))
		teacher_forget(pipeline_teacher(p));
	if (r->offline.json) {
		event_summary(out, &total, r->newest_us);
		return;
	}
	compared_tell(r);
	buf_format(out, "%zu windows, %zu alarms, %zu alerts fired or resolved\n", r->windows, r->alarms, r->alerts);
	if (r->mislabelled)
		buf_format(out, "%zu labels are likelier wrong than the prediction (--json names them)\n", r->mislabelled);
	text_summary(out, &total);
}

static void on_label(void *context, const struct stream *s, const char *id, const struct truth_label *label)
{
	struct replay *r = context;

	r->mislabelled += label->mislabelled;
	if (r->offline.json && label->mislabelled)
		event_mislabelled(&r->offline.out, s->model, s->version, id, label);
}

static void on_accuracy(void *context, const struct stream *s, const struct truth_window *w)
{
	struct replay *r = context;

	if (r->offline.json)
		event_accuracy(&r->offline.out, s->model, s->version, w, s->reference->window_us);
}

int command_replay(const struct command *self, int argc, char **argv)
{
	struct replay r = {
		.offline = {.self = self, .parts = PIPELINE_ALL, .opened = opened, .finish = finish,
			.sinks = {.context = &r, .on_window = on_window, .on_signal = on_signal, .on_alert = on_alert, .on_label = on_label,
				.on_accuracy = on_accuracy, .on_compare = on_compare}},
		.newest_us = TIME_NONE,
	};
	const struct cli_option options[] = {
		{"labels", 0, CLI_TEXT, &r.offline.labels, "FILE", "JSON Lines of {\"id\",\"label\",\"ts\"}: what was true, and when that was known", 0, 0},
		{0},
	};

	int status;

	r.offline.options = options;
	status = offline_command(&r.offline, argc, argv);
	if (r.dir)
		rmdir(r.dir);
	free(r.dir);
	return status;
}
