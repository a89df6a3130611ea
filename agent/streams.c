/* SPDX-License-Identifier: Apache-2.0
 * From the configuration's models to streams that can score and judge. */
#include "streams.h"

#include "reference_place.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"
#include "model/reference_inherit.h"
#include "score/statistic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void stream_close(struct stream *s)
{
	if (!s)
		return;
	judge_close(s->judge);
	odd_close(s->odd);
	truth_close(s->truth);
	windows_close(s->windows);
	scorer_close(s->scorer);
	reference_close(s->reference);
	free(s->path);
	free(s->key);
	free(s);
}

void streams_close(struct streams *s)
{
	for (size_t i = 0; i < s->n; i++)
		stream_close(s->at[i]);
	free(s->at);
	s->at = NULL;
	s->n = 0;
}

struct judge_options judge_options_of(const struct model_config *m)
{
	struct judge_options o = JUDGE_OPTIONS;

	o.false_alarms = m->false_alarms.n;
	o.per_us = m->false_alarms.per_us;
	o.window_us = m->window_us;
	o.smallest_effect = m->smallest_effect;
	o.season = (enum season)m->season;
	o.limits = &m->limits;
	o.slice_period_us = m->slice_period_us;
	return o;
}

static bool slices_fit(const struct model_config *m, const struct reference *r)
{
	size_t found = 0;

	for (size_t i = 0; i < m->n_slices; i++)
		for (size_t t = 0; t < r->slices.n_asked; t++)
			found += !strcmp(m->slices[i], r->slices.asked[t]);
	return found == r->slices.n_asked && found == m->n_slices;
}

/* Every limit is of a metric that the reference knows, and can be counted by it. */
static int limits_fit(const struct model_config *m, const char *path, const struct reference *r, struct error *e)
{
	for (size_t i = 0; i < m->limits.n; i++) {
		char *why = limit_unfit(&m->limits.at[i], r);
		int status = why ? error_set(e, -EINVAL, "metrics (line %d): %s (%s)", m->limits.at[i].line, why, path) : 0;

		free(why);
		if (status)
			return status;
	}
	return 0;
}

/* The reference was made under other settings than the configuration has now: said, and refused where it would be wrong. */
static int reference_fits(const struct model_config *m, const char *path, const struct reference *r, struct error *e)
{
	char theirs[64], ours[64];

	if (!words_match(m->name, r->model))
		return error_set(e, -EINVAL, "%s is the reference of model '%s', not of '%s'", path, r->model, m->name);
	if (r->window_us != m->window_us)
		return error_set(e, -EINVAL, "%s was fitted for windows of %s, the configuration says %s: fit again, or set window = \"%s\"",
			path, duration_format(r->window_us, theirs, sizeof theirs), duration_format(m->window_us, ours, sizeof ours), theirs);
	if (r->flag_rate > m->flag * 1.0001 || r->flag_rate < m->flag * 0.9999)
		return error_set(e, -EINVAL, "%s was fitted for flag = %g, the configuration says %g: fit again, or set it back",
			path, r->flag_rate, m->flag);
	if (r->strict != m->strict)
		return error_set(e, -EINVAL, "%s was fitted with strict = %s, the configuration says %s: fit again, or set it back",
			path, r->strict ? "true" : "false", m->strict ? "true" : "false");
	if (!slices_fit(m, r))
		return error_set(e, -EINVAL, "%s was fitted for other slices than the configuration names: fit again, or set them back", path);
	return limits_fit(m, path, r, e);
}

/* Takes the reference, whatever comes of it. */
static int stream_make(const struct model_config *m, struct reference *r, const char *path, const struct plugins *plugins,
	struct stream **ret, struct error *e)
{
	struct judge_options options = judge_options_of(m);
	struct stream *s = mem_zero(1, sizeof *s);
	int status = statistics_attach(r, plugins, e);

	s->reference = r;
	if (!status)
		status = scorer_open(r, plugins, &s->scorer, e);
	if (status) {
		stream_close(s);
		return status;
	}
	s->config = m;
	s->model = s->reference->model;
	s->version = s->reference->version;
	s->path = mem_copy_text(path);
	s->key = mem_format("%s %s", s->model, s->version);
	s->windows = windows_open(m->window_us, m->lateness_us, s->reference->width);
	if (m->labels) {
		struct truth_options o = {.most = (size_t)m->label_most, .keep_us = m->label_wait_us, .judge = options};

		s->truth = truth_open(s->reference, &o);
		options = truth_leaves(s->reference, &options);
		if (!s->reference->performance.truth)
			log_info("streams", "the reference was made without labels: how many predictions are right is told, and no error raises an alarm",
				"model", log_s(s->model), "version", log_s(s->version));
	}
	s->judge = judge_open(s->reference, &options);
	s->odd = odd_open(s->reference, &(struct odd_options){(size_t)m->samples, m->texts});
	s->odd_bar = 2;
	*ret = s;
	return 0;
}

