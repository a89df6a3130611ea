/* SPDX-License-Identifier: Apache-2.0
 * An endpoint's Lua: alert in, request out. The script has no network and no files, and of a secret
 * it sees a token that only the host can turn into text. Everything that touches the Lua state
 * happens inside sandbox_run; what must outlive an error of the script (buffers of C) belongs to
 * struct making, which the error does not skip. */
#include "deliver/request.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "deliver/json.h"
#include "lua/sandbox.h"

#define FUNCTION "request"
#define TEXT_LIMIT ((size_t)256 << 10) /* of one json() */

struct script {
	struct sandbox *sandbox;
	struct buf scratch; /* of the word `json` */
};

static const char secret_token; /* its address stands for the secret inside Lua */

/* ---- words ---- */

static int word_json(lua_State *L)
{
	struct script *s = sandbox_owner(L);

	luaL_checkany(L, 1);
	buf_clear(&s->scratch);
	json_put(L, 1, &s->scratch, NULL);
	lua_pushlstring(L, s->scratch.at, s->scratch.n);
	return 1;
}

static int words_open(lua_State *L)
{
	json_open(L);
	lua_pushcfunction(L, word_json);
	lua_setglobal(L, "json");
	return 0;
}

/* Raw: in a sandbox a name that is not there is an error of its own. */
static int push_function(lua_State *L)
{
	lua_pushglobaltable(L);
	lua_pushliteral(L, FUNCTION);
	return lua_rawget(L, -2);
}

static int function_check(lua_State *L)
{
	if (push_function(L) != LUA_TFUNCTION)
		luaL_error(L, "defines no function " FUNCTION "(alert, endpoint)");
	return 0;
}

int script_open(const char *path, struct script **ret, struct error *e)
{
	struct script *s = mem_zero(1, sizeof *s);
	char *text = NULL;
	size_t n = 0;
	int code = sandbox_read_file(path, &text, &n, e);

	s->scratch.limit = TEXT_LIMIT;
	if (!code)
		code = sandbox_open(path, &SANDBOX_LIMITS, &s->sandbox, e);
	if (!code) {
		sandbox_owner_set(s->sandbox, s);
		code = sandbox_run(s->sandbox, words_open, NULL, 0, e);
	}
	if (!code)
		code = sandbox_load(s->sandbox, text, n, e);
	if (!code)
		code = sandbox_run(s->sandbox, function_check, NULL, 0, e);
	free(text);
	if (code) {
		script_close(s);
		return code;
	}
	*ret = s;
	return 0;
}

void script_close(struct script *s)
{
	if (!s)
		return;
	sandbox_close(s->sandbox);
	buf_done(&s->scratch);
	free(s);
}

/* ---- what the script is given ---- */

static void field_text(lua_State *L, const char *name, const char *text)
{
	if (!text)
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

static void field_time(lua_State *L, const char *name, int64_t us)
{
	char text[40];

	if (us == TIME_NONE)
		return;
	field_text(L, name, time_format(us, text, sizeof text));
}

static void field_pairs(lua_State *L, const char *name, const struct pair *pairs, size_t n)
{
	lua_createtable(L, 0, (int)n);
	for (size_t i = 0; i < n; i++)
		field_text(L, pairs[i].name, pairs[i].value);
	lua_setfield(L, -2, name);
}

/* Event time may be ahead of the wall clock, by skew or by a log from the future; nothing ends
 * before it began. */
static int64_t ended_us(const struct alert *a, int64_t now_us)
{
	int64_t end = a->ends_us == TIME_NONE || a->ends_us > now_us ? now_us : a->ends_us;

	if (a->state != ALERT_RESOLVED)
		return TIME_NONE;
	return end > a->starts_us ? end : a->starts_us;
}

static void push_alert(lua_State *L, const struct alert *a, int64_t now_us)
{
	lua_createtable(L, 0, 16);
	field_text(L, "name", a->name);
	field_text(L, "model", a->model);
	field_text(L, "version", a->version);
	field_text(L, "key", a->key);
	field_text(L, "state", alert_state_words[a->state]);
	field_text(L, "severity", a->severity);
	field_text(L, "summary", a->summary);
	field_text(L, "description", a->description);
	field_pairs(L, "labels", a->labels, a->n_labels);
	field_pairs(L, "annotations", a->annotations, a->n_annotations);
	field_time(L, "starts_at", a->starts_us);
	field_time(L, "ends_at", ended_us(a, now_us));
	field_time(L, "at", a->at_us);
	lua_pushboolean(L, a->state == ALERT_RESOLVED);
	lua_setfield(L, -2, "resolved");
}

/* Prometheus's own rule: what is not told again is over after four times the interval of telling.
 */
static int64_t valid_until(const struct script_place *place)
{
	return place->now_us + 4 * place->resend_us;
}

static void push_place(lua_State *L, const struct script_place *place)
{
	lua_createtable(L, 0, 4);
	field_text(L, "name", place->endpoint);
	field_time(L, "now", place->now_us);
	field_time(L, "valid_until", valid_until(place));
	if (place->secret) {
		lua_pushlightuserdata(L, (void *)(uintptr_t)&secret_token);
		lua_setfield(L, -2, "secret");
	}
}

/* ---- what the script returns ---- */

struct making {
	const struct alert *alert;
	const struct script_place *place;
	struct request *request;
	struct json_secret secret;
	struct error why; /* of a header */
};

static void take_method(lua_State *L, struct request *r)
{
	static const char *const methods[] = {"POST", "PUT", NULL};

	lua_getfield(L, -1, "method");
	if (!lua_isnil(L, -1)) {
		luaL_argexpected(
			L, lua_type(L, -1) == LUA_TSTRING, lua_gettop(L), "method: POST or PUT");
		r->method = methods[luaL_checkoption(L, lua_gettop(L), "POST", methods)];
	}
	lua_pop(L, 1);
}

static void take_path(lua_State *L, struct request *r)
{
	const char *path = "";
	size_t n = 0;

	lua_getfield(L, -1, "path");
	if (lua_type(L, -1) == LUA_TSTRING)
		path = lua_tolstring(L, -1, &n);
	else if (!lua_isnil(L, -1))
		luaL_error(L, "path: a text is expected, this is a %s", luaL_typename(L, -1));
	if (n && path[0] != '/')
		luaL_error(L, "path: must begin with a slash");
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)path[i] <= ' ' || (unsigned char)path[i] > '~')
			luaL_error(L, "path: a blank, a control byte or one beyond ASCII; write it "
				      "as %%XX");
	r->path = mem_copy_span(path, n);
	lua_pop(L, 1);
}

