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

/* Why nothing of a file that was given is probed: no target is it. One line in `why`. */
void recipe_target_explain(const struct recipes *recipes, const char *path, char *why,
			   size_t why_size);

#endif /* RECIPE_TARGET_H */
