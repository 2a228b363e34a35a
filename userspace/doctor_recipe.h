/* SPDX-License-Identifier: MIT */
/*
 * doctor_recipe.h - consumers without our probes: does a recipe fit them, can they be probed, are they hit?
 *
 * What it is for is gathered as for `recipe check`; what is found is told as doctor tells all else.
 */
#ifndef DOCTOR_RECIPE_H
#define DOCTOR_RECIPE_H

#include "finding.h"
#include "recipe_check.h"

struct doctor_recipe {
	const struct recipes *recipes;
	pid_t pid;        /* look at what this process maps only; 0: at all of them, or ... */
	const char *path; /* ... at this file; NULL */
	uint64_t for_ns;  /* wait so long for hits; 0: attach nothing */
	bool no_multi;
};

/* All checks in order. 0; -ENOMEM. */
int doctor_recipe_examine(const struct doctor_recipe *d, finding_fn fn, void *context);

#endif /* DOCTOR_RECIPE_H */
