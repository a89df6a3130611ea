/* SPDX-License-Identifier: Apache-2.0
 * A line to a file or to standard output, on uv's pool, so that a slow disk or a full pipe does not
 * stop the loop. The file is opened for each line, so it may be rotated at any time; the line is on
 * the disk (fdatasync) before it counts as delivered. */
#ifndef DELIVER_SINK_H
#define DELIVER_SINK_H

#include "base/buf.h"

#include <uv.h>

struct sink_write;

/* path NULL: standard output. Takes the bytes of `line` (ends with a newline) and leaves it empty.
 * done is called from the loop: 0, or -errno and why. A line that could only be written in part is
 * taken back, where the file can be cut. */
struct sink_write *sink_write(uv_loop_t *loop, const char *path, struct buf *line,
	void (*done)(void *context, int code, const char *why), void *context);
/* done will not be called; what is being written may still be. */
void sink_forget(struct sink_write *w);

#endif
