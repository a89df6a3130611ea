/* SPDX-License-Identifier: Apache-2.0
 * The vectors of a record: read straight into the batch where the width of the stream is known, else aside until the record is taken. */
#include "input/decode_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PROBABILITY_LEAST 1e-12f

static const enum field vectors[] = {FIELD_EMBEDDING, FIELD_LOGITS, FIELD_PROBABILITIES};
enum { N_VECTORS = sizeof vectors / sizeof *vectors };

static size_t width_known(const struct row_stream *s, enum field field)
{
	return field == FIELD_EMBEDDING ? s->n_embedding : s->n_logits;
}

static float *vector_at(const struct row *r, enum field field)
{
	struct batch *b = r->batch;

	return field == FIELD_EMBEDDING ? b->embedding + b->n * b->n_embedding : b->logits + b->n * b->n_logits;
}

static size_t most_floats(const struct row *r)
{
	return r->options->longest / 2 + 1; /* no record has more: a digit and a comma each */
}

float *row_vector_room(struct row *r, enum field field, size_t *ret_room)
{
	struct row_vector *v = &r->vector[field];

	row_batch(r);
	/* Probabilities wait: logits may follow. */
	v->in_batch = field != FIELD_PROBABILITIES && width_known(r->stream, field);
	if (v->in_batch) {
		*ret_room = width_known(r->stream, field);
		return vector_at(r, field);
	}
	if (!v->scratch)
		v->scratch = mem_alloc(most_floats(r) * sizeof *v->scratch);
	*ret_room = most_floats(r);
	return v->scratch;
}

static bool width_check(struct row *r, enum field field, size_t n)
{
	size_t width = width_known(r->stream, field);

	if (width && n != width)
		row_fault(r, REJECT_VECTOR_WIDTH, "%s of width %zu, not %zu", field_words[field], n, width);
	return !width || n == width;
}

void row_vector_put(struct row *r, enum field field, size_t n)
{
	if (!n)
		row_vector_none(r, field);
	else if (width_check(r, field, n))
		r->vector[field].n = n;
}

void row_vector_none(struct row *r, enum field field)
{
	r->vector[field].n = 0;
	r->vector[field].in_batch = false;
}

/* A vector read before its stream had a width: the first of its stream decides it. */
static void vector_settle(struct row *r, enum field field)
{
	struct row_vector *v = &r->vector[field];
	struct row_stream *s = r->stream;

	if (!v->n || v->in_batch)
		return;
	if (field == FIELD_EMBEDDING)
		s->n_embedding = v->n;
	else
		s->n_logits = v->n;
	batch_widths(r->batch, s->n_logits, s->n_embedding);
	memcpy(vector_at(r, field), v->scratch, v->n * sizeof *v->scratch);
}

static void log_probabilities(float *to, const float *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = logf(p[i] > PROBABILITY_LEAST ? p[i] : PROBABILITY_LEAST);
}

static void log_softmax(float *x, size_t n)
{
	double sum = 0;
	float top = x[0];

	for (size_t i = 1; i < n; i++)
		top = x[i] > top ? x[i] : top;
	for (size_t i = 0; i < n; i++)
		sum += exp((double)x[i] - top);
	for (size_t i = 0; i < n; i++)
		x[i] = (float)((double)x[i] - top - log(sum));
}

/* Logits as logged, or made of probabilities. A stream keeps to what its first record had: raw logits cannot be made of
 * probabilities, log-probabilities can be made of logits. */
static void logits_settle(struct row *r)
{
	struct row_vector *logits = &r->vector[FIELD_LOGITS], *p = &r->vector[FIELD_PROBABILITIES];
	struct row_stream *s = r->stream;

	if (logits->n) {
		vector_settle(r, FIELD_LOGITS);
		if (s->logits == LOGITS_UNKNOWN)
			s->logits = LOGITS_RAW;
		if (s->logits == LOGITS_NORMALISED)
			log_softmax(vector_at(r, FIELD_LOGITS), logits->n);
	} else if (p->n && s->logits != LOGITS_RAW) {
		vector_settle(r, FIELD_PROBABILITIES);
		s->logits = LOGITS_NORMALISED;
		log_probabilities(vector_at(r, FIELD_LOGITS), p->scratch, p->n);
	} else {
		batch_row_blank(r->batch, true, false);
	}
	r->batch->logits_normalised = s->logits == LOGITS_NORMALISED;
}

void row_vectors_begin(struct row *r)
{
	for (size_t i = 0; i < N_VECTORS; i++)
		r->vector[vectors[i]].n = 0;
}

void row_vectors_done(struct row *r)
{
	for (size_t i = 0; i < N_VECTORS; i++)
		free(r->vector[vectors[i]].scratch);
}

void row_vectors_check(struct row *r)
{
	for (size_t i = 0; i < N_VECTORS; i++)
		if (r->vector[vectors[i]].n)
			width_check(r, vectors[i], r->vector[vectors[i]].n);
}

void row_vectors_settle(struct row *r)
{
	vector_settle(r, FIELD_EMBEDDING);
	if (!r->vector[FIELD_EMBEDDING].n)
		batch_row_blank(r->batch, false, true);
	logits_settle(r);
}
