/* SPDX-License-Identifier: Apache-2.0
 * Allocation that succeeds or ends the process: code above has no out-of-memory branches. A restart is harmless, because
 * the log is the queue. The arena serves what is made per batch and dropped at once. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK = 64 * 1024, ALIGN_SMALL = 16, ALIGN_LARGE = 64 };

static void *must(void *at, size_t n)
{
	if (at || !n)
		return at;
	fprintf(stderr, "oodd: out of memory: %zu bytes asked for\n", n);
	abort();
}

void *mem_alloc(size_t n)
{
	return must(malloc(n ? n : 1), n);
}

void *mem_zero(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		must(NULL, SIZE_MAX);
	return must(calloc(1, bytes ? bytes : 1), bytes);
}

void *mem_grow(void *at, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		must(NULL, SIZE_MAX);
	return must(realloc(at, bytes ? bytes : 1), bytes);
}

void *mem_aligned(size_t n)
{
	size_t whole = (n + ALIGN_LARGE - 1) / ALIGN_LARGE * ALIGN_LARGE;

	return must(aligned_alloc(ALIGN_LARGE, whole ? whole : ALIGN_LARGE), n);
}

char *mem_copy_text(const char *text)
{
	return text ? mem_copy_span(text, strlen(text)) : NULL;
}

char *mem_copy_span(const char *text, size_t n)
{
	char *copy = mem_alloc(n + 1);

	if (n)
		memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

void *mem_copy(const void *at, size_t n)
{
	void *copy = mem_alloc(n);

	if (n)
		memcpy(copy, at, n);
	return copy;
}

char *mem_format(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return must(n < 0 ? NULL : text, 1);
}

struct block {
	struct block *next;
	size_t room, used;
	char at[] __attribute__((aligned(64)));
};

struct arena {
	struct block *first, *now; /* blocks before `now` are full, those after it are empty */
	size_t bytes;
};

struct arena *arena_open(void)
{
	return mem_zero(1, sizeof(struct arena));
}

void arena_close(struct arena *a)
{
	struct block *next;

	if (!a)
		return;
	for (struct block *b = a->first; b; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

void arena_reset(struct arena *a)
{
	for (struct block *b = a->first; b; b = b->next)
		b->used = 0;
	a->now = a->first;
}

static struct block *arena_block(struct arena *a, size_t n)
{
	size_t room = n > ARENA_BLOCK ? n : ARENA_BLOCK;
	struct block *b = mem_aligned(sizeof *b + room);

	b->next = a->now ? a->now->next : NULL;
	b->room = room;
	b->used = 0;
	if (a->now)
		a->now->next = b;
	else
		a->first = b;
	a->bytes += sizeof *b + room;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t align = n >= ALIGN_LARGE ? ALIGN_LARGE : ALIGN_SMALL;
	size_t at = 0;

	for (; a->now; a->now = a->now->next) {
		at = (a->now->used + align - 1) / align * align;
		if (at <= a->now->room && n <= a->now->room - at)
			break;
		if (!a->now->next) {
			a->now = arena_block(a, n);
			at = 0;
			break;
		}
	}
	if (!a->now) {
		a->now = arena_block(a, n);
		at = 0;
	}
	a->now->used = at + n;
	return a->now->at + at;
}

char *arena_span(struct arena *a, const char *text, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (n)
		memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

size_t arena_bytes(const struct arena *a)
{
	return a->bytes;
}
