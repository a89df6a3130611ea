/* SPDX-License-Identifier: Apache-2.0
 * The loop's side of delivery: lanes say what is due, this file moves it, one timer wakes it, the
 * store's commits let it go on.
 *
 *     courier_alert -> lane_put -> [commit] -> lane_next -> request -> http or sink
 *                   -> lane_answered -> courier_record -> [commit]
 */
#include "deliver/courier.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"
#include "deliver/http.h"
#include "deliver/sink.h"
#include "deliver/stop.h"

#define RETRY_US SECOND_US
#define RETRY_MOST_US (300 * SECOND_US)
#define PAUSE_MOST_US (60 * SECOND_US)
#define RESOLVED_US (900 * SECOND_US)
#define QUEUE_MOST 4096
#define DEAD_MOST 1000
/* The wall clock may be set while we sleep: never sleep for long. */
#define SLEEP_MOST_US (30 * SECOND_US)

/* One row in the air. */
struct flight {
	struct courier *courier;
	struct stop *stop;
	struct row *row;
	struct http_call *call;
	struct sink_write *write;
	struct flight *next, **here;
};

struct courier {
	struct courier_options o;
	struct lane_policy policy; /* what all lanes have in common */
	struct http *http;
	uv_timer_t *timer, *drain_timer; /* freed by their close callbacks */
	struct stop **stops;
	size_t n;
	struct flight *flights;
	uint64_t hooked; /* newest transaction that tells us its end */
	void (*drained)(void *context);
	void *drained_context;
	bool over; /* drained: nothing is begun any more */
};

static int64_t now(void)
{
	return clock_now(NULL);
}

/* ---- answers ---- */

static void pump(struct courier *c);

static struct flight *flight_open(struct courier *c, struct stop *s, struct row *row)
{
	struct flight *f = mem_zero(1, sizeof *f);

	*f = (struct flight){
		.courier = c, .stop = s, .row = row, .next = c->flights, .here = &c->flights};
	if (f->next)
		f->next->here = &f->next;
	c->flights = f;
	return f;
}

static void flight_close(struct flight *f)
{
	*f->here = f->next;
	if (f->next)
		f->next->here = f->here;
	free(f);
}

/* RFC 9110: 408 and 429 say "later", 5xx says "not my day"; any other refusal would be the same
 * again. */
static enum verdict verdict_of(const struct http_answer *a)
{
	if (a->error || a->status == 408 || a->status == 429 || a->status >= 500)
		return VERDICT_RETRY;
	return a->status >= 200 && a->status < 300 ? VERDICT_ACCEPTED : VERDICT_REFUSED;
}

static char *said_of(const struct http_answer *a)
{
	if (a->error)
		return mem_copy_text(a->error);
	if (a->status >= 300 && a->status < 400)
		return mem_format("answered %d: redirects are not followed; put the new address "
				  "into the configuration",
			a->status);
	return *a->body ? mem_format("answered %d: %s", a->status, a->body)
			: mem_format("answered %d", a->status);
}

static void on_answer(void *context, const struct http_answer *a)
{
	struct flight *f = context;
	struct courier *c = f->courier;
	enum verdict v = verdict_of(a);
	char *said = v == VERDICT_ACCEPTED ? NULL : said_of(a);

	stop_answer(f->stop, f->row, v, v == VERDICT_RETRY ? a->retry_after_us : 0, said, now());
	free(said);
	flight_close(f);
	pump(c);
}

static void on_written(void *context, int code, const char *why)
{
	struct flight *f = context;
	struct courier *c = f->courier;

	stop_answer(f->stop, f->row, code ? VERDICT_RETRY : VERDICT_ACCEPTED, 0, code ? why : NULL, now());
	flight_close(f);
	pump(c);
}

/* ---- departures ---- */

static void send_http(struct courier *c, struct stop *s, struct row *row)
{
	struct endpoint *p = s->endpoint;
	struct flight *f;
	struct request r;
	struct error e;

	if (endpoint_request(p, &row->alert, now(), &r, &e)) {
		stop_answer(s, row, VERDICT_HELD, 0, e.text, now());
		return;
	}
	f = flight_open(c, s, row);
	f->call = http_send(c->http, p->url, &r, p->ca_file, p->timeout_us, on_answer, f);
	request_done(&r);
}

static void send_line(struct courier *c, struct stop *s, struct row *row)
{
	struct flight *f = flight_open(c, s, row);
	struct buf line = BUF_EMPTY;

	alert_json(&row->alert, &line);
	buf_text(&line, "\n");
	f->write = sink_write(c->o.loop, s->endpoint->path, &line, on_written, f);
}

