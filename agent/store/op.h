/* SPDX-License-Identifier: Apache-2.0
 * The inside of a transaction and of a reading. Private to store/: the nouns (positions.c,
 * outbox.c, ...) record with txn_op and read with store_read; store.c executes. */
#ifndef STORE_OP_H
#define STORE_OP_H

#include "base/clock.h"
#include "base/mem.h"
#include "store/db.h"
#include "store/store.h"

#include <string.h>

struct op {
	enum statement what;
	size_t n;
	struct value *values;
};

struct hook {
	void (*fn)(void *context, uint64_t number, int code);
	void *context;
};

struct txn {
	uint64_t number;
	struct arena *arena; /* of everything the operations hold */
	struct op *ops;
	size_t n, room;
	struct hook *hooks;
	size_t n_hooks;
	bool durable;
};

/* Record a statement; values and what they point at are copied. */
void txn_op(struct txn *t, enum statement what, const struct value *values, size_t n);
#define TXN_OP(t, what, ...)                                                                       \
	txn_op(t, what, (const struct value[]){__VA_ARGS__},                                       \
		sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value))

/* Tell the hooks, then free. */
void txn_end(struct txn *t, int code);

int store_read(struct store *s, enum statement what, const struct value *values, size_t n,
	int (*fn)(void *context, const struct value *row), void *context, struct error *e);

static inline struct value int_value(int64_t x)
{
	return (struct value){.kind = VALUE_INT, .integer = x};
}

static inline struct value text_value(const char *text)
{
	return text ? (struct value){.kind = VALUE_TEXT, .at = text, .n = strlen(text)}
		    : (struct value){.kind = VALUE_NULL};
}

static inline struct value bytes_value(const void *at, size_t n)
{
	return (struct value){.kind = VALUE_BLOB, .at = at, .n = n};
}

static inline struct value time_value(int64_t us)
{
	return us == TIME_NONE ? (struct value){.kind = VALUE_NULL} : int_value(us);
}

static inline struct value real_value(double x)
{
	return (struct value){.kind = VALUE_REAL, .real = x};
}

static inline int64_t value_time(const struct value *v)
{
	return v->kind == VALUE_NULL ? TIME_NONE : v->integer;
}

#endif
