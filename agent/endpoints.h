/* SPDX-License-Identifier: Apache-2.0
 * The configuration's endpoints as deliver/ wants them. */
#ifndef ENDPOINTS_H
#define ENDPOINTS_H

#include "config.h"
#include "base/buf.h"
#include "deliver/endpoint.h"

/* One for each endpoint; borrows the configuration. endpoints_free. */
struct endpoint_options *endpoints_of(const struct config *c);
void endpoints_free(struct endpoint_options *o, size_t n);
/* Opens each and closes it again: scripts, secrets, certificates. Mistakes to `errors`; how many. */
size_t endpoints_check(const struct config *c, struct buf *errors);

#endif
