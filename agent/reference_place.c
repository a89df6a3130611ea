/* SPDX-License-Identifier: Apache-2.0
 * Names and places of references; and how a new one takes the place of an old one. */
#include "reference_place.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPLATE "references/%m@%v.ref"

enum { MOST_NAME = 72, HASH_DIGITS = 17 };

static bool plain_letter(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

char *reference_name(const char *text)
{
	struct buf to = BUF_EMPTY;
	char *name;

	for (const char *p = text; *p; p++) {
		if (plain_letter(*p) || (*p == '.' && p != text))
			buf_put(&to, p, 1);
		else
			buf_format(&to, "%%%02X", (unsigned)(unsigned char)*p);
	}
	if (to.n <= MOST_NAME)
		name = mem_copy_text(buf_cstr(&to));
	else
		name = mem_format("%.*s~%016llx", MOST_NAME - HASH_DIGITS, buf_cstr(&to),
			(unsigned long long)hash_bytes(text, strlen(text), 0));
	buf_done(&to);
	return name;
}

bool reference_templated(const struct model_config *m)
{
	return !m->reference || strstr(m->reference, "%v") || strstr(m->reference, "%m");
}

/* The path with %m and %v replaced. */
static char *filled_in(const char *path, const char *model, const char *version)
{
	struct buf to = BUF_EMPTY;
	char *done;

	for (const char *p = path; *p; p++) {
		const char *word = p[0] != '%' ? NULL : p[1] == 'm' ? model : p[1] == 'v' ? version : NULL;

		buf_put(&to, word ? word : p, word ? strlen(word) : 1);
		p += word != NULL;
	}
	done = mem_copy_text(buf_cstr(&to));
	buf_done(&to);
	return done;
}

/* The path as a template for every stream: "a/intent.ref" is "a/intent@%v.ref". The caller frees. */
static char *template_of(const struct model_config *m, const char *state)
{
	const char *last, *dot;
	int stem;

	if (!m->reference)
		return mem_format("%s/%s", state, TEMPLATE);
	if (reference_templated(m))
		return mem_copy_text(m->reference);
	last = strrchr(m->reference, '/');
	last = last ? last + 1 : m->reference;
	dot = strrchr(last, '.');
	if (!dot || dot == last)
		dot = last + strlen(last);
	stem = (int)(dot - m->reference);
	return mem_format("%.*s%s@%%v%s", stem, m->reference, strpbrk(m->name, "*?") ? "@%m" : "", dot);
}

char *reference_path(const struct model_config *m, const char *state, const char *model, const char *version)
{
	char *template = template_of(m, state), *safe_model = reference_name(model), *safe_version = reference_name(version);
	char *path = filled_in(template, safe_model, safe_version);

	free(template);
	free(safe_model);
	free(safe_version);
	return path;
}

char *reference_place(const struct model_config *m, const char *state, const char *model, const char *version)
{
	return !reference_templated(m) && access(m->reference, F_OK) ? mem_copy_text(m->reference)
								     : reference_path(m, state, model, version);
}

int reference_folder(const char *path, struct error *e)
{
	char *folder = mem_copy_text(path), *slash = strrchr(folder, '/');
	int status = 0;

	if (slash && slash != folder) {
		*slash = '\0';
		if (mkdir(folder, 0700) && errno != EEXIST)
			status = error_set(e, -errno, "%s: the folder for references cannot be made: %s", folder, strerror(errno));
	}
	free(folder);
	return status;
}

/* What a glob would take for its own. */
static char *glob_quoted(const char *text)
{
	struct buf to = BUF_EMPTY;
	char *done;

	for (; *text; text++)
		buf_format(&to, strchr("*?[\\", *text) ? "\\%c" : "%c", *text);
	done = mem_copy_text(buf_cstr(&to));
	buf_done(&to);
	return done;
}

void reference_each(const struct model_config *m, const char *state, void (*fn)(void *context, const char *path), void *context)
{
	char *template = template_of(m, state), *quoted = glob_quoted(template), *pattern = filled_in(quoted, "*", "*");
	glob_t found = {0};

	if (!reference_templated(m))
		fn(context, m->reference);
	if (!glob(pattern, 0, NULL, &found))
		for (size_t i = 0; i < found.gl_pathc; i++)
			if (!m->reference || strcmp(found.gl_pathv[i], m->reference))
				fn(context, found.gl_pathv[i]);
	globfree(&found);
	free(pattern);
	free(quoted);
	free(template);
}

/* PATH.2026-11-21T17:32:01Z; a second one of the same second gets a number. */
static char *kept_path(const char *path, int64_t now_us)
{
	char time[32];
	char *kept;

	time_format(now_us - now_us % SECOND_US, time, sizeof time);
	kept = mem_format("%s.%.19sZ", path, time);
	for (int i = 1; !access(kept, F_OK) && i < 1000; i++) {
		free(kept);
		kept = mem_format("%s.%.19sZ-%03d", path, time, i);
	}
	return kept;
}

/* Of the older ones, the newest `keep` stay; their names sort by age. */
static void trim(const char *path, size_t keep)
{
	char *quoted = glob_quoted(path), *pattern = mem_format("%s.[0-9][0-9][0-9][0-9]-*", quoted);
	glob_t found = {0};

	if (!glob(pattern, 0, NULL, &found))
		for (size_t i = 0; i + keep < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
	globfree(&found);
	free(pattern);
	free(quoted);
}

static void folder_sync(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_copy_span(path, slash == path ? 1 : (size_t)(slash - path)) : mem_copy_text(".");
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(folder);
}

int reference_install(const char *fresh, const char *path, size_t keep, int64_t now_us, struct error *e)
{
	char *kept = kept_path(path, now_us);
	int status = 0;

	/* A second name for the old one, then the new one over the first: at every instant there is one at `path`. */
	if (keep && link(path, kept) && errno != ENOENT)
		status = error_set(e, -errno, "the old reference %s cannot be kept as %s: %s", path, kept, strerror(errno));
	if (!status && rename(fresh, path)) {
		status = error_set(e, -errno, "the new reference cannot take the place of %s: %s", path, strerror(errno));
		unlink(kept);
	}
	if (!status) {
		folder_sync(path);
		trim(path, keep);
	}
	free(kept);
	return status;
}
