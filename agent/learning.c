/* SPDX-License-Identifier: Apache-2.0
 * Records of streams without a reference, put aside until there are enough. */
#include "learning_private.h"

#include "reference_place.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *const learning_words[] = {
	[LEARNING_BEGUN] = "begun", [LEARNING_PROGRESS] = "collecting", [LEARNING_FITTING] = "fitting", [LEARNING_FAILED] = "failed",
	[LEARNING_ACTIVE] = "active", [LEARNING_POSTPONED] = "postponed", [LEARNING_RESUMED] = "resumed",
};

struct learning *learning_open(const struct learning_options *o)
{
	struct learning *t = mem_zero(1, sizeof *t);

	t->o = *o;
	t->dir = mem_copy_text(o->dir);
	return t;
}

void learner_close(struct learning *t, struct learner *l, bool remove)
{
	for (size_t i = 0; i < t->o.config->n_sources; i++) {
		if (remove)
			spool_remove(l->spools[i]);
		else
			spool_close(l->spools[i]);
	}
	free(l->spools);
	free(l->classes.at);
	free(l->fields.at);
	free(l->key);
	free(l->model);
	free(l->version);
	free(l);
}

void learning_close(struct learning *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		learner_close(t, t->at[i], false);
	for (size_t i = 0; i < t->n_gone; i++)
		free(t->gone[i]);
	free(t->gone);
	buf_done(&t->rows);
	free(t->dir);
	free(t);
}

struct learner *learning_find(struct learning *t, const char *model, const char *version)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->at[i]->model, model) && !strcmp(t->at[i]->version, version))
			return t->at[i];
	return NULL;
}

struct learner *learning_each(struct learning *t, size_t i)
{
	return i < t->n ? t->at[i] : NULL;
}

struct learner *learning_ready(struct learning *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i]->ready && !t->at[i]->fitting && !t->at[i]->held && !t->at[i]->installing)
			return t->at[i];
	return NULL;
}

void learner_anew(struct learner *l)
{
	l->known = (struct learner_known){.first_us = TIME_NONE, .newest_us = TIME_NONE, .doubt_us = TIME_NONE, .slot = INT64_MIN};
	l->classes.n = l->fields.n = 0;
	l->ready = l->fitting = l->full = false;
	l->moved = true;
}

static int folder_make(const char *dir)
{
	return mkdir(dir, 0700) && errno != EEXIST ? -errno : 0;
}

struct learner *learner_new(struct learning *t, const struct model_config *m, const char *model, const char *version)
{
	struct learner *l = mem_zero(1, sizeof *l);

	l->key = mem_format("%s %s", model, version);
	l->model = mem_copy_text(model);
	l->version = mem_copy_text(version);
	l->config = m;
	l->wanted = m->learn.records;
	l->spools = mem_zero(t->o.config->n_sources, sizeof *l->spools);
	learner_anew(l);
	t->at[t->n++] = l;
	return l;
}

/* Silent for so long, of event time, as measured by the others: TIME_NONE is for ever. */
static bool silent(const struct learner *l, int64_t newest_us, int64_t us)
{
	return !l->fitting && newest_us != TIME_NONE && (l->known.newest_us == TIME_NONE || newest_us - l->known.newest_us > us);
}

/* A version that went away before enough of it had come, while others went on: its place is given to a new one. So is, sooner, that of
 * one of which next to nothing came: a log of strange names must not keep those that matter from being learned. */
static void make_room(struct learning *t)
{
	struct learner *gone = NULL;
	int64_t newest_us = TIME_NONE;

	for (size_t i = 0; i < t->n; i++)
		if (t->at[i]->known.newest_us > newest_us)
			newest_us = t->at[i]->known.newest_us;
	for (size_t i = 0; i < t->n; i++) {
		struct learner *l = t->at[i];
		bool few = l->known.kept < LEARNING_LEAST && !l->relearn;

		if (silent(l, newest_us, few ? STRAY_US : LEAP_US + l->config->learn.span_us) &&
			(!gone || l->known.kept < gone->known.kept ||
				(l->known.kept == gone->known.kept && l->known.newest_us < gone->known.newest_us)))
			gone = l;
	}
	if (!gone)
		return;
	log_warning("learning", "a stream that nothing more came of is no longer learned", "model", log_s(gone->model), "version",
		log_s(gone->version), "records", log_n(gone->known.kept));
	learning_end(t, gone);
}

