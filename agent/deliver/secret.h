/* SPDX-License-Identifier: Apache-2.0
 * Secrets: read from a file that others cannot read, never logged, wiped when no longer needed; and
 * what is made of them. */
#ifndef DELIVER_SECRET_H
#define DELIVER_SECRET_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define SECRET_LIMIT 4096

/* The one line of the file, without its line break. -EPERM when others may read or write it or its
 * group may write it. *ret is freed with secret_wipe. */
int secret_read(const char *path, char **ret, struct error *e);
void secret_wipe(char *secret); /* accepts NULL; frees */

/* Standard Webhooks 1.0 (standardwebhooks.com): "v1," and the base64 of HMAC-SHA256(key,
 * "id.seconds.body"). A secret "whsec_..." is the base64 of its key, any other is the key itself.
 * 0, or -EINVAL when what follows whsec_ is not base64. */
int secret_sign(const char *secret, const char *id, int64_t seconds, const void *body, size_t n,
	char to[64], struct error *e);

#endif
