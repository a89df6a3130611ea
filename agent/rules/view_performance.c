/* SPDX-License-Identifier: Apache-2.0
 * s.performance: a plain table of what is known, made when a rule asks. What is not known is nil, so that a rule that compares
 * must say what it does without. */
#include "rules/rule.h"

#include <math.h>

static void set_number(lua_State *L, const char *name, double x)
{
	if (isnan(x))
		return;
	lua_pushnumber(L, x);
	lua_setfield(L, -2, name);
}

static void set_share(lua_State *L, const char *name, const char *low, const char *high, const struct performance_share *x)
{
	set_number(L, name, x->at);
	set_number(L, low, x->low);
	set_number(L, high, x->high);
}

static void set_count(lua_State *L, const char *name, int64_t n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, name);
}

void view_performance(lua_State *L, struct rule_file *f, const void *of)
{
	const struct performance_signal *p = &((const struct signal *)of)->performance;

	(void)f;
	sandbox_spend(L, 64);
	lua_createtable(L, 0, 27);
	lua_pushstring(L, performance_basis_words[p->known ? p->basis : PERFORMANCE_NONE]);
	lua_setfield(L, -2, "basis");
	if (!p->known)
		return;
	set_count(L, "n", p->n);
	set_number(L, "reference", p->reference);
	set_share(L, "atc", "atc_low", "atc_high", &p->atc);
	set_share(L, "cbpe", "cbpe_low", "cbpe_high", &p->cbpe);
	set_number(L, "gap", p->gap);
	set_number(L, "gap_z", p->gap_z);
	lua_pushboolean(L, p->novel);
	lua_setfield(L, -2, "novel");
	set_number(L, "confidence_before", p->confidence_before);
	set_number(L, "confidence", p->confidence);
	set_share(L, "realised", "realised_low", "realised_high", &p->realised);
	set_count(L, "n_labels", p->n_labels);
	set_count(L, "n_right", p->n_right);
	set_count(L, "n_mislabelled", p->n_mislabelled);
	lua_pushboolean(L, p->checked.contradicted);
	lua_setfield(L, -2, "contradicted");
	set_share(L, "error", "error_low", "error_high", &(struct performance_share){p->checked.error, p->checked.low, p->checked.high});
	set_share(L, "corrected", "corrected_low", "corrected_high", &p->checked.corrected);
}