static const char *header_text(lua_State *L, struct making *m, const char *name)
{
	if (lua_touserdata(L, -1) == m->secret.token && m->secret.text) {
		m->secret.used = true;
		return m->secret.text;
	}
	if (lua_type(L, -1) != LUA_TSTRING)
		luaL_error(L, "headers: %s: a text is expected, this is a %s", name,
			luaL_typename(L, -1));
	if (strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1))
		luaL_error(L, "headers: %s: holds a NUL byte", name);
	return lua_tostring(L, -1);
}

static void take_headers(lua_State *L, struct making *m)
{
	lua_getfield(L, -1, "headers");
	if (!lua_isnil(L, -1) && !lua_istable(L, -1))
		luaL_error(L, "headers: a table of names and texts is expected, this is a %s",
			luaL_typename(L, -1));
	if (lua_istable(L, -1)) {
		for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
			if (lua_type(L, -2) != LUA_TSTRING)
				luaL_error(L, "headers: names are expected, this is a %s",
					luaL_typename(L, -2));
			if (request_header(m->request, lua_tostring(L, -2),
				    header_text(L, m, lua_tostring(L, -2)), &m->why))
				luaL_error(L, "headers: %s", m->why.text);
		}
	}
	lua_pop(L, 1);
}

static void take_body(lua_State *L, struct making *m)
{
	const char *text;
	size_t n;

	if (lua_getfield(L, -1, "body") == LUA_TSTRING) {
		text = lua_tolstring(L, -1, &n);
		if (buf_put(&m->request->body, text, n))
			luaL_error(L, "body: longer than the %d KiB it may have",
				(int)(REQUEST_BODY_LIMIT >> 10));
	} else if (lua_istable(L, -1)) {
		json_put(L, -1, &m->request->body, m->secret.text ? &m->secret : NULL);
	} else {
		luaL_error(L, "body: a table or a text is expected, this is a %s",
			luaL_typename(L, -1));
	}
	lua_pop(L, 1);
}

static int make_request(lua_State *L)
{
	struct making *m = lua_touserdata(L, 1);

	push_function(L);
	push_alert(L, m->alert, m->place->now_us);
	push_place(L, m->place);
	lua_call(L, 2, 1);
	if (!lua_istable(L, -1))
		luaL_error(L, FUNCTION " returned a %s, not a table { path =, headers =, body = }",
			luaL_typename(L, -1));
	take_method(L, m->request);
	take_path(L, m->request);
	take_headers(L, m);
	take_body(L, m);
	return 0;
}

int script_request(struct script *s, const struct alert *a, const struct script_place *place,
	struct request *ret, struct error *e)
{
	struct request r = {.method = "POST", .body.limit = REQUEST_BODY_LIMIT};
	struct making m = {.alert = a,
		.place = place,
		.request = &r,
		.secret = {.token = &secret_token, .text = place->secret}};
	int code = sandbox_run(s->sandbox, make_request, &m, 0, e);

	if (code) {
		request_done(&r);
		return code;
	}
	r.used_secret = m.secret.used;
	*ret = r;
	return 0;
}
