/* SPDX-License-Identifier: Apache-2.0
 * One configuration at work, made in an order in which the later can fail without harm to the earlier. */
#include "rooms.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void rooms_close(struct rooms *r)
{
	if (r->dead)
		for (size_t i = 0; i < r->house.config->n_sources; i++)
			dead_letter_close(r->dead[i]);
	free(r->dead);
	feed_close(r->feed);
	pipeline_close(r->pipeline);
	house_close(&r->house);
	*r = (struct rooms){0};
}

static void say_lines(enum log_level level, const char *text)
{
	for (const char *end; *text; text = *end ? end + 1 : end) {
		char *line;

		end = strchrnul(text, '\n');
		line = mem_copy_span(text, (size_t)(end - text));
		log_line(level, "config", line, NULL);
		free(line);
	}
}

int rooms_build(const char *config_path, const struct pipeline_sinks *sinks, struct rooms *r)
{
	struct buf errors = BUF_EMPTY;
	int status = house_open(config_path, &r->house, &errors);

	if (!status) {
		r->pipeline = pipeline_open(r->house.config, r->house.plugins, sinks, PIPELINE_ALL, &errors);
		status = r->pipeline ? 0 : -EINVAL;
	}
	if (errors.n)
		say_lines(status ? LOG_ERROR_ : LOG_WARNING_, buf_cstr(&errors));
	buf_done(&errors);
	if (status)
		rooms_close(r);
	return status;
}

struct positions {
	struct position *at;
	size_t n;
};

static int keep_position(void *context, const struct position *p)
{
	struct positions *known = context;

	known->at = mem_grow(known->at, known->n + 1, sizeof *known->at);
	position_copy(&known->at[known->n++], p);
	return 0;
}

static int dead_open(struct rooms *r, struct error *e)
{
	const struct config *c = r->house.config;
	int status = 0;

	r->dead = mem_zero(c->n_sources, sizeof(struct dead_letter *));
	for (size_t i = 0; i < c->n_sources && !status; i++) {
		char *path = mem_format("%s/dead-%s.jsonl", c->state, c->sources[i].name);

		status = dead_letter_open(path, c->sources[i].name, (uint64_t)c->dead_letter_bytes, &r->dead[i], e);
		free(path);
	}
	return status;
}

int rooms_start(struct rooms *r, struct store *store, struct feed_options feed, struct error *e)
{
	struct positions known = {0};
	int status = pipeline_load(r->pipeline, store, e);

	if (!status)
		status = store_each_position(store, NULL, keep_position, &known, e);
	if (!status)
		status = dead_open(r, e);
	feed.config = r->house.config;
	feed.pipeline = r->pipeline;
	feed.known = known.at;
	feed.n_known = known.n;
	if (!status)
		status = feed_open(&feed, &r->feed, e);
	for (size_t i = 0; i < known.n; i++)
		position_done(&known.at[i]);
	free(known.at);
	return status;
}
