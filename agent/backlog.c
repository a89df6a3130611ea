/* SPDX-License-Identifier: Apache-2.0
 * A file of pieces: a header of three numbers, then so many bytes. */
#include "backlog.h"

#include "reference_place.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"
#include "input/spool.h"
#include "model/pack.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".behind"

struct backlog {
	char *model;
	struct spool *spool;
	uint64_t at;            /* of the first piece not dealt with: its header */
	uint64_t within;        /* bytes of it that were */
	struct tally *waiting;  /* one for each source */
	size_t n_sources;
	bool out, moved, dropped; /* dropped: from the database, by the last save; its file goes with the next */
};

struct backlogs {
	const struct config *config;
	char *dir;
	struct backlog **at;
	size_t n;
};

/* As it stands in the file; the source by a hash of its name, since a reload may change its place. */
struct header {
	uint64_t source;
	int64_t hold_us;
	uint64_t n;
};

struct backlogs *backlogs_open(const struct config *config, const char *dir)
{
	struct backlogs *b = mem_zero(1, sizeof *b);

	*b = (struct backlogs){.config = config, .dir = mem_copy_text(dir)};
	return b;
}

static void backlog_free(struct backlog *b, bool remove)
{
	if (remove)
		spool_remove(b->spool);
	else
		spool_close(b->spool);
	free(b->waiting);
	free(b->model);
	free(b);
}

void backlogs_close(struct backlogs *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n; i++)
		backlog_free(b->at[i], false);
	free(b->at);
	free(b->dir);
	free(b);
}

static bool is_empty(const struct backlog *b)
{
	return b->at == spool_length(b->spool);
}

const char *backlogs_waits(const struct backlogs *b, const char *model, bool pattern)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct backlog *one = b->at[i];

		if (!is_empty(one) && (pattern ? words_match(model, one->model) : !strcmp(model, one->model)))
			return one->model;
	}
	return NULL;
}

bool backlogs_full(const struct backlogs *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct model_config *m = config_model(b->config, b->at[i]->model);

		if (m && spool_length(b->at[i]->spool) - b->at[i]->at >= (uint64_t)m->learn.spool_bytes)
			return true;
	}
	return false;
}

static char *place_of(const struct backlogs *b, const char *model)
{
	char *name = reference_name(model), *path = mem_format("%s/%s" SUFFIX, b->dir, name);

	free(name);
	return path;
}

static int backlog_make(struct backlogs *b, const char *model, const struct spool_mark *known, struct backlog **ret, struct error *e)
{
	char *path = place_of(b, model);
	struct spool *spool;
	int status = spool_open(path, known, &spool, e);

	free(path);
	if (status)
		return status;
	b->at = mem_grow(b->at, b->n + 1, sizeof *b->at);
	*ret = b->at[b->n++] = mem_zero(1, sizeof **b->at);
	**ret = (struct backlog){.model = mem_copy_text(model), .spool = spool, .n_sources = b->config->n_sources,
		.waiting = mem_zero(b->config->n_sources, sizeof(struct tally))};
	return 0;
}

static uint64_t source_hash(const struct config *c, size_t source)
{
	return hash_bytes(c->sources[source].name, strlen(c->sources[source].name), 7);
}

static void tally_move(struct tally *to, struct tally by, int sign)
{
	to->records += sign * by.records;
	to->bytes += sign * by.bytes;
}

int backlogs_put(struct backlogs *b, const char *model, const struct backlog_piece *piece, const void *at, struct tally tally,
	struct error *e)
{
	struct header header = {source_hash(b->config, piece->source), piece->hold_us, piece->n};
	struct buf bytes = BUF_EMPTY;
	struct backlog *one = NULL;
	int status = 0;

