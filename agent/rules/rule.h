/* SPDX-License-Identifier: Apache-2.0
 * Between the files of this room only: what a rule file holds, and what is remembered of a rule on
 * a stream. */
#ifndef RULES_RULE_H
#define RULES_RULE_H

#include "lua/sandbox.h"
#include "lua/table.h"
#include "rules/alarm.h"
#include "rules/rules.h"

struct msgpack_object;

struct named_text { /* a label or annotation */
	char *name;
	struct text_or_function text;
};

/* What a rule watches; the words of `on`, in this order. */
enum rule_on { ON_SIGNAL, ON_LEARNED, ON_COMPARE };

/* One alert{...}. */
struct rule {
	char *name;
	int line;
	int on;                /* enum rule_on */
	char *model, *version; /* patterns */
	struct alarm_times times;
	int64_t min_records;
	int when, resolve_when; /* references, LUA_NOREF: s.alarm, and not when */
	struct text_or_function severity, summary, description;
	struct named_text *labels, *annotations;
	size_t n_labels, n_annotations;
	char **to; /* none: all endpoints */
	size_t n_to;
};

struct rule_file {
	char *path;
	const char *base; /* last part of the path: part of the keys, so that a moved folder changes
			     none */
	struct sandbox *sandbox;
	struct rule *rules;
	size_t n_rules;
	int view_meta, finding_meta; /* references of the metatables */
	/* The call under way: what a view of an older generation pointed at is gone. */
	const struct signal *signal;
	uint64_t generation;
	struct rules_stat stat;
	struct error last_error;
};

/* One rule on one stream. */
struct series {
	char *file, *rule; /* base name of the file, name of the alert */
	char *model, *version;
	struct alarm alarm;
	struct alert alert;   /* of the incident, while the alarm is pending or firing; name is NULL
				 otherwise */
	int64_t told;         /* severity of the signal at which the alert was last told */
	struct buf memory;    /* the `state` table, packed; empty: {} */
	int64_t seen_us;      /* end of the last window, judged or not */
	int64_t errors;       /* in a row */
	struct alert trouble; /* OoddRuleError, while the rule fails; name is NULL otherwise */
	bool owned;           /* its rule is loaded */
};

struct rules {
	struct rule_file *files;
	size_t n_files;
	char **endpoints;
	size_t n_endpoints;
	struct series *series;
	size_t n_series, room;
	uint32_t *slots; /* series.c: positions in `series`, plus one; NULL: to be made */
	size_t n_slots;
	bool full; /* said once that there are too many */
};

/* define.c: what stands in an alert{...}; load one file: its words, its rules. Mistakes into
 * errors; false when there are any. */
bool rule_file_load(struct rule_file *f, const struct rules_options *o, struct buf *errors);
void rule_file_done(struct rule_file *f);

/* view.c: a signal as Lua sees it. Inside a run. */
void view_open(lua_State *L, struct rule_file *f);
void view_push(lua_State *L, struct rule_file *f);
/* view_slices.c: s.slices; `of` is the signal. */
void view_slices(lua_State *L, struct rule_file *f, const void *of);
/* view_limits.c: s.limits; `of` is the signal. */
void view_limits(lua_State *L, struct rule_file *f, const void *of);
/* view_performance.c: pushes s.performance; `of` is the signal. */
void view_performance(lua_State *L, struct rule_file *f, const void *of);
/* view_odd.c: s.odd, s.kinds, s.groups, s.examples; `of` is the signal. */
void view_odd(lua_State *L, struct rule_file *f, const void *of);
void view_kinds(lua_State *L, struct rule_file *f, const void *of);
void view_groups(lua_State *L, struct rule_file *f, const void *of);
void view_examples(lua_State *L, struct rule_file *f, const void *of);
/* view_compare.c: pushes two versions side by side. */
void view_compare(lua_State *L, const struct comparison *c);
/* view_schema.c: s.schema; `of` is the signal. */
void view_schema(lua_State *L, struct rule_file *f, const void *of);

/* A signal shown to one rule on its stream: what the rest of the room is about. */
struct showing {
	const struct rules *all;
	struct rule_file *file;
	const struct rule *rule;
	struct series *series;
	const struct signal *signal;
};

/* evaluate.c: the functions of a rule, called. 0, or a negative errno with "file:line: sentence".
 */
struct verdict {
	bool hot, clear;
	struct buf memory; /* what the `state` table became; the caller's */
};
int rule_judge(const struct showing *x, struct verdict *ret, struct error *e);
/* A text, or what the function says; NULL when it says nil. The caller's. */
int rule_text(const struct showing *x, const struct text_or_function *t, char **ret, struct error *e);

/* compose.c: the alert of an incident. Both go on after mistakes; then they return the first, and e
 * says it. */
int compose_begin(const struct showing *x, struct error *e);
int compose_fire(const struct showing *x, struct error *e);
void compose_trouble(const struct showing *x, const struct error *e);

/* memory.c: a `state` table as bytes, and back; inside a run. false: it cannot be kept; e says why.
 */
bool memory_pack(lua_State *L, int index, struct arena *arena, struct buf *to, struct error *e);
void memory_push(lua_State *L, const struct msgpack_object *o); /* {} for NULL */

/* series.c: the series of a rule on a stream, a new one where there is none yet; NULL when there are too many. Lent until the
 * next call. */
struct series *series_of(struct rules *r, const char *file, const char *rule, const char *model,
	const char *version);
void series_moved(struct rules *r); /* the list was changed by others */
void series_done(struct series *s);

#endif
