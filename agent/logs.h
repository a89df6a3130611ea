/* SPDX-License-Identifier: Apache-2.0
 * Logs named on a command line, read from their beginning to their end as chunks: what tail is to `run`, this is to `fit`,
 * `replay` and `score`. Several logs are read in the order of their event times, so that files of several days or of several
 * workers replay as they were written. */
#ifndef LOGS_H
#define LOGS_H

#include "pipeline.h"

#include <stddef.h>

struct logs;

/* paths: "-" is standard input; compressed logs are seen through. source: index in the configuration whose format and fields
 * the logs have. All files are opened here: 0, or -errno with a sentence. The pipeline must outlive the logs. */
int logs_open(struct pipeline *p, size_t source, const char *const *paths, size_t n, struct logs **ret, struct error *e);
/* One more, of another source (labels). Before the first logs_next. */
int logs_also(struct logs *l, size_t source, const char *path, struct error *e);
void logs_close(struct logs *l); /* accepts NULL */
/* The next chunk of whole records, *ret NULL at the end of all; give it to logs_done after it was worked on and applied.
 * Several may be out at once where records can be told apart without decoding (JSON Lines); else *ret is NULL with -EAGAIN
 * until the last one is done. -errno with a sentence when a log cannot be read any further. */
int logs_next(struct logs *l, struct chunk **ret, struct error *e);
/* hold_us of pipeline_apply for this chunk. */
int64_t logs_hold(const struct logs *l, const struct chunk *c);
void logs_done(struct logs *l, struct chunk *c);

/* Reads everything: work and apply, one chunk after the other, or with `threads` > 1 work on several at once. */
int logs_run(struct logs *l, struct pipeline *p, long threads, struct error *e);

#endif
