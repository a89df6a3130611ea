/* SPDX-License-Identifier: Apache-2.0
 * A table of plain data into a struct, by a table of keys: name, type, default, range, help. All
 * mistakes are reported, each as
 *
 *     oodd.lua:14: model "cats": unknown key 'windw'; did you mean 'window'?
 *
 * and the same keys free the struct again, print it, and document it. */
#ifndef LUA_TABLE_H
#define LUA_TABLE_H

#include "base/buf.h"
#include "lua/value.h"

#include <stdbool.h>
#include <stddef.h>

enum key_type {       /* member of the struct */
	KEY_TEXT,     /* char *; not empty */
	KEY_PATH,     /* char *, made absolute */
	KEY_TEXTS,    /* char ** and its size_t: a text or a list of texts */
	KEY_PATHS,    /* the same, made absolute; may be globs */
	KEY_BOOL,     /* bool */
	KEY_NUMBER,   /* double */
	KEY_INTEGER,  /* int32_t, int64_t or unsigned ones of these sizes */
	KEY_SIZE,     /* the same: bytes, as a number or "64MiB" */
	KEY_DURATION, /* int64_t microseconds: "5m", or a number of seconds; range in seconds */
	KEY_CHOICE,   /* int: index of the word */
	KEY_SWITCH,   /* bool: one of two words */
	KEY_FUNCTION, /* int: reference, LUA_NOREF when absent */
	KEY_TEXT_OR_FUNCTION, /* struct text_or_function */
	KEY_OTHER,            /* what `read` makes of it */
	KEY_LATER,            /* known, and not supported in this version: an error that says so */
};

struct text_or_function {
	char *text;   /* NULL: none, or a function */
	int function; /* LUA_NOREF: none */
};

struct reading;

struct key {
	const char *name;
	enum key_type type;
	size_t at, size; /* of the member: write KEY_AT(struct x, member) */
	size_t at_n;     /* KEY_TEXTS, KEY_PATHS: of the size_t; KEY_LIST_AT does both */
	bool required;
	const char *standard; /* default, as written but without quotes; lists with a blank between;
				 NULL: the member stays as it was */
	double least, most;   /* both included; equal: no range */
	const char *words;    /* KEY_CHOICE, KEY_SWITCH: with a blank between */
	/* KEY_OTHER: fill the member; NULL value: absent. Reports by table_wrong. */
	void (*read)(struct reading *r, const struct key *k, const struct value *v, void *member);
	void (*done)(void *member); /* KEY_OTHER: free it */
	/* KEY_OTHER: as Lua, on one line; nothing: leave the key out. */
	void (*print)(const void *member, struct buf *to);
	const char *help;
};
#define KEY_AT(type_, member_) .at = offsetof(type_, member_), .size = sizeof(((type_ *)0)->member_)
#define KEY_LIST_AT(type_, list_, n_) KEY_AT(type_, list_), .at_n = offsetof(type_, n_)

/* One reading of one file. */
struct reading {
	const char *file;   /* as messages name it */
	const char *folder; /* what relative paths are relative to */
	struct buf *errors; /* one line for each mistake */
	size_t n_errors;
	char what[160]; /* "model \"cats\": ", in front of what is wrong */
	/* Told for each member that is filled: the line it came from, 0: default. May be NULL. */
	void (*filled)(void *context, const void *member, int line);
	void *context;
};

/* Fill `to` (zeroed by the caller) from the table. Goes on after mistakes; false when there were
 * any. */
bool table_read(
	struct reading *r, const struct value *table, const struct key *keys, size_t n, void *to);
void table_done(const struct key *keys, size_t n, void *to);
/* One line "<before>name = value<after> -- origin" for each key that has a value; `origin` writes
 * what it came from. */
void table_print(const struct key *keys, size_t n, const void *from, const char *before,
	const char *after, void (*origin)(void *context, const void *member, struct buf *to),
	void *context, struct buf *to);

/* Report a mistake: "file:line: what: sentence". Line 0: not known; below: the sentence says where
 * itself. */
void table_wrong(struct reading *r, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The nearest of the words as "; did you mean 'x'?", or "". Into `to`; returns it. */
const char *table_nearest(
	const char *text, const char *const *words, size_t n_words, char *to, size_t n);
/* Absolute: as it is, or behind r->folder. The caller's. */
char *table_path(const struct reading *r, const char *path);
/* "1536", "1536B", "64KiB", "64MB": bytes; 0 or -EINVAL. */
int size_parse(const char *text, size_t n, int64_t *ret);
/* A text as Lua, with its quotes. */
void table_print_text(struct buf *to, const char *text);

#endif
