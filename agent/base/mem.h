/* SPDX-License-Identifier: Apache-2.0
 * Allocation that succeeds or ends the process. Whatever a log, a peer or a rule can size has a named limit checked
 * before it comes here. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n);                             /* not cleared */
void *mem_zero(size_t n, size_t size);                 /* cleared; n * size checked for overflow */
void *mem_grow(void *at, size_t n, size_t size);       /* realloc to n * size; at may be NULL */
void *mem_aligned(size_t n);                           /* 64-byte aligned, not cleared; freed by free() */
char *mem_copy_text(const char *text);                 /* NULL stays NULL */
char *mem_copy_span(const char *text, size_t n);       /* n bytes and a NUL */
void *mem_copy(const void *at, size_t n);
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An arena: many small things freed at once. One thread at a time. */
struct arena;
struct arena *arena_open(void);
void arena_close(struct arena *a);                     /* accepts NULL */
void arena_reset(struct arena *a);                     /* all handed out before is gone; the memory is kept for reuse */
void *arena_alloc(struct arena *a, size_t n);          /* 16-byte aligned, not cleared; n of 64 and more 64-byte aligned */
char *arena_span(struct arena *a, const char *text, size_t n); /* n bytes and a NUL */
size_t arena_bytes(const struct arena *a);             /* held from the system */

#endif
