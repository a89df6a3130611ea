/* SPDX-License-Identifier: Apache-2.0
 * oodd run: builds the house, owns the loop, commits, reloads, and takes everything down in reverse order.
 *
 * The one transaction is always open (`txn`): alerts are recorded in it as they arise, and whatever else changed is added when it
 * is committed, always between two chunks; so what a commit holds is the state after a whole number of chunks, and after
 * kill -9 at any instant the next start re-reads from there. */
#include "commands.h"

#include "endpoints.h"
#include "events.h"
#include "feed.h"
#include "notify.h"
#include "resend.h"
#include "rooms.h"
#include "school.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/place.h"
#include "deliver/courier.h"
#include "input/identity.h"
#include "store/store.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <uv.h>

#define BOOT_KEY "boot"
/* Of each model the samples of so many windows stay, if each were full. */
#define SAMPLES_WINDOWS 50

enum { IDLE_MS = 1000, DRAIN_MS = 5000, STORE_PATIENCE_US = 5 * 1000 * 1000 };

enum phase { RUNNING, RELOADING, DRAINING, DELIVERING, ENDED };

struct agent {
	uv_loop_t loop;
	uv_signal_t hup, term, interrupt;
	uv_timer_t commit_timer, idle_timer, alive_timer;
	const char *config_path;
	struct rooms rooms, next;  /* next: built by a reload, waiting for what is under way */
	struct store *store;
	struct courier *courier;
	struct school *school;
	struct txn *txn;
	enum phase phase;
	bool committing, urgent, stalled;
	bool rebooted;
	int code;                  /* exit code */
};

static void agent_commit(struct agent *a);
static void agent_step(struct agent *a);
static void firing_known(struct agent *a);

/* What the pipeline says. */

static void on_window(void *context, const struct stream *s, const struct window *w)
{
	char start[32];

	(void)context;
	log_info("window", "closed", "model", log_s(s->model), "version", log_s(s->version),
		"start", log_s(time_format(w->start_us, start, sizeof start)), "n", log_n(w->n), "flagged", log_n(w->n_flagged),
		"cut", w->cut ? "true" : "false", "digest", log_s(window_digest(w).text));
}

static void on_signal(void *context, const struct signal *s)
{
	(void)context;
	if (s->state != SIGNAL_ALARM && s->state != SIGNAL_RESOLVED)
		return;
	log_warning("judge", s->state == SIGNAL_ALARM ? "the stream moved" : "the stream is back to normal", "model", log_s(s->model),
		"version", log_s(s->version), "severity", log_n(s->severity), "evidence", log_f(s->log_m), "threshold", log_f(s->log_budget),
		"change", log_s(s->n_findings ? s->findings[0].change : ""));
}

static void on_compare(void *context, const struct comparison *c)
{
	(void)context;
	if (c->fresh)
		log_warning("versions", comparison_verdict_words[c->verdict], "model", log_s(c->model), "stable", log_s(c->stable),
			"canary", log_s(c->canary), "windows", log_n(c->n_windows), "reason", log_s(c->reason));
}

static void on_alert(void *context, const struct alert *alert)
{
	struct agent *a = context;
	struct error e = {0};

	log_warning("alert", alert_state_words[alert->state], "name", log_s(alert->name), "model", log_s(alert->model),
		"key", log_s(alert->key), "summary", log_s(alert->summary));
	if (courier_alert(a->courier, a->txn, alert, &e))
		log_error("agent", "an alert does not reach everybody it is meant for", "name", log_s(alert->name), "error", log_s(e.text));
	a->urgent = true;
}

static void on_sample(void *context, const struct stream *s, const struct sample *sample, enum sample_fate fate)
{
	struct agent *a = context;

	if (fate == SAMPLE_KEPT)
		txn_put_sample(a->txn, sample, (size_t)s->config->samples * SAMPLES_WINDOWS);
	else if (fate == SAMPLE_DROPPED)
		txn_drop_sample(a->txn, s->model, s->version, sample);
	else
		txn_settle_sample(a->txn, s->model, s->version, sample);
}

