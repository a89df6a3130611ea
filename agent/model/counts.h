/* SPDX-License-Identifier: Apache-2.0
 * What became of every record and byte of a source. The law, at every commit, in records and in bytes:
 *     read = scored + learning + rejected[...] + late + in_flight
 * where `bytes` of a record include its newline (or its whole msgpack value). Counters only rise. A record is counted as read when
 * its chunk is applied, and commits stand between chunks: in flight are then only labels that wait for their predictions, and
 * records that wait for a reference in the making. */
#ifndef MODEL_COUNTS_H
#define MODEL_COUNTS_H

#include <stddef.h>
#include <stdint.h>

/* Why a record was not scored: X(enum, word shown to users, help). */
#define REJECT_REASONS(X)                                                                                              \
	X(REJECT_SYNTAX, "syntax", "not valid JSON or msgpack")                                                        \
	X(REJECT_NOT_OBJECT, "not_object", "a valid value, but not an object or map")                                  \
	X(REJECT_UTF8, "utf8", "text that is not UTF-8")                                                               \
	X(REJECT_TOO_LONG, "too_long", "longer than the longest record allowed")                                       \
	X(REJECT_TOO_DEEP, "too_deep", "nested deeper than allowed")                                                   \
	X(REJECT_NO_TIME, "no_time", "no time, or one that cannot be read")                                            \
	X(REJECT_NO_MODEL, "no_model", "no model named, and the source gives none")                                    \
	X(REJECT_WRONG_TYPE, "wrong_type", "a field of another type than it must have")                                \
	X(REJECT_VECTOR_WIDTH, "vector_width", "embedding, logits or probabilities of another width than before")     \
	X(REJECT_VECTOR_VALUE, "vector_value", "a vector with something in it that is not a number")                   \
	X(REJECT_TOO_MANY_FIELDS, "too_many_fields", "more features, tags or metrics than allowed")                    \
	X(REJECT_BLANK, "blank", "an empty line, or nothing but blanks or NUL bytes")                                  \
	X(REJECT_NO_STREAM, "no_stream", "a model that the configuration does not name")                               \
	X(REJECT_TOO_MANY_STREAMS, "too_many_streams", "more models and versions at once than can be told apart")     \
	X(REJECT_NO_REFERENCE, "no_reference", "a stream that has no reference, and none is being learned")                                   \
	X(REJECT_PARTIAL, "partial", "an unfinished record at the end of a file that will not grow")                   \
	X(REJECT_FUTURE, "future", "a time further ahead of its neighbours than allowed")                              \
	X(REJECT_NO_LABEL, "no_label", "a label without an id, or that names no class")                                \
	X(REJECT_REPEATED, "repeated", "a second label of one prediction")                                             \
	X(REJECT_UNMATCHED, "unmatched", "a label of a prediction that never came, or came too long ago")

enum reject_reason {
#define X(name, word, help) name,
	REJECT_REASONS(X)
#undef X
	REJECT_N
};

extern const char *const reject_words[REJECT_N];
extern const char *const reject_helps[REJECT_N];

struct tally {
	int64_t records, bytes;
};

struct counts {
	struct tally read, scored, late, in_flight;
	struct tally learning;          /* of streams whose reference is being learned */
	struct tally rejected[REJECT_N];
	int64_t flagged;                /* of the scored */
	int64_t no_detectors;           /* of the scored: counted in a window of a stream that has no detectors (yet) */
	int64_t truncated_bytes_unread; /* known losses of the source itself: copytruncate, deleted before read */
	int64_t truncations;            /* files that began anew: where that was not seen happening, what was lost is not known */
};

void counts_add(struct counts *to, const struct counts *from);
/* read - (scored + learning + rejected + late + in_flight): zero records and bytes, or a bug. */
struct tally counts_gap(const struct counts *c);

#endif
