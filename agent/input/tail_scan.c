/* SPDX-License-Identifier: Apache-2.0
 * From names to files. A path is opened first and identified by its descriptor, never the other way round: between a stat
 * and an open it may come to lead elsewhere. Directories are watched before they are read, so nothing that comes between
 * goes unseen. */
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"
#include "input/tail_room.h"

#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- which paths ---- */

static bool excluded(const struct tail *t, const char *path)
{
	const char *last = strrchr(path, '/');

	for (char **x = t->excludes; *x; x++)
		if (words_match(*x, path) || (last && words_match(*x, last + 1)))
			return true;
	return false;
}

bool tail_wants(const struct tail *t, const char *path)
{
	for (char **g = t->globs; *g; g++)
		if (fnmatch(*g, path, FNM_PATHNAME | FNM_PERIOD) == 0)
			return !excluded(t, path);
	return false;
}

/* ---- what could not be opened: said once, tried at every scan ---- */

struct refused {
	struct index_link link;
	struct refused *next;
	char *path;
	int why; /* 0: it went well since */
};

static void refuse(struct tail *t, const char *path, int why)
{
	struct refused *r = index_get(&t->refused_by_path, path);

	if (!r) {
		r = mem_zero(1, sizeof *r);
		r->path = mem_copy_text(path);
		r->next = t->refused;
		t->refused = r;
		index_put(&t->refused_by_path, &r->link, r->path, r);
	}
	if (r->why == why)
		return;
	r->why = why;
	t->stats.unreadable++;
	log_warning("tail", "file cannot be opened; it will be tried again", "path", log_s(path), "error",
		log_s(strerror(-why)));
}

static void accept_again(struct tail *t, const char *path)
{
	struct refused *r = t->refused ? index_get(&t->refused_by_path, path) : NULL;

	if (r)
		r->why = 0;
}

void tail_refused_done(struct tail *t)
{
	struct refused *next;

	for (struct refused *r = t->refused; r; r = next) {
		next = r->next;
		free(r->path);
		free(r);
	}
	t->refused = NULL;
	index_done(&t->refused_by_path);
}

/* ---- one path ---- */

/* An open inode keeps its number, so comparing it is enough; a closed file must be opened when anything about it changed. */
static bool leads_to(struct tail_file *f, const char *path)
{
	struct stat s;

	if (stat(path, &s) < 0 || s.st_ino != f->inode || s.st_dev != f->device)
		return false;
	if (f->fd >= 0)
		return true;
	return ((uint64_t)s.st_size == f->size &&
		       s.st_mtim.tv_sec * INT64_C(1000000000) + s.st_mtim.tv_nsec == f->mtime_ns) ||
		file_open(f) == 0;
}

static void lose_path(struct tail_file *f)
{
	f->moved = true;
	if (f->fd >= 0) {
		tail_file_where_set(f, FILE_DETACHED);
		return;
	}
	f->changed_us = tail_time(f->tail);
	file_release(f);
	tail_file_where_set(f, FILE_ABSENT);
}

static bool is_link(const char *path)
{
	struct stat s;

	return lstat(path, &s) == 0 && S_ISLNK(s.st_mode);
}

/* Where its directory is, decides whether events will tell of it. */
static void look_whether_watched(struct tail_file *f)
{
	const char *last = strrchr(f->path, '/');
	char *directory = mem_copy_span(f->path, last == f->path ? 1 : (size_t)(last - f->path));

	f->watched = watch_has(f->tail->watch, directory);
	free(directory);
}

/* What stands at the path another was renamed away from is its successor, and is read after it. */
static void link_predecessor(struct tail_file *f)
{
	struct tail_file *old = index_get(&f->tail->by_former, f->path);

	if (f->predecessor || !old || old == f || old->successor || old->where == FILE_FINISHED)
		return;
	tail_file_follow(f, old);
}

