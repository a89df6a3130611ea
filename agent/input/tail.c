/* SPDX-License-Identifier: Apache-2.0
 * The tail as a whole: its table of files, its timer, and what is to be stored.
 *
 * A file is known by its identity (identity.h), never by its path. Its life:
 *
 *     new ──► present ──► detached (renamed out of the globs, deleted: held open) ──► finished ──► forgotten
 *              ▲   │                                                                     ▲
 *              └─ absent (known from the store, not found; or closed and its path gone) ──┘ after keep_us
 *
 * Watches say when to look at one file; the reconcile timer looks at everything now and then because watches may lie. */
#include "input/tail.h"

#include "base/log.h"
#include "base/mem.h"
#include "input/tail_room.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

const char *const tail_excludes[] = {"*.gz", "*.zst", "*.xz", "*.bz2", "*.lz4", "*.zip", "*~", "*.swp", NULL};

int64_t tail_time(const struct tail *t)
{
	return t->options.clock ? clock_now(t->options.clock) : clock_monotonic_us();
}

/* ---- files ---- */

void tail_file_path_set(struct tail_file *f, const char *path)
{
	struct tail *t = f->tail;

	index_drop(&t->by_path, &f->by_path);
	if (f->path && strcmp(f->path, path) != 0) {
		index_drop(&t->by_former, &f->by_former);
		free(f->former);
		f->former = f->path;
		f->path = NULL;
		index_put(&t->by_former, &f->by_former, f->former, f);
		f->dirty |= f->stored;
	}
	if (!f->path)
		f->path = mem_copy_text(path);
}

/* Only a file that is there may be found by its path; one that left it is found as the former one. */
void tail_file_where_set(struct tail_file *f, enum where where)
{
	struct tail *t = f->tail;

	f->where = where;
	index_drop(&t->by_path, &f->by_path);
	if (where == FILE_PRESENT) {
		index_put(&t->by_path, &f->by_path, f->path, f);
		return;
	}
	if (where == FILE_FINISHED) {
		index_drop(&t->by_identity, &f->by_identity);
		index_drop(&t->by_first, &f->by_first);
		file_met(f);
	}
	if (!f->by_former.text || strcmp(f->former, f->path) != 0) {
		index_drop(&t->by_former, &f->by_former);
		free(f->former);
		f->former = mem_copy_text(f->path);
		index_put(&t->by_former, &f->by_former, f->former, f);
	}
}

static void stand_alone(struct tail_file *f)
{
	if (f->predecessor)
		f->predecessor->successor = NULL;
	f->predecessor = NULL;
}

void tail_file_follow(struct tail_file *f, struct tail_file *predecessor)
{
	for (const struct tail_file *p = predecessor; p; p = p->predecessor)
		if (p == f) /* in a ring everybody would wait */
			return;
	stand_alone(f);
	if (predecessor->successor)
		stand_alone(predecessor->successor);
	f->predecessor = predecessor;
	predecessor->successor = f;
}

struct tail_file *tail_file_new(struct tail *t, const char *identity, const char *path)
{
	struct tail_file *f = mem_zero(1, sizeof *f);

	f->tail = t;
	f->fd = -1;
	f->identity = mem_copy_text(identity);
	f->path = mem_copy_text(path);
	f->next_us = f->newest_us = f->touched_us = f->shrunk_us = TIME_NONE;
	f->changed_us = tail_time(t);
	f->where = FILE_ABSENT;
	f->after = t->files;
	if (t->files)
		t->files->before = f;
	t->files = f;
	t->n_files++;
	index_put(&t->by_identity, &f->by_identity, f->identity, f);
	return f;
}

void tail_file_free(struct tail_file *f)
{
	struct tail *t = f->tail;

	file_close(f);
	*(f->before ? &f->before->after : &t->files) = f->after;
	if (f->after)
		f->after->before = f->before;
	stand_alone(f);
	if (f->successor)
		stand_alone(f->successor);
	f->where = FILE_FINISHED;
	file_ready_set(f);
	index_drop(&t->by_identity, &f->by_identity);
	index_drop(&t->by_path, &f->by_path);
	index_drop(&t->by_former, &f->by_former);
	index_drop(&t->by_first, &f->by_first);
	file_met(f);
	t->n_files--;
	t->n_polled -= f->polled;
	t->n_copies -= f->copy_of != NULL;
	free(f->identity);
	free(f->path);
	free(f->former);
	free(f);
}

/* ---- opening and closing ---- */

static int64_t or_else(int64_t given, int64_t otherwise)
{
	return given > 0 ? given : otherwise;
}

/* As many descriptors as the process may have, less a quarter for everybody else. */
static size_t descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 256;
	if (l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
		getrlimit(RLIMIT_NOFILE, &l);
	}
	return l.rlim_cur > 1 << 20 ? 3 << 18 : (size_t)l.rlim_cur / 4 * 3;
}

