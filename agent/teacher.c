/* SPDX-License-Identifier: Apache-2.0
 * When a stream is learned, and when what was learned takes over. */
#include "teacher.h"

#include "reference_place.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLAGS_MOST = 5 }; /* times the flag rate */

struct teacher {
	const struct config *config;
	const struct plugins *plugins;
	struct streams *streams;
	struct learning *learning;
	struct teaching o;
	char *dir; /* o.dir, ours */
};

struct teacher *teacher_open(const struct config *config, const struct plugins *plugins, struct streams *streams, const struct teaching *o)
{
	struct teacher *t = mem_zero(1, sizeof *t);
	struct learning_options options = {.config = config, .dir = o->dir, .note = o->note, .context = o->context};

	*t = (struct teacher){.config = config, .plugins = plugins, .streams = streams, .o = *o};
	t->dir = mem_copy_text(o->dir);
	t->learning = learning_open(&options);
	return t;
}

void teacher_close(struct teacher *t)
{
	if (!t)
		return;
	learning_close(t->learning);
	free(t->dir);
	free(t);
}

struct learner *teacher_find(struct teacher *t, const char *model, const char *version)
{
	return learning_find(t->learning, model, version);
}

const char *teacher_busy(const struct teacher *t, const char *model, bool pattern)
{
	struct learner *l;

	for (size_t i = 0; (l = learning_each(t->learning, i)); i++)
		if (((l->ready && !l->held) || l->installing) && (pattern ? words_match(model, l->model) : !strcmp(model, l->model)))
			return l->model;
	return NULL;
}

bool teacher_installs(const struct teacher *t, const char *model)
{
	struct learner *l;

	for (size_t i = 0; (l = learning_each(t->learning, i)); i++)
		if (l->installing && !strcmp(model, l->model))
			return true;
	return false;
}

size_t teacher_learners(const struct teacher *t)
{
	size_t n = 0;

	while (learning_each(t->learning, n))
		n++;
	return n;
}

struct learner *teacher_due(struct teacher *t)
{
	return learning_ready(t->learning);
}

void teacher_begin(struct teacher *t, struct learner *l)
{
	l->fitting = true;
	learning_note(t->learning, l, LEARNING_FITTING, NULL);
}

void teacher_failed(struct teacher *t, struct learner *l, const char *why)
{
	learning_failed(t->learning, l, why);
}

/* Rows. */

static bool own_reference(const struct stream *s)
{
	return s && !s->reference->inherited_from;
}

/* By event time, in whole windows: a function of the records, wherever batches were cut, so that it needs no note of its own. */
static bool old_enough(const struct stream *s)
{
	int64_t now = windows_watermark(s->windows), window = s->config->window_us;

	return s->config->relearn_us && now != TIME_NONE && now - now % window - s->reference->last_us >= s->config->relearn_us;
}

/* A week of records for nothing would be a pity: said when it begins. */
static void check_place(struct teacher *t, const struct learner *l)
{
	struct error e = {0};
	char *fresh = teacher_fresh(t, l, &e), *slash = fresh ? strrchr(fresh, '/') : NULL;

	if (slash)
		*slash = '\0';
	if (!fresh || access(*fresh ? fresh : "/", W_OK | X_OK))
		log_warning("learning", "the reference that is to be learned could not be written there as things are", "model",
			log_s(l->model), "folder", log_s(fresh ? fresh : ""), "error", log_s(fresh ? strerror(errno) : e.text));
	free(fresh);
}

static struct learner *learner_for(struct teacher *t, const struct batch *b, const struct stream *s)
{
	struct learner *l = learning_find(t->learning, b->model, b->version);
	const struct model_config *m = own_reference(s) ? s->config : config_model(t->config, b->model);

	if (l || !m || (own_reference(s) ? !old_enough(s) : !m->learn.on))
		return l;
	l = learning_begin(t->learning, m, b->model, b->version, own_reference(s) ? s->reference->hash : NULL);
	if (l && t->o.install)
		check_place(t, l);
	return l;
}

static void count_rows(const struct batch *b, size_t from, size_t end, struct tally *to)
{
	for (size_t i = from; i < end; i++) {
		to->records++;
		to->bytes += b->length[i];
	}
}