static void place(struct tail_file *f, const char *path, int fd, const struct identity *id)
{
	bool known = f->where == FILE_ABSENT;

	f->moved = strcmp(f->path, path) != 0;
	tail_file_path_set(f, path);
	if (f->fd >= 0)
		close(fd);
	else
		file_fd_give(f, fd);
	tail_file_where_set(f, FILE_PRESENT);
	f->birth_us = id->birth_us;
	f->network = id->network;
	f->symlink = is_link(path);
	f->round = f->tail->round;
	look_whether_watched(f);
	if (known)
		file_resume(f);
}

/* The last record may be half written: it is read when it is whole. */
static uint64_t last_record_end(const struct tail_file *f)
{
	enum { BACK = 1 << 16 };
	size_t n = f->size < BACK ? (size_t)f->size : BACK;
	uint64_t from = f->size - n;
	char *at = mem_alloc(n + 1), *newline;
	ssize_t got = f->tail->options.binary ? 0 : pread(f->fd, at, n, (off_t)from);

	newline = got > 0 ? memrchr(at, '\n', (size_t)got) : NULL;
	if (newline)
		from += (uint64_t)(newline + 1 - at);
	else if (f->tail->options.binary || from > 0)
		from = f->size;
	free(at);
	return from;
}

static void add(struct tail *t, const char *path, int fd, const struct identity *id)
{
	struct tail_file *f = tail_file_new(t, id->text, path);

	f->fresh = true;
	file_fd_give(f, fd);
	tail_file_where_set(f, FILE_PRESENT);
	f->birth_us = id->birth_us;
	f->network = id->network;
	f->symlink = is_link(path);
	f->round = t->round;
	look_whether_watched(f);
	link_predecessor(f);
	file_refresh(f);
	if (t->first && t->options.from_end && f->size > 0) {
		file_begin(f, last_record_end(f));
		f->fresh = false;
		f->dirty = true;
	}
}

/* Whatever is at this path is opened and named; it may be new, known, renamed, or another name of a file that is there. */
static void find_out(struct tail *t, const char *path)
{
	int fd = file_open_path(t, path), r;
	struct tail_file *f;
	struct identity id;
	struct stat s;

	if (fd < 0) {
		if (fd != -ENOENT && fd != -ENXIO && fd != -ENOTDIR)
			refuse(t, path, fd);
		return;
	}
	accept_again(t, path);
	r = fstat(fd, &s) < 0 || !S_ISREG(s.st_mode) ? -EINVAL : identity_of(fd, &id);
	if (r < 0) {
		close(fd);
		return;
	}
	f = index_get(&t->by_identity, id.text);
	if (!f)
		add(t, path, fd, &id);
	else if (f->where == FILE_PRESENT && strcmp(f->path, path) != 0 && leads_to(f, f->path))
		close(fd);
	else
		place(f, path, fd, &id);
	if (t->scanning)
		return;
	f = index_get(&t->by_identity, id.text);
	file_refresh(f);
	file_settle(f);
}

void tail_look(struct tail *t, const char *path)
{
	struct tail_file *f = index_get(&t->by_path, path);

	if (f && leads_to(f, path)) {
		f->round = t->round;
		if (t->scanning)
			return;
		file_refresh(f);
		file_settle(f);
		return;
	}
	if (f) {
		lose_path(f);
		file_refresh(f);
		if (!t->scanning)
			file_settle(f);
	}
	find_out(t, path);
}

/* ---- everything ---- */

