/* SPDX-License-Identifier: Apache-2.0
 * Where alerts go. An endpoint is of a kind: how bytes get there, what its secret is for, and
 * whether it wants to be told once (edge) or over and over while an alert fires (level). What it is
 * told is a Lua file anyone can copy. */
#ifndef DELIVER_ENDPOINT_H
#define DELIVER_ENDPOINT_H

#include "base/error.h"
#include "deliver/request.h"
#include "model/alert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As the configuration says it; borrowed during the call it is given to. Durations of 0: the
 * default. */
struct endpoint_options {
	const char *name;
	const char *where;  /* "oodd.lua:12", for messages */
	const char *kind;   /* of endpoint_kinds, or the name of a script in a script directory */
	const char *script; /* its Lua; NULL: <kind>.lua in the script directories */
	const char *url;    /* NULL for file and stdout */
	const char *path;   /* for file */
	const char *secret_file; /* what for, says the kind; nobody but its owner and group may read
				    it */
	const char *ca_file;     /* more certificates to trust; NULL: the system's */
	const struct pair *headers;
	size_t n_headers;
	int64_t timeout_us; /* of one request (15 s) */
	int64_t resend_us;  /* level: tell again so often (1 min) */
	int64_t expire_us;  /* give up after so long (24 h) */
	int32_t at_once;    /* requests in flight (1) */
};

enum transport { TRANSPORT_HTTP, TRANSPORT_FILE, TRANSPORT_STDOUT };
enum secret_use { SECRET_NONE, SECRET_BEARER, SECRET_SIGN };

struct endpoint_kind {
	const char *name, *help;
	enum transport transport;
	enum secret_use secret;
	bool level;
};

extern const struct endpoint_kind endpoint_kinds[]; /* ends with a nameless one: any other script */
extern const size_t n_endpoint_kinds;               /* without that one */

struct endpoint {
	char *name, *where;
	const struct endpoint_kind *kind;
	char *url, *path, *ca_file;
	char *shown;  /* for logs: scheme, host and port; never what may be a secret */
	char *secret; /* wiped by endpoint_close; NULL: none */
	struct pair *headers;
	size_t n_headers;
	int64_t timeout_us, resend_us, expire_us;
	int32_t at_once;
	struct script *script; /* NULL for file and stdout */
};

/* 0, or -errno with a sentence that names `where`. */
int endpoint_open(const struct endpoint_options *o, const char *const *script_dirs,
	size_t n_script_dirs, struct endpoint **ret, struct error *e);
void endpoint_close(struct endpoint *p); /* accepts NULL and the half-built */

/* The request that tells `a` at `now_us` (wall clock). -EINVAL, -ETIME, -ENOMEM: the script failed,
 * and where. */
int endpoint_request(struct endpoint *p, const struct alert *a, int64_t now_us, struct request *ret,
	struct error *e);

#endif
