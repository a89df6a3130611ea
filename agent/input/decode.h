/* SPDX-License-Identifier: Apache-2.0
 * Bytes of a log into batches, one for each stream met. Hostile input expected: whatever stands in the log, each record is
 * decoded or rejected under one reason, and nothing is lost. */
#ifndef INPUT_DECODE_H
#define INPUT_DECODE_H

#include "base/error.h"
#include "model/batch.h"
#include "model/counts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum format { FORMAT_JSONL, FORMAT_MSGPACK, FORMAT_N };
extern const char *const format_words[FORMAT_N]; /* "jsonl", "msgpack" */

/* Fields of a record; where each stands is a JSON Pointer (RFC 6901). */
enum field {
	FIELD_TIME, FIELD_ID, FIELD_MODEL, FIELD_VERSION, FIELD_FEATURES, FIELD_EMBEDDING, FIELD_LOGITS,
	FIELD_PROBABILITIES, FIELD_PREDICTION, FIELD_CONFIDENCE, FIELD_TAGS, FIELD_METRICS, FIELD_TEXT, FIELD_N
};
extern const char *const field_words[FIELD_N];    /* "time", "id", ... keys of the `fields` table in the configuration */
extern const char *const field_pointers[FIELD_N]; /* the standard places: "/ts", "/id", ... */

struct decode_options {
	enum format format;
	char *pointer[FIELD_N];  /* NULL: the standard place; "" : the log holds none (for features: the whole record) */
	char *model, *version;   /* for records that name none; NULL: such a record is rejected / "" */
	size_t longest;          /* bytes of a record, its newline included; default 1 MiB */
	unsigned deepest;        /* levels of nesting; default 32 */
	size_t most_columns;     /* features, and tags, and metrics; default 4096 */
	int64_t future_us;       /* a time further ahead than this of the newest in the batch's file is rejected; 0: never */
};
#define DECODE_OPTIONS ((struct decode_options){.format = FORMAT_JSONL, .longest = 1 << 20, .deepest = 32, .most_columns = 4096})

/* A rejected record: where it stands in the chunk. */
struct reject {
	uint64_t offset;         /* in the file */
	uint64_t length;         /* whole record; of one that is too long, only as far as it was read */
	const char *at;          /* its first `kept` bytes, in the chunk */
	uint32_t kept;
	enum reject_reason reason;
	char why[96];            /* "byte 17: expected ',' or '}', found 'x'" */
};

/* What one chunk held. Reused from chunk to chunk: decoded_reset keeps memory. Text in it borrows the chunk's bytes. */
#define DECODED_REJECTS_MOST 4096 /* kept of one chunk; `counts` have them all */
struct decoded {
	struct batch **batches;  /* one for each stream met, rows in file order */
	size_t n_batches;        /* those with rows come first */
	struct reject *rejects;  /* in file order; blank lines are only counted */
	size_t n_rejects;
	struct counts counts;    /* read and rejected; the rest is left to others */
	size_t consumed;         /* bytes up to the end of the last record dealt with */
	bool skipping;           /* `consumed` ends inside a record that is too long; pass it on to the next chunk */
	int64_t first_us, newest_us; /* event times met, TIME_NONE when none */
};
void decoded_init(struct decoded *d);
void decoded_reset(struct decoded *d);
void decoded_done(struct decoded *d);

/* A decoder remembers the shape of the last record to be quick about the next. One thread at a time. */
struct decoder;
struct decoder *decoder_open(const struct decode_options *options); /* copies them */
void decoder_close(struct decoder *d);
/* Widths that records of a stream must have (0: not known); others are rejected. Else the first record decides. */
void decoder_shape(struct decoder *d, const char *model, const char *version, size_t n_logits, size_t n_embedding);
/* Decode the records in at[0..n), whose first byte is at `offset` in the file. Stops before an unfinished last record unless
 * `final` (then it is rejected as partial, or decoded when it is whole but for its newline). `skipping` as the last chunk left it. */
void decoder_run(struct decoder *d, const char *at, size_t n, uint64_t offset, bool skipping, bool final, struct decoded *to);

/* A JSON Pointer that is well-formed? For the configuration. */
int pointer_check(const char *pointer, struct error *e);

#endif
