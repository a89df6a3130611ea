#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each public header stands alone, may come twice, pleases strict compilers of C and C++, and lays its structs out as ABI 1 says.
tree=${OODD_TREE:-$(dirname "$0")/..}
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
failed=0
check() { # compiler, language flags, source
	$1 $2 -Wall -Wextra -Wpedantic -Werror -I"$tree/include" -fsyntax-only "$3" || { echo "FAILED $1 $2: $3"; failed=1; }
}
for header in "$tree"/include/oodd/*.h; do
	name=$(basename "$header" .h)
	printf '#include "oodd/%s.h"\n#include "oodd/%s.h"\nint main(void) { return 0; }\n' "$name" "$name" >"$work/$name.c"
	cp "$work/$name.c" "$work/$name.cc"
	check "${CC:-cc}" -std=c11 "$work/$name.c"
	check "${CC:-cc}" -std=c17 "$work/$name.c"
	check "${CXX:-c++}" -std=c++11 "$work/$name.cc"
	check "${CXX:-c++}" -std=c++20 "$work/$name.cc"
done

# A plugin in each language, and the layout that two compilers share.
cat >"$work/plugin.c" <<'END'
#include "oodd/detector.h"
#ifndef __cplusplus
#define static_assert _Static_assert
#endif
static_assert(sizeof(void *) != 8 || sizeof(struct oodd_option) == 56, "options are an array");
static_assert(sizeof(struct oodd_reason) == 24, "reasons are an array");
static_assert(sizeof(void *) != 8 || sizeof(struct oodd_matrix) == 16, "batch");
static_assert(sizeof(void *) != 8 || sizeof(struct oodd_numeric) == 16, "columns are arrays");
static_assert(sizeof(void *) != 8 || sizeof(struct oodd_category) == 24, "columns are arrays");
static_assert(offsetof(struct oodd_plugin, abi) == 0 && offsetof(struct oodd_plugin, size) == 4, "first, for ever");
static_assert(sizeof(void *) != 8 || offsetof(struct oodd_detector, explain) == 72, "only ever appended");
static_assert(sizeof(void *) != 8 || offsetof(struct oodd_detector, rows) == 80, "only ever appended");
static_assert(sizeof(void *) != 8 || offsetof(struct oodd_detector, width) == 88, "only ever appended");
static_assert(sizeof(void *) != 8 || sizeof(struct oodd_shift) == 32, "shifts are an array");
static_assert(sizeof(void *) != 8 || sizeof(struct oodd_comparison) == 32 + 8 * 32, "handed over by the host");
static_assert(sizeof(void *) != 8 || offsetof(struct oodd_batch, hash) == 104, "only ever appended");
static_assert(sizeof(void *) != 8 || offsetof(struct oodd_host, alloc) == 32, "only ever appended");
static_assert(sizeof(void *) != 8 || offsetof(struct oodd_batch, logits_normalised) == 100, "only ever appended");
static int zero(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	(void)state, (void)status;
	for (size_t i = 0; i < batch->n; i++)
		scores[i] = 0;
	return 0;
}
static const struct oodd_option options[] = {{"k", OODD_OPTION_INT, 5, 1, 10, NULL, "a number"}, {NULL, 0, 0, 0, 0, NULL, NULL}};
static const struct oodd_detector detector = {"zero", "1.0", "zero", OODD_NEEDS_LOGITS, options, NULL, NULL, NULL, zero, NULL, NULL, NULL, NULL, NULL};
OODD_PLUGIN("Apache-2.0", &detector);
END
cp "$work/plugin.c" "$work/plugin.cc"
check "${CC:-cc}" -std=c11 "$work/plugin.c"
check "${CXX:-c++}" -std=c++11 "$work/plugin.cc"
exit $failed
