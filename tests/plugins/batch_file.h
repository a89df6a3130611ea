/* SPDX-License-Identifier: Apache-2.0
 * A batch in a file, for tests and benches that are driven from another language. Native byte order: int64 n, n_logits, n_embedding,
 * has_predicted, n_numeric, n_category; n x n_logits floats; n x n_embedding floats; n int32 predicted; for each numeric feature n
 * doubles; for each categorical one int64 n_known and n int32 codes. What is wrong with a file ends the program, with a sentence. */
#ifndef TESTS_BATCH_FILE_H
#define TESTS_BATCH_FILE_H

#include <stddef.h>

#include "oodd/batch.h"

#define BATCH_FILE_MOST_FEATURES 256 /* of a kind */

_Noreturn void die(const char *what, const char *why);

void batch_file_read(const char *path, struct oodd_batch *ret);
void batch_file_free(struct oodd_batch *b);
/* Rows [from, from + n) as a batch of their own: lent, and only until the next call. */
struct oodd_batch batch_file_part(const struct oodd_batch *b, size_t from, size_t n);

#endif