static void on_reject(void *context, size_t source, const char *path, const struct reject *r)
{
	struct agent *a = context;

	dead_letter_put(a->rooms.dead[source], path, r);
}

static void on_applied(void *context)
{
	struct agent *a = context;

	if (a->urgent)
		agent_commit(a);
	agent_step(a);
}

static int rooms_make(struct agent *a, struct rooms *r)
{
	struct pipeline_sinks sinks = {.context = a, .on_window = on_window, .on_signal = on_signal, .on_compare = on_compare, .on_alert = on_alert,
		.on_sample = on_sample, .on_reject = on_reject};

	int status = rooms_build(a->config_path, &sinks, r);
	char *dir = status ? NULL : school_dir(r->house.config->state);
	struct teaching teaching = {.dir = dir, .install = true, .note = school_note};

	if (!status)
		pipeline_teach(r->pipeline, &teaching);
	free(dir);
	return status;
}

static int rooms_go(struct agent *a, struct rooms *r, struct error *e)
{
	struct feed_options feed = {.loop = &a->loop, .rebooted = a->rebooted, .on_applied = on_applied, .context = a};

	return rooms_start(r, a->store, feed, e);
}

static void nudged(void *context)
{
	struct agent *a = context;

	a->urgent = true;
	agent_commit(a);
}

static int courier_start(struct agent *a, struct error *e)
{
	const struct config *c = a->rooms.house.config;
	struct endpoint_options *endpoints = endpoints_of(c);
	char *dir = place_script("endpoints");
	struct courier_options o = {.loop = &a->loop, .store = a->store, .endpoints = endpoints, .n_endpoints = c->n_endpoints,
		.script_dirs = (const char *const *)&dir, .n_script_dirs = 1, .nudge = nudged, .context = a};
	int status = courier_open(&o, &a->courier, e);

	free(dir);
	endpoints_free(endpoints, c->n_endpoints);
	return status;
}

static int courier_change(struct agent *a, const struct config *c, struct error *e)
{
	struct endpoint_options *endpoints = endpoints_of(c);
	char *dir = place_script("endpoints");
	int status = courier_reload(a->courier, endpoints, c->n_endpoints, (const char *const *)&dir, 1, e);

	free(dir);
	endpoints_free(endpoints, c->n_endpoints);
	return status;
}

/* Commits. */

static void agent_save(struct agent *a)
{
	feed_counts(a->rooms.feed);
	pipeline_save(a->rooms.pipeline, a->txn);
	feed_save(a->rooms.feed, a->txn);
	courier_record(a->courier, a->txn);
	a->urgent = false;
}

static void agent_fail(struct agent *a, const char *text)
{
	log_error("agent", "the state can no longer be written: the agent ends, and re-reads from the last commit when it is started again",
		"error", log_s(text));
	a->code = EX_IOERR;
	a->phase = ENDED;
	uv_stop(&a->loop);
}

/* Something that records waited for has come to be. */
static void feed_go_on(struct agent *a)
{
	if (a->phase == RUNNING && !a->stalled)
		feed_resume(a->rooms.feed);
}

static void committed(void *context, int code, const char *text)
{
	struct agent *a = context;

	a->committing = false;
	if (a->phase == ENDED)
		return;
	if (code) {
		agent_fail(a, text);
		return;
	}
	if (pipeline_committed(a->rooms.pipeline)) {
		a->urgent = true;
		feed_go_on(a);
	}
	if (a->urgent)
		agent_commit(a);
	agent_step(a);
}

static void agent_commit(struct agent *a)
{
	if (a->committing || a->phase > RUNNING)
		return;
	agent_save(a);
	if (txn_empty(a->txn))
		return;
	a->committing = true;
	store_commit(a->store, &a->txn, committed, a);
	a->txn = txn_open();
}

/* At a turning point: everything up to here is on record before anything is taken down. */
static int agent_commit_wait(struct agent *a, struct error *e)
{
	int status;

	agent_save(a);
	status = store_commit_wait(a->store, &a->txn, STORE_PATIENCE_US, e);
	a->txn = txn_open();
	return status;
}

