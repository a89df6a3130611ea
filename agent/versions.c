/* SPDX-License-Identifier: Apache-2.0
 * Pairs of versions. Older is what has a reference of its own before what has none, then whose reference is older. */
#include "versions.h"

#include "base/log.h"
#include "base/mem.h"
#include "judge/compare.h"

#include <stdlib.h>
#include <string.h>

struct version_pair {
	char *key; /* "model\nstable\ncanary": names it in the database */
	struct compare *compare;
	bool moved;
};

static void pair_done(struct version_pair *p)
{
	compare_close(p->compare);
	free(p->key);
}

void versions_done(struct versions *v)
{
	for (size_t i = 0; i < v->n; i++)
		pair_done(&v->pairs[i]);
	for (size_t i = 0; i < v->n_gone; i++)
		free(v->gone[i]);
	free(v->gone);
	free(v->pairs);
	*v = (struct versions){0};
}

static bool stands_first(const struct stream *a, const struct stream *b)
{
	const struct reference *x = a->reference, *y = b->reference;

	if (!x->inherited_from != !y->inherited_from)
		return !x->inherited_from;
	if (x->last_us != y->last_us)
		return x->last_us < y->last_us;
	return strverscmp(a->version, b->version) < 0;
}

static bool may_be_stable(const struct stream *s, const struct stream *canary)
{
	return s != canary && !s->retired && !s->reference->inherited_from && !strcmp(s->model, canary->model) && stands_first(s, canary);
}

/* Was it found worse than another? */
static bool rolled_back(const struct versions *v, const struct stream *s)
{
	for (size_t i = 0; i < v->n; i++) {
		const char *canary = strrchr(v->pairs[i].key, '\n') + 1;
		size_t n = strlen(s->model);

		if (!strncmp(v->pairs[i].key, s->model, n) && v->pairs[i].key[n] == '\n' && !strcmp(canary, s->version) &&
			compare_verdict(v->pairs[i].compare) == COMPARISON_ROLL_BACK)
			return true;
	}
	return false;
}

static struct version_pair *pair_of(const struct versions *v, const struct stream *stable, const struct stream *canary)
{
	char *key = mem_format("%s\n%s\n%s", stable->model, stable->version, canary->version);
	struct version_pair *p = NULL;

	for (size_t i = 0; i < v->n && !p; i++)
		p = strcmp(v->pairs[i].key, key) ? NULL : &v->pairs[i];
	free(key);
	return p;
}

/* Its windows have found partners, or may yet; a version found worse than another is none to begin with. */
static bool may_be_compared(const struct versions *v, const struct stream *stable, const struct stream *canary)
{
	const struct version_pair *p = pair_of(v, stable, canary);

	return p ? !compare_alone(p->compare) : !rolled_back(v, stable);
}

/* What a version is compared with: what the configuration names, else the next older one that has a reference of its own, unless that
 * one gets no records; where there is none, the next older one. NULL: nothing. */
static const struct stream *stable_of(const struct versions *v, const struct streams *streams, const struct stream *canary)
{
	const struct compare_config *c = &canary->config->compare;
	const struct stream *best = NULL, *any = NULL;

	if (c->off || (c->canary && strcmp(canary->version, c->canary)))
		return NULL;
	if (c->stable)
		return streams_find(streams, canary->model, c->stable);
	for (size_t i = 0; i < streams->n; i++) {
		const struct stream *s = streams->at[i];

		if (!may_be_stable(s, canary))
			continue;
		if (!any || stands_first(any, s))
			any = s;
		if ((!best || stands_first(best, s)) && may_be_compared(v, s, canary))
			best = s;
	}
	return best ? best : any;
}

static struct compare *opened(const struct stream *stable, const struct stream *canary)
{
	const struct compare_config *c = &stable->config->compare;

	return compare_open(stable->reference, canary->reference, &(struct compare_options){c->tolerance, c->alpha});
}

static void pair_drop(struct versions *v, size_t i)
{
	v->gone = mem_grow(v->gone, v->n_gone + 1, sizeof *v->gone);
	v->gone[v->n_gone++] = mem_copy_text(v->pairs[i].key);
	pair_done(&v->pairs[i]);
	v->pairs[i] = v->pairs[--v->n];
}

static const struct stream *part_of(const struct streams *streams, const char *key, const char **rest)
{
	const char *model_end = strchr(key, '\n'), *at = *rest, *end;
	char *model, *version;
	const struct stream *s;

	if (!model_end || !at)
		return NULL;
	end = strchr(at, '\n');
	model = mem_copy_span(key, (size_t)(model_end - key));
	version = end ? mem_copy_span(at, (size_t)(end - at)) : mem_copy_text(at);
	s = streams_find(streams, model, version);
	*rest = end ? end + 1 : NULL;
	free(model);
	free(version);
	return s;
}

