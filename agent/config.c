/* SPDX-License-Identifier: Apache-2.0
 * The configuration file is Lua that runs once, in the sandbox, and leaves plain data behind: each
 * word (source "x" {...}, state =
 * "...") is noted with its line as it is said. When the script has ended, what was noted is checked
 * against the tables of config_keys.c, so that all mistakes are found in one go. */
#include "config_parts.h"

#include "base/log.h"
#include "base/place.h"
#include "lua/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

enum { MOST_BLOCKS = 4096 };

struct block {
	const struct config_word *word;
	char *name;
	int line;
	bool whole; /* its table came */
	struct value table;
};

struct evaluation {
	struct reading reading;
	struct arena *arena;
	const char *text;
	size_t n_text;
	struct lines *lines; /* made at the first word: by then the text has been compiled */
	struct block *blocks;
	size_t n_blocks;
	struct value settings; /* a table: what was assigned */
};

static struct evaluation *evaluation_of(lua_State *L)
{
	struct evaluation *v = sandbox_owner(L);

	if (!v->lines)
		v->lines = lines_open(v->text, v->n_text);
	return v;
}

static const struct config_word *find_word(const char *name)
{
	for (size_t i = 0; i < config_n_blocks; i++)
		if (strcmp(name, config_blocks[i].word) == 0)
			return &config_blocks[i];
	return NULL;
}

static bool is_setting(const char *name)
{
	for (size_t i = 0; i < config_settings.n_keys; i++)
		if (strcmp(name, config_settings.keys[i].name) == 0)
			return true;
	return false;
}

/* "; did you mean 'x'?" among all words. */
static const char *nearest_word(const char *name, char *to, size_t n)
{
	const char *words[32];
	size_t n_words = 0;

	for (size_t i = 0; i < config_n_blocks; i++)
		words[n_words++] = config_blocks[i].word;
	for (size_t i = 0; i < config_settings.n_keys; i++)
		words[n_words++] = config_settings.keys[i].name;
	return table_nearest(name, words, n_words, to, n);
}

/* The table behind `word "name"`. Upvalue: number of the block. */
static int on_table(lua_State *L)
{
	struct evaluation *v = evaluation_of(L);
	struct block *b = &v->blocks[lua_tointeger(L, lua_upvalueindex(1))];
	struct value_options o = {.lines = v->lines,
		.entry = lines_block(v->lines, b->word->word, b->name, b->line),
		.line = b->line};
	struct error e;

	if (lua_type(L, 1) != LUA_TTABLE)
		table_wrong(&v->reading, b->line, "%s \"%s\" must be followed by a table: %s",
			b->word->word, b->name, b->word->example);
	else if (b->whole)
		table_wrong(&v->reading, sandbox_line(L), "%s \"%s\" is followed by two tables",
			b->word->word, b->name);
	else if (!value_read(L, 1, &o, v->arena, &b->table, &e))
		table_wrong(
			&v->reading, b->line, "%s \"%s\" holds %s", b->word->word, b->name, e.text);
	b->whole = true;
	return 0;
}

static int on_unknown(lua_State *L)
{
	lua_pushcfunction(L, on_unknown); /* so that unknown "name" {...} is one mistake, and the
					     script goes on */
	return 1;
}

/* `word "name"`. Upvalue: the word. */
static int on_block(lua_State *L)
{
	struct evaluation *v = evaluation_of(L);
	const struct config_word *word = lua_touserdata(L, lua_upvalueindex(1));
	size_t n;
	const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &n) : NULL;

	if (!name || n == 0 || n > 128 || strlen(name) != n) {
		table_wrong(&v->reading, sandbox_line(L), "%s wants a name of 1 to 128 bytes: %s",
			word->word, word->example);
		return on_unknown(L);
	}
	if (v->n_blocks == MOST_BLOCKS)
		return luaL_error(L, "more than %d blocks", MOST_BLOCKS);
	v->blocks[v->n_blocks] = (struct block){
		.word = word, .name = arena_span(v->arena, name, n), .line = sandbox_line(L)};
	lua_pushinteger(L, (lua_Integer)v->n_blocks++);
	lua_pushcclosure(L, on_table, 1);
	return 1;
}

