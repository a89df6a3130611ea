/* SPDX-License-Identifier: Apache-2.0
 * What bench_decode asks of simdjson: the same work, done as its documentation says. */
#ifndef TESTS_BENCH_DECODE_H
#define TESTS_BENCH_DECODE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every record of at[0..n), which is followed by 64 readable bytes: times and ids as text, features as doubles, vectors as
 * floats. Returns the records; *sum depends on everything read. */
size_t simdjson_lines(const char *at, size_t n, double *sum); /* one document after the other */
size_t simdjson_many(const char *at, size_t n, double *sum);  /* iterate_many, on this thread: built without SIMDJSON_THREADS_ENABLED */
const char *simdjson_name(void);

#ifdef __cplusplus
}
#endif
#endif