	for (size_t i = 0; i < b->n && !one; i++)
		one = strcmp(b->at[i]->model, model) ? NULL : b->at[i];
	if (!one)
		status = backlog_make(b, model, NULL, &one, e);
	if (status)
		return status;
	buf_put(&bytes, &header, sizeof header);
	buf_put(&bytes, at, piece->n);
	status = spool_put(one->spool, bytes.at, bytes.n, e);
	buf_done(&bytes);
	if (status)
		return status;
	tally_move(&one->waiting[piece->source], tally, 1);
	one->moved = true;
	one->dropped = false;
	return 0;
}

/* False: it cannot be read, or is of a source that is no more. */
static bool piece_first(const struct backlogs *b, const struct backlog *one, struct backlog_piece *ret)
{
	struct header header;
	struct error e;

	if (spool_read(one->spool, one->at, &header, sizeof header, &e) || one->within > header.n)
		return false;
	*ret = (struct backlog_piece){.hold_us = header.hold_us, .n = header.n - one->within};
	while (ret->source < b->config->n_sources && source_hash(b->config, ret->source) != header.source)
		ret->source++;
	return ret->source < b->config->n_sources;
}

struct backlog *backlogs_next(struct backlogs *b, bool (*free)(void *context, const char *model), void *context,
	struct backlog_piece *ret)
{
	for (size_t i = 0; i < b->n; i++) {
		struct backlog *one = b->at[i];

		if (is_empty(one) || one->out || !free(context, one->model))
			continue;
		one->out = true;
		if (!piece_first(b, one, ret))
			*ret = (struct backlog_piece){0};
		return one;
	}
	return NULL;
}

int backlog_read(const struct backlog *b, const struct backlog_piece *piece, void *to, struct error *e)
{
	if (!piece->n)
		return error_set(e, -ESTALE, "%s: a piece cannot be read, or its source is no longer in the configuration",
			spool_path(b->spool));
	return spool_read(b->spool, b->at + sizeof(struct header) + b->within, to, piece->n, e);
}

void backlog_took(struct backlog *b, const struct backlog_piece *piece, struct tally tally)
{
	bool all = (uint64_t)tally.bytes >= piece->n;

	tally_move(&b->waiting[piece->source], tally, -1);
	b->at += all ? sizeof(struct header) + b->within + piece->n : 0;
	b->within = all ? 0 : b->within + (uint64_t)tally.bytes;
	b->out = false;
	b->moved = true;
}

void backlog_lost(struct backlog *b, void (*lost)(void *context, size_t source, struct tally tally), void *context)
{
	for (size_t i = 0; i < b->n_sources; i++)
		if (b->waiting[i].records)
			lost(context, i, b->waiting[i]);
	memset(b->waiting, 0, b->n_sources * sizeof *b->waiting);
	b->at = spool_length(b->spool);
	b->within = 0;
	b->out = false;
	b->moved = true;
}

/* With the one transaction. */

static void backlog_pack(const struct backlogs *b, const struct backlog *one, const struct spool_mark *mark, struct buf *to)
{
	pack_map(to, 6);
	pack_text(to, "model");
	pack_text(to, one->model);
	pack_text(to, "length");
	pack_int(to, (int64_t)mark->length);
	pack_text(to, "hash");
	pack_int(to, (int64_t)mark->hash);
	pack_text(to, "at");
	pack_int(to, (int64_t)one->at);
	pack_text(to, "within");
	pack_int(to, (int64_t)one->within);
	pack_text(to, "waiting");
	pack_map(to, one->n_sources);
	for (size_t i = 0; i < one->n_sources; i++) {
		pack_text(to, b->config->sources[i].name);
		pack_array(to, 2);
		pack_int(to, one->waiting[i].records);
		pack_int(to, one->waiting[i].bytes);
	}
}

