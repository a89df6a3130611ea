/* SPDX-License-Identifier: Apache-2.0
 * Decoded predictions of one stream, side by side, in the order they were read. One owner at a time; filled by a decoder,
 * read by everybody after. No allocation per record: columns grow by doubling and are kept over batch_reset. */
#ifndef MODEL_BATCH_H
#define MODEL_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that live elsewhere: in the chunk that was decoded (kept as long as the batch) or in the batch's arena.
 * at NULL: absent. Not NUL-terminated. UTF-8 was checked. */
struct text {
	const char *at;
	uint32_t n;
};

enum cell {
	CELL_ABSENT, /* the field was not there */
	CELL_NULL,   /* null, or a number that is not finite */
	CELL_NUMBER, /* number[row] */
	CELL_TEXT,   /* text[row] */
	CELL_BOOL,   /* number[row] is 0 or 1 */
	CELL_OTHER,  /* an array, or nested deeper than features are flattened: not usable, counted as mistyped */
};

/* One feature, tag or metric over all rows of the batch. Nested objects are flattened: {"a":{"b":1}} is "a.b". */
struct column {
	char *name;        /* owned by the batch */
	uint8_t *kind;     /* enum cell, n rows */
	double *number;    /* n rows; NaN unless CELL_NUMBER or CELL_BOOL */
	struct text *text; /* n rows; NULL when no row of this batch holds text */
	struct text *spare; /* private: memory of `text`, kept over batch_reset */
};

struct columns {
	struct column *at;
	size_t n;
	size_t room;       /* private */
	uint32_t *index;   /* private: hash table over the names, of at + 1; NULL: looked for one by one */
	size_t index_room; /* private: a power of two */
};

struct batch {
	size_t n;             /* rows */
	size_t room;          /* private: rows there is room for */
	uint64_t serial;      /* private: no other batch of this process ever had it */
	char *model, *version;

	int64_t *time_us;     /* event time */
	uint64_t *offset;     /* of the record's first byte in its file */
	uint32_t *length;     /* bytes of the record in the file, its newline included */
	uint64_t *hash;       /* of the id, else of the record's bytes: randomises ties, names the record when it has no id */
	struct text *id;
	struct text *prediction;
	struct text *label_text;  /* the input text when logged; at NULL where not */
	double *confidence;   /* NaN where not logged */

	size_t n_logits, n_embedding; /* widths; 0: none in this batch */
	float *logits;        /* n x n_logits, row-major, 64-byte aligned; a row without is all NaN */
	float *embedding;     /* n x n_embedding */
	bool logits_normalised; /* made as log(probabilities): the log held no logits */

	struct columns features, tags, metrics;
	struct arena *arena;  /* for text that had escapes in it */
};

struct batch *batch_open(const char *model, size_t n_model, const char *version, size_t n_version);
void batch_close(struct batch *b);    /* accepts NULL */
void batch_reset(struct batch *b);    /* no rows; names of columns, widths and memory kept */
/* Index of a column of that name, made (all earlier rows CELL_ABSENT) when new. `guess` is the index where the last record
 * had its like: an exact hit costs one comparison. SIZE_MAX when there would be more than `most` columns. */
size_t batch_column(struct batch *b, struct columns *in, const char *name, size_t n, size_t guess, size_t most);
/* Start row b->n with every cell absent and NaN; becomes a row when b->n is raised. Grows the columns when needed. */
void batch_row_begin(struct batch *b);
/* The same, but for the vectors, which hold anything; and these as NaN, for who has none to put there. */
void batch_row_open(struct batch *b);
void batch_row_blank(struct batch *b, bool logits, bool embedding);
void batch_text_put(struct batch *b, struct column *c, size_t row, struct text t);
/* Give the vectors their widths, each once: 0 leaves one as it is. Rows there are already become all NaN. */
void batch_widths(struct batch *b, size_t n_logits, size_t n_embedding);
/* Find a column by name without making it, or NULL. */
const struct column *columns_find(const struct columns *in, const char *name);

#endif
