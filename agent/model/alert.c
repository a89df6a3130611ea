/* SPDX-License-Identifier: Apache-2.0
 * An alert kept, copied, stored and shown. */
#include "model/alert.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/member.h"
#include "model/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const alert_state_words[] = {"pending", "firing", "resolved"};

static void done_pairs(struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
	free(pairs);
}

void alert_done(struct alert *a)
{
	free(a->name);
	free(a->model);
	free(a->version);
	free(a->severity);
	free(a->summary);
	free(a->description);
	done_pairs(a->labels, a->n_labels);
	done_pairs(a->annotations, a->n_annotations);
	for (size_t i = 0; i < a->n_to; i++)
		free(a->to[i]);
	free(a->to);
	*a = (struct alert){0};
}

static struct pair *copy_pairs(const struct pair *from, size_t n)
{
	struct pair *to = mem_zero(n + 1, sizeof *to);

	for (size_t i = 0; i < n; i++)
		to[i] = (struct pair){mem_copy_text(from[i].name), mem_copy_text(from[i].value)};
	return to;
}

void alert_copy(struct alert *to, const struct alert *from)
{
	*to = *from;
	to->name = mem_copy_text(from->name);
	to->model = mem_copy_text(from->model);
	to->version = mem_copy_text(from->version);
	to->severity = mem_copy_text(from->severity);
	to->summary = mem_copy_text(from->summary);
	to->description = mem_copy_text(from->description);
	to->labels = copy_pairs(from->labels, from->n_labels);
	to->annotations = copy_pairs(from->annotations, from->n_annotations);
	to->to = mem_zero(from->n_to + 1, sizeof *to->to);
	for (size_t i = 0; i < from->n_to; i++)
		to->to[i] = mem_copy_text(from->to[i]);
}

/* The plain members, for writing and for reading. */
static const struct {
	const char *name;
	size_t at;
} texts[] =
	{
		{"name", offsetof(struct alert, name)},
		{"model", offsetof(struct alert, model)},
		{"version", offsetof(struct alert, version)},
		{"severity", offsetof(struct alert, severity)},
		{"summary", offsetof(struct alert, summary)},
		{"description", offsetof(struct alert, description)},
},
  times[] = {
	  {"starts", offsetof(struct alert, starts_us)},
	  {"ends", offsetof(struct alert, ends_us)},
	  {"at", offsetof(struct alert, at_us)},
};
enum { N_TEXTS = sizeof texts / sizeof *texts, N_TIMES = sizeof times / sizeof *times };

static void pack_pairs(struct buf *to, const struct pair *pairs, size_t n)
{
	pack_array(to, 2 * n);
	for (size_t i = 0; i < n; i++) {
		pack_text(to, pairs[i].name);
		pack_text(to, pairs[i].value);
	}
}

void alert_pack(const struct alert *a, struct buf *to)
{
	pack_map(to, N_TEXTS + N_TIMES + 5);
	for (size_t i = 0; i < N_TEXTS; i++) {
		pack_text(to, texts[i].name);
		pack_text(to, *(char *const *)((const char *)a + texts[i].at));
	}
	for (size_t i = 0; i < N_TIMES; i++) {
		pack_text(to, times[i].name);
		pack_int(to, *(const int64_t *)((const char *)a + times[i].at));
	}
	pack_text(to, "key");
	pack_text(to, a->key);
	pack_text(to, "state");
	pack_int(to, a->state);
	pack_text(to, "labels");
	pack_pairs(to, a->labels, a->n_labels);
	pack_text(to, "annotations");
	pack_pairs(to, a->annotations, a->n_annotations);
	pack_text(to, "to");
	pack_array(to, a->n_to);
	for (size_t i = 0; i < a->n_to; i++)
		pack_text(to, a->to[i]);
}

/* A copy of the text, NULL for nil or anything else. */
static char *copy_text(const struct msgpack_object *o)
{
	const char *text;
	size_t n;

	return unpack_text(o, &text, &n) ? mem_copy_span(text, n) : NULL;
}

