/* SPDX-License-Identifier: Apache-2.0
 * The limits of a sandbox: who counts, and how a script is stopped.
 *
 * A count hook alone does not hold a script: pcall swallows its error, an error handler given to
 * xpcall runs with hooks switched off, and one call of the C library can take minutes without an
 * instruction being counted. So three places look at the clock (the hook, the allocator, and
 * sandbox_spend in the library's own loops), and what they find is a flag that stays up until the
 * outermost call is left: pcall raises again, allocations are refused after a small grace, the hook
 * fires on each instruction. The CPU clock of a thread costs a system call, so it is read only when
 * the wall clock says that it could have run out. */
#include "lua/sandbox.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

enum {
	HOOK_EVERY = 100,        /* instructions */
	LOOK_STEPS = 2048,       /* sandbox_spend looks at the clock after so many */
	LOOK_BYTES = 64 << 10,   /* the allocator after so many */
	GRACE_BYTES = 256 << 10, /* allocations granted after the end, for errors to be made */
	LEAST_LOOK_US = 20,
	PIECE = 256, /* bytes handed to the parser between two looks */
};

/* Stands for the script's name in Lua, which cuts long ones. */
#define NAME_MARK '\x01'

struct sandbox {
	lua_State *L;
	char *name;
	struct sandbox_limits limits;
	void *owner;
	size_t bytes;
	bool running, spent, full;
	int64_t deadline_us; /* CPU clock of the thread */
	int64_t look_us;     /* wall clock before which the deadline cannot have passed */
	int64_t cpu_us;
	size_t debt, steps, grace;
	int line; /* where it was stopped or failed */
};

static int64_t clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

struct sandbox *sandbox_of(lua_State *L)
{
	struct sandbox *s;

	memcpy(&s, lua_getextraspace(L), sizeof s);
	return s;
}

static int line_at(lua_State *L, int level)
{
	lua_Debug ar;

	for (; lua_getstack(L, level, &ar); level++)
		if (lua_getinfo(L, "l", &ar) && ar.currentline > 0)
			return ar.currentline;
	return 0;
}

int sandbox_line(lua_State *L)
{
	return line_at(L, 0);
}

static void hook(lua_State *L, lua_Debug *ar);

/* True once the CPU time is spent, and from then on until the run ends. Called from the allocator
 * too: may not raise. */
static bool is_spent(struct sandbox *s)
{
	int64_t now, left;

	if (s->spent || !s->running)
		return s->spent;
	now = clock_us(CLOCK_MONOTONIC);
	if (now < s->look_us)
		return false;
	left = s->deadline_us - clock_us(CLOCK_THREAD_CPUTIME_ID);
	if (left > 0) {
		s->look_us = now + (left < LEAST_LOOK_US ? LEAST_LOOK_US : left);
		return false;
	}
	s->spent = true;
	s->line = sandbox_line(s->L);
	lua_sethook(s->L, hook, LUA_MASKCOUNT, 1);
	return true;
}

void sandbox_raise(lua_State *L)
{
	/* Nothing is allocated here; the sentence is made when the run has ended. */
	lua_pushlightuserdata(L, sandbox_of(L));
	lua_error(L);
	abort();
}

static void hook(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	if (is_spent(sandbox_of(L)))
		sandbox_raise(L);
}

int sandbox_afford(lua_State *L, size_t steps)
{
	struct sandbox *s = sandbox_of(L);

	s->steps += steps;
	if (s->steps < LOOK_STEPS)
		return !s->spent;
	s->steps = 0;
	return !is_spent(s);
}

void sandbox_spend(lua_State *L, size_t steps)
{
	if (!sandbox_afford(L, steps))
		sandbox_raise(L);
}

void sandbox_pass_on(lua_State *L, int status)
{
	struct sandbox *s = sandbox_of(L);

	sandbox_spend(L, 64); /* leaving a protected call is dear; also the look at `spent` */
	if (status != LUA_ERRMEM)
		return;
	s->full = true;
	sandbox_raise(L);
}

