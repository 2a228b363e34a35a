/* SPDX-License-Identifier: MIT */
/* recipe_words.h - sites of recipes in words: for tables and for JSON */
#ifndef RECIPE_WORDS_H
#define RECIPE_WORDS_H

#include "recipe_sites.h"

const char *recipe_words_call(const struct recipe_rule *rule);  /* submit, poll, end */
const char *recipe_words_place(const struct recipe_site *site); /* entry, return, uretprobe, site */
const char *recipe_words_kernel(const struct recipe_site *site); /* emulated, stepped, uretprobe */

/* Between how many us a hit costs on machines as they are; hit_cost.h measures it on this one. */
struct recipe_cost {
	unsigned int least, most;
};

struct recipe_cost recipe_words_cost(const struct recipe_site *site);

#endif /* RECIPE_WORDS_H */
