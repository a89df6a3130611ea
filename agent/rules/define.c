/* SPDX-License-Identifier: Apache-2.0
 * What a rule file may say: alert "Name" { ... }, while it is loaded and not later. The keys stand
 * in a table; each line of it is parser, default, range and help. */
#include "rules/rule.h"

#include "base/log.h"
#include "base/words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { MOST_RULES = 256, MOST_LABELS = 64 };

/* What oodd itself labels an alert with. */
static const char *const own_labels[] = {"alertname", "model", "version", "severity"};

static const char *label_fault(const char *name)
{
	for (size_t i = 0; i < COUNT(own_labels); i++)
		if (strcmp(name, own_labels[i]) == 0)
			return "oodd sets that label itself";
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return "a label begins with a letter or _";
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return "a label holds letters, digits and _ only";
	return NULL;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct named_text *)a)->name, ((const struct named_text *)b)->name);
}

/* labels = { team = "nlp", top = function(s) return s.top.name end }; the member is followed by its
 * number. */
static void read_named(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	struct named_text **list = member;
	size_t *n = (size_t *)((char *)member - k->at + k->at_n);

	if (!v)
		return;
	if (v->type != VALUE_TABLE || v->n > MOST_LABELS) {
		table_wrong(r, v->line, "%s must be a table of at most %d texts or functions",
			k->name, MOST_LABELS);
		return;
	}
	*list = mem_zero(v->n + 1, sizeof **list);
	for (size_t i = 0; i < v->n; i++) {
		const struct value *item = &v->items[i];
		const char *fault = item->key ? label_fault(item->key) : "write name = \"value\"";
		struct named_text *to = &(*list)[*n];

		if (fault) {
			table_wrong(r, item->line, "%s: '%.60s': %s", k->name,
				item->key ? item->key : "", fault);
			continue;
		}
		if (item->type != VALUE_TEXT && item->type != VALUE_FUNCTION) {
			table_wrong(r, item->line, "%s: %s must be a text or a function, and is %s",
				k->name, item->key, value_type_words[item->type]);
			continue;
		}
		*to = (struct named_text){
			.name = mem_copy_text(item->key), .text.function = LUA_NOREF};
		if (item->type == VALUE_FUNCTION)
			to->text.function = item->function;
		else
			to->text.text = mem_copy_text(item->text);
		(*n)++;
	}
	qsort(*list, *n, sizeof **list,
		compare_names); /* labels are part of the key: their order must not matter */
}

static void done_named(struct named_text *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].name);
		free(list[i].text.text);
	}
	free(list);
}

static const struct key rule_keys[] = {
	{"on", KEY_CHOICE, KEY_AT(struct rule, on), .standard = "signal", .words = "signal learned compare",
		.help = "what is watched: windows that closed, references that were learned, or two versions side by side"},
	{"model", KEY_TEXT, KEY_AT(struct rule, model), .standard = "*",
		.help = "which models: a name, * and ? allowed"},
	{"version", KEY_TEXT, KEY_AT(struct rule, version), .standard = "*",
		.help = "which versions"},
	{"when", KEY_FUNCTION, KEY_AT(struct rule, when),
		.help = "function(s, state): is it so? Left out: s.alarm"},
	{"resolve_when", KEY_FUNCTION, KEY_AT(struct rule, resolve_when),
		.help = "function(s, state): may it end? Asked while firing, when `when` does not "
			"hold"},
	{"pending_for", KEY_DURATION, KEY_AT(struct rule, times.pending_us), .standard = "0s",
		.least = 0, .most = 31 * 86400, .help = "how long it must be so before it fires"},
	{"keep_firing_for", KEY_DURATION, KEY_AT(struct rule, times.keep_us), .standard = "0s",
		.least = 0, .most = 31 * 86400,
		.help = "how long it must be over before it resolves"},
	{"min_records", KEY_INTEGER, KEY_AT(struct rule, min_records), .standard = "0", .least = 0,
		.most = 1e15, .help = "windows with fewer records are passed over"},
	{"severity", KEY_TEXT_OR_FUNCTION, KEY_AT(struct rule, severity), .standard = "ticket",
		.help = "page, ticket, info, or a word of yours"},
	{"to", KEY_TEXTS, KEY_LIST_AT(struct rule, to, n_to),
		.help = "names of endpoints; left out: all"},
	{"labels", KEY_OTHER, KEY_LIST_AT(struct rule, labels, n_labels), .read = read_named,
		.help = "texts, or functions of s; fixed when the incident begins"},
	{"annotations", KEY_OTHER, KEY_LIST_AT(struct rule, annotations, n_annotations),
		.read = read_named, .help = "texts, or functions of s"},
	{"summary", KEY_TEXT_OR_FUNCTION, KEY_AT(struct rule, summary),
		.help = "one line: a text, or a function of s"},
	{"description", KEY_TEXT_OR_FUNCTION, KEY_AT(struct rule, description),
		.help = "more lines"},
};

static void rule_done(struct rule *r)
{
	table_done(rule_keys, COUNT(rule_keys), r);
	done_named(r->labels, r->n_labels);
	done_named(r->annotations, r->n_annotations);
	free(r->name);
}

/* One loading of one file. */
struct loading {
	struct reading reading;
	struct rule_file *file;
	const struct rules_options *options;
	struct arena *arena;
	struct lines *lines; /* made at the first alert: by then the text has been compiled */
	const char *text;
	size_t n_text;
	int open_line; /* of an alert "Name" whose table has not come */
	char *open_name;
};

static struct loading *loading_of(lua_State *L)
{
	struct loading *l = lua_touserdata(L, lua_upvalueindex(1));

