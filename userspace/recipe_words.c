/* SPDX-License-Identifier: MIT */
#include "recipe_words.h"

const char *recipe_words_call(const struct recipe_rule *rule)
{
	static const char *const calls[] = { "submit", "poll", "end" };

	return calls[rule->rule.kind];
}

const char *recipe_words_place(const struct recipe_site *site)
{
	static const char *const places[RECIPE_HITS] = { "entry", "return", "jump", "uretprobe",
							 "site" };

	return places[site->hit];
}

const char *recipe_words_kernel(const struct recipe_site *site)
{
	if (site->hit == RECIPE_LEAVE_RETURN)
		return "uretprobe";
	return site->cost == INSN_EMULATED ? "emulated" : "stepped";
}

struct recipe_cost recipe_words_cost(const struct recipe_site *site)
{
	if (recipe_site_costs(site) == PB_HIT_EMULATED)
		return (struct recipe_cost){ 1, 6 };
	return (struct recipe_cost){ 3, 20 };
}