static char **copy_texts(const char *const *texts, size_t n)
{
	char **made = mem_zero(n + 1, sizeof *made);

	for (size_t i = 0; i < n; i++)
		made[i] = mem_copy_text(texts[i]);
	return made;
}

/* "x*.log" is "./x*.log", and "a//b" is "a/b": paths are compared as texts. */
static void normalise(char **glob)
{
	char *to = *glob;

	for (const char *from = *glob; *from; from++)
		if (*from != '/' || to == *glob || to[-1] != '/')
			*to++ = *from;
	*to = '\0';
	if (!strchr(*glob, '/')) {
		char *with = mem_format("./%s", *glob);

		free(*glob);
		*glob = with;
	}
}

static void take_options(struct tail *t, const struct tail_options *o)
{
	size_t n = o->n_excludes;

	t->options = *o;
	t->options.poll_us = or_else(o->poll_us, SECOND_US / 4);
	t->options.reconcile_us = or_else(o->reconcile_us, 5 * SECOND_US);
	t->options.partial_us = or_else(o->partial_us, 5 * SECOND_US);
	t->options.keep_us = or_else(o->keep_us, 7 * 86400 * SECOND_US);
	t->options.most_open = o->most_open ? o->most_open : descriptors();
	t->source = mem_copy_text(o->source);
	t->globs = copy_texts(o->globs, o->n_globs);
	for (size_t i = 0; i < o->n_globs; i++) {
		normalise(&t->globs[i]);
		t->deep |= strpbrk(t->globs[i], "*?[") < strrchr(t->globs[i], '/');
	}
	if (o->excludes) {
		t->excludes = copy_texts(o->excludes, n);
		return;
	}
	for (n = 0; tail_excludes[n]; n++)
		;
	t->excludes = copy_texts(tail_excludes, n);
}

static void take_position(struct tail *t, const struct position *p)
{
	struct tail_file *f;

	if (index_get(&t->by_identity, p->identity))
		return;
	f = tail_file_new(t, p->identity, p->path ? p->path : "");
	f->generation = p->generation;
	f->cursor = f->done = f->tried = f->peak = p->offset;
	f->skipping = f->done_skipping = p->skipping;
	f->stored_head = (struct fingerprint){.n = p->head_n, .hash = p->head_hash};
	f->marker = (struct fingerprint){.n = p->marker_n, .hash = p->marker_hash};
	f->newest_us = p->newest_us;
	f->touched_us = p->touched_us;
	f->stored = f->from_store = true;
	t->n_from_store++;
	tail_file_where_set(f, FILE_ABSENT);
}

static void on_change(void *context, const char *directory, const char *name, bool entry);
static void on_timer(uv_timer_t *timer);

int tail_open(uv_loop_t *loop, const struct tail_options *options, const struct position *known, size_t n_known,
	tail_ready_fn *on_ready, void *context, struct tail **ret, struct error *e)
{
	struct tail *t;

	assert(options->source);
	if (options->n_globs == 0)
		return error_set(e, -EINVAL, "source \"%s\": no path to follow", options->source);
	for (size_t i = 0; i < options->n_globs; i++)
		if (!*options->globs[i] || options->globs[i][strlen(options->globs[i]) - 1] == '/')
			return error_set(e, -EINVAL, "source \"%s\": path \"%s\" names no file", options->source,
				options->globs[i]);
	t = mem_zero(1, sizeof *t);
	take_options(t, options);
	t->on_ready = on_ready;
	t->context = context;
	t->first = true;
	t->watch = watch_open(loop, on_change, t);
	for (size_t i = 0; i < n_known; i++)
		take_position(t, &known[i]);
	if (loop) {
		t->timer = mem_zero(1, sizeof *t->timer);
		uv_timer_init(loop, t->timer);
		t->timer->data = t;
	}
	*ret = t; /* which the caller does not have yet: the timer tells what is ready, at once */
	tail_scan_run(t);
	t->first = false;
	if (loop)
		uv_timer_start(t->timer, on_timer, 0, 0);
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle);
}

/* Bytes that are read nowhere else once we let go. */
static uint64_t held(const struct tail_file *f)
{
	bool gone = f->unlinked && f->where != FILE_FINISHED && !f->copy_of;

	return gone && f->size > f->done ? f->size - f->done : 0;
}

void tail_close(struct tail *t)
{
	uint64_t lost = 0;

	if (!t)
		return;
	watch_close(t->watch);
	if (t->timer)
		uv_close((uv_handle_t *)t->timer, on_timer_closed);
	while (t->files) {
		lost += held(t->files);
		tail_file_free(t->files);
	}
	if (lost)
		log_warning("tail", "stopped with unread bytes in deleted files", "source", log_s(t->source), "lost",
			log_n((long long)lost));
	tail_refused_done(t);
	index_done(&t->by_identity);
	index_done(&t->by_path);
	index_done(&t->by_former);
	index_done(&t->by_first);
	for (char **g = t->globs; *g; g++)
		free(*g);
	for (char **g = t->excludes; *g; g++)
		free(*g);
	free(t->ready);
	free(t->globs);
	free(t->excludes);
	free(t->source);
	free(t);
}