int stream_open(const struct model_config *m, const char *path, const struct plugins *plugins, struct stream **ret, struct error *e)
{
	struct reference *r;
	int status = reference_read(path, &r, e);

	if (status)
		return status;
	status = reference_fits(m, path, r, e);
	if (!status)
		return stream_make(m, r, path, plugins, ret, e);
	reference_close(r);
	return status;
}

int stream_inherit(const struct stream *from, const char *version, const struct plugins *plugins, struct stream **ret, struct error *e)
{
	struct reference *r;
	int status = reference_inherit(from->reference, version, &r, e);

	if (!status)
		status = stream_make(from->config, r, from->path, plugins, ret, e);
	/* Its judge has learned from them; hundreds of versions may be at this stage at once. */
	if (!status)
		reference_forget_windows((*ret)->reference);
	return status;
}

struct stream *streams_ancestor(const struct streams *s, const char *model)
{
	struct stream *best = NULL;

	for (size_t i = 0; i < s->n; i++) {
		struct stream *at = s->at[i];

		if (!at->retired && !at->reference->inherited_from && !strcmp(at->model, model) &&
			(!best || at->reference->last_us > best->reference->last_us))
			best = at;
	}
	return best;
}

size_t streams_inherited(const struct streams *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += !s->at[i]->retired && s->at[i]->reference->inherited_from;
	return n;
}

/* One block of the configuration, while its references are opened. */
struct opening {
	const struct config *config;
	const struct model_config *model;
	const struct plugins *plugins;
	struct streams *streams;
	struct buf *errors;
	size_t mistakes, n;
};

/* A file that the pattern of a path has matched by chance (an older one that was kept, say) is not of this place. */
static bool stands_right(const struct opening *o, const struct stream *s)
{
	char *right;
	bool same;

	if (o->model->reference && !strcmp(s->path, o->model->reference))
		return true;
	right = reference_path(o->model, o->config->state, s->model, s->version);
	same = !strcmp(right, s->path);
	free(right);
	return same;
}

static void open_one(void *context, const char *path)
{
	struct opening *o = context;
	struct stream *s, *known;
	struct error e = {0};
	int status = stream_open(o->model, path, o->plugins, &s, &e);

	if (status == -ENOENT)
		return;
	if (status) {
		buf_format(o->errors, "%s: model \"%s\": %s\n", o->model->where, o->model->name, e.text);
		o->mistakes++;
		return;
	}
	known = streams_find(o->streams, s->model, s->version);
	if (known && stands_right(o, s))
		log_warning("streams", "two references of one stream; the first is used", "used", log_s(known->path), "other", log_s(path));
	if (known || !stands_right(o, s) || streams_put(o->streams, s, &known))
		stream_close(s);
	else
		o->n++;
}

size_t streams_open(const struct config *config, const struct plugins *plugins, struct streams *ret, struct buf *errors)
{
	size_t mistakes = 0;

	ret->at = mem_zero(STREAMS_MOST, sizeof(struct stream *));
	ret->n = 0;
	for (size_t i = 0; i < config->n_models; i++) {
		struct opening o = {.config = config, .model = &config->models[i], .plugins = plugins, .streams = ret, .errors = errors};

		reference_each(o.model, config->state, open_one, &o);
		if (!o.n && !o.mistakes)
			log_line(o.model->learn.on ? LOG_INFO_ : LOG_WARNING_, "streams",
				o.model->learn.on ? "model has no reference yet: run and replay learn it from its traffic"
						  : "model has no reference, and learn = false: its records are only counted", "model", o.model->name, "reference",
				log_s(o.model->reference ? o.model->reference : "(none configured)"), NULL);
		mistakes += o.mistakes;
	}
	return mistakes;
}

int streams_put(struct streams *streams, struct stream *s, struct stream **ret_retired)
{
	struct stream *before = streams_find(streams, s->model, s->version);

	if (streams->n == STREAMS_MOST)
		return -ENOSPC;
	/* The pointer, then the number: who sees the number sees the pointer. */
	streams->at[streams->n] = s;
	atomic_fetch_add(&streams->n, 1);
	if (before && before->truth && s->truth)
		truth_adopt(s->truth, before->truth);
	if (before)
		atomic_store(&before->retired, true);
	*ret_retired = before;
	return 0;
}

void streams_sweep(struct streams *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->at[i]->retired)
			stream_close(s->at[i]);
		else
			s->at[n++] = s->at[i];
	}
	s->n = n;
}

struct stream *streams_find(const struct streams *s, const char *model, const char *version)
{
	size_t n = atomic_load(&s->n);

	for (size_t i = 0; i < n; i++)
		if (!atomic_load(&s->at[i]->retired) && !strcmp(s->at[i]->model, model) && !strcmp(s->at[i]->version, version))
			return s->at[i];
	return NULL;
}