struct learner *learning_begin(struct learning *t, const struct model_config *m, const char *model, const char *version,
	const char *replaces)
{
	struct learner *l;
	int status;

	if (t->n == LEARNERS_MOST)
		make_room(t);
	status = t->n < LEARNERS_MOST ? folder_make(t->dir) : -EMFILE;

	if (status) {
		if (!t->told_full)
			log_error("learning", status == -EMFILE ? "too many streams are being learned; further ones are only counted"
								: "no stream can be learned: the folder for its records cannot be made",
				"model", log_s(model), "version", log_s(version), "folder", log_s(t->dir),
				"most", log_n(LEARNERS_MOST), status == -EMFILE ? NULL : "error", log_s(strerror(-status)));
		t->told_full = true;
		return NULL;
	}
	l = learner_new(t, m, model, version);
	if (replaces) {
		l->relearn = true;
		memcpy(l->replaces, replaces, strnlen(replaces, sizeof l->replaces - 1) + 1);
	}
	learning_note(t, l, LEARNING_BEGUN, NULL);
	return l;
}

void learning_end(struct learning *t, struct learner *l)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i] == l)
			t->at[i] = t->at[--t->n];
	t->gone = mem_grow(t->gone, t->n_gone + 1, sizeof *t->gone);
	t->gone[t->n_gone++] = mem_copy_text(l->key);
	learner_close(t, l, true);
}

/* What is known. */