/* ---- the timer ---- */

/* Due: the polled at each poll, everything at each reconcile; where a directory is not watched new names come by polling
 * too, once a second at most. */
static void arm(struct tail *t)
{
	int64_t now = clock_monotonic_us(), due = t->scan_due_us;

	if (!t->timer)
		return;
	if (t->scan_wanted)
		due = now;
	if (t->n_polled && t->poll_due_us < due)
		due = t->poll_due_us;
	uv_update_time(t->timer->loop);
	uv_timer_start(t->timer, on_timer, due > now ? (uint64_t)(due - now + 999) / 1000 : 0, 0);
}

void tail_wake(struct tail *t)
{
	t->scan_wanted = true;
	if (t->timer)
		uv_timer_start(t->timer, on_timer, 0, 0);
}

static void tell(struct tail *t)
{
	if (t->n_ready && t->on_ready)
		t->on_ready(t->context);
}

void tail_scan(struct tail *t)
{
	tail_scan_run(t);
	arm(t);
	tell(t);
}

static void poll_files(struct tail *t)
{
	struct tail_file *next;

	for (struct tail_file *f = t->files; f; f = next) {
		next = f->after;
		if (!f->polled)
			continue;
		file_refresh(f);
		file_settle(f);
	}
	t->poll_due_us = clock_monotonic_us() + t->options.poll_us;
}

static void on_timer(uv_timer_t *timer)
{
	struct tail *t = timer->data;
	int64_t now = clock_monotonic_us();

	if (t->scan_wanted || now >= t->scan_due_us) {
		tail_scan(t);
		return;
	}
	poll_files(t);
	arm(t);
	tell(t);
}

/* A directory on the way to a file may have come or gone. Not at once: whoever makes and removes files beside ours all day
 * may not cost a scan each time. */
static void scan_soon(struct tail *t)
{
	int64_t due = clock_monotonic_us() + t->options.poll_us;

	if (due < t->scan_due_us)
		t->scan_due_us = due;
}

static bool is_directory_or_gone(const char *path)
{
	struct stat s;

	return stat(path, &s) < 0 || S_ISDIR(s.st_mode);
}

static void on_change(void *context, const char *directory, const char *name, bool entry)
{
	struct tail *t = context;
	const char *slash = strrchr(directory, '/'), *own_name = slash ? slash + 1 : directory;
	char *path = mem_format("%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name);
	struct tail_file *f = index_get(&t->by_path, path);

	if (f && f->ready && !f->busy && !entry) {
		; /* it will be looked at when it is read */
	} else if (f && !entry) {
		file_refresh(f);
		file_settle(f);
	} else if (f || tail_wants(t, path)) {
		tail_look(t, path);
	} else if (entry && strcmp(own_name, name) == 0) {
		scan_soon(t); /* so the loop tells that the directory itself went */
	} else if (entry && t->deep && is_directory_or_gone(path)) {
		scan_soon(t);
	}
	free(path);
	arm(t);
	tell(t);
}

/* ---- what to store ---- */

void tail_file_position(const struct tail_file *f, struct position *ret)
{
	struct fingerprint head = file_head(f);

	*ret = (struct position){
		.source = f->tail->source,
		.identity = f->identity,
		.path = f->path,
		.generation = f->generation,
		.offset = f->done,
		.skipping = f->done_skipping,
		.head_n = head.n,
		.head_hash = head.hash,
		.marker_n = f->marker.n,
		.marker_hash = f->marker.hash,
		.newest_us = f->newest_us,
		.touched_us = f->touched_us,
	};
}

void tail_positions(struct tail *t, tail_position_fn *each, void *context)
{
	for (struct tail_file *f = t->files; f; f = f->after) {
		struct position p;

		if (!f->dirty || f->where == FILE_FINISHED)
			continue;
		tail_file_position(f, &p);
		each(context, &p);
		f->dirty = false;
		f->stored = true;
	}
}

void tail_forgotten(struct tail *t, tail_forgotten_fn *each, void *context)
{
	struct tail_file *next;

	for (struct tail_file *f = t->files; f; f = next) {
		next = f->after;
		if (f->where != FILE_FINISHED)
			continue;
		if (f->stored && !index_get(&t->by_identity, f->identity))
			each(context, t->source, f->identity);
		tail_file_free(f);
	}
}

void tail_stats(const struct tail *t, struct tail_stats *ret)
{
	*ret = t->stats;
	ret->files = ret->unread_bytes = 0;
	ret->open = t->n_open;
	ret->watch_failures = watch_failures(t->watch);
	for (const struct tail_file *f = t->files; f; f = f->after) {
		ret->files += f->where == FILE_PRESENT || f->where == FILE_DETACHED;
		ret->unread_bytes += tail_file_unread(f);
	}
}
