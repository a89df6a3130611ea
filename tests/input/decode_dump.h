/* SPDX-License-Identifier: Apache-2.0
 * What a log decodes to, as text that does not depend on how the log was cut into chunks: two dumps of one log must be equal. */
#ifndef TESTS_INPUT_DECODE_DUMP_H
#define TESTS_INPUT_DECODE_DUMP_H

#include "base/buf.h"
#include "input/decode.h"

#include <stddef.h>
#include <stdint.h>

/* Decode at[0..n) as the tailer would, the chunk growing by steps of 1 to `step` bytes (0: all at once) drawn from `seed`. Every
 * chunk is handed over in memory of exactly its size. Rows, rejects and counts go to `to`. Aborts when the books of a chunk
 * do not balance. */
void decode_dump(const struct decode_options *options, const char *at, size_t n, size_t step, uint64_t seed, struct buf *to);

/* Whole, by bytes (when short), and cut at random must be the same: else prints both and aborts. */
void decode_dump_compare(const struct decode_options *options, const char *at, size_t n);

/* The same with the standard places and limits, and with strange ones: what a fuzzer tries. Of long input, nothing. */
void decode_dump_fuzz(enum format format, const char *at, size_t n);

#endif
