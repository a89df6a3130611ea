/* SPDX-License-Identifier: Apache-2.0
 * Which window a record belongs to, and when a window is closed: by event time, never by the clock
 * of this machine.
 *
 * Everything here is a function of the sequence of (time, hold) pairs pushed, and of idle and
 * flush; how records were batched, and when windows_due was asked, change nothing. One stream, one
 * owner at a time.
 *
 *   newest     the latest event time that is believed. A time up to `leap` ahead of it is believed
 * at once. One further ahead (and the stream's first) is believed when WINDOWS_BELIEVED records in
 * a row agree: newest becomes the least of them. So a record with a wrong clock closes nothing.
 *   watermark  the highest that min(newest, hold) - lateness has been. A window is closed when its
 * end is at or below it. late       a record whose window was closed before it came. It is counted
 * by the caller and changes nothing.
 */
#ifndef JUDGE_CLOSE_H
#define JUDGE_CLOSE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOWS_BELIEVED 4
/* Open at once: as many as fit into so many bytes, within these bounds; a record that would need one more is refused as from
 * the future. A log that is a whole chunk ahead of another may open one window for each of its records: a chunk holds fewer than that. */
#define WINDOWS_OPEN_BYTES ((size_t)64 << 20)
#define WINDOWS_LEAST_OPEN 64
#define WINDOWS_MOST_OPEN 8192
#define WINDOWS_NO_HOLD INT64_MAX

struct windows;
/* window_us > 0; lateness_us >= 0; width: of the reference's vector. leap is the larger of ten
 * windows and an hour. */
struct windows *windows_open(int64_t window_us, int64_t lateness_us, size_t width);
void windows_close(struct windows *w); /* accepts NULL */

/* The window that a record of this time adds to, valid until the next call on w; the caller adds
 * the row, n included. hold_us: another file of the stream has been read only this far, so that
 * newest must not pass it (WINDOWS_NO_HOLD: none). 0, -ESTALE (late) or -ERANGE (future). Also then
 * the record has moved `newest` if it is believed. */
int windows_push(struct windows *w, int64_t time_us, int64_t hold_us, struct window **ret);

/* The oldest window that is closed and was not handed out, or false. *ret is the caller's. Windows
 * come in order of start but for those of wrong clocks. The stream's first window is `cut`; a
 * stretch without records has no windows: see skipped. */
bool windows_due(struct windows *w, struct window *ret);
/* Window lengths without a record between the last two handed out. */
int64_t windows_skipped(const struct windows *w);

/* Nothing has come for so long that the caller waits no more (or the log has ended): every open
 * window is closed; the last is `cut`, and so will the next be that follows. Returns how many were
 * closed. */
size_t windows_flush(struct windows *w);
/* The same, when the last record was pushed (by the wall clock that the caller passes to both) at
 * least idle_us ago. */
size_t windows_idle(struct windows *w, int64_t now_wall_us, int64_t idle_us);
void windows_touch(struct windows *w, int64_t now_wall_us);

/* When the next window would close by event time: the end of the oldest open one, TIME_NONE when
 * none is open. */
int64_t windows_next_end(const struct windows *w);
int64_t windows_watermark(const struct windows *w); /* TIME_NONE before the first believed time */

/* One msgpack map that holds all of it, open and closed windows too, so that a restart goes on as
 * if nothing had been. unpack: 0, or -EINVAL with a sentence; *ret is the caller's. */
void windows_pack(const struct windows *w, const char *reference_hash, struct buf *to);
int windows_unpack(const void *at, size_t n, const char *reference_hash, struct windows **ret,
	struct error *e);

#endif
