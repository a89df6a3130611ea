/* SPDX-License-Identifier: Apache-2.0
 * An endpoint together with what is on its way there. */
#include "deliver/stop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

static void stop_close(struct stop *s)
{
	if (!s)
		return;
	endpoint_close(s->endpoint);
	lane_close(s->lane);
	free(s->said);
	free(s);
}

void stops_close(struct stop **stops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		stop_close(stops[i]);
	free(stops);
}

static struct lane_policy policy_of(const struct lane_policy *common, const struct endpoint *p)
{
	struct lane_policy policy = *common;

	policy.level = p->kind->level;
	policy.resend_us = p->resend_us;
	policy.expire_us = p->expire_us;
	policy.at_once = p->at_once;
	return policy;
}

static int stop_open(const struct endpoint_options *o, const char *const *dirs, size_t n_dirs,
	const struct lane_policy *common, struct stop **ret, struct error *e)
{
	struct stop *s = mem_zero(1, sizeof *s);
	struct lane_policy policy;
	int code = endpoint_open(o, dirs, n_dirs, &s->endpoint, e);

	if (code) {
		stop_close(s);
		return code;
	}
	policy = policy_of(common, s->endpoint);
	s->lane = lane_open(s->endpoint->name, &policy);
	*ret = s;
	return 0;
}

struct stop *stops_find(struct stop *const *stops, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(stops[i]->endpoint->name, name))
			return stops[i];
	return NULL;
}

int stops_open(const struct endpoint_options *o, size_t n, const char *const *script_dirs,
	size_t n_script_dirs, const struct lane_policy *policy, struct stop ***ret, struct error *e)
{
	struct stop **stops = mem_zero(n + 1, sizeof *stops);
	int code = 0;

	for (size_t i = 0; !code && i < n; i++) {
		if (stops_find(stops, i, o[i].name))
			code = error_set(e, -EEXIST,
				"%s: endpoint \"%s\": there is one of that name already",
				o[i].where ? o[i].where : "configuration", o[i].name);
		else
			code = stop_open(&o[i], script_dirs, n_script_dirs, policy, &stops[i], e);
	}
	if (code) {
		stops_close(stops, n);
		return code;
	}
	*ret = stops;
	return 0;
}

/* ---- what the last run left ---- */

struct loading {
	struct stop **stops;
	size_t n;
	int64_t now_us, orphans, unread;
	struct error why; /* of the first that could not be read */
};

static int on_row(void *context, const struct outbox_row *row)
{
	struct loading *l = context;
	struct stop *s = stops_find(l->stops, l->n, row->endpoint);
	struct error e;

	if (!s)
		l->orphans += row->dead_us == TIME_NONE;
	else if (lane_load(s->lane, row, l->now_us, &e) && !l->unread++)
		l->why = e;
	return 0;
}

int stops_load(struct stop **stops, size_t n, struct store *store, int64_t now_us, struct error *e)
{
	struct loading l = {.stops = stops, .n = n, .now_us = now_us};
	int code = store_each_outbox(store, NULL, on_row, &l, e);

	if (l.unread)
		log_error("courier", "alerts in the database cannot be read: left there",
			"how many", log_n(l.unread), "first", log_s(l.why.text));
	if (l.orphans)
		log_warning("courier",
			"alerts wait for endpoints that are not configured: kept, not sent",
			"how many", log_n(l.orphans));
	return code;
}

/* ---- dead letters ---- */

struct letter {
	struct stop *stop;
	int64_t number;
	struct alert alert;
};

struct letters {
	struct stop **stops;
	size_t n_stops;
	struct letter *at;
	size_t n;
};

static int on_letter(void *context, const struct outbox_row *row)
{
	struct letters *l = context;
	struct letter x = {.stop = stops_find(l->stops, l->n_stops, row->endpoint),
		.number = row->number};
	struct error e;

	if (!x.stop || row->dead_us == TIME_NONE ||
		alert_unpack(row->alert, row->n_alert, &x.alert, &e))
		return 0;
	l->at = mem_grow(l->at, l->n + 1, sizeof *l->at);
	l->at[l->n++] = x;
	return 0;
}

int64_t stops_resend(struct stop **stops, size_t n, struct store *store, const char *endpoint,
	struct txn *t, int64_t now_us, struct error *e)
{
	struct letters l = {.stops = stops, .n_stops = n};
	int code = store_each_outbox(store, endpoint, on_letter, &l, e);
	int64_t sent = 0;

	for (size_t i = 0; i < l.n; i++) {
		struct letter *x = &l.at[i];

		if (!code) {
			txn_done_outbox(t, x->stop->endpoint->name, x->number);
			sent += lane_resend(x->stop->lane, t, &x->alert, now_us);
		}
		alert_done(&x->alert);
	}
	free(l.at);
	return code ? code : sent;
}

void stop_inherit(struct stop *fresh, struct stop *old, const struct lane_policy *common)
{
	struct lane_policy policy = policy_of(common, fresh->endpoint);
	struct lane *lane = fresh->lane;

	fresh->lane = old->lane;
	old->lane = lane;
	lane_policy_set(fresh->lane, &policy);
}

/* ---- answers ---- */

static const char *const news[] = {
	[VERDICT_RETRY] = "endpoint fails: alerts are kept and tried again",
	[VERDICT_HELD] = "the endpoint's script failed: the alert is kept and tried again",
	[VERDICT_REFUSED] = "endpoint refuses an alert",
};

static void say_failed(struct stop *s, const struct row *row, enum verdict v, const char *said)
{
	/* When it begins to fail, or fails in another way; not for each attempt. */
	if (s->said && !strcmp(s->said, said))
		return;
	log_warning("courier", news[v], "endpoint", log_s(s->endpoint->name), "at",
		log_s(s->endpoint->shown), "alert", log_s(row->alert.name), "why", log_s(said));
	free(s->said);
	s->said = mem_copy_text(said);
}

static void say_accepted(struct stop *s, const struct row *row)
{
	if (s->said)
		log_info("courier", "endpoint accepts again", "endpoint", log_s(s->endpoint->name));
	log_debug("courier", "delivered", "endpoint", log_s(s->endpoint->name), "alert",
		log_s(row->alert.name), "state", log_s(alert_state_words[row->alert.state]), "key",
		log_s(row->alert.key));
	free(s->said);
	s->said = NULL;
}

void stop_say_dead(void *stop, const struct row *row)
{
	const struct stop *s = stop;

	log_error("courier", "alert given up: kept as a dead letter", "endpoint",
		log_s(s->endpoint->name), "alert", log_s(row->alert.name), "state",
		log_s(alert_state_words[row->alert.state]), "key", log_s(row->alert.key),
		"attempts", log_n(row->attempts), "why", log_s(row->said));
}

void stop_answer(struct stop *s, struct row *row, enum verdict v, int64_t retry_after_us,
	const char *said, int64_t now_us)
{
	if (v == VERDICT_ACCEPTED)
		say_accepted(s, row);
	else
		say_failed(s, row, v, said);
	if (lane_answered(s->lane, row->number, v, retry_after_us, said, now_us))
		stop_say_dead(s, row);
}