/* May `more` bytes be handed out, in a block of n? */
static bool grants(struct sandbox *s, size_t more, size_t n)
{
	if (s->bytes + more > s->limits.memory || n > s->limits.memory / 4) {
		if (s->running && !s->spent) {
			s->line = sandbox_line(s->L);
			is_spent(s); /* each refusal is a whole garbage collection */
		}
		return false;
	}
	s->debt += more + 64;
	if (s->debt >= LOOK_BYTES) {
		s->debt = 0;
		is_spent(s);
	}
	if (!s->spent)
		return true;
	s->grace += more + 64;
	return s->grace < GRACE_BYTES;
}

static void *allocate(void *context, void *at, size_t was, size_t n)
{
	struct sandbox *s = context;
	void *to;

	if (!at)
		was = 0; /* then it is the kind of the object */
	if (n == 0) {
		free(at);
		s->bytes -= was;
		return NULL;
	}
	if (n > was && !grants(s, n - was, n))
		return NULL;
	to = realloc(at, n);
	if (!to)
		return n <= was ? at : NULL;
	s->bytes = s->bytes - was + n;
	return to;
}

/* An error outside of sandbox_run: ours. Lua aborts after this. */
static int panic(lua_State *L)
{
	const char *text = lua_tostring(L, -1);

	fprintf(stderr, "oodd: a Lua error outside of a protected call: %s\n", text ? text : "?");
	return 0;
}

static int open_library(lua_State *L)
{
	lua_newtable(L);
	library_open(L);
	strings_open(L);
	tables_open(L);
	lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
	return 0;
}

int sandbox_open(const char *name, const struct sandbox_limits *limits, struct sandbox **ret,
	struct error *e)
{
	struct sandbox *s = mem_zero(1, sizeof *s);
	int rc;