/* Pairs of which one is watched no more. */
static void pairs_sweep(struct versions *v, const struct streams *streams)
{
	for (size_t i = 0; i < v->n;) {
		const char *rest = strchr(v->pairs[i].key, '\n') + 1;
		bool both = part_of(streams, v->pairs[i].key, &rest) && part_of(streams, v->pairs[i].key, &rest);

		if (both)
			i++;
		else
			pair_drop(v, i);
	}
}

/* The pair, made when there is none yet, begun anew when one of the two has another reference now. NULL: too many. */
static struct version_pair *pair_for(struct versions *v, const struct streams *streams, const struct stream *stable,
	const struct stream *canary)
{
	struct version_pair *p = pair_of(v, stable, canary);

	if (!p && v->n == VERSIONS_MOST_PAIRS)
		pairs_sweep(v, streams);
	if (!p && v->n < VERSIONS_MOST_PAIRS) {
		v->pairs = mem_grow(v->pairs, v->n + 1, sizeof *v->pairs);
		p = &v->pairs[v->n++];
		*p = (struct version_pair){mem_format("%s\n%s\n%s", stable->model, stable->version, canary->version), opened(stable, canary), false};
	} else if (p && !compare_is_of(p->compare, stable->reference, canary->reference)) {
		compare_close(p->compare);
		p->compare = opened(stable, canary);
	}
	return p;
}

void versions_window(struct versions *v, const struct streams *streams, const struct stream *s, const struct window *w,
	void (*fn)(void *context, const struct comparison *c), void *context)
{
	for (size_t i = 0; i < streams->n; i++) {
		const struct stream *canary = streams->at[i], *stable;
		struct comparison now;
		struct version_pair *p;

		if (canary->retired || strcmp(canary->model, s->model))
			continue;
		stable = stable_of(v, streams, canary);
		if (!stable || (s != stable && s != canary))
			continue;
		p = pair_for(v, streams, stable, canary);
		if (!p)
			continue;
		p->moved = true;
		if (compare_window(p->compare, s == stable ? COMPARE_STABLE : COMPARE_CANARY, w, &now))
			fn(context, &now);
	}
}

void versions_save(struct versions *v, struct txn *t)
{
	struct buf blob = BUF_EMPTY;

	for (size_t i = 0; i < v->n_gone; i++) {
		txn_drop_state(t, STATE_COMPARE, v->gone[i]);
		free(v->gone[i]);
	}
	v->n_gone = 0;
	for (size_t i = 0; i < v->n; i++) {
		if (!v->pairs[i].moved)
			continue;
		buf_clear(&blob);
		compare_pack(v->pairs[i].compare, &blob);
		txn_put_state(t, STATE_COMPARE, v->pairs[i].key, blob.at, blob.n);
		v->pairs[i].moved = false;
	}
	buf_done(&blob);
}

struct loading {
	struct versions *versions;
	const struct streams *streams;
};

static int load_pair(void *context, const char *key, const void *at, size_t n)
{
	struct loading *l = context;
	const char *rest = strchr(key, '\n');
	const struct stream *stable, *canary;
	struct version_pair *p;
	struct error e;

	rest = rest ? rest + 1 : NULL;
	stable = part_of(l->streams, key, &rest);
	canary = part_of(l->streams, key, &rest);
	if (!stable || !canary) {
		l->versions->gone = mem_grow(l->versions->gone, l->versions->n_gone + 1, sizeof *l->versions->gone);
		l->versions->gone[l->versions->n_gone++] = mem_copy_text(key);
		return 0;
	}
	p = pair_for(l->versions, l->streams, stable, canary);
	if (p && compare_unpack(p->compare, at, n, &e))
		log_info("versions", "two versions are compared from the beginning: one has another reference now", "model",
			log_s(stable->model), "stable", log_s(stable->version), "canary", log_s(canary->version));
	return 0;
}

int versions_load(struct versions *v, const struct streams *streams, struct store *s, struct error *e)
{
	struct loading l = {v, streams};
	int status = store_each_state(s, STATE_COMPARE, load_pair, &l, e);

	/* The settings, or what versions there are, may have changed: seen when all are there. */
	for (size_t i = 0; i < v->n;) {
		const char *rest = strchr(v->pairs[i].key, '\n') + 1;
		const struct stream *stable = part_of(streams, v->pairs[i].key, &rest), *canary = part_of(streams, v->pairs[i].key, &rest);

		if (stable && canary && (stable_of(v, streams, canary) == stable || compare_alone(v->pairs[i].compare)))
			i++;
		else
			pair_drop(v, i);
	}
	return status;
}
