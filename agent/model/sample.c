/* SPDX-License-Identifier: Apache-2.0
 * Samples: freed, copied, kept over a restart. */
#include "model/sample.h"

#include <stdlib.h>

#include "base/mem.h"
#include "model/pack.h"

enum { FIELDS = 10 };

void sample_done(struct sample *s)
{
	free(s->model);
	free(s->version);
	free(s->id);
	free(s->prediction);
	free(s->record);
	free(s->nearest);
	free(s->why);
	free(s->reasons);
	*s = (struct sample){0};
}

void sample_copy(struct sample *to, const struct sample *from)
{
	*to = *from;
	to->model = to->version = to->record = NULL;
	to->n_record = 0;
	to->id = mem_copy_text(from->id);
	to->prediction = mem_copy_text(from->prediction);
	to->nearest = mem_copy_text(from->nearest);
	to->why = mem_copy_text(from->why);
	to->reasons = mem_copy_text(from->reasons);
}

void sample_pack(const struct sample *s, struct buf *to)
{
	pack_array(to, FIELDS);
	pack_text(to, s->id);
	pack_int(to, s->time_us);
	pack_real(to, s->p);
	pack_text(to, s->prediction);
	pack_int(to, s->window_us);
	pack_int(to, (int64_t)s->hash);
	pack_real(to, s->confidence);
	pack_text(to, s->nearest);
	pack_text(to, s->why);
	pack_text(to, s->reasons);
}

static char *text_of(const struct msgpack_object *o)
{
	const char *at;
	size_t n;

	return unpack_text(o, &at, &n) ? mem_copy_span(at, n) : NULL;
}

bool sample_read(const struct msgpack_object *o, struct sample *ret)
{
	struct sample s = {0};
	int64_t hash;

	if (unpack_length(o) != FIELDS || !unpack_int(unpack_item(o, 1), INT64_MIN, INT64_MAX, &s.time_us) ||
		!unpack_real(unpack_item(o, 2), &s.p) || !unpack_int(unpack_item(o, 4), INT64_MIN, INT64_MAX, &s.window_us) ||
		!unpack_int(unpack_item(o, 5), INT64_MIN, INT64_MAX, &hash) || !unpack_real(unpack_item(o, 6), &s.confidence))
		return false;
	s.hash = (uint64_t)hash;
	s.id = text_of(unpack_item(o, 0));
	s.prediction = text_of(unpack_item(o, 3));
	s.nearest = text_of(unpack_item(o, 7));
	s.why = text_of(unpack_item(o, 8));
	s.reasons = text_of(unpack_item(o, 9));
	*ret = s;
	return true;
}
