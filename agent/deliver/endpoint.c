/* SPDX-License-Identifier: Apache-2.0
 * Where alerts go: what the configuration says about an endpoint, checked once with everything it
 * needs (script, secret, certificates), so that a mistake is found at start or reload and not when
 * the first alert is due. */
#include "deliver/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/words.h"
#include "deliver/http.h"
#include "deliver/secret.h"

const struct endpoint_kind endpoint_kinds[] = {
	{"alertmanager", "Prometheus Alertmanager, API v2; told again while an alert fires",
		TRANSPORT_HTTP, SECRET_BEARER, true},
	{"webhook", "CloudEvents 1.0 as JSON, signed as Standard Webhooks says", TRANSPORT_HTTP,
		SECRET_SIGN, false},
	{"file", "a line of JSON for each alert", TRANSPORT_FILE, SECRET_NONE, false},
	{"stdout", "a line of JSON for each alert on standard output", TRANSPORT_STDOUT,
		SECRET_NONE, false},
	{NULL, "the script of that name", TRANSPORT_HTTP, SECRET_BEARER, false},
};
const size_t n_endpoint_kinds = sizeof endpoint_kinds / sizeof *endpoint_kinds - 1;

static const struct endpoint_kind *kind_find(const char *name)
{
	size_t i = 0;

	while (i < n_endpoint_kinds && strcmp(endpoint_kinds[i].name, name))
		i++;
	return &endpoint_kinds[i];
}

/* ---- the script ---- */

static char *script_find(const char *kind, const char *const *dirs, size_t n)
{
	/* A kind is a word, not a path. */
	if (strspn(kind, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
		strlen(kind))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		char *path = mem_format("%s/%s.lua", dirs[i], kind);

		if (!access(path, F_OK))
			return path;
		free(path);
	}
	return NULL;
}

static int script_missing(const char *kind, const char *const *dirs, size_t n, struct error *e)
{
	const char *names[sizeof endpoint_kinds / sizeof *endpoint_kinds], *near;

	for (size_t i = 0; i < n_endpoint_kinds; i++)
		names[i] = endpoint_kinds[i].name;
	near = words_nearest(kind, names, n_endpoint_kinds);
	if (near && strcmp(near, kind))
		return error_set(e, -EINVAL, "unknown kind '%s'; did you mean '%s'?", kind, near);
	return error_set(e, -EINVAL, "kind '%s': there is no %s.lua in %s%s", kind, kind,
		n ? dirs[0] : "any script directory",
		n > 1 ? " or the other script directories" : "");
}

static int script_take(struct endpoint *p, const struct endpoint_options *o,
	const char *const *dirs, size_t n, struct error *e)
{
	char *path = o->script ? mem_copy_text(o->script) : script_find(o->kind, dirs, n);
	int code = path ? script_open(path, &p->script, e) : script_missing(o->kind, dirs, n, e);

	free(path);
	return code;
}

/* ---- the rest ---- */

static int headers_take(struct endpoint *p, const struct endpoint_options *o, struct error *e)
{
	struct request trial = {0};
	int code = 0;

	for (size_t i = 0; !code && i < o->n_headers; i++)
		code = request_header(&trial, o->headers[i].name, o->headers[i].value, e);
	p->headers = trial.headers;
	p->n_headers = trial.n_headers;
	return code;
}

static int secret_take(struct endpoint *p, const struct endpoint_options *o, struct error *e)
{
	char signature[64];
	int code;

	if (!o->secret_file)
		return 0;
	if (p->kind->secret == SECRET_NONE)
		return error_set(e, -EINVAL, "kind '%s' has no use for a secret", o->kind);
	code = secret_read(o->secret_file, &p->secret, e);
	if (!code && p->kind->secret == SECRET_SIGN)
		code = secret_sign(p->secret, "", 0, "", 0, signature, e);
	return code;
}

static int http_take(struct endpoint *p, const struct endpoint_options *o, const char *const *dirs,
	size_t n, struct error *e)
{
	int code;

	if (!o->url)
		return error_set(e, -EINVAL, "a url is missing");
	p->url = mem_copy_text(o->url);
	code = http_url_shown(o->url, &p->shown, e);
	if (code)
		return code;
	if (o->ca_file && access(o->ca_file, R_OK))
		return error_set(e, -errno, "ca_file %s: %s", o->ca_file, strerror(errno));
	p->ca_file = mem_copy_text(o->ca_file);
	return script_take(p, o, dirs, n, e);
}