/* A setting, by assignment or call. rules and plugins add up; anything else may be said once. */
static void note_setting(lua_State *L, struct evaluation *v, const char *name, int index)
{
	struct value_options o = {.lines = v->lines, .line = sandbox_line(L)};
	bool adds_up = strcmp(name, "rules") == 0 || strcmp(name, "plugins") == 0;
	struct value *item = (struct value *)value_find(&v->settings, name), said;
	struct error e;

	o.entry = lua_istable(L, index) ? lines_value(v->lines, name, o.line) : -1;
	if (!value_read(L, index, &o, v->arena, &said, &e)) {
		table_wrong(&v->reading, o.line, "%s is %s", name, e.text);
		return;
	}
	said.key = arena_span(v->arena, name, strlen(name));
	if (!item) {
		v->settings.items[v->settings.n++] = said;
		return;
	}
	if (!adds_up) {
		table_wrong(&v->reading, o.line,
			"'%s' is set a second time; the first was at line %d", name, item->line);
		return;
	}
	/* One list of the two: texts, or whatever else they are, for table_read to judge. */
	const struct value *parts[] = {item, &said};
	struct value *items = arena_alloc(v->arena, (item->n + said.n + 2) * sizeof *items);
	size_t n = 0;
	for (size_t i = 0; i < 2; i++) {
		const struct value *from =
			parts[i]->type == VALUE_TABLE ? parts[i]->items : parts[i];
		size_t n_from = parts[i]->type == VALUE_TABLE ? parts[i]->n : 1;

		for (size_t j = 0; j < n_from; j++) {
			items[n] = from[j];
			items[n++].key = NULL;
		}
	}
	item->type = VALUE_TABLE;
	item->items = items;
	item->n = n;
}

static int on_setting(lua_State *L)
{
	note_setting(L, evaluation_of(L), lua_tostring(L, lua_upvalueindex(1)), 1);
	return 0;
}

/* Reading a global: the words. */
static int on_read(lua_State *L)
{
	struct evaluation *v = evaluation_of(L);
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
	const struct config_word *word = find_word(name);
	char hint[64];

	if (word) {
		lua_pushlightuserdata(L, (void *)word);
		lua_pushcclosure(L, on_block, 1);
	} else if (is_setting(name)) {
		lua_pushvalue(L, 2);
		lua_pushcclosure(L, on_setting, 1);
	} else {
		table_wrong(&v->reading, sandbox_line(L), "unknown word '%.60s'%s", name,
			nearest_word(name, hint, sizeof hint));
		lua_pushcfunction(L, on_unknown);
	}
	return 1;
}

/* Assigning a global: the settings. */
static int on_assign(lua_State *L)
{
	struct evaluation *v = evaluation_of(L);
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
	const struct config_word *word = find_word(name);
	char hint[64];

	if (is_setting(name))
		note_setting(L, v, name, 3);
	else if (word)
		table_wrong(&v->reading, sandbox_line(L), "'%s' is not assigned to; write %s", name,
			word->example);
	else
		table_wrong(&v->reading, sandbox_line(L),
			"unknown setting '%.60s'%s (a name of your own wants 'local')", name,
			nearest_word(name, hint, sizeof hint));
	return 0;
}

static int open_words(lua_State *L)
{
	static const luaL_Reg meta[] = {
		{"__index", on_read}, {"__newindex", on_assign}, {NULL, NULL}};

	lua_pushglobaltable(L);
	lua_newtable(L);
	luaL_setfuncs(L, meta, 0);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	return 0;
}

/* Run the script; its mistakes are in the reading's errors. */
static void evaluate(struct evaluation *v)
{
	struct sandbox_limits limits = {.memory = 64 << 20, .cpu_us = 2000 * 1000};
	struct sandbox *s = NULL;
	struct error e;

	if (sandbox_open(v->reading.file, &limits, &s, &e) == 0) {
		sandbox_owner_set(s, v);
		if (sandbox_run(s, open_words, NULL, 0, &e) == 0 &&
			sandbox_load(s, v->text, v->n_text, &e) == 0) {
			sandbox_close(s);
			return;
		}
	}
	table_wrong(&v->reading, -1, "%s", e.text);
	sandbox_close(s);
}

static void on_filled(void *context, const void *member, int line)
{
	struct config *c = context;

	if (c->n_origins == c->origins_room) {
		c->origins_room = c->origins_room ? 2 * c->origins_room : 64;
		c->origins = mem_grow(c->origins, c->origins_room, sizeof *c->origins);
	}
	c->origins[c->n_origins++] = (struct config_origin){member, line};
}

int config_line(const struct config *c, const void *member)
{
	for (size_t i = 0; i < c->n_origins;
		i++) /* the first key of a table shares its address, and was told before it */
		if (c->origins[i].member == member)
			return c->origins[i].line;
	return 0;
}