	/* Afterwards the owner of the sandbox is the file. */
	if (sandbox_owner(L) != (void *)l)
		luaL_error(L, "alert is possible only while the file is loaded, not in a function "
			      "called later");
	if (!l->lines)
		l->lines = lines_open(l->text, l->n_text);
	return l;
}

static void check_to(struct loading *l, const struct rule *r)
{
	char hint[64];

	for (size_t i = 0; i < r->n_to; i++) {
		size_t j = 0;

		while (j < l->options->n_endpoints &&
			strcmp(r->to[i], l->options->endpoints[j]) != 0)
			j++;
		if (j == l->options->n_endpoints)
			table_wrong(&l->reading, r->line,
				"to: no endpoint '%.60s' in the configuration%s", r->to[i],
				table_nearest(r->to[i], l->options->endpoints,
					l->options->n_endpoints, hint, sizeof hint));
	}
}

static void add_rule(struct loading *l, const struct value *table, const char *name, int line)
{
	struct rule r = {.name = mem_copy_text(name), .line = line};
	struct rule_file *f = l->file;

	snprintf(l->reading.what, sizeof l->reading.what, "alert \"%s\": ", name);
	table_read(&l->reading, table, rule_keys, COUNT(rule_keys), &r);
	check_to(l, &r);
	for (size_t i = 0; i < f->n_rules; i++)
		if (strcmp(f->rules[i].name, name) == 0)
			table_wrong(&l->reading, line, "the name is taken by the alert at line %d",
				f->rules[i].line);
	if (strcmp(name, RULES_ERROR_ALERT) == 0)
		table_wrong(&l->reading, line, "the name is oodd's own");
	l->reading.what[0] = '\0';
	f->rules = mem_grow(f->rules, f->n_rules + 1, sizeof *f->rules);
	f->rules[f->n_rules++] = r;
}

/* The table behind alert "Name". */
static int on_table(lua_State *L)
{
	struct loading *l = loading_of(L);
	const char *name = lua_tostring(L, lua_upvalueindex(2));
	int line = (int)lua_tointeger(L, lua_upvalueindex(3));
	struct value_options o = {.functions = true,
		.lines = l->lines,
		.entry = lines_block(l->lines, "alert", name, line),
		.line = line};
	struct value table;
	struct error e;

	l->open_line = 0;
	if (lua_type(L, 1) != LUA_TTABLE)
		table_wrong(&l->reading, line,
			"alert \"%s\" must be followed by a table: alert \"Name\" { ... }", name);
	else if (l->file->n_rules == MOST_RULES)
		return luaL_error(L, "more than %d alerts in one file", MOST_RULES);
	else if (!value_read(L, 1, &o, l->arena, &table, &e))
		table_wrong(&l->reading, line, "alert \"%s\" holds %s", name, e.text);
	else
		add_rule(l, &table, name, line);
	return 0;
}

static void check_open(struct loading *l)
{
	if (l->open_line)
		table_wrong(&l->reading, l->open_line,
			"alert \"%s\" must be followed by a table: alert \"Name\" { ... }",
			l->open_name);
	l->open_line = 0;
}

static int on_alert(lua_State *L)
{
	struct loading *l = loading_of(L);
	size_t n = 0;
	const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &n) : NULL;

	if (!name || n == 0 || n > 128 || strlen(name) != n)
		return luaL_error(
			L, "alert wants a name of 1 to 128 bytes: alert \"Name\" { ... }");
	check_open(l);
	l->open_line = sandbox_line(L);
	l->open_name = arena_span(l->arena, name, n);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, 1);
	lua_pushinteger(L, l->open_line);
	lua_pushcclosure(L, on_table, 3);
	return 1;
}

static int open_words(lua_State *L)
{
	struct loading *l = lua_touserdata(L, 1);

	view_open(L, l->file);
	lua_pushlightuserdata(L, l);
	lua_pushcclosure(L, on_alert, 1);
	lua_setglobal(L, "alert");
	return 0;
}

static void load(struct loading *l, const struct sandbox_limits *limits)
{
	struct rule_file *f = l->file;
	char *text = NULL;
	struct error e;
	int rc = sandbox_read_file(f->path, &text, &l->n_text, &e);

	l->text = text;
	if (rc == 0)
		rc = sandbox_open(f->path, limits, &f->sandbox, &e);
	if (rc == 0) {
		sandbox_owner_set(f->sandbox, l);
		rc = sandbox_run(f->sandbox, open_words, l, 0, &e);
		if (rc == 0)
			rc = sandbox_load(f->sandbox, text, l->n_text, &e);
		sandbox_owner_set(f->sandbox, f);
	}
	if (rc)
		table_wrong(&l->reading, -1, "%s", e.text);
	else
		check_open(l);
	free(text);
}

bool rule_file_load(struct rule_file *f, const struct rules_options *o, struct buf *errors)
{
	struct sandbox_limits limits = SANDBOX_LIMITS;
	struct loading l = {.reading = {.file = f->path, .folder = ".", .errors = errors},
		.file = f,
		.options = o,
		.arena = arena_open()};

	limits.memory = o->memory ? o->memory : limits.memory;
	limits.cpu_us = o->cpu_us ? o->cpu_us : limits.cpu_us;
	load(&l, &limits);
	if (l.reading.n_errors == 0 && f->n_rules == 0)
		log_warning("rules", "a rule file without any alert in it", "path", log_s(f->path));
	lines_close(l.lines);
	arena_close(l.arena);
	return l.reading.n_errors == 0;
}

void rule_file_done(struct rule_file *f)
{
	for (size_t i = 0; i < f->n_rules; i++)
		rule_done(&f->rules[i]);
	free(f->rules);
	sandbox_close(f->sandbox);
	free(f->path);
}
