/* SPDX-License-Identifier: Apache-2.0
 * oodd replay: history through the pipeline of `run`, on event time: batch monitoring, and backtests of rules. */
#include "commands.h"

#include "events.h"
#include "offline.h"
#include "base/clock.h"

struct replay {
	struct offline offline;
	int64_t newest_us;
	size_t windows, alarms, alerts;
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

static void on_alert(void *context, const struct alert *a)
{
	struct replay *r = context;

	r->alerts++;
	if (r->offline.json)
		event_alert(&r->offline.out, a);
	else
		text_alert(&r->offline.out, a);
}

static void finish(void *context, struct pipeline *p)
{
	struct replay *r = context;
	struct buf *out = &r->offline.out;
	struct counts total;

	pipeline_flush(p);
	pipeline_total(p, &total);
	if (r->offline.json) {
		event_summary(out, &total, r->newest_us);
		return;
	}
	buf_format(out, "%zu windows, %zu alarms, %zu alerts fired or resolved\n", r->windows, r->alarms, r->alerts);
	text_summary(out, &total);
}

int command_replay(const struct command *self, int argc, char **argv)
{
	struct replay r = {
		.offline = {.self = self, .parts = PIPELINE_ALL, .finish = finish,
			.sinks = {.context = &r, .on_window = on_window, .on_signal = on_signal, .on_alert = on_alert}},
		.newest_us = TIME_NONE,
	};

	return offline_command(&r.offline, argc, argv);
}
