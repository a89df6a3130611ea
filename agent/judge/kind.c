/* SPDX-License-Identifier: Apache-2.0
 * The decision table of kinds, and the windows in which they are counted. */
#include "judge/kind_room.h"

#include "base/mem.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Surer than half of the reference. */
#define SURE .5
/* A class is rare where it and all that are as rare hold at most this share of the reference, and it less than half of an even
 * part: classes that are all alike are not rare because one of them must be the last. */
#define RARE_SHARE .05

static bool class_is_rare(const struct reference *r, int32_t class)
{
	const struct reference_odd *o = &r->odd;
	int64_t all = 0, as_rare = 0;

	if (class < 0 || (size_t)class >= o->n_classes)
		return false;
	for (size_t i = 0; i < o->n_classes; i++) {
		all += o->classes[i];
		as_rare += o->classes[i] <= o->classes[class] ? o->classes[i] : 0;
	}
	return (double)as_rare <= RARE_SHARE * (double)all &&
	       (double)o->classes[class] * (double)o->n_classes < .5 * (double)all;
}

enum odd_kind odd_kind_of(const struct reference *r, const struct odd_row *row)
{
	double doubt = row->family[ODD_LOGITS];
	double place = isnan(row->family[ODD_SPACE]) ? row->family[ODD_FEATURES] : row->family[ODD_SPACE];

	if (row->faulty)
		return ODD_FAULT;
	if (doubt > r->flag_rate && doubt > place && class_is_rare(r, row->class))
		return ODD_RARE;
	/* Of features alone that is no hint: models are sure of extreme rows. */
	if (doubt >= SURE && row->family[ODD_SPACE] <= r->flag_rate)
		return ODD_ADVERSARIAL;
	if (place <= r->flag_rate || place < doubt || (isnan(doubt) && !isnan(place)))
		return ODD_FAR;
	return isnan(doubt) ? ODD_OTHER : ODD_UNSURE;
}

/* Opening. */

struct odd *odd_open(const struct reference *r, const struct odd_options *options)
{
	struct odd *o = mem_zero(1, sizeof *o);

	*o = (struct odd){.r = r, .options = *options};
	o->rate = (double)(r->odd.n_group + 1) / (double)(r->odd.n_held + 1);
	if (r->odd.radius > 0 && r->n_embedding > 0) {
		o->leaders = leaders_open(r->n_embedding, r->odd.radius, LEADERS_MOST);
		o->clusters = mem_zero(LEADERS_MOST, sizeof *o->clusters);
	}
	return o;
}

void odd_member_done(struct odd_member *m)
{
	free(m->id);
	free(m->text);
	free(m->rounded);
	*m = (struct odd_member){0};
}

void odd_cluster_done(struct odd_cluster *c)
{
	for (size_t i = 0; i < ODD_MEMBERS; i++)
		odd_member_done(&c->members[i]);
	*c = (struct odd_cluster){0};
}

void odd_looked_done(struct odd_looked *l)
{
	free(l->id);
	free(l->text);
	free(l->rounded);
	*l = (struct odd_looked){0};
}

void odd_window_done(struct odd_window *w)
{
	for (size_t i = 0; i < w->n_looked; i++)
		odd_looked_done(&w->looked[i]);
	for (size_t i = 0; i < w->n_samples; i++) {
		sample_done(&w->samples[i].s);
		free(w->samples[i].rounded);
	}
	free(w->looked);
	free(w->samples);
	*w = (struct odd_window){0};
}

void odd_close(struct odd *o)
{
	if (!o)
		return;
	for (size_t i = 0; o->clusters && i < LEADERS_MOST; i++)
		odd_cluster_done(&o->clusters[i]);
	for (size_t i = 0; i < o->n_windows; i++)
		odd_window_done(&o->windows[i]);
	free(o->clusters);
	free(o->windows);
	leaders_close(o->leaders);
	free(o);
}

bool odd_moved(struct odd *o)
{
	return o->moved;
}

/* Counting. */

static struct odd_window *window_of(struct odd *o, int64_t start_us)
{
	size_t at = o->n_windows;

	while (at > 0 && o->windows[at - 1].start_us > start_us)
		at--;
	if (at > 0 && o->windows[at - 1].start_us == start_us)
		return &o->windows[at - 1];
	o->windows = mem_grow(o->windows, o->n_windows + 1, sizeof *o->windows);
	memmove(o->windows + at + 1, o->windows + at, (o->n_windows - at) * sizeof *o->windows);
	o->windows[at] = (struct odd_window){.start_us = start_us};
	o->n_windows++;
	return &o->windows[at];
}

struct sample *odd_record(struct odd *o, int64_t window_us, const struct odd_row *row, struct sample *ret_dropped)
{
	enum odd_kind kind = odd_kind_of(o->r, row);
	struct odd_window *w = window_of(o, window_us);
	int16_t *rounded = odd_direction(o, row, kind);

	*ret_dropped = (struct sample){0};
	o->moved = true;
	w->kinds[kind]++;
	if (rounded) {
		w->groupable[kind]++;
		odd_look(o, w, row, kind, rounded);
	}
	if (o->options.samples > 0)
		return odd_sample_put(o, w, row, kind, rounded, ret_dropped);
	free(rounded);
	return NULL;
}

double odd_bar(const struct odd *o, int64_t *ret_window_us)
{
	const struct odd_window *w = o->n_windows ? &o->windows[o->n_windows - 1] : NULL;
	double most = 0;

	*ret_window_us = w ? w->start_us : INT64_MIN;
	if (!w || w->n_samples < o->options.samples)
		return 2;
	for (size_t i = 0; i < w->n_samples; i++)
		most = w->samples[i].s.p > most || isnan(w->samples[i].s.p) ? (isnan(w->samples[i].s.p) ? 2 : w->samples[i].s.p) : most;
	return most;
}