static void (*const send_by[])(struct courier *c, struct stop *s, struct row *row) = {
	[TRANSPORT_HTTP] = send_http,
	[TRANSPORT_FILE] = send_line,
	[TRANSPORT_STDOUT] = send_line,
};

static void on_timer(uv_timer_t *timer)
{
	pump(timer->data);
}

static void on_drained(uv_timer_t *timer)
{
	struct courier *c = timer->data;

	c->over = true;
	uv_timer_stop(c->timer);
	c->drained(c->drained_context);
}

static void sleep_until(struct courier *c, int64_t wake)
{
	int64_t us = wake - now();

	if (wake == INT64_MAX || us > SLEEP_MOST_US)
		us = SLEEP_MOST_US;
	uv_update_time(c->o.loop);
	uv_timer_start(c->timer, on_timer, us > 0 ? (uint64_t)us / 1000 + 1 : 0, 0);
}

static void pump(struct courier *c)
{
	int64_t wake = INT64_MAX, at;
	struct row *row;

	if (c->over)
		return;
	for (size_t i = 0; i < c->n; i++) {
		struct stop *s = c->stops[i];

		lane_expire(s->lane, now(), stop_say_dead, s);
		while ((row = lane_next(s->lane, now())))
			send_by[s->endpoint->kind->transport](c, s, row);
		at = lane_wake(s->lane, now());
		wake = at < wake ? at : wake;
	}
	if (c->o.nudge && courier_has_news(c))
		c->o.nudge(c->o.context);
	sleep_until(c, wake);
	/* From the timer, not from here: the callback may close us. */
	if (c->drained && !c->flights)
		uv_timer_start(c->drain_timer, on_drained, 0, 0);
}

/* ---- the door ---- */

static void on_txn(void *context, uint64_t number, int code)
{
	struct courier *c = context;

	for (size_t i = 0; i < c->n; i++)
		lane_committed(c->stops[i]->lane, number, code);
	if (!code)
		pump(c);
}

/* Once for each transaction, however much of ours is in it. */
static void hook(struct courier *c, struct txn *t)
{
	if (c->hooked == txn_number(t))
		return;
	c->hooked = txn_number(t);
	txn_after(t, on_txn, c);
}

static bool is_named_before(const struct alert *a, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!strcmp(a->to[i], a->to[at]))
			return true;
	return false;
}

static int endpoint_unknown(const struct courier *c, const char *name, struct error *e)
{
	const char **names = mem_zero(c->n + 1, sizeof *names), *near;

	for (size_t i = 0; i < c->n; i++)
		names[i] = c->stops[i]->endpoint->name;
	near = words_nearest(name, names, c->n);
	free(names);
	return error_set(e, -ENOENT, "unknown endpoint '%s'%s%s%s", name,
		near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int courier_alert(struct courier *c, struct txn *t, const struct alert *a, struct error *e)
{
	int code = 0;

	if (a->state == ALERT_PENDING)
		return 0;
	hook(c, t);
	for (size_t i = 0; !a->n_to && i < c->n; i++)
		lane_put(c->stops[i]->lane, t, a, now());
	for (size_t i = 0; i < a->n_to; i++) {
		struct stop *s = stops_find(c->stops, c->n, a->to[i]);

		if (!s)
			code = endpoint_unknown(c, a->to[i], e);
		else if (!is_named_before(a, i))
			lane_put(s->lane, t, a, now());
	}
	if (code)
		error_prefix(e, "alert \"%s\"", a->name);
	return code;
}

bool courier_record(struct courier *c, struct txn *t)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++)
		any |= lane_record(c->stops[i]->lane, t);
	if (any)
		hook(c, t);
	return any;
}

bool courier_has_news(const struct courier *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (lane_has_news(c->stops[i]->lane))
			return true;
	return false;
}

size_t courier_firing(struct courier *c, struct txn *t, const char *const *keys, size_t n)
{
	size_t ended = 0;

	for (size_t i = 0; i < c->n; i++)
		ended += lane_keep_only(c->stops[i]->lane, t, keys, n, now());
	if (ended) {
		hook(c, t);
		log_warning("courier", "alerts were firing whose rule is gone: ended", "how many",
			log_n((long long)ended));
	}
	return ended;
}

int64_t courier_resend(struct courier *c, struct txn *t, const char *endpoint, struct error *e)
{
	if (endpoint && !stops_find(c->stops, c->n, endpoint))
		return endpoint_unknown(c, endpoint, e);
	hook(c, t);
	return stops_resend(c->stops, c->n, c->o.store, endpoint, t, now(), e);
}

