/* SPDX-License-Identifier: Apache-2.0
 * A transaction before it is one: a list of statements with their values, in an arena of its own.
 * Recording never fails and never touches the disk, so the rooms can write down what they did as
 * they do it. */
#include "store/txn.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "store/op.h"

struct txn *txn_open(void)
{
	static atomic_uint_fast64_t last;
	struct txn *t = mem_zero(1, sizeof *t);

	t->number = atomic_fetch_add(&last, 1) + 1;
	t->arena = arena_open();
	return t;
}

void txn_end(struct txn *t, int code)
{
	for (size_t i = 0; i < t->n_hooks; i++)
		t->hooks[i].fn(t->hooks[i].context, t->number, code);
	arena_close(t->arena);
	free(t->ops);
	free(t->hooks);
	free(t);
}

void txn_close(struct txn **take)
{
	struct txn *t = *take;

	*take = NULL;
	if (t)
		txn_end(t, -ECANCELED);
}

bool txn_empty(const struct txn *t)
{
	return !t->n && !t->n_hooks;
}

uint64_t txn_number(const struct txn *t)
{
	return t->number;
}

void txn_durable(struct txn *t)
{
	t->durable = true;
}

void txn_after(struct txn *t, void (*fn)(void *context, uint64_t number, int code), void *context)
{
	t->hooks = mem_grow(t->hooks, t->n_hooks + 1, sizeof *t->hooks);
	t->hooks[t->n_hooks++] = (struct hook){.fn = fn, .context = context};
}

void txn_op(struct txn *t, enum statement what, const struct value *values, size_t n)
{
	struct op *op;

	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 32;
		t->ops = mem_grow(t->ops, t->room, sizeof *t->ops);
	}
	op = &t->ops[t->n++];
	*op = (struct op){
		.what = what, .n = n, .values = arena_alloc(t->arena, n * sizeof *values)};
	memcpy(op->values, values, n * sizeof *values);
	for (size_t i = 0; i < n; i++)
		if (values[i].kind == VALUE_TEXT || values[i].kind == VALUE_BLOB)
			op->values[i].at =
				arena_span(t->arena, values[i].n ? values[i].at : "", values[i].n);
}
