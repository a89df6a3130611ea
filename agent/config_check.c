/* SPDX-License-Identifier: Apache-2.0
 * What a configuration promises beyond its single values: names said once, endpoints that can be
 * reached in the way their kind wants, files that are there, secrets that are kept. And the end of
 * a configuration. */
#include "config_parts.h"

#include "base/mem.h"
#include "base/place.h"
#include "base/words.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_KINDS = 64 };

static int line_of(const char *where)
{
	const char *colon = strrchr(where, ':');

	return colon ? atoi(colon + 1) : 0;
}

static void check_names(struct reading *r, const struct config *c, const struct config_word *word)
{
	const char *list = *(const char *const *)((const char *)c + word->list);
	size_t n = *(const size_t *)((const char *)c + word->n_list);

	for (size_t i = 1; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			const char *a = list + i * word->size, *b = list + j * word->size;

			if (strcmp(*(char *const *)(a + word->name),
				    *(char *const *)(b + word->name)) != 0)
				continue;
			table_wrong(r, line_of(*(char *const *)(a + word->where)),
				"%s \"%s\" is there twice; the first is at line %d", word->word,
				*(char *const *)(a + word->name),
				line_of(*(char *const *)(b + word->where)));
			break;
		}
	}
}

static void check_source(struct reading *r, const struct config *c, const struct source_config *s)
{
	if (s->paths && s->n_paths == 0)
		table_wrong(r, config_line(c, &s->paths),
			"path is an empty list: nothing would be followed");
}

/* A label is a record of its own sort: an id, a time, a class, and nothing that is scored. */
static void labels_places(struct decode_options *o)
{
	static const enum field none[] = {FIELD_FEATURES, FIELD_EMBEDDING, FIELD_LOGITS, FIELD_PROBABILITIES, FIELD_CONFIDENCE,
		FIELD_TAGS, FIELD_METRICS, FIELD_TEXT};

	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		if (!o->pointer[none[i]])
			o->pointer[none[i]] = mem_copy_text("");
	if (!o->pointer[FIELD_PREDICTION])
		o->pointer[FIELD_PREDICTION] = mem_copy_text("/label");
	if (!o->model)
		o->model = mem_copy_text("*");
}

static void labels_of_models(struct config *c, const struct source_config *s)
{
	for (size_t i = 0; i < c->n_models; i++)
		c->models[i].labels |= words_match(s->decode.model, c->models[i].name) || words_match(c->models[i].name, s->decode.model);
}

size_t config_add_labels(struct config *c)
{
	struct source_config s = {.name = mem_copy_text("labels"), .where = mem_copy_text("--labels"), .kind = SOURCE_LABELS,
		.decode = DECODE_OPTIONS};

	labels_places(&s.decode);
	c->sources = mem_grow(c->sources, c->n_sources + 1, sizeof *c->sources);
	c->sources[c->n_sources] = s;
	labels_of_models(c, &s);
	return c->n_sources++;
}

static void check_model(struct reading *r, const struct config *c, const struct model_config *m)
{
	if (m->window_us > 0 && m->lateness_us > 100 * m->window_us)
		table_wrong(r, config_line(c, &m->lateness_us),
			"lateness is more than a hundred windows long");
}

/* What each kind wants besides its name. Any other kind is a script too, and wants a url. */
static const struct kind {
	const char *name;
	bool script, url, path;
} kinds[] = {{.name = "alertmanager", .script = true, .url = true},
	{.name = "webhook", .script = true, .url = true}, {.name = "file", .path = true},
	{.name = "stdout"}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < N_KINDS; i++)
		if (strcmp(name, kinds[i].name) == 0)
			return &kinds[i];
	return NULL;
}