static int file_take(struct endpoint *p, const struct endpoint_options *o, struct error *e)
{
	if (p->kind->transport == TRANSPORT_FILE && !o->path)
		return error_set(e, -EINVAL, "a path is missing");
	p->path = mem_copy_text(o->path);
	p->shown = mem_copy_text(o->path ? o->path : "stdout");
	p->at_once = 1;
	return 0;
}

static int endpoint_take(struct endpoint *p, const struct endpoint_options *o,
	const char *const *dirs, size_t n, struct error *e)
{
	int code = p->kind->transport == TRANSPORT_HTTP ? http_take(p, o, dirs, n, e)
							: file_take(p, o, e);

	if (!code)
		code = headers_take(p, o, e);
	return code ? code : secret_take(p, o, e);
}

int endpoint_open(const struct endpoint_options *o, const char *const *script_dirs,
	size_t n_script_dirs, struct endpoint **ret, struct error *e)
{
	struct endpoint *p = mem_zero(1, sizeof *p);
	int code;

	p->name = mem_copy_text(o->name);
	p->where = mem_copy_text(o->where ? o->where : "configuration");
	p->kind = kind_find(o->kind);
	p->timeout_us = o->timeout_us ? o->timeout_us : 15 * SECOND_US;
	p->resend_us = o->resend_us ? o->resend_us : 60 * SECOND_US;
	p->expire_us = o->expire_us ? o->expire_us : 86400 * SECOND_US;
	p->at_once = o->at_once > 0 ? o->at_once : 1;
	code = endpoint_take(p, o, script_dirs, n_script_dirs, e);
	if (code) {
		error_prefix(e, "%s: endpoint \"%s\"", p->where, p->name);
		endpoint_close(p);
		return code;
	}
	*ret = p;
	return 0;
}

void endpoint_close(struct endpoint *p)
{
	if (!p)
		return;
	script_close(p->script);
	secret_wipe(p->secret);
	for (size_t i = 0; i < p->n_headers; i++) {
		free(p->headers[i].name);
		secret_wipe(p->headers[i].value);
	}
	free(p->headers);
	free(p->name);
	free(p->where);
	secret_wipe(p->url);
	free(p->path);
	free(p->ca_file);
	free(p->shown);
	free(p);
}

/* ---- a request ---- */

static int authorise(struct endpoint *p, struct request *r, struct error *e)
{
	char *value;
	int code;

	if (!p->secret || r->used_secret || request_find(r, "Authorization"))
		return 0;
	value = mem_format("Bearer %s", p->secret);
	code = request_header(r, "Authorization", value, e);
	secret_wipe(value);
	return code;
}

/* The id is the same over all attempts, so that a receiver can tell a repetition; the time is of
 * this attempt, so that it can refuse an old one that somebody recorded. */
static int sign(struct endpoint *p, struct request *r, const struct alert *a, int64_t now_us,
	struct error *e)
{
	char made[96], seconds[32], signature[64];
	int code = 0;

	snprintf(made, sizeof made, "%s-%s", a->key, alert_state_words[a->state]);
	if (!request_find(r, "webhook-id"))
		code = request_header(r, "webhook-id", made, e);
	if (code || !p->secret)
		return code;
	snprintf(seconds, sizeof seconds, "%lld", (long long)(now_us / SECOND_US));
	code = secret_sign(p->secret, request_find(r, "webhook-id"), now_us / SECOND_US, r->body.at,
		r->body.n, signature, e);
	if (!code)
		code = request_header(r, "webhook-timestamp", seconds, e);
	return code ? code : request_header(r, "webhook-signature", signature, e);
}

static int dress(struct endpoint *p, struct request *r, const struct alert *a, int64_t now_us,
	struct error *e)
{
	int code = 0;

	/* What the operator wrote beats what the script says. */
	for (size_t i = 0; !code && i < p->n_headers; i++)
		code = request_header(r, p->headers[i].name, p->headers[i].value, e);
	if (!code && !request_find(r, "Content-Type"))
		code = request_header(r, "Content-Type", "application/json", e);
	if (code)
		return code;
	return p->kind->secret == SECRET_SIGN ? sign(p, r, a, now_us, e) : authorise(p, r, e);
}

int endpoint_request(struct endpoint *p, const struct alert *a, int64_t now_us, struct request *ret,
	struct error *e)
{
	struct script_place place = {.endpoint = p->name,
		.secret = p->kind->secret == SECRET_BEARER ? p->secret : NULL,
		.now_us = now_us,
		.resend_us = p->resend_us};
	struct request r;
	int code = script_request(p->script, a, &place, &r, e);

	if (!code) {
		code = dress(p, &r, a, now_us, e);
		if (code)
			request_done(&r);
	}
	if (!code)
		*ret = r;
	return code;
}
