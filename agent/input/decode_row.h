/* SPDX-License-Identifier: Apache-2.0
 * A record on its way into a batch, whatever format it was read from: what its fields may be, which stream it belongs to,
 * and the one place where it becomes a row or is refused. Only for decode*.c and msgpack.c. */
#ifndef INPUT_DECODE_ROW_H
#define INPUT_DECODE_ROW_H

#include "base/buf.h"
#include "input/decode.h"
#include "input/json.h"
#include "input/pointer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROW_NAME_MOST 1024   /* bytes of a column's name */
#define ROW_FLAT_MOST 8      /* levels of nested features that are flattened */
#define ROW_TAGS_MOST 256    /* different tags of a stream: further ones are not read */
#define ROW_STREAMS_MOST 1024 /* besides those that were told of; beyond it they are forgotten, and a chunk that holds more is refused */
#define ROW_STREAM_SLOTS 256

/* Text as met: in the record's bytes, perhaps with JSON escapes, or made here and gone with the record. */
struct row_text {
	const char *at;
	size_t n;
	enum { TEXT_HERE, TEXT_ESCAPED, TEXT_MADE } how;
};

struct row_value {
	enum { VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_OTHER, VALUE_TIME } kind; /* TIME: integer is microseconds */
	double number;           /* of a number, maybe not finite; of a bool 0 or 1 */
	bool whole;              /* a number that is an integer */
	int64_t integer;
	struct row_text text;    /* of a number: as written, or at NULL */
};

/* Distinct names that a stream's records have used, by hash: the limit must not depend on how the log was cut. */
struct row_names {
	uint64_t *at;
	size_t n, room;
};

struct row_stream {
	char *model, *version;
	size_t n_model, n_version;
	size_t n_logits, n_embedding; /* 0: not known yet */
	enum { LOGITS_UNKNOWN, LOGITS_RAW, LOGITS_NORMALISED } logits;
	struct row_names names[FIELD_N];
	bool told;               /* somebody watches it: never forgotten */
	struct batch *batch;     /* in the present `to`, or NULL */
	struct row_stream *next; /* of those whose names fall together */
};

enum row_end { ROW_TAKEN, ROW_REFUSED, ROW_AGAIN };

struct row_vector {
	float *scratch;          /* where the stream's width is not known */
	size_t n;                /* 0: the record has none */
	bool in_batch;
};

struct row {
	const struct decode_options *options;
	struct decoded *to;
	ptrdiff_t shift;         /* from the bytes read to the chunk they were copied from */
	struct row_stream **streams;
	size_t n_streams, n_told;  /* n_told: of them, see row_stream_tell */
	struct row_stream *by_name[ROW_STREAM_SLOTS];
	struct row_stream *last, *again;
	struct row_stream *limbo; /* where a record waits that has not named its model */
	int64_t newest_us, outlier_us;
	struct buf model, version; /* of this record, without escapes */
	char date[10];           /* text of the last date met, and its start */
	int64_t date_us;

	/* of this record */
	const char *line;        /* its first byte; NULL where records do not end in newlines */
	struct row_stream *stream; /* the row is begun in its batch; NULL: not begun */
	struct batch *batch;
	int64_t time_us;
	bool time_met;
	double confidence;
	struct row_text text[FIELD_N];
	char made[FIELD_N][32];
	struct row_vector vector[FIELD_N];
	enum reject_reason fault; /* REJECT_N: none; the first met counts */
	char why[96];
};

void row_open(struct row *r, const struct decode_options *options);
void row_done(struct row *r);
/* Into which decoded; forgets the batches of the one before, and streams when there are too many. */
void row_to(struct row *r, struct decoded *to);
void row_begin(struct row *r);
/* Note what is wrong with the record; reading goes on, because what is not JSON is so whatever else is wrong with it. */
void row_fault(struct row *r, enum reject_reason reason, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* time, confidence and every text */
void row_field(struct row *r, enum field field, const struct row_value *v);
/* Where to read a vector to; at most *ret_room floats. Then put it, or none (n 0). */
float *row_vector_room(struct row *r, enum field field, size_t *ret_room);
void row_vector_put(struct row *r, enum field field, size_t n);
void row_vector_none(struct row *r, enum field field);

/* Digits with or without a '-' that fit. */
bool row_whole(const char *at, size_t n, int64_t *ret);
/* One that is watched; never NULL. */
struct row_stream *row_stream_tell(struct row *r, const char *model, size_t n_model, const char *version, size_t n_version);
/* NULL when there are too many. */
struct row_stream *row_stream_make(struct row *r, const char *model, size_t n_model, const char *version, size_t n_version);

/* The batch of this record; its row is begun. The stream may be a guess until row_end. */
struct batch *row_batch(struct row *r);
static inline struct columns *batch_columns(struct batch *b, enum field columns)
{
	return columns == FIELD_FEATURES ? &b->features : columns == FIELD_TAGS ? &b->tags : &b->metrics;
}
/* A column by its flattened name, or SIZE_MAX: with a fault, or one tag too many, which is passed over. */
size_t row_column(struct row *r, enum field columns, const char *name, size_t n, size_t guess);
void row_cell(struct row *r, enum field columns, size_t column, const struct row_value *v);
/* Make text last as long as the batch. */
struct text row_keep(struct row *r, const struct row_text *t);
/* A key as a name: escapes undone, NUL (which a C string cannot hold) as U+FFFD. Appended to `to`; false: too long. */
bool row_name(struct buf *to, const struct row_text *key);

/* All fields are in: ROW_TAKEN, the record is a row; ROW_REFUSED, see fault and why; ROW_AGAIN: the stream was guessed wrong,
 * read the record once more after row_again (which holds the right one). */
enum row_end row_end(struct row *r, const char *record, size_t n, uint64_t offset, uint32_t length);
void row_again(struct row *r);

/* ---- between decode_row.c, decode_stream.c and decode_vector.c ---- */

void row_streams_open(struct row *r);
void row_streams_close(struct row *r);
/* The stream that the fields met so far name; NULL with a fault where there is none. */
struct row_stream *row_stream_named(struct row *r);
/* The stream as far as one can tell in the middle of a record; never NULL. */
struct row_stream *row_stream_guess(struct row *r);
/* Of r->to; opened where it has none. */
struct batch *row_stream_batch(struct row *r, struct row_stream *s);

void row_vectors_begin(struct row *r);
void row_vectors_done(struct row *r);
void row_vectors_check(struct row *r); /* a fault where a width is not that of the stream */
/* The record is taken: vectors where they belong, blanks where there are none; what a stream's first record has decides for it. */
void row_vectors_settle(struct row *r);

#endif
