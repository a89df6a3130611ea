/* SPDX-License-Identifier: Apache-2.0
 * What `oodd check` says of a configuration that works, and may not do what its writer thinks. */
#include "config_parts.h"

#include "base/mem.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void remark(const struct config *c, const void *member, struct buf *to, const char *what, const char *name)
{
	buf_format(to, "%s:%d: %s \"%s\": ", c->file, config_line(c, member), what, name);
}

/* While oodd runs, a renamed log is followed by its identity. During a stop only its name leads to it. */
static void source_remarks(const struct config *c, const struct source_config *s, struct buf *to)
{
	size_t found = 0, rotated = 0;

	for (size_t i = 0; i < s->n_paths; i++) {
		char *turned = mem_format("%s.1", s->paths[i]);
		glob_t g = {0};

		found += glob(s->paths[i], GLOB_NOSORT, NULL, &g) ? 0 : g.gl_pathc;
		for (size_t j = 0; j < s->n_paths; j++)
			rotated += fnmatch(s->paths[j], turned, FNM_PATHNAME) == 0;
		globfree(&g);
		free(turned);
	}
	if (!found) {
		remark(c, &s->paths, to, "source", s->name);
		buf_text(to, "no file matches path yet; it is looked for while oodd runs\n");
	}
	if (!rotated) {
		remark(c, &s->paths, to, "source", s->name);
		buf_text(to, "path does not match rotated names (\"NAME.1\"): what is rotated away while oodd is stopped would not be read; "
			"end path with * if the log is rotated by renaming\n");
	}
}

static bool is_plain_http(const char *url)
{
	static const char *const near[] = {"http://127.", "http://localhost", "http://[::1]"};

	for (size_t i = 0; i < sizeof near / sizeof *near; i++)
		if (!strncmp(url, near[i], strlen(near[i])))
			return false;
	return !strncmp(url, "http://", 7);
}

static bool has_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = !slash || slash == path ? mem_copy_text(slash ? "/" : ".") : mem_copy_span(path, (size_t)(slash - path));
	bool is = access(folder, F_OK) == 0;

	free(folder);
	return is;
}

static void endpoint_remarks(const struct config *c, const struct endpoint_config *e, struct buf *to)
{
	if (e->path && !has_folder(e->path)) {
		remark(c, &e->path, to, "endpoint", e->name);
		buf_format(to, "the folder of %s is not there: alerts wait until it is\n", e->path);
	}
	if (!e->url || !e->secret_file || !is_plain_http(e->url))
		return;
	remark(c, &e->url, to, "endpoint", e->name);
	buf_text(to, "url is not https: whoever is on the way can read what is sent, a token included\n");
}

/* What is absent, and would be missed only when it was needed. */
static void absent_remarks(const struct config *c, struct buf *to)
{
	if (!c->n_sources)
		buf_format(to, "%s: no source: nothing would be followed\n", c->file);
	if (!c->n_models)
		buf_format(to, "%s: no model: nothing would be watched\n", c->file);
	if (!c->n_endpoints)
		buf_format(to, "%s: no endpoint: alerts would stand in the log only\n", c->file);
	if (access(c->state, F_OK) && !has_folder(c->state))
		buf_format(to, "%s: state: neither %s nor the folder it would be made in is there: run would not start\n", c->file, c->state);
}

void config_remarks(const struct config *c, struct buf *to)
{
	absent_remarks(c, to);
	for (size_t i = 0; i < c->n_sources; i++)
		source_remarks(c, &c->sources[i], to);
	for (size_t i = 0; i < c->n_endpoints; i++)
		endpoint_remarks(c, &c->endpoints[i], to);
}
