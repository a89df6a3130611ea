/* SPDX-License-Identifier: Apache-2.0
 * Directories are watched, not files: then a rename cannot be missed between finding a name and watching it, and a thousand
 * files cost one watch. A directory that was removed and made again looks the same by path, and by inode too (the number is
 * used again), so its time of birth is compared; the dead watch is replaced. */
#include "input/watch.h"

#include "base/log.h"
#include "base/mem.h"
#include "input/tail_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct directory {
	uv_fs_event_t handle;
	struct watch *watch;
	struct directory *next;
	struct index_link link;
	char *path;
	struct statx was;
	uint64_t round;
	bool live, failed;
};

struct watch {
	uv_loop_t *loop;
	watch_fn *on_change;
	void *context;
	struct directory *all;
	struct index by_path;
	uint64_t round, failures;
	bool said;
};

struct watch *watch_open(uv_loop_t *loop, watch_fn *on_change, void *context)
{
	struct watch *w = mem_zero(1, sizeof *w);

	w->loop = loop;
	w->on_change = on_change;
	w->context = context;
	return w;
}

static void on_closed(uv_handle_t *handle)
{
	struct directory *d = handle->data;

	free(d->path);
	free(d);
}

static void drop(struct watch *w, struct directory *d)
{
	index_drop(&w->by_path, &d->link);
	d->watch = NULL;
	uv_close((uv_handle_t *)&d->handle, on_closed);
}

void watch_close(struct watch *w)
{
	struct directory *next;

	if (!w)
		return;
	for (struct directory *d = w->all; d; d = next) {
		next = d->next;
		drop(w, d);
	}
	index_done(&w->by_path);
	free(w);
}

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	struct directory *d = handle->data;

	if (status < 0 || !name || !d->watch)
		return;
	d->watch->on_change(d->watch->context, d->path, name, events & UV_RENAME);
}

static bool same(const struct statx *a, const struct statx *b)
{
	return a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor &&
		a->stx_ino == b->stx_ino && a->stx_btime.tv_sec == b->stx_btime.tv_sec &&
		a->stx_btime.tv_nsec == b->stx_btime.tv_nsec;
}

static struct directory *remember(struct watch *w, const char *path)
{
	struct directory *d = mem_zero(1, sizeof *d);

	uv_fs_event_init(w->loop, &d->handle);
	d->handle.data = d;
	d->watch = w;
	d->path = mem_copy_text(path);
	d->next = w->all;
	w->all = d;
	index_put(&w->by_path, &d->link, d->path, d);
	return d;
}

/* Once in the log: polling takes over, and the counter says for how many. */
static void fail(struct directory *d, int r)
{
	if (!d->failed && r != -ENOENT && r != -ENOTDIR) {
		d->watch->failures++;
		if (!d->watch->said)
			log_warning("tail", "directory cannot be watched; polling instead", "path", log_s(d->path),
				"error", log_s(strerror(-r)), "help",
				log_s(r == -ENOSPC ? "raise fs.inotify.max_user_watches"
				      : r == -EMFILE ? "raise fs.inotify.max_user_instances" : ""));
		d->watch->said = true;
		d->failed = true;
	}
	d->live = false;
}

void watch_begin(struct watch *w)
{
	w->round++;
}

int watch_add(struct watch *w, const char *path)
{
	struct directory *d = index_get(&w->by_path, path);
	struct statx now;
	int r;

	if (!w->loop)
		return -ENOTSUP;
	if (!d)
		d = remember(w, path);
	d->round = w->round;
	r = statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &now) < 0 ? -errno : 0;
	if (r == 0 && d->live && same(&now, &d->was))
		return 0;
	uv_fs_event_stop(&d->handle);
	if (r == 0)
		r = uv_fs_event_start(&d->handle, on_event, path, 0);
	if (r < 0) {
		fail(d, r);
		return r;
	}
	d->was = now;
	d->live = true;
	d->failed = false;
	return 0;
}

void watch_end(struct watch *w)
{
	for (struct directory **at = &w->all, *d; (d = *at);) {
		if (d->round == w->round) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		drop(w, d);
	}
}

bool watch_has(const struct watch *w, const char *path)
{
	const struct directory *d = index_get(&w->by_path, path);

	return d && d->live;
}

uint64_t watch_failures(const struct watch *w)
{
	return w->failures;
}
