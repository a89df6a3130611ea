/* SPDX-License-Identifier: Apache-2.0
 * What a rule wants people to know. Made by rules/, stored and delivered by deliver/. */
#ifndef MODEL_ALERT_H
#define MODEL_ALERT_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct pair {
	char *name, *value;
};

enum alert_state { ALERT_PENDING, ALERT_FIRING, ALERT_RESOLVED };
extern const char *const alert_state_words[]; /* "pending", "firing", "resolved" */

struct alert {
	char *name;              /* of the rule's alert */
	char *model, *version;
	char key[65];            /* dedup: SHA-256 of rule file, name, labels, start of the incident; never random, never wall time */
	enum alert_state state;
	char *severity;          /* "page", "ticket", "info" or what the rule says */
	char *summary, *description;
	struct pair *labels, *annotations;
	size_t n_labels, n_annotations;
	char **to;               /* names of endpoints */
	size_t n_to;
	int64_t starts_us;       /* event time of the window at which it began to be true */
	int64_t ends_us;         /* of the window at which it resolved, TIME_NONE while firing */
	int64_t at_us;           /* event time of the window that made this transition */
};

void alert_done(struct alert *a);
void alert_copy(struct alert *to, const struct alert *from);
/* One msgpack map, and back; what outbox and alert states are stored as. */
void alert_pack(const struct alert *a, struct buf *to);
int alert_unpack(const void *at, size_t n, struct alert *ret, struct error *e);
struct msgpack_object;
int alert_read(const struct msgpack_object *o, struct alert *ret, struct error *e); /* the same, within a larger value */
/* One JSON object (no newline): what `file`, `stdout` and --json print. */
void alert_json(const struct alert *a, struct buf *to);

#endif