/* All blocks of one word, into their array. */
static void fill_blocks(struct evaluation *v, struct config *c, const struct config_word *word)
{
	char **list = (char **)((char *)c + word->list);
	size_t *n_list = (size_t *)((char *)c + word->n_list);

	*list = mem_zero(v->n_blocks + 1, word->size);
	for (size_t i = 0; i < v->n_blocks; i++) {
		const struct block *b = &v->blocks[i];
		char *to = *list + *n_list * word->size;

		if (b->word != word)
			continue;
		if (!b->whole)
			table_wrong(&v->reading, b->line,
				"%s \"%s\" must be followed by a table: %s", word->word, b->name,
				word->example);
		if (!b->whole || b->table.type != VALUE_TABLE)
			continue;
		(*n_list)++;
		*(char **)(to + word->name) = mem_copy_text(b->name);
		*(char **)(to + word->where) = mem_format("%s:%d", c->file, b->line);
		snprintf(v->reading.what, sizeof v->reading.what, "%s \"%s\": ", word->word,
			b->name);
		table_read(&v->reading, &b->table, word->keys, word->n_keys, to);
		v->reading.what[0] = '\0';
	}
}

static char **one_path(char *path)
{
	char **list = mem_alloc(sizeof *list);

	*list = path;
	return list;
}

/* What is not said: the shipped rule, and where detectors are. */
static void fill_shipped(struct config *c)
{
	if (!c->rules) {
		c->rules = one_path(place_script("rules/default.lua"));
		c->n_rules = 1;
	}
	if (!c->plugins) {
		c->plugins = one_path(place_plugins());
		c->n_plugins = 1;
	}
}

static void fill(struct evaluation *v, struct config *c)
{
	v->reading.filled = on_filled;
	v->reading.context = c;
	table_read(&v->reading, &v->settings, config_settings.keys, config_settings.n_keys, c);
	fill_shipped(c);
	for (size_t i = 0; i < config_n_blocks; i++)
		fill_blocks(v, c, &config_blocks[i]);
	config_check(&v->reading, c);
}

/* The folder that relative paths are relative to; the caller's. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_copy_span(path, slash == path ? 1 : (size_t)(slash - path))
			     : mem_copy_text(".");
	char *whole = realpath(folder, NULL);

	if (!whole)
		return folder;
	free(folder);
	return whole;
}

/* Mistakes in the order of their lines: they were found word by word. Lines without a number come
 * last. */
static int compare_lines(const void *a_, const void *b_)
{
	const struct {
		long line;
		size_t order;
	} *a = a_, *b = b_;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void sort_errors(const char *file, struct buf *errors)
{
	struct {
		long line;
		size_t order, at, n;
	} *rows = mem_alloc((errors->n + 1) * sizeof *rows);
	struct buf sorted = BUF_EMPTY;
	size_t n = 0, skip = strlen(file) + 1;

	for (size_t at = 0; at < errors->n; n++) {
		const char *end = memchr(errors->at + at, '\n', errors->n - at);
		size_t length = (size_t)(end - (errors->at + at)) + 1;
		long line = length > skip ? strtol(errors->at + at + skip, NULL, 10) : 0;

		rows[n].line = line ? line : LONG_MAX;
		rows[n].order = rows[n].at = at;
		rows[n].n = length;
		at += length;
	}
	qsort(rows, n, sizeof *rows, compare_lines);
	for (size_t i = 0; i < n; i++)
		buf_put(&sorted, errors->at + rows[i].at, rows[i].n);
	buf_clear(errors);
	buf_put(errors, sorted.at, sorted.n);
	buf_done(&sorted);
	free(rows);
}

static int read_text(
	const char *path, const char *text, size_t n, struct config **ret, struct buf *errors)
{
	struct config *c = mem_zero(1, sizeof *c);
	struct buf wrong = BUF_EMPTY;
	struct evaluation v = {.text = text,
		.n_text = n,
		.arena = arena_open(),
		.reading = {.file = path, .errors = &wrong}};
	char *folder = folder_of(path);

	c->file = mem_copy_text(path);
	v.reading.folder = folder;
	v.blocks = mem_zero(MOST_BLOCKS, sizeof *v.blocks);
	v.settings = (struct value){
		.type = VALUE_TABLE, .items = arena_alloc(v.arena, 64 * sizeof(struct value))};
	evaluate(&v);
	fill(&v, c);
	lines_close(v.lines);
	arena_close(v.arena);
	free(v.blocks);
	free(folder);
	if (v.reading.n_errors) {
		sort_errors(path, &wrong);
		buf_put(errors, wrong.at, wrong.n);
		config_close(c);
		c = NULL;
	}
	buf_done(&wrong);
	if (!c)
		return -EINVAL;
	*ret = c;
	return 0;
}

int config_read(const char *path, struct config **ret, struct buf *errors)
{
	struct error e;
	char *text;
	size_t n;
	int rc = sandbox_read_file(path, &text, &n, &e);

	if (rc) {
		buf_format(errors, "%s\n", e.text);
		return rc;
	}
	rc = read_text(path, text, n, ret, errors);
	free(text);
	return rc;
}