/* Every directory that this text (a path of directories, perhaps with wildcards) leads to. */
static void watch_matching(struct tail *t, const char *directories)
{
	glob_t g = {0};

	if (!strpbrk(directories, "*?[")) {
		t->n_unwatched += watch_add(t->watch, directories) < 0;
		return;
	}
	if (glob(directories, GLOB_NOSORT | GLOB_ONLYDIR, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			t->n_unwatched += watch_add(t->watch, g.gl_pathv[i]) < 0;
	globfree(&g);
}

/* In "/a/b-?/c/x.log": /a tells of new b-?, each b-? of c, each c of x.log. */
static void watch_glob(struct tail *t, const char *glob_text)
{
	char *text = mem_copy_text(glob_text);
	char *last = strrchr(text, '/');

	for (char *slash = strchr(text, '/'); slash; slash = strchr(slash + 1, '/')) {
		bool next_is_wild = strcspn(slash + 1, "*?[") < strcspn(slash + 1, "/");

		*slash = '\0';
		if (slash == last || next_is_wild || strpbrk(text, "*?["))
			watch_matching(t, *text ? text : "/");
		*slash = '/';
	}
	free(text);
}

void tail_watch(struct tail *t)
{
	t->n_unwatched = 0;
	watch_begin(t->watch);
	for (char **g = t->globs; *g; g++)
		watch_glob(t, *g);
	watch_end(t->watch);
}

static void look_at_all(struct tail *t)
{
	for (char **text = t->globs; *text; text++) {
		glob_t g = {0};

		if (glob(*text, GLOB_NOSORT, NULL, &g) == 0)
			for (size_t i = 0; i < g.gl_pathc; i++)
				if (index_get(&t->by_path, g.gl_pathv[i]) || !excluded(t, g.gl_pathv[i]))
					tail_look(t, g.gl_pathv[i]);
		globfree(&g);
	}
}

/* Not seen at all for long: its position goes. For a day at least in this run, since its filesystem may only be mounted late.
 * A file that was never stored has nothing to keep. */
static void expire(struct tail_file *f)
{
	const struct tail *t = f->tail;
	int64_t kept_us = f->touched_us == TIME_NONE ? INT64_MAX : clock_now(t->options.clock) - f->touched_us;
	int64_t away_us = tail_time(t) - f->changed_us;
	int64_t day_us = t->options.keep_us < 86400 * SECOND_US ? t->options.keep_us : 86400 * SECOND_US;

	if (f->where != FILE_ABSENT)
		return;
	if (f->stored || f->dirty ? kept_us < t->options.keep_us || away_us < day_us : away_us < 60 * SECOND_US)
		return;
	f->tail->stats.truncated_bytes_unread += f->size > f->cursor ? f->size - f->cursor : 0;
	file_release(f);
	tail_file_where_set(f, FILE_FINISHED);
}

/* Names first, then sizes, then who is a copy of whom, and only then what was truncated: when a log is copied and truncated
 * the copy must be known before the bytes in it are given up. */
void tail_scan_run(struct tail *t)
{
	if (t->scanning)
		return;
	t->scanning = true;
	t->scan_wanted = false;
	t->round++;
	tail_watch(t);
	look_at_all(t);
	for (struct tail_file *f = t->files; f; f = f->after) {
		if (f->where != FILE_PRESENT)
			continue;
		if (f->round != t->round && !leads_to(f, f->path))
			lose_path(f);
		else
			look_whether_watched(f);
	}
	for (struct tail_file *f = t->files; f; f = f->after) {
		file_refresh(f);
		if (f->failed)
			f->tried = f->cursor;
		f->failed = false;
		file_be_found(f);
		if (f->where == FILE_PRESENT && f->cursor == 0)
			link_predecessor(f);
	}
	for (struct tail_file *f = t->files; f; f = f->after)
		if (f->fresh || f->copy_of)
			file_settle(f);
	for (struct tail_file *f = t->files; f; f = f->after) {
		file_settle(f);
		expire(f);
	}
	t->scanning = false;
	t->scan_due_us = clock_monotonic_us() + (t->n_unwatched && t->options.reconcile_us > SECOND_US
					? (t->options.poll_us > SECOND_US ? t->options.poll_us : SECOND_US)
					: t->options.reconcile_us);
	t->poll_due_us = clock_monotonic_us() + t->options.poll_us;
}
