/* SPDX-License-Identifier: Apache-2.0
 * A Lua state that a hostile script can neither leave, nor fill, nor keep busy.
 *
 *   memory  an allocator with a cap for the whole state; no single block above a quarter of it
 *   time    CPU time of the calling thread, looked at every 100 instructions, every 64 KiB allocated, and in every loop of the
 *           library that a script can size; when it is spent nothing can catch that: pcall passes it on
 *   words   an environment built from nothing: text chunks only; no load, require, coroutine, debug, io, os, collectgarbage,
 *           random; metatables are copied when set and hold no __gc, __close, __mode, __newindex; pairs() walks in sorted order,
 *           so that the hash seed of a process decides nothing
 *
 * No signals, no threads, no process-wide settings: any number of sandboxes live side by side, each
 * used by one thread at a time. */
#ifndef LUA_SANDBOX_H
#define LUA_SANDBOX_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct sandbox;

struct sandbox_limits {
	size_t memory;  /* bytes held by the state at any time */
	int64_t cpu_us; /* CPU time of one sandbox_run or sandbox_load */
};
#define SANDBOX_LIMITS ((struct sandbox_limits){.memory = 8 << 20, .cpu_us = 100 * 1000})
#define SANDBOX_TEXT_LIMIT ((size_t)1 << 20) /* longest script, in bytes */

/* `name` is what errors call the script ("rules.d/intent.lua"); copied. -ENOMEM when the memory
 * does not even hold the library. */
int sandbox_open(const char *name, const struct sandbox_limits *limits, struct sandbox **ret,
	struct error *e);
void sandbox_close(struct sandbox *s); /* accepts NULL */

/* The whole file in memory: 0, a negative errno, or -EFBIG. *ret_text is freed by the caller. */
int sandbox_read_file(const char *path, char **ret_text, size_t *ret_n, struct error *e);
/* Compile and run a script. Errors: -EINVAL, and "name:line: sentence". */
int sandbox_load(struct sandbox *s, const char *text, size_t n, struct error *e);

/* Run `work` protected and within the limits, with `context` as its only argument (a light
 * userdata). Everything that touches the state belongs inside: outside, an error would end the
 * process. The stack is empty before and after. cpu_us 0: the limit given at sandbox_open. 0,
 * -EINVAL when the script failed, -ETIME out of CPU time, -ENOMEM out of memory, and "name:line:
 * sentence". */
int sandbox_run(
	struct sandbox *s, lua_CFunction work, void *context, int64_t cpu_us, struct error *e);

/* Inside a run. */
struct sandbox *sandbox_of(lua_State *L);
/* Account for `steps` of work (a few nanoseconds each) in a loop that a script can size; raises
 * when the time is spent. */
void sandbox_spend(lua_State *L, size_t steps);
/* The same for code that must not be left by a longjmp: false when it is time to stop, then
 * sandbox_raise. */
int sandbox_afford(lua_State *L, size_t steps);
void sandbox_raise(lua_State *L) __attribute__((noreturn));
/* After a lua_pcall of the library failed: passes on what a script may not catch, else returns. */
void sandbox_pass_on(lua_State *L, int status);
/* Line of the script that is calling, 0 when none. */
int sandbox_line(lua_State *L);
/* Pointer of the owner, NULL at first. */
void sandbox_owner_set(struct sandbox *s, void *owner);
void *sandbox_owner(lua_State *L);

size_t sandbox_bytes(const struct sandbox *s);   /* held now */
int64_t sandbox_cpu_us(const struct sandbox *s); /* spent in the last run */

/* Private to the room: the library, each filling the environment table on top of the stack. */
void library_open(lua_State *L);
void strings_open(lua_State *L);
void tables_open(lua_State *L);
/* Copy the named functions of the table at `from` into the one on top, each made to account for the
 * texts it is given. */
void library_lend(lua_State *L, int from, const char *const *names);
/* Push a list of the keys of the table at `index`, in order: numbers, then texts, then the rest as
 * they come. */
void tables_sorted_keys(lua_State *L, int index);

#endif
