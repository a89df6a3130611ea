/* SPDX-License-Identifier: Apache-2.0
 * A reader of Lua tokens that keeps one kind of thing: `{`, and the keys and items between it and
 * its `}`. Whatever stands elsewhere is walked over, with just enough grammar (brackets, and the
 * words that want an `end`) not to take a comma inside a function for one of the table. The text
 * was compiled before, so it is known to be Lua. */
#include "lua/lines.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	NEST = 64,            /* deeper constructors are walked over */
	MOST_ENTRIES = 20000, /* what stands behind has no line of its own */
	PARENT_NONE = -1,
	PARENT_OTHER = -2,
};

struct token {
	enum { TOKEN_END, TOKEN_NAME, TOKEN_TEXT, TOKEN_OTHER } kind;
	const char *at;
	size_t n;
	int line;
	char mark; /* of TOKEN_OTHER: its character; '=' only when alone */
};

struct entry {
	int parent; /* entry, or PARENT_NONE: the argument of a word, then key is the word and name
		       its name */
	int line;
	size_t item; /* from 1 for list items, 0 for keys */
	char *key, *name;
};

struct lines {
	struct entry *entries;
	int n, room;
};

struct reader {
	const char *at, *end;
	int line;
	struct token now, before[4]; /* before[0] is the latest */
	struct lines *lines;
	int depth;
};

static int long_bracket(const char *at, const char *end)
{
	const char *p = at + 1;

	while (p < end && *p == '=')
		p++;
	return p < end && *p == '[' ? (int)(p - at - 1) : -1;
}

/* How many of the next `most` characters are = in a row. */
static int bars(const char *at, int most)
{
	int n = 0;

	while (n < most && at[n] == '=')
		n++;
	return n;
}

/* Over a [==[ long text ]==]; the reader stands at the first bracket. */
static void skip_long(struct reader *r, int level)
{
	for (r->at += level + 2; r->at < r->end; r->at++) {
		if (*r->at == '\n')
			r->line++;
		if (*r->at != ']' || r->end - r->at < level + 2 || r->at[level + 1] != ']')
			continue;
		if (bars(r->at + 1, level) < level)
			continue;
		r->at += level + 2;
		return;
	}
}

static void skip_blank(struct reader *r)
{
	while (r->at < r->end) {
		int level;

		if (*r->at == '\n') {
			r->line++;
			r->at++;
		} else if (isspace((unsigned char)*r->at)) {
			r->at++;
		} else if (r->end - r->at >= 2 && r->at[0] == '-' && r->at[1] == '-') {
			r->at += 2;
			if (r->at < r->end && *r->at == '[' &&
				(level = long_bracket(r->at, r->end)) >= 0)
				skip_long(r, level);
			else
				while (r->at < r->end && *r->at != '\n')
					r->at++;
		} else {
			return;
		}
	}
}

static void read_quoted(struct reader *r)
{
	char quote = *r->at++;

	r->now.at = r->at;
	while (r->at < r->end && *r->at != quote) {
		if (*r->at == '\\' && r->at + 1 < r->end)
			r->at++;
		if (*r->at == '\n')
			r->line++;
		r->at++;
	}
	r->now.n = (size_t)(r->at - r->now.at);
	if (r->at < r->end)
		r->at++;
}

static bool next(struct reader *r)
{
	const char *at;
	int level;

	memmove(r->before + 1, r->before, 3 * sizeof *r->before);
	r->before[0] = r->now;
	skip_blank(r);
	at = r->at;
	r->now = (struct token){.kind = TOKEN_OTHER, .at = at, .line = r->line};
	if (at >= r->end) {
		r->now.kind = TOKEN_END;
		return false;
	}
	if (isalnum((unsigned char)*at) || *at == '_') {
		while (r->at < r->end && (isalnum((unsigned char)*r->at) || *r->at == '_'))
			r->at++;
		r->now.kind = isdigit((unsigned char)*at) ? TOKEN_OTHER : TOKEN_NAME;
		r->now.n = (size_t)(r->at - at);
	} else if (*at == '"' || *at == '\'') {
		r->now.kind = TOKEN_TEXT;
		read_quoted(r);
	} else if (*at == '[' && (level = long_bracket(at, r->end)) >= 0) {
		r->now.kind = TOKEN_TEXT;
		r->now.at = at + level + 2;
		skip_long(r, level);
		r->now.n = (size_t)(r->at - r->now.at);
		r->now.n -= r->now.n < (size_t)level + 2 ? r->now.n : (size_t)level + 2;
	} else if (r->end - at >= 2 && at[1] == '=' && strchr("=~<>", *at)) {
		r->at += 2;
		r->now.mark = '2';
	} else {
		r->at++;
		r->now.mark = *at;
	}
	return true;
}

static bool is_mark(const struct token *t, char mark)
{
	return t->kind == TOKEN_OTHER && t->mark == mark;
}

static bool is_word(const struct token *t, const char *words)
{
	char padded[16];

	if (t->kind != TOKEN_NAME || t->n > 12)
		return false;
	padded[0] = ' ';
	memcpy(padded + 1, t->at, t->n);
	padded[t->n + 1] = ' ';
	padded[t->n + 2] = '\0';
	return strstr(words, padded) != NULL;
}

static int add(struct lines *l, int parent, int line, const struct token *key,
	const struct token *name, size_t item)
{
	if (l->n == MOST_ENTRIES)
		return PARENT_OTHER;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->entries = mem_grow(l->entries, (size_t)l->room, sizeof *l->entries);
	}
	l->entries[l->n] = (struct entry){.parent = parent,
		.line = line,
		.item = item,
		.key = key ? mem_copy_span(key->at, key->n) : NULL,
		.name = name ? mem_copy_span(name->at, name->n) : NULL};
	return l->n++;
}