size_t teacher_rows(struct teacher *t, size_t source, const char *at, uint64_t offset, const struct batch *b, const struct stream *s,
	size_t from, size_t end, struct counts *counts)
{
	struct learner *l = learner_for(t, b, s);
	size_t to = end;

	if (l)
		to = learning_rows(t->learning, l, source, at, offset, b, from, end, s ? NULL : counts);
	else if (!s)
		count_rows(b, from, end, &counts->rejected[REJECT_NO_REFERENCE]);
	return to;
}

void teacher_settle(struct teacher *t)
{
	struct learner *l;

	while (t->o.ready && (l = learning_ready(t->learning)))
		t->o.ready(t->o.context, l);
}

void teacher_signal(struct teacher *t, const struct signal *s)
{
	struct learner *l = learning_find(t->learning, s->model, s->version);

	/* A window that could not be judged does not end an alarm. */
	if (l && (s->alarm || s->state != SIGNAL_UNJUDGED))
		learning_hold(t->learning, l, s->alarm);
}

size_t teacher_relearn(struct teacher *t, const char *model, const char *version)
{
	size_t n = 0, all = t->streams->n;

	for (size_t i = 0; i < all; i++) {
		const struct stream *s = t->streams->at[i];

		if (s->retired || !own_reference(s) || strcmp(s->model, model) || (version && strcmp(s->version, version)))
			continue;
		n++;
		if (!learning_find(t->learning, s->model, s->version))
			learning_begin(t->learning, s->config, s->model, s->version, s->reference->hash);
	}
	return n;
}

/* Taking over. */

char *teacher_fresh(struct teacher *t, const struct learner *l, struct error *e)
{
	char *place, *fresh;

	if (!t->o.install)
		return mem_format("%s/fresh.ref", t->dir);
	place = reference_path(l->config, t->config->state, l->model, l->version);
	fresh = mem_format("%s.new", place);
	free(place);
	if (!reference_folder(fresh, e))
		return fresh;
	free(fresh);
	return NULL;
}

const char *teacher_like(const struct teacher *t, const struct learner *l)
{
	const struct stream *best = NULL;

	for (size_t i = 0; i < t->streams->n; i++) {
		const struct stream *s = t->streams->at[i];

		if (!s->retired && own_reference(s) && !strcmp(s->model, l->model) && strcmp(s->version, l->version) &&
			(!best || s->reference->last_us > best->reference->last_us))
			best = s;
	}
	return best ? best->path : NULL;
}

static size_t n_judged(const struct reference *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_measures; i++)
		n += r->measures[i].judged;
	return n;
}

int reference_sound(const struct reference *r, const struct reference *older, struct error *e)
{
	int64_t n = 0, flagged = 0;

	for (size_t i = 0; i < r->n_windows; i++) {
		n += r->windows[i].n;
		flagged += r->windows[i].n_flagged;
	}
	if (!n_judged(r))
		return error_set(e, -EINVAL, "no measure of it can be judged: too few records or windows");
	if (r->fused.n && (double)flagged > 10 + FLAGS_MOST * r->flag_rate * (double)n)
		return error_set(e, -EINVAL, "it flags %.2g %% of its own held-out records, where %.2g %% were asked for: what it learned from is "
			"not of one kind", 100. * (double)flagged / (double)n, 100. * r->flag_rate);
	if (older && 2 * n_judged(r) < n_judged(older))
		return error_set(e, -EINVAL, "it can judge %zu measures, and the one in use %zu", n_judged(r), n_judged(older));
	if (older && older->fused.n && !r->fused.n)
		return error_set(e, -EINVAL, "no detector of it counts, and of the one in use some do");
	return 0;
}

/* What must be so. */
static int may_take_over(const struct learner *l, const struct stream *s, const struct stream *before, const char *fresh, struct error *e)
{
	const struct reference *older = own_reference(before) ? before->reference : NULL;
	bool last_chance = !older && l->known.bytes >= l->config->learn.spool_bytes;

	if (strcmp(s->model, l->model) || strcmp(s->version, l->version))
		return error_set(e, -EINVAL, "%s is of another stream", fresh);
	/* With a full spool more will not come: then a weak reference is better than none. */
	return last_chance ? 0 : reference_sound(s->reference, older, e);
}

static void path_set(struct stream *s, char *path)
{
	free(s->path);
	s->path = path;
}

