/* SPDX-License-Identifier: MIT */
/*
 * recipe_target.h - whether a file is what a recipe's target means
 *
 * By what it is called, and by what it is: a path without * leads to a file, through symbolic links and ..,
 * in the mount namespace of who maps it.
 */
#ifndef RECIPE_TARGET_H
#define RECIPE_TARGET_H

#include <sys/types.h>

#include "recipe.h"

struct recipe_file {
	int fd;           /* of the file, open */
	const char *path; /* what maps calls it, or as somebody has given it */
	pid_t pid;        /* who maps it; 0: somebody has given it */
};

/* Of any build. */
bool recipe_target_is(const struct recipe_target *target, const struct recipe_file *file);

/* The first target that it is, or NULL. */
const struct recipe_target *recipe_target_of(const struct recipes *recipes,
					     const struct recipe_file *file);

/*
 * Why nothing of a file or process that was given is probed: it is no target. One line in `why`; `and` is
 * what else is wrong with it, "has no X and ".
 */
void recipe_target_explain(const struct recipes *recipes, const char *path, const char *and,
			   char *why, size_t why_size);
void recipe_target_explain_process(const struct recipes *recipes, pid_t pid, char *why,
				   size_t why_size);

/* What is wrong with a file of another build. Returns `out`. */
#define RECIPE_TARGET_TEXT 256
const char *recipe_target_other_build(const struct elfnote *note, char out[RECIPE_TARGET_TEXT]);

/* What may be wrong where there is no such function. */
const char *recipe_where_hint(const struct recipe_where *where);

#endif /* RECIPE_TARGET_H */