/* Names of the shipped scripts, for a suggestion: "…/endpoints/slack.lua" is slack. */
static size_t script_names(glob_t *g, const char *names[MOST_KINDS])
{
	char *pattern = place_script("endpoints");
	char *globbed = mem_format("%s/*.lua", pattern);
	size_t n = 0;

	for (size_t i = 0; i < N_KINDS; i++)
		if (!kinds[i].script)
			names[n++] = kinds[i].name;
	if (glob(globbed, 0, NULL, g))
		g->gl_pathc = 0;
	for (size_t i = 0; i < g->gl_pathc && n < MOST_KINDS; i++) {
		char *name = strrchr(g->gl_pathv[i], '/') + 1;

		name[strlen(name) - 4] = '\0';
		names[n++] = name;
	}
	free(globbed);
	free(pattern);
	return n;
}

static void report_kind(struct reading *r, int line, const char *kind)
{
	const char *names[MOST_KINDS];
	struct buf list = BUF_EMPTY;
	char hint[64];
	glob_t g = {0};
	size_t n = script_names(&g, names);

	for (size_t i = 0; i < n; i++)
		buf_format(&list, "%s%s", i ? ", " : "", names[i]);
	table_wrong(r, line, "unknown kind '%.60s'%s (one of: %s, or a path to a script of yours)",
		kind, table_nearest(kind, names, n, hint, sizeof hint), buf_cstr(&list));
	buf_done(&list);
	globfree(&g);
}

/* The script behind a kind: a path when it looks like one, else a shipped one. */
static void find_script(struct reading *r, const struct config *c, struct endpoint_config *e)
{
	bool is_path = strchr(e->kind, '/') ||
		       (strlen(e->kind) > 4 && strcmp(e->kind + strlen(e->kind) - 4, ".lua") == 0);
	char *name = mem_format("endpoints/%s.lua", e->kind);

	e->script = is_path ? table_path(r, e->kind) : place_script(name);
	free(name);
	if (access(e->script, R_OK) == 0)
		return;
	if (is_path || find_kind(e->kind))
		table_wrong(r, config_line(c, &e->kind), "the script %s cannot be read: %s",
			e->script, strerror(errno));
	else
		report_kind(r, config_line(c, &e->kind), e->kind);
}

static void check_wants(struct reading *r, const struct config *c, const struct endpoint_config *e,
	const struct kind *k)
{
	if (k->url && !e->url)
		table_wrong(r, line_of(e->where),
			"'url' is missing; kind \"%s\" sends requests to it", e->kind);
	else if (!k->url && e->url)
		table_wrong(
			r, config_line(c, &e->url), "url means nothing to kind \"%s\"", e->kind);
	if (k->path && !e->path)
		table_wrong(r, line_of(e->where), "'path' is missing; kind \"%s\" writes to it",
			e->kind);
	else if (!k->path && e->path)
		table_wrong(
			r, config_line(c, &e->path), "path means nothing to kind \"%s\"", e->kind);
	if (e->url && strncmp(e->url, "http://", 7) != 0 && strncmp(e->url, "https://", 8) != 0)
		table_wrong(r, config_line(c, &e->url),
			"url must begin with http:// or https://, and is \"%.80s\"", e->url);
	else if (e->url && (!e->url[strcspn(e->url, ":") + 3] || strpbrk(e->url, " \t\r\n\"<>")))
		table_wrong(r, config_line(c, &e->url), "\"%.80s\" is not a URL", e->url);
}

/* There, a file, readable; for a secret also: nobody but owner and group may read it, nobody but
 * the owner may write it. */
