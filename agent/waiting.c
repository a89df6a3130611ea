/* SPDX-License-Identifier: Apache-2.0
 * A queue of labels, and the same as msgpack. It is short unless a log of records is far behind its labels. */
#include "waiting.h"

#include "base/mem.h"
#include "model/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_FORMAT 1

static void label_done(struct waiting_label *l)
{
	free((char *)(uintptr_t)l->label.class);
	free(l->id);
	free(l->model);
	l->label.class = l->id = l->model = NULL;
}

void waiting_done(struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++)
		label_done(&w->at[i]);
	free(w->at);
	free(w->heads);
	free(w->chain);
	*w = (struct waiting){0};
}

static void index_one(struct waiting *w, size_t i)
{
	uint32_t *head = &w->heads[w->at[i].label.id & (w->room - 1)];

	w->chain[i] = *head;
	*head = (uint32_t)i + 1;
}

static void index_all(struct waiting *w)
{
	if (w->room)
		memset(w->heads, 0, w->room * sizeof *w->heads);
	for (size_t i = 0; i < w->n; i++)
		index_one(w, i);
}

static void grow(struct waiting *w)
{
	w->room = w->room ? 2 * w->room : 64;
	w->at = mem_grow(w->at, w->room, sizeof *w->at);
	w->heads = mem_grow(w->heads, w->room, sizeof *w->heads);
	w->chain = mem_grow(w->chain, w->room, sizeof *w->chain);
	index_all(w);
}

void waiting_add(struct waiting *w, const struct waiting_label *label)
{
	struct waiting_label *to;

	if (w->n == w->room)
		grow(w);
	to = &w->at[w->n++];
	*to = *label;
	to->label.class = mem_copy_span(label->label.class, label->label.n_class);
	to->id = mem_copy_text(label->id);
	to->model = mem_copy_text(label->model);
	index_one(w, w->n - 1);
	w->moved = true;
}

void waiting_sift(struct waiting *w, bool (*keep)(void *context, struct waiting_label *label), void *context)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		if (w->at[i].label.class && keep(context, &w->at[i]))
			w->at[n++] = w->at[i];
		else
			label_done(&w->at[i]);
	if (n == w->n)
		return;
	w->moved = true;
	w->n = n;
	index_all(w);
}

void waiting_each(struct waiting *w, uint64_t id, bool (*keep)(void *context, struct waiting_label *label), void *context)
{
	for (uint32_t i = w->n ? w->heads[id & (w->room - 1)] : 0; i; i = w->chain[i - 1]) {
		struct waiting_label *l = &w->at[i - 1];

		if (!l->label.class || l->label.id != id || keep(context, l))
			continue;
		label_done(l);
		w->moved = true;
	}
}

static bool stays(void *context, struct waiting_label *label)
{
	(void)context;
	(void)label;
	return true;
}

void waiting_pack(struct waiting *w, const char *(*source_name)(const void *context, size_t source), const void *context,
	struct buf *to)
{
	waiting_sift(w, stays, NULL);
	pack_map(to, 2);
	pack_text(to, "oodd_waiting");
	pack_int(to, WAITING_FORMAT);
	pack_text(to, "labels");
	pack_array(to, w->n);
	for (size_t i = 0; i < w->n; i++) {
		const struct waiting_label *l = &w->at[i];
		int64_t hash;

		memcpy(&hash, &l->label.id, sizeof hash);
		pack_array(to, 7);
		pack_text(to, source_name(context, l->source));
		pack_text(to, l->model);
		pack_text(to, l->id);
		pack_int(to, hash);
		pack_text(to, l->label.class);
		pack_int(to, l->label.time_us);
		pack_int(to, l->bytes);
	}
}

static char *text_of(const struct msgpack_object *o)
{
	const char *at;
	size_t n;

	return unpack_text(o, &at, &n) ? mem_copy_span(at, n) : NULL;
}

/* A label that came out whole is in the queue; else nothing is. */
static bool label_read(struct waiting *w, const struct msgpack_object *o,
	size_t (*source_index)(const void *context, const char *name, size_t n), const void *context)
{
	struct waiting_label l = {.model = text_of(unpack_item(o, 1)), .id = text_of(unpack_item(o, 2))};
	char *class = text_of(unpack_item(o, 4));
	const char *source;
	size_t n_source;
	int64_t hash, bytes;
	bool fits = l.model && l.id && class && unpack_text(unpack_item(o, 0), &source, &n_source) &&
		    unpack_int(unpack_item(o, 3), INT64_MIN, INT64_MAX, &hash) &&
		    unpack_int(unpack_item(o, 5), INT64_MIN, INT64_MAX, &l.label.time_us) &&
		    unpack_int(unpack_item(o, 6), 0, UINT32_MAX, &bytes);

	if (fits && (l.source = source_index(context, source, n_source)) != SIZE_MAX) {
		memcpy(&l.label.id, &hash, sizeof hash);
		l.label.class = class;
		l.label.n_class = strlen(class);
		l.bytes = (uint32_t)bytes;
		waiting_add(w, &l);
	}
	free(l.model);
	free(l.id);
	free(class);
	return fits;
}

int waiting_unpack(struct waiting *w, const void *at, size_t n, size_t (*source_index)(const void *context, const char *name, size_t n),
	const void *context, struct error *e)
{
	struct unpacked *u = unpack_open(at, n);
	const struct msgpack_object *o = unpack_root(u), *labels = unpack_field(o, "labels");
	int64_t format;
	bool fits = unpack_int(unpack_field(o, "oodd_waiting"), WAITING_FORMAT, WAITING_FORMAT, &format);

	for (size_t i = 0; fits && i < unpack_length(labels); i++)
		fits = label_read(w, unpack_item(labels, i), source_index, context);
	unpack_close(u);
	w->moved = false;
	return fits ? 0 : error_set(e, -EINVAL, "labels that wait: not what this program writes");
}
