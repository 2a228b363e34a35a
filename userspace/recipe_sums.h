/* SPDX-License-Identifier: MIT */
/*
 * recipe_sums.h - what hit the sites of a recipe, per step, and what that says of the recipe
 *
 * A recipe is wrong where there were calls and not one told anything: no result was accepted, rejected or
 * handed on, each was invalid, unknown or could not be read. One that tells something may still be
 * doubtful. Pure.
 */
#ifndef RECIPE_SUMS_H
#define RECIPE_SUMS_H

#include "recipe_check.h"

/* All of a step in one file: of one name, where a step of the recipe has those of its functions. */
struct checked_step {
	const char *name;
	uint32_t number;
	uint64_t hits;        /* of any of its sites */
	bool others_hit;      /* those of another name were, in the same step of the recipe */
	uint64_t calls[3];    /* by enum pb_rule_kind: entries, and hits of sites that tell all */
	uint64_t returns;     /* hits where functions that are submits return */
	uint64_t unread;      /* hits whose values could not be read */
	uint64_t unknown;     /* ... or were none that the function can return */
	uint64_t unplaced[3]; /* by kind: of the unread, those where a function begins */
	uint64_t untold[3];   /* by kind: all others of both */
	uint64_t outcomes[4]; /* of submits */
	uint64_t polled;      /* polls that said whether they are ready, */
	uint64_t ready;       /* and those that were */
	uint64_t cost_ns[3];  /* of one call, the dearest way through it; 0: it has none */
};

/* Fills in `out`, of RECIPE_RULES_MAX; how many. `cost` may be NULL. */
size_t recipe_sums(const struct checked_file *file, const struct hit_cost *cost,
		   struct checked_step *out);

enum recipe_judgement {
	RECIPE_RIGHT,    /* nothing speaks against it */
	RECIPE_DOUBTFUL, /* it tells something, and something was odd; or nothing hit it */
	RECIPE_WRONG,
};

/* With a line in `why`, but for RECIPE_RIGHT. */
enum recipe_judgement recipe_judge(const struct checked_step *step, char *why, size_t why_size);

#endif /* RECIPE_SUMS_H */