/* Closing. */

/* What a group's records of this window are: a class, a burst, or whatever each is by itself (ODD_KINDS). */
static enum odd_kind group_kind(const struct odd *o, size_t group, int64_t n, int64_t window_n)
{
	if (o->clusters[group].class)
		return ODD_NOVEL;
	return odd_group_burst(o, group, n, window_n) ? ODD_ADVERSARIAL : ODD_KINDS;
}

/* Typical members, the most typical first; they are kept in that order. */
static void group_tell(const struct odd_cluster *c, int64_t n, bool fresh, struct signal_odd *to)
{
	struct odd_group *g;
	size_t at = to->n_groups;

	while (at > 0 && to->groups[at - 1].n < n)
		at--;
	if (at == ODD_GROUPS_TOLD)
		return;
	if (to->n_groups == ODD_GROUPS_TOLD)
		odd_group_done(&to->groups[--to->n_groups]);
	if (!to->groups)
		to->groups = mem_zero(ODD_GROUPS_TOLD, sizeof *to->groups);
	memmove(to->groups + at + 1, to->groups + at, (to->n_groups - at) * sizeof *to->groups);
	to->n_groups++;
	g = &to->groups[at];
	*g = (struct odd_group){.like = mem_copy_text(c->members[0].id ? c->members[0].id : ""), .text = mem_copy_text(c->members[0].text),
		.n = n, .size = c->size, .first_us = c->first_us, .fresh = fresh};
	for (size_t i = 0; i < ODD_MEMBERS; i++)
		g->members[i] = mem_copy_text(c->members[i].id);
}

/* How many stand for n of those looked at, where not all of `all` were. */
static int64_t scaled(int64_t n, int64_t all, int64_t looked)
{
	return looked == all ? n : (int64_t)rint((double)n * (double)all / (double)looked);
}

/* Records of groups are taken from their own kinds. Of each kind as many as the looked at stand for. */
static void grouped_move(const struct odd_window *w, const enum odd_kind *kind_of, struct signal_odd *to)
{
	int64_t looked[ODD_KINDS] = {0}, moved[ODD_KINDS][2] = {{0}};

	for (size_t i = 0; i < w->n_looked; i++) {
		const struct odd_looked *l = &w->looked[i];
		enum odd_kind group = l->group == SIZE_MAX ? ODD_KINDS : kind_of[l->group];

		looked[l->kind]++;
		if (group < ODD_KINDS)
			moved[l->kind][group == ODD_NOVEL]++;
	}
	for (size_t k = 0; k < ODD_KINDS; k++)
		for (size_t novel = 0; novel < 2 && looked[k] > 0; novel++) {
			int64_t n = scaled(moved[k][novel], w->groupable[k], looked[k]);

			n = n < to->kinds[k] ? n : to->kinds[k];
			to->kinds[k] -= n;
			to->kinds[novel ? ODD_NOVEL : ODD_ADVERSARIAL] += n;
		}
}

static void groups_tell(struct odd *o, struct odd_window *w, int64_t window_n, enum odd_kind *kind_of, struct signal_odd *to)
{
	int64_t n[LEADERS_MOST] = {0}, all = 0;
	bool fresh[LEADERS_MOST] = {false};

	odd_groups_close(o, w, window_n, n, fresh);
	for (size_t k = 0; k < ODD_KINDS; k++)
		all += w->groupable[k];
	for (size_t i = 0; i < LEADERS_MOST; i++) {
		int64_t n_all = w->n_looked ? scaled(n[i], all, (int64_t)w->n_looked) : 0;

		kind_of[i] = n[i] > 0 || (o->clusters && o->clusters[i].class) ? group_kind(o, i, n_all, window_n) : ODD_KINDS;
		if (kind_of[i] != ODD_NOVEL || n[i] == 0)
			continue;
		to->n_groups_all++;
		group_tell(&o->clusters[i], n_all, fresh[i], to);
	}
}

static void samples_settle(struct odd *o, struct odd_window *w, const enum odd_kind *kind_of,
	void (*settled)(void *, const struct sample *), void *context, struct signal_odd *to)
{
	enum odd_kind *final = mem_alloc((w->n_samples + 1) * sizeof *final);

	for (size_t i = 0; i < w->n_samples; i++) {
		struct odd_sample *s = &w->samples[i];
		size_t group = s->rounded ? leaders_nearest(o->leaders, s->rounded) : SIZE_MAX;

		final[i] = group == SIZE_MAX || kind_of[group] == ODD_KINDS ? s->kind : kind_of[group];
		s->s.kind = odd_words[final[i]];
		if (settled)
			settled(context, &s->s);
	}
	odd_examples(w, final, to);
	free(final);
}

void odd_window(struct odd *o, const struct window *w, void (*settled)(void *context, const struct sample *s), void *context,
	struct signal_odd *ret)
{
	enum odd_kind kind_of[LEADERS_MOST];
	struct odd_window *mine = window_of(o, w->start_us);

	*ret = (struct signal_odd){0};
	o->seen += w->n;
	o->moved = true;
	memcpy(ret->kinds, mine->kinds, sizeof ret->kinds);
	for (size_t k = 0; k < ODD_KINDS; k++)
		ret->n += ret->kinds[k];
	groups_tell(o, mine, w->n, kind_of, ret);
	grouped_move(mine, kind_of, ret);
	samples_settle(o, mine, kind_of, settled, context, ret);
	odd_window_done(mine);
	memmove(mine, mine + 1, (size_t)(o->windows + --o->n_windows - mine) * sizeof *mine);
	signal_odd_tell(ret);
}
