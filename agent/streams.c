/* SPDX-License-Identifier: Apache-2.0
 * From the configuration's models to streams that can score and judge. */
#include "streams.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void stream_done(struct stream *s)
{
	judge_close(s->judge);
	windows_close(s->windows);
	scorer_close(s->scorer);
	reference_close(s->reference);
	free(s->key);
}

void streams_close(struct streams *s)
{
	for (size_t i = 0; i < s->n; i++)
		stream_done(&s->at[i]);
	free(s->at);
	*s = (struct streams){0};
}

struct judge_options judge_options_of(const struct model_config *m)
{
	struct judge_options o = JUDGE_OPTIONS;

	o.false_alarms = m->false_alarms;
	o.per_us = m->per_us;
	o.window_us = m->window_us;
	o.smallest_effect = m->smallest_effect;
	o.season = (enum season)m->season;
	return o;
}

/* The reference was made under other settings than the configuration has now: said, and refused where it would be wrong. */
static int reference_fits(const struct model_config *m, const struct reference *r, struct error *e)
{
	char theirs[64], ours[64];

	if (!words_match(m->name, r->model))
		return error_set(e, -EINVAL, "%s is the reference of model '%s', not of '%s'", m->reference, r->model, m->name);
	if (r->window_us != m->window_us)
		return error_set(e, -EINVAL, "%s was fitted for windows of %s, the configuration says %s: fit again, or set window = \"%s\"",
			m->reference, duration_format(r->window_us, theirs, sizeof theirs), duration_format(m->window_us, ours, sizeof ours), theirs);
	if (r->flag_rate > m->flag * 1.0001 || r->flag_rate < m->flag * 0.9999)
		return error_set(e, -EINVAL, "%s was fitted for flag = %g, the configuration says %g: fit again, or set it back",
			m->reference, r->flag_rate, m->flag);
	if (r->strict != m->strict)
		return error_set(e, -EINVAL, "%s was fitted with strict = %s, the configuration says %s: fit again, or set it back",
			m->reference, r->strict ? "true" : "false", m->strict ? "true" : "false");
	return 0;
}

static int stream_open(const struct model_config *m, const struct plugins *plugins, struct stream *ret, struct error *e)
{
	struct stream s = {.config = m};
	struct judge_options options = judge_options_of(m);
	int status = reference_read(m->reference, &s.reference, e);

	if (!status)
		status = reference_fits(m, s.reference, e);
	if (!status)
		status = scorer_open(s.reference, plugins, &s.scorer, e);
	if (status) {
		stream_done(&s);
		return status;
	}
	s.model = s.reference->model;
	s.version = s.reference->version;
	s.key = mem_format("%s %s", s.model, s.version);
	s.windows = windows_open(m->window_us, m->lateness_us, s.reference->width);
	s.judge = judge_open(s.reference, &options);
	*ret = s;
	return 0;
}

size_t streams_open(const struct config *config, const struct plugins *plugins, struct streams *ret, struct buf *errors)
{
	size_t mistakes = 0;

	*ret = (struct streams){.at = mem_zero(config->n_models, sizeof(struct stream))};
	for (size_t i = 0; i < config->n_models; i++) {
		const struct model_config *m = &config->models[i];
		struct error e = {0};
		int status = m->reference ? stream_open(m, plugins, &ret->at[ret->n], &e) : -ENOENT;

		if (status == -ENOENT) {
			log_warning("streams", "model has no reference yet: its records are counted as no_reference until oodd fit made one",
				"model", m->name, "reference", log_s(m->reference ? m->reference : "(none configured)"));
			continue;
		}
		if (status) {
			buf_format(errors, "%s: model \"%s\": %s\n", m->where, m->name, e.text);
			mistakes++;
			continue;
		}
		ret->n++;
	}
	return mistakes;
}

struct stream *streams_find(const struct streams *s, const char *model, const char *version)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->at[i].model, model) && !strcmp(s->at[i].version, version))
			return &s->at[i];
	return NULL;
}
