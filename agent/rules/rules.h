/* SPDX-License-Identifier: Apache-2.0
 * Rules: Lua that says which signals are worth an alert. scripts/README.md tells how to write one.
 *
 * One sandbox for each file; a rule is one `alert "Name" {...}` in it; a series is one rule on one
 * stream (model and version), with an alarm, the incident's alert, and a little memory of its own.
 * All is driven by the event time of the signals: the same signals give the same alerts under the
 * same keys, in run, in replay, and after a restart. Loop thread only. */
#ifndef RULES_RULES_H
#define RULES_RULES_H

#include "base/buf.h"
#include "base/error.h"
#include "model/alert.h"
#include "model/comparison.h"
#include "model/signal.h"

#include <stddef.h>
#include <stdint.h>

#define RULES_ERROR_ALERT "OoddRuleError" /* the alert that a failing rule raises */
#define RULES_ERRORS_MOST 5 /* in a row: then the rule is left out on that stream until a reload */
#define RULES_RETIRE_US (INT64_C(86400) * 1000000) /* a version is given up when others of its model went on for so long */
#define RULES_MEMORY_MOST 4096 /* packed bytes of a rule's `state` on one stream */

struct rules_options {
	const char *const *files; /* paths */
	size_t n_files;
	const char *const
		*endpoints; /* names that `to` may hold; a rule without `to` goes to all */
	size_t n_endpoints;
	size_t memory;  /* per file, bytes; 0: the sandbox's default */
	int64_t cpu_us; /* per call; 0: the sandbox's default */
};

struct rules;

/* Load the files. On mistakes -EINVAL (or -ENOENT ...), and all of them into `errors`, one per
 * line, "file:line: sentence". Everything in the options is copied. */
int rules_open(const struct rules_options *o, struct rules **ret, struct buf *errors);
void rules_close(struct rules *r); /* accepts NULL */

/* Show a closed window to every rule that watches its stream. on_alert is called for each alert
 * that begins to fire, fires on with news (a new cause: same key, state firing), or resolves; the
 * alert is lent for the call. A window that is not later than the last one of its stream changes
 * nothing. */
void rules_signal(struct rules *r, const struct signal *s,
	void (*on_alert)(void *context, const struct alert *a), void *context);

/* The same for rules with on = "compare", after each pair of windows of two versions. Their stream is the canary's. */
void rules_compare(struct rules *r, const struct comparison *c, void (*on_alert)(void *context, const struct alert *a), void *context);

/* Every alert that is pending or firing now (its `state` says which), for a list or for sending
 * again. */
void rules_each_alert(
	const struct rules *r, void (*each)(void *context, const struct alert *a), void *context);

/* All state as one msgpack value, and back, into rules that were just opened: after a restart, and
 * on reload (open the new rules, pack the old ones into them, close the old). Alerts whose rule is
 * gone resolve at the next signal; rules that had been left out for their errors get another
 * chance. On failure nothing is changed. */
void rules_pack(const struct rules *r, struct buf *to);
int rules_unpack(struct rules *r, const void *at, size_t n, struct error *e);

struct rules_stat {
	const char *file;
	size_t n_rules;    /* alerts in it */
	size_t n_left_out; /* series left out after too many errors */
	int64_t calls, errors;
	int64_t cpu_us, most_cpu_us; /* in all, and of the dearest call */
	size_t bytes;                /* held by its sandbox */
	const char *last_error;      /* "" when none; lent until the next rules_ call */
};
void rules_each_stat(const struct rules *r,
	void (*each)(void *context, const struct rules_stat *stat), void *context);

#endif
