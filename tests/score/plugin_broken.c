/* SPDX-License-Identifier: Apache-2.0
 * Plugins that are wrong in one way each, by -DBROKEN_...: what the host must refuse, or outlive. */
#include "oodd/detector.h"

static int __attribute__((unused)) zero_score(const void *state, const struct oodd_batch *batch, float *scores, uint8_t *status)
{
	(void)state, (void)status;
	for (size_t i = 0; i < batch->n; i++)
		scores[i] = 0;
	return 0;
}

#ifndef NEWER
static const struct oodd_option options[] = {
#ifdef BROKEN_RANGE
	{"k", OODD_OPTION_INT, 50, 1, 10, NULL, "default out of range"},
#else
	{"k", OODD_OPTION_INT, 5, 1, 10, NULL, "a number"},
#endif
	{"half", OODD_OPTION_REAL, 0.5, 0, 1, NULL, "a share"},
	{"loud", OODD_OPTION_BOOL, 0, 0, 0, NULL, "a switch"},
	{"metric", OODD_OPTION_CHOICE, 1, 0, 0, "cosine euclidean", "a word"},
	{0},
};

static const struct oodd_detector zero = {
#ifdef BROKEN_NAME
	.name = "Zero!",
#else
	.name = "zero",
#endif
	.version = "1.0", .summary = "zero", .options = options,
#ifndef BROKEN_SCORE
	.score = zero_score,
#endif
};
#endif

#if defined BROKEN_SYMBOL
extern const struct oodd_detector *const not_a_plugin;
const struct oodd_detector *const not_a_plugin = &zero;
#elif defined BROKEN_ABI
extern const struct oodd_plugin oodd_plugin;
static const struct oodd_detector *const list[] = {&zero};
const struct oodd_plugin oodd_plugin = {OODD_ABI + 1, sizeof zero, "Apache-2.0", 1, list};
#elif defined BROKEN_SHORT
/* Compiled by somebody whose struct ended before explain: never released. */
extern const struct oodd_plugin oodd_plugin;
static const struct oodd_detector *const list[] = {&zero};
const struct oodd_plugin oodd_plugin = {OODD_ABI, 16, "Apache-2.0", 1, list};
#elif defined NEWER
/* Compiled against a header that has since grown: ours reads what it knows. */
struct grown {
	struct oodd_detector known;
	void (*unheard_of)(void);
};
static const struct grown grown = {.known = {.name = "grown", .version = "9", .summary = "from the future", .score = zero_score}};
extern const struct oodd_plugin oodd_plugin;
static const struct oodd_detector *const list[] = {&grown.known};
const struct oodd_plugin oodd_plugin = {OODD_ABI, sizeof grown, "Apache-2.0", 1, list};
#else
OODD_PLUGIN("Apache-2.0", &zero);
#endif