void courier_each(const struct courier *c,
	void (*fn)(void *context, const struct courier_status *s), void *context)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct stop *s = c->stops[i];
		struct courier_status status = {.endpoint = s->endpoint->name,
			.kind = s->endpoint->kind->name ? s->endpoint->kind->name : "script",
			.shown = s->endpoint->shown,
			.said = s->said,
			.failures = lane_failures(s->lane),
			.counts = lane_counts(s->lane)};

		fn(context, &status);
	}
}

void courier_drain(
	struct courier *c, int64_t patience_us, void (*done)(void *context), void *context)
{
	assert(!c->drained && done);
	c->drained = done;
	c->drained_context = context;
	uv_update_time(c->o.loop);
	uv_timer_start(c->drain_timer, on_drained, (uint64_t)patience_us / 1000, 0);
	pump(c);
}

/* ---- open, reload, close ---- */

static uv_timer_t *timer_open(struct courier *c)
{
	uv_timer_t *timer = mem_zero(1, sizeof *timer);

	if (uv_timer_init(c->o.loop, timer))
		abort();
	timer->data = c;
	return timer;
}

static void timer_freed(uv_handle_t *handle)
{
	free(handle);
}

static struct lane_policy common_policy(const struct courier_options *o)
{
	int64_t when[] = {now(), getpid()};

	return (struct lane_policy){
		.resolved_us = o->resolved_us ? o->resolved_us : RESOLVED_US,
		.retry_us = o->retry_us ? o->retry_us : RETRY_US,
		.retry_most_us = o->retry_most_us ? o->retry_most_us : RETRY_MOST_US,
		.pause_most_us = o->pause_most_us ? o->pause_most_us : PAUSE_MOST_US,
		.most = QUEUE_MOST,
		.dead_most = DEAD_MOST,
		.seed = o->seed ? o->seed : hash_bytes(when, sizeof when, 0),
	};
}

static int courier_prepare(struct courier *c, const struct courier_options *o, struct error *e)
{
	int code = stops_open(o->endpoints, o->n_endpoints, o->script_dirs, o->n_script_dirs,
		&c->policy, &c->stops, e);

	if (code)
		return code;
	c->n = o->n_endpoints;
	code = stops_load(c->stops, c->n, o->store, now(), e);
	return code ? code : http_open(o->loop, &c->http, e);
}

int courier_open(const struct courier_options *o, struct courier **ret, struct error *e)
{
	struct courier *c = mem_zero(1, sizeof *c);
	int code;

	c->o = *o;
	c->policy = common_policy(o);
	code = courier_prepare(c, o, e);
	if (code) {
		stops_close(c->stops, c->n);
		free(c);
		return code;
	}
	c->timer = timer_open(c);
	c->drain_timer = timer_open(c);
	sleep_until(c, now());
	*ret = c;
	return 0;
}

/* What is in the air to this stop, or to all of them (NULL). */
static void flights_cancel(struct courier *c, const struct stop *s)
{
	struct flight *next;

	for (struct flight *f = c->flights; f; f = next) {
		next = f->next;
		if (s && f->stop != s)
			continue;
		if (f->call)
			http_cancel(f->call);
		if (f->write)
			sink_forget(f->write);
		flight_close(f);
	}
}

static void flights_redirect(struct courier *c, struct stop *from, struct stop *to)
{
	for (struct flight *f = c->flights; f; f = f->next)
		if (f->stop == from)
			f->stop = to;
}

int courier_reload(struct courier *c, const struct endpoint_options *endpoints, size_t n,
	const char *const *script_dirs, size_t n_script_dirs, struct error *e)
{
	struct stop **stops;
	int code = stops_open(endpoints, n, script_dirs, n_script_dirs, &c->policy, &stops, e);

	if (code)
		return code;
	code = stops_load(stops, n, c->o.store, now(), e);
	if (code) {
		stops_close(stops, n);
		return code;
	}
	for (size_t i = 0; i < n; i++) {
		struct stop *old = stops_find(c->stops, c->n, stops[i]->endpoint->name);

		if (!old)
			continue;
		stop_inherit(stops[i], old, &c->policy);
		flights_redirect(c, old, stops[i]);
	}
	for (size_t i = 0; i < c->n; i++)
		flights_cancel(c, c->stops[i]);
	stops_close(c->stops, c->n);
	c->stops = stops;
	c->n = n;
	pump(c);
	return 0;
}

void courier_close(struct courier *c)
{
	if (!c)
		return;
	flights_cancel(c, NULL);
	http_close(c->http);
	stops_close(c->stops, c->n);
	uv_close((uv_handle_t *)c->timer, timer_freed);
	uv_close((uv_handle_t *)c->drain_timer, timer_freed);
	free(c);
}
