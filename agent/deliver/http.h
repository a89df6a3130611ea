/* SPDX-License-Identifier: Apache-2.0
 * Requests out, statuses in, on the loop. Certificates are verified, redirects are not followed,
 * bodies are bounded. Loop thread only. */
#ifndef DELIVER_HTTP_H
#define DELIVER_HTTP_H

#include "base/error.h"
#include "deliver/request.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define HTTP_ANSWER_KEPT 512               /* bytes of a body kept for a message */
#define HTTP_ANSWER_MOST ((size_t)1 << 20) /* read and thrown away; more ends the request */

struct http;
struct http_call;

struct http_answer {
	int status;             /* 0: none came */
	const char *error;      /* what went wrong on the way, NULL when the whole answer came */
	int64_t retry_after_us; /* as asked by the server, 0: not */
	const char *body;       /* its beginning, made printable */
};

/* Ignores SIGPIPE for the whole process. */
int http_open(uv_loop_t *loop, struct http **ret, struct error *e);
/* Ends what is in flight without telling. Run the loop afterwards so that the handles can go.
 * Accepts NULL. */
void http_close(struct http *h);

/* `url` is followed by the request's path. Everything is copied. done is called once, from the
 * loop, never from inside this call; the answer lives until it returns. */
struct http_call *http_send(struct http *h, const char *url, const struct request *r,
	const char *ca_file, int64_t timeout_us,
	void (*done)(void *context, const struct http_answer *answer), void *context);
void http_cancel(struct http_call *c); /* done is not called */

/* Scheme, host and port of a URL, to be freed: what may be logged. -EINVAL with a sentence when it
 * is no http or https URL. */
int http_url_shown(const char *url, char **ret, struct error *e);

#endif
