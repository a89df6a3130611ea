/* SPDX-License-Identifier: Apache-2.0
 * The headers of a request, checked byte by byte: what comes from an alert may come from a log. */
#include "deliver/request.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

void request_done(struct request *r)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		free(r->headers[i].name);
		/* One of them may be a secret. */
		explicit_bzero(r->headers[i].value, strlen(r->headers[i].value));
		free(r->headers[i].value);
	}
	free(r->headers);
	free(r->path);
	if (r->body.at)
		explicit_bzero(r->body.at, r->body.n);
	buf_done(&r->body);
	*r = (struct request){0};
}

/* RFC 9110, 5.6.2 */
static bool is_token(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";

	return *name && !name[strspn(name, letters)];
}

/* The HTTP client sets these; a second one would change where the request ends or whom it is for.
 */
static bool is_ours(const char *name)
{
	static const char *const ours[] = {"Host", "Content-Length", "Transfer-Encoding",
		"Connection", "Expect", "Upgrade", "TE", "Trailer"};

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (!strcasecmp(ours[i], name))
			return true;
	return false;
}

static bool is_value(const char *value)
{
	for (const unsigned char *c = (const unsigned char *)value; *c; c++)
		if ((*c < ' ' && *c != '\t') || *c == 0x7f)
			return false;
	return true;
}

static struct pair *header_find(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (!strcasecmp(r->headers[i].name, name))
			return &r->headers[i];
	return NULL;
}

const char *request_find(const struct request *r, const char *name)
{
	const struct pair *found = header_find(r, name);

	return found ? found->value : NULL;
}

int request_header(struct request *r, const char *name, const char *value, struct error *e)
{
	struct pair *at = header_find(r, name);

	if (!is_token(name))
		return error_set(e, -EINVAL, "'%.40s' is not the name of a header", name);
	if (is_ours(name))
		return error_set(e, -EINVAL, "%s is set by oodd", name);
	if (!is_value(value))
		return error_set(e, -EINVAL,
			"%s: the value holds a line break or another control byte", name);
	if (!at && r->n_headers == REQUEST_HEADERS_MOST)
		return error_set(e, -EINVAL, "more than %d headers", REQUEST_HEADERS_MOST);
	if (!at) {
		r->headers = mem_grow(r->headers, r->n_headers + 1, sizeof *r->headers);
		at = &r->headers[r->n_headers++];
		*at = (struct pair){.name = mem_copy_text(name)};
	}
	free(at->value);
	at->value = mem_copy_text(value);
	return 0;
}
