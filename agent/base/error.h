/* SPDX-License-Identifier: Apache-2.0
 * A sentence for a person, beside the negative errno for the program. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

/* Owned by the caller; text is "" until something failed. */
struct error {
	char text[512];
};

/* Write the sentence (cut to fit) and return `code` (a negative errno), so that `return error_set(e, -EINVAL, ...)` reads.
 * e may be NULL. Say: where (file:line or offset), what was expected, what was found, what happens now. */
int error_set(struct error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of the sentence already there. */
void error_prefix(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
