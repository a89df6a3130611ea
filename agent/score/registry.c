/* SPDX-License-Identifier: Apache-2.0
 *
 * From folders to detectors by name. One bad file must not take scoring down with it, so what is wrong with a file becomes a
 * warning, and the rest loads; a name that is then missing is an error where it is asked for.
 */
#include "score/registry.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/place.h"
#include "base/words.h"

#define MOST_DIRS 32

/* Takes dir; one that is there already is not looked into twice. */
static void dirs_add(char **dirs, size_t *n, char *dir)
{
	for (size_t i = 0; i < *n; i++)
		if (!strcmp(dirs[i], dir))
			*dir = '\0';
	if (*n < MOST_DIRS && *dir)
		dirs[(*n)++] = dir;
	else
		free(dir);
}

static void dirs_add_path(char **dirs, size_t *n, const char *path)
{
	while (path && *path) {
		size_t span = strcspn(path, ":");
		dirs_add(dirs, n, mem_copy_span(path, span));
		path += span + (path[span] == ':');
	}
}

char **plugin_default_dirs(const char *const *configured, size_t n)
{
	char **dirs = mem_zero(MOST_DIRS + 1, sizeof *dirs);
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		dirs_add(dirs, &found, mem_copy_text(configured[i]));
	dirs_add_path(dirs, &found, secure_getenv("OODD_PLUGIN_PATH"));
	dirs_add(dirs, &found, place_plugins());
	return dirs;
}

void plugin_dirs_free(char **dirs)
{
	for (size_t i = 0; dirs && dirs[i]; i++)
		free(dirs[i]);
	free(dirs);
}

static void __attribute__((format(printf, 2, 3))) warn(struct plugins *p, const char *format, ...)
{
	char text[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	p->warnings = mem_grow(p->warnings, p->n_warnings + 1, sizeof *p->warnings);
	p->warnings[p->n_warnings++] = mem_copy_text(text);
}

static const struct oodd_detector *find(const struct plugins *p, const char *name, const struct plugin **ret_from)
{
	for (size_t i = 0; i < p->n; i++)
		for (size_t j = 0; j < p->at[i]->n_detectors; j++)
			if (strcmp(p->at[i]->detectors[j].name, name) == 0) {
				*ret_from = p->at[i];
				return &p->at[i]->detectors[j];
			}
	return NULL;
}

/* Names met before are dropped from the newcomer: the first folder wins. A file met before under another name says nothing. */
static void duplicates_drop(struct plugins *p, struct plugin *fresh)
{
	const struct plugin *first = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < fresh->n_detectors; i++) {
		if (!find(p, fresh->detectors[i].name, &first))
			fresh->detectors[kept++] = fresh->detectors[i];
		else if (strcmp(first->path, fresh->path) != 0)
			warn(p, "plugin %s: detector %s is already there from %s; that one is used", fresh->path,
				fresh->detectors[i].name, first->path);
	}
	fresh->n_detectors = kept;
}

static void file_add(struct plugins *p, const char *dir, const char *name)
{
	char *path = mem_format("%s/%s", dir, name);
	struct plugin *fresh = NULL;
	struct error e = {""};

	if (plugin_load(path, PLUGIN_STRICT, &fresh, &e))
		warn(p, "%s", e.text);
	free(path);
	if (!fresh)
		return;
	duplicates_drop(p, fresh);
	if (fresh->n_detectors == 0) {
		plugin_close(fresh);
		return;
	}
	p->at = mem_grow(p->at, p->n + 1, sizeof(struct plugin *));
	p->at[p->n++] = fresh;
}

static int is_plugin_file(const struct dirent *d)
{
	size_t n = strlen(d->d_name);
	return d->d_name[0] != '.' && n > 3 && strcmp(d->d_name + n - 3, ".so") == 0;
}

/* By bytes, not by the locale's order: the same everywhere. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void dir_add(struct plugins *p, const char *dir)
{
	struct dirent **files = NULL;
	int n = scandir(dir, &files, is_plugin_file, by_name);

	if (n < 0)
		warn(p, "plugins: folder %s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		file_add(p, dir, files[i]->d_name);
		free(files[i]);
	}
	free(files);
}

struct plugins *plugins_open(const char *const *dirs, size_t n)
{
	struct plugins *p = mem_zero(1, sizeof *p);

	for (size_t i = 0; i < n; i++)
		dir_add(p, dirs[i]);
	return p;
}

void plugins_close(struct plugins *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		plugin_close(p->at[i]);
	for (size_t i = 0; i < p->n_warnings; i++)
		free(p->warnings[i]);
	free(p->at);
	free(p->warnings);
	free(p);
}

/* "energy, gen, knn": for the message when nothing is near. */
static size_t names_collect(const struct plugins *p, const char ***ret_names, struct buf *all)
{
	size_t n = 0;

	*ret_names = NULL;
	for (size_t i = 0; i < p->n; i++)
		for (size_t j = 0; j < p->at[i]->n_detectors; j++) {
			*ret_names = mem_grow(*ret_names, n + 1, sizeof **ret_names);
			buf_format(all, "%s%s", n ? ", " : "", p->at[i]->detectors[j].name);
			(*ret_names)[n++] = p->at[i]->detectors[j].name;
		}
	return n;
}

int plugins_find(const struct plugins *p, const char *name, const struct oodd_detector **ret, struct error *e)
{
	const struct plugin *from = NULL;
	const struct oodd_detector *d = find(p, name, &from);
	const char **names;
	struct buf all = BUF_EMPTY;

	if (d) {
		*ret = d;
		return 0;
	}
	size_t n = names_collect(p, &names, &all);
	const char *nearest = words_nearest(name, names, n);
	if (nearest)
		error_set(e, -ENOENT, "unknown detector \"%s\"; did you mean \"%s\"?", name, nearest);
	else if (n)
		error_set(e, -ENOENT, "unknown detector \"%s\"; there are: %s", name, buf_cstr(&all));
	else
		error_set(e, -ENOENT, "unknown detector \"%s\": no plugin was found", name);
	free(names);
	buf_done(&all);
	return -ENOENT;
}
