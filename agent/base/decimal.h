/* SPDX-License-Identifier: Apache-2.0
 * A double as the decimal that reads back as itself, for JSON: a signal holds two hundred of them. Pure; any thread. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stddef.h>

#define DECIMAL_ROOM 40

/* Into to[DECIMAL_ROOM], x finite: as printf's "%.15g" if that reads back, else as "%.16g" or "%.17g". Returns the length. */
size_t decimal_write(double x, char *to);

#endif