static void on_commit_timer(uv_timer_t *timer)
{
	agent_commit(timer->data);
}

/* Streams that are being learned. What a new reference replaced is freed when no chunk can hold it any more. */
static void agent_learn(struct agent *a)
{
	if (a->phase != RUNNING || a->stalled)
		return;
	if (!feed_under_way(a->rooms.feed))
		pipeline_sweep(a->rooms.pipeline);
	if (!school_tick(a->school, a->rooms.pipeline))
		return;
	a->urgent = true;
	agent_commit(a);
	feed_go_on(a);
}

static void on_fitted(void *context)
{
	agent_learn(context);
}

/* What `oodd outbox --resend` asked for. */
static void resend_one(void *context, const char *endpoint)
{
	struct agent *a = context;
	struct error e = {0};
	int64_t n = courier_resend(a->courier, a->txn, endpoint, &e);

	if (n < 0)
		log_error("agent", "dead letters are not sent again", "endpoint", log_s(endpoint ? endpoint : "(all)"), "error", log_s(e.text));
	else
		log_info("agent", "dead letters are sent again, as asked", "endpoint", log_s(endpoint ? endpoint : "(all)"), "how many", log_n(n));
	firing_known(a);
	a->urgent = true;
}

static void on_idle_timer(uv_timer_t *timer)
{
	struct agent *a = timer->data;

	agent_learn(a);
	if (a->phase == RUNNING && !a->stalled)
		resend_meet(a->rooms.house.config->state, resend_one, a);
	if (a->phase != RUNNING || a->stalled || !feed_quiet(a->rooms.feed))
		return;
	pipeline_idle(a->rooms.pipeline, clock_monotonic_us());
	if (a->urgent)
		agent_commit(a);
}

static void on_alive_timer(uv_timer_t *timer)
{
	(void)timer;
	notify_alive();
}

static void on_store(void *context, enum store_state state, const char *text)
{
	struct agent *a = context;

	(void)text;
	a->stalled = state == STORE_STALLED;
	if (!a->rooms.feed || a->phase != RUNNING)
		return;
	if (state == STORE_WELL)
		feed_resume(a->rooms.feed);
	else
		feed_pause(a->rooms.feed);
}

/* What `systemctl status` shows. */
static void say_ready(const struct agent *a)
{
	const struct config *c = a->rooms.house.config;
	char status[128];

	snprintf(status, sizeof status, "%zu sources, %zu streams with a reference", c->n_sources, (size_t)pipeline_streams(a->rooms.pipeline)->n);
	notify_ready(status);
}

/* Reload: the new house stands before the old one falls. */

static void reload_done(struct agent *a, const char *text, const char *error)
{
	if (error)
		log_error("agent", text, "error", log_s(error));
	else
		log_info("agent", text, "config", log_s(a->config_path));
	a->phase = RUNNING;
	say_ready(a);
	uv_timer_start(&a->commit_timer, on_commit_timer, (uint64_t)a->rooms.house.config->commit_us / 1000,
		(uint64_t)a->rooms.house.config->commit_us / 1000);
	if (!a->stalled)
		feed_resume(a->rooms.feed);
}

static void reload_begin(struct agent *a)
{
	if (a->phase != RUNNING) {
		log_warning("agent", "a reload is under way or the agent is ending; this one is not begun");
		return;
	}
	notify_reloading();
	if (rooms_make(a, &a->next)) {
		log_error("agent", "reload refused: the configuration has mistakes; the old one stays", "config", log_s(a->config_path));
		say_ready(a);
		return;
	}
	if (strcmp(a->next.house.config->state, a->rooms.house.config->state)) {
		log_error("agent", "reload refused: another state directory needs a restart; the old configuration stays",
			"was", log_s(a->rooms.house.config->state), "new", log_s(a->next.house.config->state));
		rooms_close(&a->next);
		say_ready(a);
		return;
	}
	a->phase = RELOADING;
	feed_pause(a->rooms.feed);
	agent_step(a);
}

