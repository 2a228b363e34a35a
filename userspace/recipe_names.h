/* SPDX-License-Identifier: MIT */
/*
 * recipe_names.h - which variants of an enum mean what, where debug information tells them apart
 *
 * Those of arroyo's Result<(), SubmitError<T>> where nothing else is said: Ok, MessageRejected and
 * InvalidMessage. Pure.
 */
#ifndef RECIPE_NAMES_H
#define RECIPE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECIPE_OUTCOMES 5 /* PB_OUTCOME_UNKNOWN is one of them */

struct recipe_names {
	char *lists[RECIPE_OUTCOMES]; /* of names, each followed by a comma; NULL: the usual */
	int unnamed;                  /* what all others mean, -1: nothing */
};

void recipe_names_init(struct recipe_names *n);
void recipe_names_free(struct recipe_names *n);

/*
 * Takes the names and "other" out of "Ok, 0, 3..5": what is left of it, and "other" again, goes to `rest`,
 * which is as large as `text`. NULL, or what is wrong.
 */
const char *recipe_names_take(struct recipe_names *n, const char *text, uint32_t outcome,
			      char *rest);

/* The outcome that a variant's name means, -1: none of its own. `context` are struct recipe_names. */
int recipe_names_mean(const char *variant, void *context);

/* The first name of an outcome that has to be met in a type. */
const char *recipe_names_first(const struct recipe_names *n, uint32_t outcome, char *out,
			       size_t size);

#endif /* RECIPE_NAMES_H */
