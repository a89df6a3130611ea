/* SPDX-License-Identifier: Apache-2.0
 * Floats as unsigned numbers of the same order, so that they can be counted in bins, or searched for by halving a range: the bits of
 * a float are ordered already, but for those below zero, which are turned round. */
#ifndef ALGEBRA_ORDER_H
#define ALGEBRA_ORDER_H

#include <stdint.h>
#include <string.h>

#define ORDER_LEAST 0x007fffffu /* of -INFINITY */
#define ORDER_MOST 0xff800000u  /* of INFINITY */

static inline uint32_t order_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline float order_float(uint32_t order)
{
	uint32_t bits = order & 0x80000000u ? order ^ 0x80000000u : ~order;
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

#endif