static void reload_finish(struct agent *a)
{
	struct error e = {0};
	struct rooms old;

	if (agent_commit_wait(a, &e)) {
		rooms_close(&a->next);
		reload_done(a, "reload given up: the state cannot be written; the old configuration stays", e.text);
		return;
	}
	if (courier_change(a, a->next.house.config, &e) || rooms_go(a, &a->next, &e)) {
		struct error ignored;

		courier_change(a, a->rooms.house.config, &ignored);
		rooms_close(&a->next);
		reload_done(a, "reload refused; the old configuration stays", e.text);
		return;
	}
	old = a->rooms;
	a->rooms = a->next;
	a->next = (struct rooms){0};
	firing_known(a);
	rooms_close(&old);
	reload_done(a, "reloaded", NULL);
}

/* The end: what is under way is finished, everything is on record, what is due is delivered as far as time allows. */

static void end_now(struct agent *a)
{
	struct error e = {0};

	if (a->phase == ENDED)
		return;
	if (agent_commit_wait(a, &e))
		agent_fail(a, e.text);
	a->phase = ENDED;
	uv_stop(&a->loop);
}

static void drained(void *context)
{
	end_now(context);
}

static void drain_begin(struct agent *a, const char *why)
{
	if (a->phase == DRAINING || a->phase == DELIVERING || a->phase == ENDED)
		return;
	notify_stopping();
	log_info("agent", "ending: what is under way is finished first", "signal", why);
	rooms_close(&a->next);
	a->phase = DRAINING;
	feed_pause(a->rooms.feed);
	agent_step(a);
}

/* Called whenever something that a phase waits for may have happened. */
static void agent_step(struct agent *a)
{
	struct error e = {0};

	if (a->phase == RUNNING || a->phase >= DELIVERING || feed_under_way(a->rooms.feed) || a->committing)
		return;
	if (a->phase == RELOADING) {
		reload_finish(a);
		return;
	}
	if (agent_commit_wait(a, &e)) {
		agent_fail(a, e.text);
		return;
	}
	pipeline_committed(a->rooms.pipeline); /* what follows from that is committed at the very end */
	a->phase = DELIVERING;
	courier_drain(a->courier, DRAIN_MS * INT64_C(1000), drained, a);
}

