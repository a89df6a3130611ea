/* SPDX-License-Identifier: Apache-2.0
 * Directories watched for what happens in them. Loop thread only. */
#ifndef INPUT_WATCH_H
#define INPUT_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct watch;

/* Something happened to `name` in `directory`: it came, went or was renamed (entry), or its content changed. Events may be
 * lost under load (the kernel's queue is bounded, and the loop does not tell): look at everything now and then. */
typedef void watch_fn(void *context, const char *directory, const char *name, bool entry);

/* loop NULL: nothing can be watched. */
struct watch *watch_open(uv_loop_t *loop, watch_fn *on_change, void *context);
void watch_close(struct watch *w); /* accepts NULL; the loop must turn once more */

/* A round: begin, add every directory that matters, end; those not added are watched no more. Adding one that is watched
 * checks that it is still the same directory. 0 or -errno: -ENOENT, or -ENOSPC where the kernel has no watches left (said
 * once in the log, counted). */
void watch_begin(struct watch *w);
int watch_add(struct watch *w, const char *directory);
void watch_end(struct watch *w);

bool watch_has(const struct watch *w, const char *directory);
uint64_t watch_failures(const struct watch *w);

#endif
