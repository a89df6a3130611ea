/* SPDX-License-Identifier: Apache-2.0
 * A log read once from beginning to end, for fit, replay and score: plain, gzip or zstd, told by its first bytes, not its
 * name. One thread at a time. */
#ifndef INPUT_ARCHIVE_H
#define INPUT_ARCHIVE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct archive;

/* path "-": standard input (which close leaves open). 0, or -errno with a sentence. */
int archive_open(const char *path, struct archive **ret, struct error *e);
void archive_close(struct archive *a); /* accepts NULL */

/* The next bytes as they were written, decompressed: how many (at least 1), 0 at the end, or -errno with a sentence that names
 * the path and the offset in the file: -EBADMSG for what is corrupt, -ENODATA for what ends before its end. Concatenated gzip
 * members and zstd frames are one log. After an error every further read gives the same. */
ssize_t archive_read(struct archive *a, void *to, size_t room, struct error *e);

/* Bytes taken from the file so far, and its size: for progress. Size 0: not known (a pipe). */
void archive_progress(const struct archive *a, uint64_t *ret_read, uint64_t *ret_size);

#endif