/* What is empty is dropped, and its file removed when that is on record: a save follows a commit that ended well. */
void backlogs_save(struct backlogs *b, struct txn *t)
{
	struct buf blob = BUF_EMPTY;

	for (size_t i = 0; i < b->n;) {
		struct backlog *one = b->at[i];
		struct spool_mark mark = {0};
		struct error e = {0};

		if (one->dropped && !one->moved) {
			backlog_free(one, true);
			b->at[i] = b->at[--b->n];
			continue;
		}
		i++;
		if (!one->moved)
			continue;
		one->moved = false;
		one->dropped = is_empty(one);
		if (one->dropped) {
			txn_drop_state(t, STATE_BACKLOG, one->model);
			continue;
		}
		if (spool_mark(one->spool, &mark, &e))
			log_error("backlog", "records that wait cannot be read back; they are given up at the next start", "error", log_s(e.text));
		buf_clear(&blob);
		backlog_pack(b, one, &mark, &blob);
		txn_put_state(t, STATE_BACKLOG, one->model, blob.at, blob.n);
	}
	buf_done(&blob);
}

struct loading {
	struct backlogs *backlogs;
	void (*lost)(void *context, size_t source, struct tally tally);
	void *context;
};

static void waiting_unpack(const struct config *c, const struct msgpack_object *map, struct tally *to)
{
	for (size_t i = 0; i < c->n_sources; i++) {
		const struct msgpack_object *pair = unpack_field(map, c->sources[i].name);

		unpack_int(unpack_item(pair, 0), 0, INT64_MAX, &to[i].records);
		unpack_int(unpack_item(pair, 1), 0, INT64_MAX, &to[i].bytes);
	}
}

static int load_one(void *context, const char *model, const void *at, size_t n)
{
	struct loading *l = context;
	struct backlogs *b = l->backlogs;
	struct unpacked *u = unpack_open(at, n);
	const struct msgpack_object *map = unpack_root(u);
	int64_t length = 0, hash = 0, head = 0, within = 0;
	struct backlog *one;
	struct error e = {0};
	int status;

	unpack_int(unpack_field(map, "length"), 0, INT64_MAX, &length);
	unpack_int(unpack_field(map, "hash"), INT64_MIN, INT64_MAX, &hash);
	unpack_int(unpack_field(map, "at"), 0, length, &head);
	unpack_int(unpack_field(map, "within"), 0, length, &within);
	status = backlog_make(b, model, &(struct spool_mark){(uint64_t)length, (uint64_t)hash}, &one, &e);
	/* Nothing of it is touched; what follows is to begin anew. */
	if (status == -ESTALE && !backlog_make(b, model, NULL, &one, &e))
		status = -ESTALE;
	else if (status)
		one = NULL;
	if (one)
		waiting_unpack(b->config, unpack_field(map, "waiting"), one->waiting);
	if (status) {
		log_error("backlog", "records that waited for a reference are not those that were committed; they are given up", "model",
			log_s(model), "error", log_s(e.text));
		if (one)
			backlog_lost(one, l->lost, l->context);
	} else {
		one->at = (uint64_t)head;
		one->within = (uint64_t)within;
	}
	unpack_close(u);
	return 0;
}

/* Files of which nothing is known: emptied, and the agent ended before it had removed them. */
static void strays_remove(const struct backlogs *b)
{
	char *pattern = mem_format("%s/*" SUFFIX, b->dir);
	glob_t found = {0};

	if (!glob(pattern, 0, NULL, &found))
		for (size_t i = 0; i < found.gl_pathc; i++) {
			bool known = false;

			for (size_t k = 0; k < b->n; k++)
				known |= !strcmp(spool_path(b->at[k]->spool), found.gl_pathv[i]);
			if (!known)
				unlink(found.gl_pathv[i]);
		}
	globfree(&found);
	free(pattern);
}

int backlogs_load(struct backlogs *b, struct store *s, void (*lost)(void *context, size_t source, struct tally tally), void *context,
	struct error *e)
{
	struct loading l = {b, lost, context};
	int status = store_each_state(s, STATE_BACKLOG, load_one, &l, e);

	strays_remove(b);
	return status;
}
