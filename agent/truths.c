/* SPDX-License-Identifier: Apache-2.0
 * Every label of the log ends under one heading: it met its prediction (scored), it is a second one (repeated), its prediction
 * never came or is forgotten (unmatched), or it waits (in flight). */
#include "truths.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"

#include <stdlib.h>
#include <string.h>

#define WAITING_KEY "waiting"
/* A prediction that is so many windows behind its label will not come. */
enum { PATIENCE_WINDOWS = 2, ID_MOST = 256 };

struct truths {
	const struct config *config;
	const struct streams *streams;
	struct counts *counts;
	bool *counts_moved;
	struct truths_sinks sinks;
	struct waiting waiting;
};

struct truths *truths_open(const struct config *config, const struct streams *streams, struct counts *counts, bool *moved,
	const struct truths_sinks *sinks)
{
	struct truths *t = mem_zero(1, sizeof *t);

	*t = (struct truths){.config = config, .streams = streams, .counts = counts, .counts_moved = moved, .sinks = *sinks};
	return t;
}

void truths_close(struct truths *t)
{
	if (!t)
		return;
	waiting_done(&t->waiting);
	free(t);
}

bool truths_source(const struct config *config, size_t source)
{
	return config->sources[source].kind == SOURCE_LABELS;
}

static void tally(struct tally *to, int64_t records, uint32_t bytes)
{
	to->records += records;
	to->bytes += records * (int64_t)bytes;
}

static bool met(struct truths *t, struct stream *s, size_t source, const char *id, uint32_t bytes, struct truth_label *label)
{
	switch (truth_label(s->truth, label)) {
	case TRUTH_MET:
		tally(&t->counts[source].scored, 1, bytes);
		if (t->sinks.on_label)
			t->sinks.on_label(t->sinks.context, s, id, label);
		return true;
	case TRUTH_REPEATED:
		tally(&t->counts[source].rejected[REJECT_REPEATED], 1, bytes);
		return true;
	default:
		return false;
	}
}

/* With every stream it may be of. *ret_any: there is one. */
static bool met_somewhere(struct truths *t, const char *model, size_t source, const char *id, uint32_t bytes, struct truth_label *label,
	bool *ret_any)
{
	*ret_any = false;
	for (size_t i = 0; i < t->streams->n; i++) {
		struct stream *s = t->streams->at[i];

		if (!s->truth || s->retired || !words_match(model, s->model))
			continue;
		*ret_any = true;
		if (met(t, s, source, id, bytes, label))
			return true;
	}
	return false;
}

static bool leaves(void *context, struct waiting_label *l)
{
	struct truths *t = context;
	struct counts *counts = &t->counts[l->source];
	bool any;

	t->counts_moved[l->source] = true;
	tally(&counts->in_flight, -1, l->bytes);
	if (!met_somewhere(t, l->model, l->source, l->id, l->bytes, &l->label, &any))
		tally(&counts->rejected[REJECT_UNMATCHED], 1, l->bytes);
	return false;
}

static void wait(struct truths *t, const struct waiting_label *l)
{
	tally(&t->counts[l->source].in_flight, 1, l->bytes);
	waiting_add(&t->waiting, l);
	if (t->waiting.n > WAITING_MOST) {
		log_warning("truths", "labels are too far ahead of their predictions; those that wait are given up", "n", log_n(WAITING_MOST));
		waiting_sift(&t->waiting, leaves, t);
	}
}

static void label_take(struct truths *t, size_t source, const struct batch *b, size_t row)
{
	struct text class = b->prediction[row], id_text = b->id[row];
	struct counts *counts = &t->counts[source];
	char id[ID_MOST];
	struct waiting_label l = {.label = {.id = b->hash[row], .class = class.at, .n_class = class.n, .time_us = b->time_us[row]},
		.id = id, .model = b->model, .source = source, .bytes = b->length[row]};
	size_t n = id_text.n < sizeof id - 1 ? id_text.n : sizeof id - 1;
	bool any;

	if (!class.at || !id_text.at) {
		tally(&counts->rejected[REJECT_NO_LABEL], 1, b->length[row]);
		return;
	}
	memcpy(id, id_text.at, n);
	id[n] = '\0';
	if (met_somewhere(t, b->model, source, id, l.bytes, &l.label, &any))
		return;
	if (any)
		wait(t, &l);
	else
		tally(&counts->rejected[REJECT_NO_STREAM], 1, l.bytes);
}

void truths_batch(struct truths *t, size_t source, const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		label_take(t, source, b, i);
	t->counts_moved[source] = true;
}