	s->limits = *limits;
	s->name = mem_copy_text(name);
	s->L = lua_newstate(allocate, s);
	if (!s->L) {
		sandbox_close(s);
		return error_set(e, -ENOMEM, "%s: %zu bytes of memory do not hold a Lua state",
			name, limits->memory);
	}
	memcpy(lua_getextraspace(s->L), &s, sizeof s);
	lua_atpanic(s->L, panic);
	rc = sandbox_run(s, open_library, NULL, 1000 * 1000, e);
	if (rc) {
		sandbox_close(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void sandbox_close(struct sandbox *s)
{
	if (!s)
		return;
	if (s->L)
		lua_close(s->L);
	free(s->name);
	free(s);
}

/* Remember the line; nothing of the script may run here. */
static int on_error(lua_State *L)
{
	struct sandbox *s = sandbox_of(L);

	if (!s->spent && !s->full)
		s->line = line_at(L, 1);
	if (lua_type(L, 1) != LUA_TSTRING && lua_type(L, 1) != LUA_TLIGHTUSERDATA)
		lua_pushfstring(L, "the error raised is a %s, not a text", luaL_typename(L, 1));
	return 1;
}

/* One line of text: the name for its mark, and no control bytes, whatever a script raised. */
static void tidy(const struct sandbox *s, const char *text, size_t n, struct error *e)
{
	size_t used = 0, room = sizeof e->text - 1;

	if (n && text[0] != NAME_MARK) {
		error_set(e, 0, s->line ? "%s:%d: " : "%s: ", s->name, s->line);
		used = strlen(e->text);
	}
	for (size_t i = 0; i < n && used < room; i++) {
		if (text[i] == NAME_MARK) {
			int wrote = snprintf(e->text + used, room - used, "%s", s->name);
			used += (size_t)wrote < room - used ? (size_t)wrote : room - used - 1;
		} else {
			e->text[used++] =
				(unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
		}
	}
	e->text[used] = '\0';
}

static int explain(struct sandbox *s, int status, struct error *e)
{
	const char *text;
	size_t n;

	if (s->spent)
		return error_set(e, -ETIME,
			"%s:%d: stopped: used more than its %lld ms of CPU time", s->name, s->line,
			(long long)(s->cpu_us / 1000));
	if (s->full || status == LUA_ERRMEM)
		return error_set(e, -ENOMEM, "%s:%d: stopped: used more than its %zu KiB of memory",
			s->name, s->line, s->limits.memory >> 10);
	text = lua_type(s->L, -1) == LUA_TSTRING ? lua_tolstring(s->L, -1, &n) : NULL;
	if (e)
		tidy(s, text ? text : "failed", text ? n : 6, e);
	return -EINVAL;
}

int sandbox_run(
	struct sandbox *s, lua_CFunction work, void *context, int64_t cpu_us, struct error *e)
{
	int64_t start = clock_us(CLOCK_THREAD_CPUTIME_ID);
	int status, rc = 0;

	assert(!s->running && lua_gettop(s->L) == 0);
	s->cpu_us = cpu_us ? cpu_us : s->limits.cpu_us;
	s->deadline_us = start + s->cpu_us;
	s->look_us = clock_us(CLOCK_MONOTONIC) + s->cpu_us;
	s->spent = s->full = false;
	s->line = 0;
	s->debt = s->steps = s->grace = 0;
	s->running = true;
	lua_sethook(s->L, hook, LUA_MASKCOUNT, HOOK_EVERY);
	lua_pushcfunction(s->L, on_error);
	lua_pushcfunction(s->L, work);
	lua_pushlightuserdata(s->L, context);
	status = lua_pcall(s->L, 1, 0, 1);
	s->running = false;
	lua_sethook(s->L, NULL, 0, 0);
	if (status != LUA_OK)
		rc = explain(s, status, e);
	lua_settop(s->L, 0);
	if (status != LUA_OK)
		lua_gc(s->L, LUA_GCCOLLECT);
	s->cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID) - start;
	return rc;
}

struct script {
	const char *at;
	size_t n;
};

/* The parser has loops that no hook sees (a long chain of elseif is quadratic), so it is fed in
 * small pieces. */
static const char *script_piece(lua_State *L, void *context, size_t *ret_n)
{
	struct script *script = context;
	const char *at = script->at;

	sandbox_spend(L, LOOK_STEPS);
	*ret_n = script->n < PIECE ? script->n : PIECE;
	script->at += *ret_n;
	script->n -= *ret_n;
	return at;
}

static int load_and_call(lua_State *L)
{
	const char name[] = {'=', NAME_MARK, '\0'};
	int status = lua_load(L, script_piece, lua_touserdata(L, 1), name, "t");

	if (status == LUA_ERRMEM)
		sandbox_pass_on(L, status);
	if (status != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, 0);
	return 0;
}

int sandbox_load(struct sandbox *s, const char *text, size_t n, struct error *e)
{
	struct script script = {text, n};

	if (n > SANDBOX_TEXT_LIMIT)
		return error_set(e, -EFBIG, "%s: longer than the %zu KiB that a script may have",
			s->name, SANDBOX_TEXT_LIMIT >> 10);
	if (memchr(text, '\0', n))
		return error_set(e, -EINVAL, "%s: holds a NUL byte: not a text", s->name);
	return sandbox_run(s, load_and_call, &script, 0, e);
}

int sandbox_read_file(const char *path, char **ret_text, size_t *ret_n, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	size_t room = SANDBOX_TEXT_LIMIT + 1, n = 0;
	struct stat st;
	ssize_t got = 0;
	char *text;

	if (fd < 0)
		return error_set(e, -errno, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return error_set(e, -EINVAL, "%s: not a regular file", path);
	}
	text = mem_alloc(room + 1);
	while (n < room && (got = read(fd, text + n, room - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		rc = error_set(e, -errno, "%s: %s", path, strerror(errno));
	else if (n == room)
		rc = error_set(e, -EFBIG, "%s: longer than the %zu KiB that a script may have",
			path, SANDBOX_TEXT_LIMIT >> 10);
	close(fd);
	if (rc) {
		free(text);
		return rc;
	}
	text[n] = '\0';
	*ret_text = text;
	*ret_n = n;
	return 0;
}

void sandbox_owner_set(struct sandbox *s, void *owner)
{
	s->owner = owner;
}

void *sandbox_owner(lua_State *L)
{
	return sandbox_of(L)->owner;
}

size_t sandbox_bytes(const struct sandbox *s)
{
	return s->bytes;
}

int64_t sandbox_cpu_us(const struct sandbox *s)
{
	return s->cpu_us;
}
