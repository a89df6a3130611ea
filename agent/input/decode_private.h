/* SPDX-License-Identifier: Apache-2.0
 * What decode.c and msgpack.c share: a decoder, and the books of a chunk. */
#ifndef INPUT_DECODE_PRIVATE_H
#define INPUT_DECODE_PRIVATE_H

#include "input/decode.h"
#include "input/decode_json.h"
#include "input/decode_row.h"
#include "input/pointer.h"

#define DECODE_KEPT_MOST 4096 /* bytes of a rejected record that are pointed at */

struct decoder {
	struct decode_options options;
	struct place *places;
	struct row row;
	struct json_reader json; /* its shapes serve msgpack too */
	struct buf line;       /* the end of a chunk, copied where bytes behind it may be read */
};

/* Count a rejected record of n bytes and remember it, its first `there` bytes at at[0..), `why` made as by printf. */
void decoded_reject(struct decoded *d, const char *at, uint64_t offset, size_t n, size_t there, enum reject_reason reason,
	const char *format, ...) __attribute__((format(printf, 7, 8)));
/* Bytes more of a record already rejected. */
void decoded_more(struct decoded *d, enum reject_reason reason, size_t n);
void decoded_taken(struct decoded *d, size_t n);

void msgpack_run(struct decoder *d, const char *at, size_t n, uint64_t offset, bool skipping, bool final, struct decoded *to);

#endif