struct closing {
	struct truths *t;
	struct stream *s;
	int64_t given_up_us; /* labels older than this */
};

static bool patient(void *context, struct waiting_label *l)
{
	struct closing *c = context;
	struct truths *t = c->t;

	return !words_match(l->model, c->s->model) || l->label.time_us >= c->given_up_us || leaves(t, l);
}

static bool waits_on_row(void *context, struct waiting_label *l)
{
	struct closing *c = context;

	if (!words_match(l->model, c->s->model) || !met(c->t, c->s, l->source, l->id, l->bytes, &l->label))
		return true;
	tally(&c->t->counts[l->source].in_flight, -1, l->bytes);
	c->t->counts_moved[l->source] = true;
	return false;
}

void truths_predicted(struct truths *t, struct stream *s, const struct batch *b, const struct scored *scored, size_t row)
{
	struct closing c = {t, s, 0};

	truth_predicted(s->truth, b, scored, row);
	if (t->waiting.n && b->id[row].at)
		waiting_each(&t->waiting, b->hash[row], waits_on_row, &c);
}

struct telling {
	struct truths *t;
	const struct stream *s;
};

static void tell(void *context, const struct truth_window *w)
{
	struct telling *telling = context;

	telling->t->sinks.on_accuracy(telling->t->sinks.context, telling->s, w);
}

void truths_window(struct truths *t, struct stream *s, const struct window *w, struct signal *signal)
{
	struct closing c = {t, s, w->end_us - PATIENCE_WINDOWS * (w->end_us - w->start_us)};
	struct telling telling = {t, s};

	if (!s->truth)
		return;
	waiting_sift(&t->waiting, patient, &c);
	truth_window_closed(s->truth, w, signal);
	if (t->sinks.on_accuracy)
		truth_each_amended(s->truth, tell, &telling);
}

void truths_flush(struct truths *t)
{
	waiting_sift(&t->waiting, leaves, t);
	for (size_t i = 0; i < t->streams->n && t->sinks.on_accuracy; i++) {
		struct telling telling = {t, t->streams->at[i]};

		if (telling.s->truth && !telling.s->retired)
			truth_each_amended(telling.s->truth, tell, &telling);
	}
}

/* The database. */

static const char *source_name(const void *context, size_t source)
{
	return ((const struct config *)context)->sources[source].name;
}

static size_t source_index(const void *context, const char *name, size_t n)
{
	const struct config *c = context;

	for (size_t i = 0; i < c->n_sources; i++)
		if (strlen(c->sources[i].name) == n && !memcmp(c->sources[i].name, name, n))
			return i;
	return SIZE_MAX;
}

void truths_save(struct truths *t, struct txn *txn)
{
	for (size_t i = 0; i < t->streams->n; i++) {
		const struct stream *s = t->streams->at[i];

		if (s->truth && !s->retired && truth_moved(s->truth))
			truth_save(s->truth, s->key, txn);
	}
	if (t->waiting.moved) {
		struct buf blob = BUF_EMPTY;

		waiting_pack(&t->waiting, source_name, t->config, &blob);
		txn_put_state(txn, STATE_LABEL, WAITING_KEY, blob.at, blob.n);
		buf_done(&blob);
		t->waiting.moved = false;
	}
}

struct loading {
	struct truths *t;
	int pass;
};

static int load_one(void *context, const char *key, const void *at, size_t n)
{
	const struct loading *l = context;
	struct truths *t = l->t;
	struct error e = {0};

	if (!strcmp(key, WAITING_KEY)) {
		if (l->pass == 0 && waiting_unpack(&t->waiting, at, n, source_index, t->config, &e))
			log_warning("truths", "labels that waited cannot be read; they are given up", "error", log_s(e.text));
		return 0;
	}
	for (size_t i = 0; i < t->streams->n; i++) {
		struct stream *s = t->streams->at[i];

		if (s->truth && !s->retired && truth_load(s->truth, s->key, l->pass, key, at, n, &e)) {
			log_warning("truths", "predictions of before that waited for labels do not fit the reference of now; they are dropped",
				"stream", log_s(s->key), "error", log_s(e.text));
			e = (struct error){0};
		}
	}
	return 0;
}

int truths_load(struct truths *t, struct store *store, struct error *e)
{
	struct loading l = {t, 0};
	int status = store_each_state(store, STATE_LABEL, load_one, &l, e);

	l.pass = 1;
	if (!status)
		status = store_each_state(store, STATE_LABEL, load_one, &l, e);
	for (size_t i = 0; i < t->streams->n; i++)
		if (t->streams->at[i]->truth)
			truth_loaded(t->streams->at[i]->truth);
	return status;
}
