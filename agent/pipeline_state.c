/* SPDX-License-Identifier: Apache-2.0
 * The state between windows, into the one transaction and back: windows, evidence, odd records, rules, labels, counters. A state that
 * does not fit its reference any more is dropped with a warning, and counting begins anew. */
#include "pipeline_room.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define RULES_KEY "all"

static void save_stream(struct stream *s, struct txn *t)
{
	struct buf blob = BUF_EMPTY;

	windows_pack(s->windows, s->reference->hash, &blob);
	txn_put_state(t, STATE_WINDOW, s->key, blob.at, blob.n);
	buf_clear(&blob);
	judge_pack(s->judge, &blob);
	txn_put_state(t, STATE_JUDGE, s->key, blob.at, blob.n);
	if (odd_moved(s->odd)) {
		buf_clear(&blob);
		odd_pack(s->odd, &blob);
		txn_put_state(t, STATE_ODD, s->key, blob.at, blob.n);
	}
	buf_done(&blob);
	s->moved = false;
}

static void drop_given_up(struct pipeline *p, struct txn *t)
{
	static const enum state_kind kinds[] = {STATE_WINDOW, STATE_JUDGE, STATE_ODD};

	for (size_t i = 0; i < p->n_given_up; i++) {
		for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
			txn_drop_state(t, kinds[k], p->given_up[i]);
		free(p->given_up[i]);
	}
	p->n_given_up = 0;
}

void pipeline_save(struct pipeline *p, struct txn *t)
{
	drop_given_up(p, t); /* one that has come back is saved below */
	for (size_t i = 0; i < p->streams.n; i++)
		if (p->streams.at[i]->moved && !p->streams.at[i]->retired)
			save_stream(p->streams.at[i], t);
	if (p->teacher)
		teacher_save(p->teacher, t);
	if (p->backlogs)
		backlogs_save(p->backlogs, t);
	versions_save(&p->versions, t);
	for (size_t i = 0; i < p->config->n_sources; i++)
		if (p->counts_moved[i]) {
			txn_put_counts(t, p->config->sources[i].name, &p->counts[i]);
			p->counts_moved[i] = false;
		}
	if (p->truths)
		truths_save(p->truths, t);
	if (p->rules && p->rules_moved) {
		struct buf blob = BUF_EMPTY;

		rules_pack(p->rules, &blob);
		txn_put_state(t, STATE_RULE, RULES_KEY, blob.at, blob.n);
		buf_done(&blob);
		p->rules_moved = false;
	}
}

static struct stream *stream_of_key(struct pipeline *p, const char *key)
{
	for (size_t i = 0; i < p->streams.n; i++)
		if (!p->streams.at[i]->retired && !strcmp(p->streams.at[i]->key, key))
			return p->streams.at[i];
	return NULL;
}

/* A stream that had inherited its measures begins again as it was. Names may hold blanks: whose windows these are, their
 * reference's hash tells. */
static void load_inherited(struct pipeline *p, const char *key, const void *at, size_t n)
{
	size_t n_streams = p->streams.n;

	for (size_t i = 0; i < n_streams && !stream_of_key(p, key); i++) {
		const struct stream *from = p->streams.at[i];
		size_t n_model = strlen(from->model);
		struct stream *s, *before;
		struct windows *windows;
		struct error e = {0};

		if (strncmp(key, from->model, n_model) || key[n_model] != ' ' || from->reference->inherited_from ||
			from != streams_ancestor(&p->streams, from->model) ||
			stream_inherit(from, key + n_model + 1, p->plugins, &s, &e))
			continue;
		if (windows_unpack(at, n, s->reference->hash, &windows, &e)) {
			stream_close(s);
			continue;
		}
		windows_touch(windows, clock_monotonic_us());
		windows_close(s->windows);
		s->windows = windows;
		if (streams_put(&p->streams, s, &before))
			stream_close(s);
	}
}

static int load_windows(void *context, const char *key, const void *at, size_t n)
{
	struct stream *s = stream_of_key(context, key);
	struct windows *windows;
	struct error e = {0};

	if (!s) {
		load_inherited(context, key, at, n);
		return 0;
	}
	if (windows_unpack(at, n, s->reference->hash, &windows, &e)) {
		log_warning("pipeline", "open windows of before do not fit the reference of now; they are dropped, counting begins anew",
			"stream", log_s(key), "error", log_s(e.text));
		return 0;
	}
	windows_touch(windows, clock_monotonic_us());
	windows_close(s->windows);
	s->windows = windows;
	return 0;
}

static int load_judge(void *context, const char *key, const void *at, size_t n)
{
	struct stream *s = stream_of_key(context, key);
	struct error e = {0};

	if (s && judge_unpack(s->judge, at, n, &e))
		log_warning("pipeline", "evidence of before does not fit the reference of now; it is dropped, watching begins anew",
			"stream", log_s(key), "error", log_s(e.text));
	return 0;
}

static int load_odd(void *context, const char *key, const void *at, size_t n)
{
	struct stream *s = stream_of_key(context, key);
	struct error e = {0};

	if (s && odd_unpack(s->odd, at, n, &e))
		log_warning("pipeline", "groups of odd records of before do not fit the reference of now; they are dropped",
			"stream", log_s(key), "error", log_s(e.text));
	return 0;
}

static int load_rules(void *context, const char *key, const void *at, size_t n)
{
	struct pipeline *p = context;
	struct error e = {0};

	if (!strcmp(key, RULES_KEY) && p->rules && rules_unpack(p->rules, at, n, &e))
		log_warning("pipeline", "the state of the rules cannot be read; alerts begin anew", "error", log_s(e.text));
	return 0;
}

void waiting_lost(void *context, size_t source, struct tally tally)
{
	struct pipeline *p = context;
	struct counts *counts = &p->counts[source];

	counts->in_flight.records -= tally.records;
	counts->in_flight.bytes -= tally.bytes;
	counts->rejected[REJECT_NO_REFERENCE].records += tally.records;
	counts->rejected[REJECT_NO_REFERENCE].bytes += tally.bytes;
	p->counts_moved[source] = true;
}

int pipeline_load(struct pipeline *p, struct store *s, struct error *e)
{
	int status = p->teacher ? teacher_load(p->teacher, s, e) : 0;

	if (!status)
		status = store_each_state(s, STATE_WINDOW, load_windows, p, e);
	if (!status)
		status = store_each_state(s, STATE_JUDGE, load_judge, p, e);
	if (!status)
		status = store_each_state(s, STATE_ODD, load_odd, p, e);
	if (!status)
		status = versions_load(&p->versions, &p->streams, s, e);
	if (!status)
		status = store_each_state(s, STATE_RULE, load_rules, p, e);
	if (!status && p->truths)
		status = truths_load(p->truths, s, e);
	for (size_t i = 0; i < p->config->n_sources && !status; i++)
		status = store_counts(s, p->config->sources[i].name, &p->counts[i], e);
	if (!status && p->backlogs)
		status = backlogs_load(p->backlogs, s, waiting_lost, p, e);
	return status;
}
