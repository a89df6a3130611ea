/* SPDX-License-Identifier: Apache-2.0
 * A line of JSON into a row. Only for decode.c. */
#ifndef INPUT_DECODE_JSON_H
#define INPUT_DECODE_JSON_H

#include "input/decode_row.h"
#include "input/decode_shape.h"
#include "input/json.h"
#include "input/pointer.h"

struct json_reader {
	struct json json;
	struct row *row;
	const struct place *places;
	struct shapes shapes;
};

void json_reader_open(struct json_reader *r, struct row *row, const struct place *places, unsigned deepest);
void json_reader_done(struct json_reader *r);
/* The object at p, into the row: behind its '}', or NULL with r->json telling why. */
const char *json_reader_object(struct json_reader *r, const char *p);

#endif