void hashes_add(struct hashes *h, uint64_t hash)
{
	size_t low = 0, high = h->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (h->at[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	if ((low < h->n && h->at[low] == hash) || h->n == HASHES_MOST)
		return;
	if (h->n == h->room) {
		h->room = h->room ? 2 * h->room : 64;
		h->at = mem_grow(h->at, h->room, sizeof *h->at);
	}
	memmove(h->at + low + 1, h->at + low, (h->n - low) * sizeof *h->at);
	h->at[low] = hash;
	h->n++;
}

static int64_t span_of(const struct learner_known *k)
{
	return k->first_us == TIME_NONE ? 0 : k->newest_us - k->first_us;
}

static int64_t at_least(int64_t x, int64_t least)
{
	return x > least ? x : least;
}

/* At the rate so far, as event time. */
static int64_t eta_of(const struct learner *l)
{
	const struct learner_known *k = &l->known;
	int64_t span = span_of(k), rest = at_least(l->config->learn.span_us - span, 0);

	if (k->seen < 2 || span <= 0)
		return TIME_NONE;
	return at_least(rest, (int64_t)((double)at_least(l->wanted - k->seen, 0) * (double)span / (double)k->seen));
}

void learning_note(struct learning *t, const struct learner *l, enum learning_state state, const char *why)
{
	const struct learner_known *k = &l->known;
	struct learning_note note = {
		.state = state, .model = l->model, .version = l->version, .relearn = l->relearn, .ts_us = k->newest_us,
		.seen = k->seen, .kept = k->kept, .bytes = k->bytes, .first_us = k->first_us, .newest_us = k->newest_us,
		.wanted = l->wanted, .wanted_us = l->config->learn.span_us, .eta_us = eta_of(l), .n_classes = l->classes.n,
		.n_fields = l->fields.n, .n_logits = (size_t)l->n_logits, .n_embedding = (size_t)l->n_embedding, .why = why,
	};

	if (t->o.note)
		t->o.note(t->o.context, &note);
}

/* Enough? Those count that were met, also where the spool had no room for each. A full spool is enough too: nothing more can be
 * kept. */
static bool enough(const struct learner *l)
{
	const struct learner_known *k = &l->known;
	const struct learn_config *c = &l->config->learn;

	return k->kept >= LEARNING_LEAST && (k->bytes >= c->spool_bytes || (k->seen >= l->wanted && span_of(k) >= c->span_us));
}

static void tell_progress(struct learning *t, struct learner *l)
{
	struct learner_known *k = &l->known;
	int64_t wanted_us = l->config->learn.span_us, tenths = 10 * k->seen / l->wanted;
	int64_t by_span = wanted_us ? (int64_t)(10. * (double)span_of(k) / (double)wanted_us) : 10;

	tenths = by_span < tenths ? by_span : tenths;
	if (tenths <= k->tenths || tenths >= 10)
		return;
	k->tenths = tenths;
	learning_note(t, l, LEARNING_PROGRESS, NULL);
}

/* Rows. */

static void learn_names(struct learner *l, const struct batch *b)
{
	for (size_t i = 0; i < b->features.n; i++)
		hashes_add(&l->fields, hash_bytes(b->features.at[i].name, strlen(b->features.at[i].name), 2));
	l->n_logits = (int64_t)b->n_logits ? (int64_t)b->n_logits : l->n_logits;
	l->n_embedding = (int64_t)b->n_embedding ? (int64_t)b->n_embedding : l->n_embedding;
}

/* A record into the batch's bytes, whole: the last of a file may lack its newline. */
static void row_put(struct learning *t, size_t source, const char *at, size_t n)
{
	buf_put(&t->rows, at, n);
	if (t->o.config->sources[source].decode.format == FORMAT_JSONL && at[n - 1] != '\n')
		buf_put(&t->rows, "\n", 1);
}

static char *spool_place(const struct learning *t, const struct learner *l, size_t source)
{
	char *model = reference_name(l->model), *version = reference_name(l->version);
	char *name = reference_name(t->o.config->sources[source].name);
	char *path = mem_format("%s/%s@%s@%s.%s", t->dir, model, version, name,
		format_words[t->o.config->sources[source].decode.format]);

	free(model);
	free(version);
	free(name);
	return path;
}

int learner_spool(struct learning *t, struct learner *l, size_t source, const struct spool_mark *known, struct error *e)
{
	char *path = spool_place(t, l, source);
	int status = l->spools[source] ? 0 : spool_open(path, known, &l->spools[source], e);

	free(path);
	return status;
}

static int rows_write(struct learning *t, struct learner *l, size_t source)
{
	struct error e = {0};
	int status = t->rows.n ? learner_spool(t, l, source, NULL, &e) : 0;

	if (!status && t->rows.n)
		status = spool_put(l->spools[source], t->rows.at, t->rows.n, &e);
	if (status && !l->failing)
		log_error("learning", "records cannot be put aside; they are counted under no_reference until that works again",
			"model", log_s(l->model), "version", log_s(l->version), "error", log_s(e.text));
	if (!status && l->failing)
		log_info("learning", "records can be put aside again", "model", log_s(l->model), "version", log_s(l->version));
	l->failing = status != 0;
	return status;
}

/* One row: seen, and perhaps kept. */
static void row_take(struct learning *t, struct learner *l, size_t source, const char *at, const struct batch *b, size_t row)
{
	struct learner_known *k = &l->known;

	k->seen++;
	learner_believe(k, b->time_us[row]);
	if (b->prediction[row].at)
		hashes_add(&l->classes, hash_bytes(b->prediction[row].at, b->prediction[row].n, 3));
	if (!learner_picks(l, at, b->length[row]))
		return;
	k->kept++;
	k->bytes += b->length[row];
	row_put(t, source, at, b->length[row]);
}

static void rows_count(const struct batch *b, size_t from, size_t to, struct tally *tally)
{
	for (size_t i = from; i < to; i++) {
		tally->records++;
		tally->bytes += b->length[i];
	}
}

size_t learning_rows(struct learning *t, struct learner *l, size_t source, const char *at, uint64_t offset, const struct batch *b,
	size_t from, size_t end, struct counts *counts)
{
	struct learner_known before = l->known;
	bool lost = l->full;
	size_t i = from;

	l->moved = true;
	buf_clear(&t->rows);
	learn_names(l, b);
	if (l->ready || l->held || l->full) {
		i = end;
	} else {
		while (i < end && !l->ready) {
			row_take(t, l, source, at + (b->offset[i] - offset), b, i);
			tell_progress(t, l);
			l->ready = enough(l);
			i++;
		}
		lost = rows_write(t, l, source) != 0;
	}
	if (lost && !l->full) {
		l->known = before;
		l->ready = false;
		i = end;
	}
	if (counts)
		rows_count(b, from, i, lost ? &counts->rejected[REJECT_NO_REFERENCE] : &counts->learning);
	return i;
}

static void spools_clear(struct learning *t, struct learner *l)
{
	struct error e = {0};

	for (size_t i = 0; i < t->o.config->n_sources; i++)
		if (l->spools[i] && spool_clear(l->spools[i], &e)) {
			spool_remove(l->spools[i]);
			l->spools[i] = NULL;
		}
}

void learning_failed(struct learning *t, struct learner *l, const char *why)
{
	l->ready = l->fitting = false;
	l->moved = true;
	l->tries++;
	l->wanted = at_least(l->wanted, l->known.seen + l->known.seen / 2);
	l->full = l->known.bytes >= l->config->learn.spool_bytes;
	learning_note(t, l, LEARNING_FAILED, why);
}

void learning_hold(struct learning *t, struct learner *l, bool alarm)
{
	if (!l->relearn || alarm == l->held || l->installing)
		return;
	l->held = alarm;
	if (!alarm) {
		learning_note(t, l, LEARNING_RESUMED, NULL);
		return;
	}
	spools_clear(t, l);
	learner_anew(l);
	learning_note(t, l, LEARNING_POSTPONED, "an alarm is on: what is odd now must not become normal; collecting begins again when it is over");
}
