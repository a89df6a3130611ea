/* SPDX-License-Identifier: Apache-2.0
 * See member.h. */
#include "base/member.h"

#include "base/clock.h"

#include <string.h>

void member_key(struct buf *to, const char *key)
{
	buf_text(to, to->n && to->at[to->n - 1] != '{' ? ",\"" : "\"");
	buf_text(to, key);
	buf_text(to, "\":");
}

void member_text(struct buf *to, const char *key, const char *text)
{
	member_key(to, key);
	if (text)
		buf_json_text(to, text, strlen(text));
	else
		buf_text(to, "null");
}

void member_number(struct buf *to, const char *key, double x)
{
	member_key(to, key);
	buf_json_number(to, x);
}

void member_whole(struct buf *to, const char *key, int64_t x)
{
	member_key(to, key);
	if (x > -(INT64_C(1) << 49) && x < INT64_C(1) << 49) /* a double, told in full */
		buf_json_number(to, (double)x);
	else
		buf_format(to, "%lld", (long long)x);
}

void member_bool(struct buf *to, const char *key, bool x)
{
	member_key(to, key);
	buf_text(to, x ? "true" : "false");
}

void member_time(struct buf *to, const char *key, int64_t us)
{
	char text[32];

	member_text(to, key, us == TIME_NONE ? NULL : time_format(us, text, sizeof text));
}
