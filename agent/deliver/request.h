/* SPDX-License-Identifier: Apache-2.0
 * One HTTP request, as a script made it and the host checked it: no byte in it can end a header or
 * begin another. */
#ifndef DELIVER_REQUEST_H
#define DELIVER_REQUEST_H

#include "base/buf.h"
#include "base/error.h"
#include "model/alert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_BODY_LIMIT ((size_t)1 << 20)
#define REQUEST_HEADERS_MOST 64

struct request {
	const char *method; /* "POST" or "PUT" */
	char *path;         /* appended to the endpoint's url; "" or begins with a slash */
	struct pair *headers;
	size_t n_headers;
	struct buf body;
	bool used_secret; /* the script put it somewhere itself */
};

void request_done(struct request *r);
/* Sets the header, in place of one of that name in any case. -EINVAL: a name that is not a token or
 * is ours to set (Host, Content-Length, ...), a value with a control byte, or too many. */
int request_header(struct request *r, const char *name, const char *value, struct error *e);
const char *request_find(const struct request *r, const char *name); /* or NULL */

/* A script: text that defines function request(alert, endpoint), run in a sandbox of its own. See
 * scripts/endpoints/README.md for what it is given and what it returns. */
struct script;

/* What the script is told beside the alert; all borrowed. */
struct script_place {
	const char *endpoint; /* its name */
	const char *secret;   /* NULL: none. The script gets a token it can put into the body or a
				 header, never the text */
	int64_t now_us, resend_us;
};

int script_open(const char *path, struct script **ret, struct error *e);
void script_close(struct script *s); /* accepts NULL */
/* *ret is made by this call; request_done. */
int script_request(struct script *s, const struct alert *a, const struct script_place *place,
	struct request *ret, struct error *e);

#endif