/* Among the files: in the place of the one before, else of a first one. Where that cannot be done the stream is watched all the same, and learned again after the next start. */
static void put_in_place(struct teacher *t, struct learner *l)
{
	struct error e = {0};
	char *fresh = teacher_fresh(t, l, &e);
	struct stream *s = streams_find(t->streams, l->model, l->version);

	if (s && !l->relearn)
		path_set(s, reference_place(l->config, t->config->state, l->model, l->version));
	if (!fresh || !s || reference_install(fresh, s->path, (size_t)l->config->learn.keep, clock_now(NULL), &e))
		log_error("learning", "a new reference is in use, but cannot be put in its place; after the next start its stream is learned again",
			"model", log_s(l->model), "version", log_s(l->version), "error", log_s(e.text));
	free(fresh);
	learning_end(t->learning, l);
}

/* For as long as this process lives. */
static void keep_here(const struct teacher *t, struct stream *s, const char *fresh)
{
	char *model = reference_name(s->model), *version = reference_name(s->version);

	path_set(s, mem_format("%s/%s@%s.ref", t->dir, model, version));
	if (rename(fresh, s->path))
		unlink(fresh);
	free(model);
	free(version);
}

int teacher_activate(struct teacher *t, struct learner *l, const char *fresh, struct stream **ret, struct stream **ret_before,
	struct error *e)
{
	struct stream *before = streams_find(t->streams, l->model, l->version), *s;
	int status = t->streams->n < STREAMS_MOST ? stream_open(l->config, fresh, t->plugins, &s, e)
						  : error_set(e, -ENOSPC, "too many streams");

	if (status)
		return status;
	status = may_take_over(l, s, before, fresh, e);
	if (status || streams_put(t->streams, s, ret_before)) {
		stream_close(s);
		return status;
	}
	learning_note(t->learning, l, LEARNING_ACTIVE, s->reference->doubt);
	if (t->o.install) {
		if (own_reference(before))
			path_set(s, mem_copy_text(before->path));
		l->fitting = l->saved = false;
		l->installing = l->moved = true;
	} else {
		keep_here(t, s, fresh);
		learning_end(t->learning, l);
	}
	*ret = s;
	return 0;
}

bool teacher_committed(struct teacher *t)
{
	struct learner *l;
	bool any = false;

	for (size_t i = 0; (l = learning_each(t->learning, i));) {
		if (!l->installing || !l->saved) {
			i++;
			continue;
		}
		put_in_place(t, l); /* another stands at i now */
		any = true;
	}
	return any;
}

void teacher_forget(struct teacher *t)
{
	struct learner *l;

	while ((l = learning_each(t->learning, 0)))
		learning_end(t->learning, l);
	for (size_t i = 0; i < t->streams->n && !t->o.install; i++)
		if (!strncmp(t->streams->at[i]->path, t->dir, strlen(t->dir)))
			unlink(t->streams->at[i]->path);
}

/* With the one transaction. */

void teacher_save(struct teacher *t, struct txn *txn)
{
	learning_save(t->learning, txn);
}

/* A learner of before: is it still to be? Not when its reference came to be, by it or by hand. */
static bool still_wanted(void *context, const char *model, const char *version, const char *replaces)
{
	struct teacher *t = context;
	const struct stream *s = streams_find(t->streams, model, version);
	const struct model_config *m = config_model(t->config, model);

	if (*replaces)
		return own_reference(s) && !strcmp(s->reference->hash, replaces);
	return !own_reference(s) && m && m->learn.on;
}

/* Its stream was already watched by what was made when the process died: that goes on. */
static void install_goes_on(struct teacher *t, struct learner *l)
{
	struct stream *before = streams_find(t->streams, l->model, l->version), *s, *retired;
	struct error e = {0};
	char *fresh = teacher_fresh(t, l, &e);
	int status = fresh ? stream_open(l->config, fresh, t->plugins, &s, &e) : -ENOENT;

	free(fresh);
	if (!status) {
		if (own_reference(before))
			path_set(s, mem_copy_text(before->path));
		status = streams_put(t->streams, s, &retired);
		if (status)
			stream_close(s);
	}
	if (!status) {
		put_in_place(t, l);
		return;
	}
	log_error("learning", "a reference that was taken over is gone; it is made again", "model", log_s(l->model), "version",
		log_s(l->version), "error", log_s(e.text));
	l->installing = false;
	l->moved = true;
}

int teacher_load(struct teacher *t, struct store *s, struct error *e)
{
	int status = learning_load(t->learning, s, still_wanted, t, e);
	struct learner *l;

	for (size_t i = 0, n = teacher_learners(t); i < n && !status; i++)
		for (size_t k = 0; (l = learning_each(t->learning, k)); k++)
			if (l->installing) {
				install_goes_on(t, l);
				break;
			}
	return status;
}
