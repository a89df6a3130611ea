/* SPDX-License-Identifier: Apache-2.0
 * One line of JSON by agent/input/json.h, as a list of what stands in it: for comparison with other readers. */
#ifndef TESTS_INPUT_JSON_WALK_H
#define TESTS_INPUT_JSON_WALK_H

#include "base/buf.h"
#include "input/json.h"

/* at[0..n) is a value without a newline. Appends, each with a blank behind it: "{" "}" "[" "]", numbers as "d" and the 16 hex
 * digits of the double, text and keys as "s" and the hex of their UTF-8, "true" "false" "null". JSON_FINE, or what is wrong. */
enum json_wrong json_walk(const char *at, size_t n, struct buf *to);
/* An array of numbers by json_floats; false: not one. Appends the floats. */
bool json_walk_floats(const char *at, size_t n, struct buf *to);

#endif
