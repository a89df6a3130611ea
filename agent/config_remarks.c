/* SPDX-License-Identifier: Apache-2.0
 * What `oodd check` says of a configuration that works, and may not do what its writer thinks. */
#include "config_parts.h"

#include "base/mem.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

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

static void endpoint_remarks(const struct config *c, const struct endpoint_config *e, struct buf *to)
{
	if (!e->url || !e->secret_file || !is_plain_http(e->url))
		return;
	remark(c, &e->url, to, "endpoint", e->name);
	buf_text(to, "url is not https: whoever is on the way can read what is sent, a token included\n");
}

void config_remarks(const struct config *c, struct buf *to)
{
	for (size_t i = 0; i < c->n_sources; i++)
		source_remarks(c, &c->sources[i], to);
	for (size_t i = 0; i < c->n_endpoints; i++)
		endpoint_remarks(c, &c->endpoints[i], to);
}
