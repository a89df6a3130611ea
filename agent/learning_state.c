/* SPDX-License-Identifier: Apache-2.0
 * What is known of the streams that are learned, into the one transaction and back; and with it how far each spool goes, so that
 * it is cut there when the process died behind it. */
#include "learning_private.h"

#include "reference_place.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/pack.h"

#include <errno.h>
#include <glob.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Numbers by name: what a later version adds is absent in what an earlier one wrote, and stays as it was. */
static const struct {
	const char *name;
	size_t at;
} numbers[] = {
#define NUMBER(name_, member_) {name_, offsetof(struct learner, member_)}
	NUMBER("seen", known.seen), NUMBER("kept", known.kept), NUMBER("bytes", known.bytes), NUMBER("first_us", known.first_us),
	NUMBER("newest_us", known.newest_us), NUMBER("doubt_us", known.doubt_us), NUMBER("doubts", known.doubts),
	NUMBER("slot", known.slot), NUMBER("slot_seen", known.slot_seen), NUMBER("slot_kept", known.slot_kept),
	NUMBER("thin", known.thin), NUMBER("steps", known.steps), NUMBER("tenths", known.tenths), NUMBER("n_logits", n_logits),
	NUMBER("n_embedding", n_embedding), NUMBER("wanted", wanted), NUMBER("tries", tries),
#undef NUMBER
};

