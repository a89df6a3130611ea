/* SPDX-License-Identifier: Apache-2.0 */
#include "input/decode_private.h"

void msgpack_run(struct decoder *d, const char *at, size_t n, uint64_t offset, bool skipping, bool final, struct decoded *to)
{
	(void)d; (void)skipping; (void)final;
	if (n)
		decoded_reject(to, at, offset, n, n, REJECT_SYNTAX, "msgpack is not read yet");
	to->consumed = n;
}
