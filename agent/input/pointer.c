/* SPDX-License-Identifier: Apache-2.0
 * JSON Pointers: "/outputs/0/data" is the value at "data" of element 0 of "outputs"; "~1" stands for '/', "~0" for '~'. */
#include "input/pointer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *const field_words[FIELD_N] = {
	[FIELD_TIME] = "time", [FIELD_ID] = "id", [FIELD_MODEL] = "model", [FIELD_VERSION] = "version",
	[FIELD_FEATURES] = "features", [FIELD_EMBEDDING] = "embedding", [FIELD_LOGITS] = "logits",
	[FIELD_PROBABILITIES] = "probabilities", [FIELD_PREDICTION] = "prediction", [FIELD_CONFIDENCE] = "confidence",
	[FIELD_TAGS] = "tags", [FIELD_METRICS] = "metrics", [FIELD_TEXT] = "text",
};

const char *const field_pointers[FIELD_N] = {
	[FIELD_TIME] = "/ts", [FIELD_ID] = "/id", [FIELD_MODEL] = "/model", [FIELD_VERSION] = "/version",
	[FIELD_FEATURES] = "/features", [FIELD_EMBEDDING] = "/embedding", [FIELD_LOGITS] = "/logits",
	[FIELD_PROBABILITIES] = "/probabilities", [FIELD_PREDICTION] = "/prediction", [FIELD_CONFIDENCE] = "/confidence",
	[FIELD_TAGS] = "/tags", [FIELD_METRICS] = "/metrics", [FIELD_TEXT] = "/text",
};

int pointer_check(const char *pointer, struct error *e)
{
	if (!*pointer)
		return 0;
	if (*pointer != '/')
		return error_set(e, -EINVAL, "\"%s\": a JSON Pointer begins with '/' (\"/%s\"?), or is empty", pointer, pointer);
	for (const char *p = pointer; (p = strchr(p, '~')); p++)
		if (p[1] != '0' && p[1] != '1')
			return error_set(e, -EINVAL, "\"%s\": behind '~' comes 0 (for '~') or 1 (for '/') in a JSON Pointer", pointer);
	return 0;
}

bool field_is_columns(enum field field)
{
	return field == FIELD_FEATURES || field == FIELD_TAGS || field == FIELD_METRICS;
}

const struct place *place_find(const struct place *in, const char *key, size_t n)
{
	for (size_t i = 0; i < in->n_inner; i++)
		if (in->inner[i].n_key == n && !memcmp(in->inner[i].key, key, n))
			return &in->inner[i];
	return NULL;
}

/* One step of a pointer, "~0" and "~1" undone, into `to`; returns its length. */
static size_t step_plain(const char *step, size_t n, char *to)
{
	char *begin = to;

	for (size_t i = 0; i < n; i++) {
		bool tilde = step[i] == '~' && i + 1 < n;

		*to++ = !tilde ? step[i] : step[++i] == '1' ? '/' : '~';
	}
	*to = 0;
	return (size_t)(to - begin);
}

static struct place *place_make(struct place *in, const char *step, size_t n_step)
{
	char *key = mem_alloc(n_step + 1);
	size_t n = step_plain(step, n_step, key);
	const struct place *there = place_find(in, key, n);

	if (there) {
		free(key);
		return &in->inner[there - in->inner];
	}
	in->inner = mem_grow(in->inner, in->n_inner + 1, sizeof *in->inner);
	in->inner[in->n_inner] = (struct place){.key = key, .n_key = n, .columns = FIELD_N};
	return &in->inner[in->n_inner++];
}

static void pointer_add(struct place *root, const char *pointer, enum field field)
{
	struct place *at = root;

	while (*pointer) {
		const char *step = pointer + 1;

		pointer = step + strcspn(step, "/");
		at = place_make(at, step, (size_t)(pointer - step));
	}
	if (field_is_columns(field))
		at->columns = field;
	else
		at->fields |= 1u << field;
}

struct place *places_open(const struct decode_options *options)
{
	struct place *root = mem_zero(1, sizeof *root);

	root->columns = FIELD_N;
	for (enum field f = 0; f < FIELD_N; f++) {
		const char *pointer = options->pointer[f] ? options->pointer[f] : field_pointers[f];

		assert(!pointer_check(pointer, NULL));
		/* "" is the whole record: what features may be, and no other field. */
		if (*pointer || f == FIELD_FEATURES)
			pointer_add(root, pointer, f);
	}
	return root;
}

static void place_done(struct place *p)
{
	for (size_t i = 0; i < p->n_inner; i++)
		place_done(&p->inner[i]);
	free(p->inner);
	free(p->key);
}

void places_close(struct place *root)
{
	if (root)
		place_done(root);
	free(root);
}