static void check_file(struct reading *r, int line, const char *name, const char *path, bool secret)
{
	struct stat st;

	if (!path)
		return;
	if (stat(path, &st))
		table_wrong(r, line, "%s: %s: %s", name, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		table_wrong(r, line, "%s: %s is not a regular file", name, path);
	else if (access(path, R_OK))
		table_wrong(r, line, "%s: %s: %s", name, path, strerror(errno));
	else if (secret && (st.st_mode & 037) != 0)
		table_wrong(r, line, "%s: %s is open to others (mode %04o); chmod 0600 or 0640 it",
			name, path, st.st_mode & 07777);
	else if (secret && st.st_size == 0)
		table_wrong(r, line, "%s: %s is empty", name, path);
}

static void check_endpoint(struct reading *r, const struct config *c, struct endpoint_config *e)
{
	static const struct kind script = {.name = "", .script = true, .url = true};
	const struct kind *k;

	if (!e->kind)
		return;
	k = find_kind(e->kind) ? find_kind(e->kind) : &script;
	if (k->script)
		find_script(r, c, e);
	check_wants(r, c, e, k);
	check_file(r, config_line(c, &e->secret_file), "secret_file", e->secret_file, true);
	check_file(r, config_line(c, &e->ca_file), "ca_file", e->ca_file, false);
}

/* The globs of `rules` into files. A pattern that matches nothing is a mistake: nothing could raise
 * an alert, which looks like peace. */
static void find_rules(struct reading *r, struct config *c)
{
	int line = config_line(c, &c->rules);
	char **files = mem_zero(1, sizeof *files);
	size_t n = 0;

	for (size_t i = 0; i < c->n_rules; i++) {
		glob_t g = {0};

		if (glob(c->rules[i], 0, NULL, &g))
			table_wrong(r, line, "rules: no file matches %s", c->rules[i]);
		for (size_t j = 0; j < g.gl_pathc; j++) {
			files = mem_grow(files, n + 1, sizeof *files);
			files[n++] = mem_copy_text(g.gl_pathv[j]);
			check_file(r, line, "rules", files[n - 1], false);
		}
		globfree(&g);
		free(c->rules[i]);
	}
	free(c->rules);
	c->rules = files;
	c->n_rules = n;
	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(files[i], files[j]) == 0)
				table_wrong(r, line, "rules: %s is matched twice", files[i]);
}

static void say_what(struct reading *r, const char *word, const char *name)
{
	snprintf(r->what, sizeof r->what, "%s \"%s\": ", word, name);
}

/* The host's budget is shared evenly: a union of streams has at most the sum of their false alarms. */
static void share_budget(struct config *c)
{
	for (size_t i = 0; i < c->n_models && c->false_alarms.n > 0; i++) {
		struct alarm_rate *rate = &c->models[i].false_alarms;
		double share = c->false_alarms.n / (double)c->n_models * ((double)rate->per_us / (double)c->false_alarms.per_us);

		if (share < rate->n)
			rate->n = share;
	}
}

void config_check(struct reading *r, struct config *c)
{
	share_budget(c);
	for (size_t i = 0; i < config_n_blocks; i++)
		check_names(r, c, &config_blocks[i]);
	for (size_t i = 0; i < c->n_sources; i++) {
		say_what(r, "source", c->sources[i].name);
		check_source(r, c, &c->sources[i]);
		if (c->sources[i].kind == SOURCE_LABELS) {
			labels_places(&c->sources[i].decode);
			labels_of_models(c, &c->sources[i]);
		}
	}
	for (size_t i = 0; i < c->n_models; i++) {
		say_what(r, "model", c->models[i].name);
		check_model(r, c, &c->models[i]);
	}
	for (size_t i = 0; i < c->n_endpoints; i++) {
		say_what(r, "endpoint", c->endpoints[i].name);
		check_endpoint(r, c, &c->endpoints[i]);
	}
	r->what[0] = '\0';
	find_rules(r, c);
}

static void close_blocks(struct config *c, const struct config_word *word)
{
	char *list = *(char **)((char *)c + word->list);
	size_t n = *(size_t *)((char *)c + word->n_list);

	for (size_t i = 0; i < n; i++) {
		char *block = list + i * word->size;

		table_done(word->keys, word->n_keys, block);
		free(*(char **)(block + word->name));
		free(*(char **)(block + word->where));
	}
	free(list);
}

void config_close(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_endpoints; i++)
		free(c->endpoints[i].script);
	for (size_t i = 0; i < config_n_blocks; i++)
		close_blocks(c, &config_blocks[i]);
	table_done(config_settings.keys, config_settings.n_keys, c);
	free(c->origins);
	free(c->file);
	free(c);
}

const struct model_config *config_model(const struct config *c, const char *model)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (strcmp(c->models[i].name, model) == 0)
			return &c->models[i];
	for (size_t i = 0; i < c->n_models; i++)
		if (words_match(c->models[i].name, model))
			return &c->models[i];
	return NULL;
}
