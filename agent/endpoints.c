/* SPDX-License-Identifier: Apache-2.0
 * Endpoints: from settings to what the courier is given. */
#include "endpoints.h"

#include "base/mem.h"
#include "base/place.h"

#include <stdlib.h>

struct endpoint_options *endpoints_of(const struct config *c)
{
	struct endpoint_options *o = mem_zero(c->n_endpoints, sizeof *o);

	for (size_t i = 0; i < c->n_endpoints; i++) {
		const struct endpoint_config *e = &c->endpoints[i];
		struct pair *headers = mem_zero(e->n_headers, sizeof *headers);

		for (size_t h = 0; h < e->n_headers; h++)
			headers[h] = (struct pair){e->headers[h].name, e->headers[h].value};
		o[i] = (struct endpoint_options){
			.name = e->name, .where = e->where, .kind = e->kind, .script = e->script, .url = e->url, .path = e->path,
			.secret_file = e->secret_file, .ca_file = e->ca_file, .headers = headers, .n_headers = e->n_headers,
			.timeout_us = e->timeout_us, .resend_us = e->resend_us, .expire_us = e->expire_us, .at_once = e->at_once,
		};
	}
	return o;
}

void endpoints_free(struct endpoint_options *o, size_t n)
{
	for (size_t i = 0; o && i < n; i++)
		free((void *)o[i].headers);
	free(o);
}

size_t endpoints_check(const struct config *c, struct buf *errors)
{
	struct endpoint_options *o = endpoints_of(c);
	char *dir = place_script("endpoints");
	size_t mistakes = 0;

	for (size_t i = 0; i < c->n_endpoints; i++) {
		struct endpoint *opened = NULL;
		struct error e = {0};

		if (endpoint_open(&o[i], (const char *const *)&dir, 1, &opened, &e)) {
			buf_format(errors, "%s\n", e.text);
			mistakes++;
		}
		endpoint_close(opened);
	}
	free(dir);
	endpoints_free(o, c->n_endpoints);
	return mistakes;
}
