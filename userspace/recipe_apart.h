/* SPDX-License-Identifier: MIT */
/*
 * recipe_apart.h - recipe_sites.h, in a process of its own
 *
 * Libraries read the file's debug information and demangle its names, and a hostile one may have them take any
 * time or memory: a few kilobytes will do. Whatever it makes of them, it has 15 s of CPU time, 40 s in all, and
 * 4 GiB beside the file, and then only that file is refused. The caller waits meanwhile; what that takes counts as
 * cpu_time_here().
 */
#ifndef RECIPE_APART_H
#define RECIPE_APART_H

#include "recipe_sites.h"

/* As recipe_sites_find(), and -EUCLEAN: it took too much. */
int recipe_apart_find(const struct recipes *recipes, const struct recipe_file *file,
		      const struct elfnote *note, struct recipe_sites **out, char *why,
		      size_t why_size);
/* As recipe_sites_check(), which has all the time; what is told comes once it has ended. */
int recipe_apart_check(const struct recipes *recipes, const struct recipe_file *file,
		       const struct elfnote *note, struct recipe_sites **out, char *why,
		       size_t why_size, recipe_problem_fn *problem, void *context);

#endif /* RECIPE_APART_H */