static void on_unix_signal(uv_signal_t *handle, int number)
{
	struct agent *a = handle->data;

	if (number == SIGHUP)
		reload_begin(a);
	else
		drain_begin(a, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void say_balance(struct agent *a)
{
	struct counts total;
	struct buf text = BUF_EMPTY;

	pipeline_total(a->rooms.pipeline, &total);
	text_summary(&text, &total);
	fputs(buf_cstr(&text), stderr);
	buf_done(&text);
}

static void close_handle(uv_handle_t *handle, void *context)
{
	(void)context;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void agent_listen(struct agent *a)
{
	uint64_t commit_ms = (uint64_t)a->rooms.house.config->commit_us / 1000, alive_ms = notify_alive_ms();

	a->hup.data = a->term.data = a->interrupt.data = a->commit_timer.data = a->idle_timer.data = a;
	uv_signal_init(&a->loop, &a->hup);
	uv_signal_init(&a->loop, &a->term);
	uv_signal_init(&a->loop, &a->interrupt);
	uv_signal_start(&a->hup, on_unix_signal, SIGHUP);
	uv_signal_start(&a->term, on_unix_signal, SIGTERM);
	uv_signal_start(&a->interrupt, on_unix_signal, SIGINT);
	uv_timer_init(&a->loop, &a->commit_timer);
	uv_timer_init(&a->loop, &a->idle_timer);
	uv_timer_start(&a->commit_timer, on_commit_timer, commit_ms, commit_ms);
	uv_timer_start(&a->idle_timer, on_idle_timer, IDLE_MS, IDLE_MS);
	uv_timer_init(&a->loop, &a->alive_timer);
	if (alive_ms)
		uv_timer_start(&a->alive_timer, on_alive_timer, alive_ms, alive_ms);
}

/* Was the state written in another boot of this machine? Then logs may have lost their tails. */
static int boot_known(void *context, const char *key, const void *at, size_t n)
{
	struct agent *a = context;
	char boot[37];

	identity_boot(boot);
	if (!strcmp(key, BOOT_KEY) && *boot)
		a->rebooted = n != strlen(boot) || memcmp(at, boot, n) != 0;
	return 0;
}

struct firing {
	char **keys;
	size_t n;
};

static void keep_key(void *context, const struct alert *alert)
{
	struct firing *f = context;

	if (alert->state != ALERT_FIRING)
		return;
	f->keys = mem_grow(f->keys, f->n + 1, sizeof *f->keys);
	f->keys[f->n++] = mem_copy_text(alert->key);
}

/* What level-triggered endpoints are told is firing must have a rule that still says so. */
static void firing_known(struct agent *a)
{
	struct firing f = {0};

	rules_each_alert(pipeline_rules(a->rooms.pipeline), keep_key, &f);
	courier_firing(a->courier, a->txn, (const char *const *)f.keys, f.n);
	for (size_t i = 0; i < f.n; i++)
		free(f.keys[i]);
	free(f.keys);
}

static int agent_open(struct agent *a, struct error *e)
{
	char boot[37];
	struct store_options o = {.dir = a->rooms.house.config->state, .loop = &a->loop, .notice = on_store, .context = a};
	int status = store_open(&o, &a->store, e);

	if (!status)
		status = store_each_state(a->store, STATE_MISC, boot_known, a, e);
	a->txn = txn_open();
	identity_boot(boot);
	if (!status && *boot)
		txn_put_state(a->txn, STATE_MISC, BOOT_KEY, boot, strlen(boot));
	if (!status)
		status = rooms_go(a, &a->rooms, e);
	a->school = school_open(&a->loop, a->config_path, o.dir, on_fitted, a);
	if (!status)
		status = courier_start(a, e);
	if (!status)
		firing_known(a);
	return status;
}

static void agent_close(struct agent *a)
{
	school_close(a->school);
	/* The courier hears of the last commits, so it goes after the store. */
	txn_close(&a->txn);
	store_close(a->store);
	courier_close(a->courier);
	rooms_close(&a->rooms);
	uv_walk(&a->loop, close_handle, NULL);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	uv_loop_close(&a->loop);
}

static int agent_run(struct agent *a)
{
	struct error e = {0};

	/* Who reads the log or an endpoint may go away; the other commands end when nobody reads them. */
	signal(SIGPIPE, SIG_IGN);
	if (rooms_make(a, &a->rooms))
		return EX_CONFIG;
	log_level_set((enum log_level)a->rooms.house.config->log_level);
	log_json_set(a->rooms.house.config->log_json);
	uv_loop_init(&a->loop);
	if (agent_open(a, &e)) {
		log_error("agent", "cannot start", "error", log_s(e.text));
		agent_close(a);
		return EX_CANTCREAT;
	}
	agent_listen(a);
	log_info("agent", "running", "version", PACKAGE_VERSION, "config", log_s(a->config_path),
		"sources", log_n((long long)a->rooms.house.config->n_sources),
		"streams", log_n((long long)pipeline_streams(a->rooms.pipeline)->n));
	say_ready(a);
	feed_resume(a->rooms.feed);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	say_balance(a);
	log_info("agent", "ended", "code", log_n(a->code));
	agent_close(a);
	return a->code;
}

int command_run(const struct command *self, int argc, char **argv)
{
	struct agent a = {0};
	const struct cli_option options[] = {
		{"config", 'c', CLI_TEXT, &a.config_path, "FILE", "the configuration (default: $OODD_CONFIG, else the installed one)", 0, 0},
		{0},
	};
	struct cli_list rest;
	int status = cli_parse(self, options, argc, argv, &rest);

	if (status == CLI_GO_ON && rest.n)
		status = cli_fail(self, EX_USAGE, "'%s' is not an option; run takes its logs from the configuration", rest.at[0]);
	free(rest.at);
	if (status != CLI_GO_ON)
		return status;
	a.config_path = house_config_path(a.config_path);
	return agent_run(&a);
}
