/* SPDX-License-Identifier: MIT */
/*
 * hit_cost.h - what a hit of a probe costs on this machine, by where it stands
 *
 * Measured, not looked up: it is 1 us where the instruction is emulated and the machine real, and 20 us
 * where it has to be single-stepped on a virtual one. A child of our own calls small functions that are
 * probed with the real programs, a step that is watched included.
 */
#ifndef HIT_COST_H
#define HIT_COST_H

#include <stdint.h>

#include "recipe_sites.h"

struct hit_cost {
	uint64_t ns[PB_HITS]; /* of one hit; PB_HIT_RETURN is without the hit at the entry */
};

/*
 * Takes a second or two, and is for who may attach. 0; -errno with one line in `why`, which is of
 * ATTACH_WHY_SIZE.
 */
int hit_cost_measure(struct hit_cost *out, char *why);

/* Of one hit of this site. */
uint64_t hit_cost_of(const struct hit_cost *cost, const struct recipe_site *site);

#endif /* HIT_COST_H */