/* What the constructor that opens here belongs to, by the tokens before it. */
static int opener(struct reader *r)
{
	const struct token *b = r->before;

	if (is_mark(b, '('))
		b++; /* word ({...}) */
	if (b[0].kind == TOKEN_NAME || (is_mark(b, '=') && b[1].kind == TOKEN_NAME)) {
		const struct token *word = b[0].kind == TOKEN_NAME ? b : b + 1;
		return add(r->lines, PARENT_NONE, word->line, word, NULL, 0);
	}
	if (b[0].kind == TOKEN_TEXT && b[1].kind == TOKEN_NAME)
		return add(r->lines, PARENT_NONE, b[1].line, &b[1], &b[0], 0);
	if (is_mark(b, ')') && b[1].kind == TOKEN_TEXT && b < r->before + 1 &&
		is_mark(&b[2], '(') && b[3].kind == TOKEN_NAME)
		return add(r->lines, PARENT_NONE, b[3].line, &b[3], &b[1], 0);
	return PARENT_OTHER;
}

static void constructor(struct reader *r, int self);

/* Over a value, to the , ; or } that ends it; `self` is the entry it belongs to. The first token is
 * r->now. */
static void value(struct reader *r, int self)
{
	bool first = true;

	for (int open = 0; r->now.kind != TOKEN_END; first = false) {
		if (open == 0 &&
			(is_mark(&r->now, ',') || is_mark(&r->now, ';') || is_mark(&r->now, '}')))
			return;
		if (is_mark(&r->now, '{') && r->depth < NEST) {
			constructor(r, first ? self : PARENT_OTHER);
			continue;
		}
		if (is_word(&r->now, " function do if repeat ") ||
			(r->now.mark && strchr("([{", r->now.mark)))
			open++;
		if (is_word(&r->now, " end until ") || (r->now.mark && strchr(")]}", r->now.mark)))
			open--;
		next(r);
	}
}

/* One entry of a constructor: name = value, ["name"] = value, [other] = value, or an item of the
 * list. */
static void field(struct reader *r, int self, size_t *item)
{
	struct token key = r->now;
	struct reader ahead = *r;
	int entry = PARENT_OTHER;

	if (key.kind == TOKEN_NAME && next(&ahead) && is_mark(&ahead.now, '=')) {
		*r = ahead;
		next(r);
		entry = self == PARENT_OTHER ? PARENT_OTHER
					     : add(r->lines, self, key.line, &key, NULL, 0);
	} else if (is_mark(&key, '[')) {
		next(r);
		key = r->now;
		while (r->now.kind != TOKEN_END && !is_mark(&r->now, '='))
			next(r);
		next(r);
		if (self != PARENT_OTHER && key.kind == TOKEN_TEXT)
			entry = add(r->lines, self, key.line, &key, NULL, 0);
	} else if (self != PARENT_OTHER) {
		entry = add(r->lines, self, key.line, NULL, NULL, ++*item);
	}
	value(r, entry);
}

/* From r->now == '{' to behind its '}'. */
static void constructor(struct reader *r, int self)
{
	size_t item = 0;

	next(r);
	r->depth++;
	while (r->now.kind != TOKEN_END && !is_mark(&r->now, '}')) {
		if (is_mark(&r->now, ',') || is_mark(&r->now, ';'))
			next(r);
		else
			field(r, self, &item);
	}
	r->depth--;
	next(r);
}

struct lines *lines_open(const char *text, size_t n)
{
	struct lines *l = mem_zero(1, sizeof *l);
	struct reader r = {.at = text, .end = text + n, .line = 1, .lines = l};

	next(&r);
	while (r.now.kind != TOKEN_END) {
		if (is_mark(&r.now, '{'))
			constructor(&r, opener(&r));
		else
			next(&r);
	}
	return l;
}

void lines_close(struct lines *l)
{
	if (!l)
		return;
	for (int i = 0; i < l->n; i++) {
		free(l->entries[i].key);
		free(l->entries[i].name);
	}
	free(l->entries);
	free(l);
}

int lines_block(const struct lines *l, const char *word, const char *name, int line)
{
	for (int i = 0; i < l->n; i++) {
		const struct entry *e = &l->entries[i];

		if (e->parent != PARENT_NONE || e->line != line || strcmp(e->key, word) != 0)
			continue;
		if (e->name && strcmp(e->name, name) == 0)
			return i;
	}
	return -1;
}

int lines_value(const struct lines *l, const char *word, int line)
{
	for (int i = l->n - 1; i >= 0; i--) {
		const struct entry *e = &l->entries[i];

		if (e->parent == PARENT_NONE && !e->name && e->line <= line &&
			strcmp(e->key, word) == 0)
			return i;
	}
	return -1;
}

int lines_child(const struct lines *l, int parent, const char *key, size_t item)
{
	for (int i = parent + 1; parent >= 0 && i < l->n; i++) {
		const struct entry *e = &l->entries[i];

		if (e->parent == PARENT_NONE)
			break;
		if (e->parent == parent &&
			(key ? e->key && strcmp(e->key, key) == 0 : e->item == item))
			return i;
	}
	return -1;
}

int lines_line(const struct lines *l, int entry)
{
	return entry >= 0 ? l->entries[entry].line : 0;
}
