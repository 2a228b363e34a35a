/* SPDX-License-Identifier: MIT */
/* cmd_recipe.h - the verbs within `pushback recipe`; each is a file of its own */
#ifndef CMD_RECIPE_H
#define CMD_RECIPE_H

#include "opts.h"

extern const struct verb verb_recipe_check;
extern const struct verb verb_recipe_suggest;

#endif /* CMD_RECIPE_H */