static const struct {
	const char *name;
	size_t at;
} truths[] = {
	{"ready", offsetof(struct learner, ready)}, {"held", offsetof(struct learner, held)},
	{"relearn", offsetof(struct learner, relearn)}, {"installing", offsetof(struct learner, installing)},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int64_t *number_of(struct learner *l, size_t i)
{
	return (int64_t *)(void *)((char *)l + numbers[i].at);
}

static bool *truth_of(struct learner *l, size_t i)
{
	return (bool *)(void *)((char *)l + truths[i].at);
}

/* Hashes as signed numbers of the same bits. */
static void hashes_pack(const struct hashes *h, struct buf *to)
{
	pack_ints(to, (const int64_t *)h->at, h->n);
}

static void spools_pack(const struct learning *t, struct learner *l, struct buf *to)
{
	size_t n = 0;

	for (size_t i = 0; i < t->o.config->n_sources; i++)
		n += l->spools[i] != NULL;
	pack_array(to, n);
	for (size_t i = 0; i < t->o.config->n_sources; i++) {
		struct spool_mark mark = {0};
		struct error e = {0};

		if (!l->spools[i])
			continue;
		if (spool_mark(l->spools[i], &mark, &e))
			log_error("learning", "a spool cannot be read back; it is begun anew at the next start", "error", log_s(e.text));
		pack_map(to, 3);
		pack_text(to, "source");
		pack_text(to, t->o.config->sources[i].name);
		pack_text(to, "length");
		pack_int(to, (int64_t)mark.length);
		pack_text(to, "hash");
		pack_int(to, (int64_t)mark.hash);
	}
}

static void learner_pack(const struct learning *t, struct learner *l, struct buf *to)
{
	pack_map(to, COUNT(numbers) + COUNT(truths) + 6);
	for (size_t i = 0; i < COUNT(numbers); i++) {
		pack_text(to, numbers[i].name);
		pack_int(to, *number_of(l, i));
	}
	for (size_t i = 0; i < COUNT(truths); i++) {
		pack_text(to, truths[i].name);
		pack_bool(to, *truth_of(l, i));
	}
	pack_text(to, "model");
	pack_text(to, l->model);
	pack_text(to, "version");
	pack_text(to, l->version);
	pack_text(to, "replaces");
	pack_text(to, l->replaces);
	pack_text(to, "classes");
	hashes_pack(&l->classes, to);
	pack_text(to, "fields");
	hashes_pack(&l->fields, to);
	pack_text(to, "spools");
	spools_pack(t, l, to);
}

void learning_save(struct learning *t, struct txn *txn)
{
	struct buf blob = BUF_EMPTY;

	for (size_t i = 0; i < t->n_gone; i++) {
		txn_drop_state(txn, STATE_LEARNING, t->gone[i]);
		free(t->gone[i]);
	}
	t->n_gone = 0;
	for (size_t i = 0; i < t->n; i++) {
		if (!t->at[i]->moved)
			continue;
		buf_clear(&blob);
		learner_pack(t, t->at[i], &blob);
		txn_put_state(txn, STATE_LEARNING, t->at[i]->key, blob.at, blob.n);
		t->at[i]->moved = false;
		t->at[i]->saved = t->at[i]->installing;
	}
	buf_done(&blob);
}

/* And back. */

struct loading {
	struct learning *t;
	bool (*wanted)(void *context, const char *model, const char *version, const char *replaces);
	void *context;
};

static char *text_of(const struct msgpack_object *map, const char *key)
{
	const char *at;
	size_t n;

	return unpack_text(unpack_field(map, key), &at, &n) ? mem_copy_span(at, n) : NULL;
}

static void hashes_unpack(const struct msgpack_object *map, const char *key, size_t most, struct hashes *to)
{
	const struct msgpack_object *list = unpack_field(map, key);
	int64_t *all = mem_zero(most, sizeof *all);
	size_t n = unpack_length(list);

	/* Zeros are packed as runs, and no hash that was met here is zero but by a chance of one in 2^64. */
	if (n <= most && unpack_ints(list, all, n))
		for (size_t i = 0; i < n; i++)
			hashes_add(to, (uint64_t)all[i]);
	free(all);
}

static size_t source_of(const struct learning *t, const struct msgpack_object *o)
{
	size_t i = 0;

	while (i < t->o.config->n_sources && !unpack_is_text(unpack_field(o, "source"), t->o.config->sources[i].name))
		i++;
	return i;
}

static int spools_unpack(struct learning *t, struct learner *l, const struct msgpack_object *map, struct error *e)
{
	const struct msgpack_object *list = unpack_field(map, "spools");
	int status = 0;

	for (size_t i = 0; i < unpack_length(list) && !status; i++) {
		const struct msgpack_object *o = unpack_item(list, i);
		size_t source = source_of(t, o);
		struct spool_mark mark;
		int64_t length, hash;

		if (source == t->o.config->n_sources)
			return error_set(e, -ESTALE, "a source is no longer in the configuration");
		if (!unpack_int(unpack_field(o, "length"), 0, INT64_MAX, &length) ||
			!unpack_int(unpack_field(o, "hash"), INT64_MIN, INT64_MAX, &hash))
			return error_set(e, -EINVAL, "what is known of it cannot be read");
		mark = (struct spool_mark){(uint64_t)length, (uint64_t)hash};
		status = learner_spool(t, l, source, &mark, e);
	}
	return status;
}

static void learner_unpack(struct learning *t, struct learner *l, const struct msgpack_object *map)
{
	struct error e = {0};

	for (size_t i = 0; i < COUNT(numbers); i++)
		unpack_int(unpack_field(map, numbers[i].name), INT64_MIN, INT64_MAX, number_of(l, i));
	for (size_t i = 0; i < COUNT(truths); i++)
		unpack_bool(unpack_field(map, truths[i].name), truth_of(l, i));
	hashes_unpack(map, "classes", HASHES_MOST, &l->classes);
	hashes_unpack(map, "fields", HASHES_MOST, &l->fields);
	/* The settings may have changed meanwhile. */
	if (!l->tries)
		l->wanted = l->config->learn.records;
	if (!spools_unpack(t, l, map, &e))
		return;
	log_warning("learning", "the records put aside are not those that were committed; collecting begins anew", "model",
		log_s(l->model), "version", log_s(l->version), "error", log_s(e.text));
	for (size_t i = 0; i < t->o.config->n_sources; i++) {
		spool_remove(l->spools[i]);
		l->spools[i] = NULL;
	}
	learner_anew(l);
}

/* Of a model that is no longer in the configuration. Safe names hold nothing that a pattern would take for its own. */
static void files_remove(const struct learning *t, const char *model, const char *version)
{
	char *m = reference_name(model), *v = reference_name(version), *pattern = mem_format("%s/%s@%s@*", t->dir, m, v);
	glob_t found = {0};

	if (!glob(pattern, 0, NULL, &found))
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
	globfree(&found);
	free(pattern);
	free(m);
	free(v);
}

static void forget(struct learning *t, const char *key)
{
	t->gone = mem_grow(t->gone, t->n_gone + 1, sizeof *t->gone);
	t->gone[t->n_gone++] = mem_copy_text(key);
}

static int load_one(void *context, const char *key, const void *at, size_t n)
{
	struct loading *loading = context;
	struct learning *t = loading->t;
	struct unpacked *u = unpack_open(at, n);
	const struct msgpack_object *map = unpack_root(u);
	char *model = text_of(map, "model"), *version = text_of(map, "version"), *replaces = text_of(map, "replaces");
	const struct model_config *m = model && version ? config_model(t->o.config, model) : NULL;
	struct learner *l = m && t->n < LEARNERS_MOST ? learner_new(t, m, model, version) : NULL;
	bool wanted = l && replaces && strlen(replaces) < sizeof l->replaces &&
		loading->wanted(loading->context, model, version, replaces);

	if (l) {
		if (replaces && strlen(replaces) < sizeof l->replaces)
			memcpy(l->replaces, replaces, strlen(replaces) + 1);
		learner_unpack(t, l, map);
	}
	if (l && !wanted) {
		learning_end(t, l);
	} else if (!l) {
		forget(t, key);
		if (model && version)
			files_remove(t, model, version);
	}
	free(model);
	free(version);
	free(replaces);
	unpack_close(u);
	return 0;
}

int learning_load(struct learning *t, struct store *s,
	bool (*wanted)(void *context, const char *model, const char *version, const char *replaces), void *context, struct error *e)
{
	struct loading loading = {t, wanted, context};

	return store_each_state(s, STATE_LEARNING, load_one, &loading, e);
}