static bool read_pairs(const struct msgpack_object *list, struct pair **ret, size_t *ret_n)
{
	size_t n = unpack_length(list) / 2;

	*ret = mem_zero(n + 1, sizeof **ret);
	for (; *ret_n < n; (*ret_n)++) {
		struct pair *p = &(*ret)[*ret_n];

		p->name = copy_text(unpack_item(list, 2 * *ret_n));
		p->value = copy_text(unpack_item(list, 2 * *ret_n + 1));
		if (p->name && p->value)
			continue;
		free(p->name);
		free(p->value);
		return false;
	}
	return true;
}

static bool read_to(const struct msgpack_object *list, struct alert *a)
{
	size_t n = unpack_length(list);

	a->to = mem_zero(n + 1, sizeof *a->to);
	for (; a->n_to < n; a->n_to++)
		if (!(a->to[a->n_to] = copy_text(unpack_item(list, a->n_to))))
			return false;
	return true;
}

static bool read_alert(const struct msgpack_object *o, struct alert *a)
{
	const char *key;
	int64_t state;
	size_t n;

	for (size_t i = 0; i < N_TEXTS; i++)
		*(char **)((char *)a + texts[i].at) = copy_text(unpack_field(o, texts[i].name));
	for (size_t i = 0; i < N_TIMES; i++)
		if (!unpack_int(unpack_field(o, times[i].name), INT64_MIN, INT64_MAX,
			    (int64_t *)((char *)a + times[i].at)))
			return false;
	if (!unpack_int(unpack_field(o, "state"), ALERT_PENDING, ALERT_RESOLVED, &state) ||
		!unpack_text(unpack_field(o, "key"), &key, &n) || n >= sizeof a->key)
		return false;
	a->state = (enum alert_state)state;
	memcpy(a->key, key, n);
	return read_pairs(unpack_field(o, "labels"), &a->labels, &a->n_labels) &&
	       read_pairs(unpack_field(o, "annotations"), &a->annotations, &a->n_annotations) &&
	       read_to(unpack_field(o, "to"), a) && a->name && a->model;
}

int alert_read(const struct msgpack_object *o, struct alert *ret, struct error *e)
{
	struct alert a = {0};

	if (!read_alert(o, &a)) {
		alert_done(&a);
		return error_set(e, -EINVAL, "not an alert as oodd stores it");
	}
	*ret = a;
	return 0;
}

int alert_unpack(const void *at, size_t n, struct alert *ret, struct error *e)
{
	struct unpacked *u = unpack_open(at, n);
	int rc = alert_read(unpack_root(u), ret, e);

	unpack_close(u);
	return rc;
}

static void json_pairs(struct buf *to, const char *name, const struct pair *pairs, size_t n)
{
	member_key(to, name);
	buf_text(to, "{");
	for (size_t i = 0; i < n; i++) {
		buf_text(to, i ? "," : "");
		buf_json_text(to, pairs[i].name, strlen(pairs[i].name));
		buf_text(to, ":");
		buf_json_text(to, pairs[i].value, strlen(pairs[i].value));
	}
	buf_text(to, "}");
}

void alert_json(const struct alert *a, struct buf *to)
{
	buf_text(to, "{");
	member_text(to, "event", "alert");
	member_time(to, "ts", a->at_us);
	member_text(to, "state", alert_state_words[a->state]);
	member_text(to, "name", a->name);
	member_text(to, "model", a->model);
	member_text(to, "version", a->version);
	member_text(to, "severity", a->severity);
	member_text(to, "summary", a->summary);
	member_text(to, "description", a->description);
	json_pairs(to, "labels", a->labels, a->n_labels);
	json_pairs(to, "annotations", a->annotations, a->n_annotations);
	member_text(to, "key", a->key);
	member_time(to, "starts", a->starts_us);
	member_time(to, "ends", a->ends_us);
	buf_text(to, "}");
}
