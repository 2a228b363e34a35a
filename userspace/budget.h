/* SPDX-License-Identifier: MIT */
/*
 * budget.h - what the probes of one file may take of a core, and when it is watched
 *
 * In no ten seconds more than `share` of them: before the hits would take more the file is to be paused,
 * until it is some less again. And an allowance, as of water in a bucket, that fills by `share` of the
 * time and that each hit takes its cost out of: what was taken too much at once is waited for. What takes
 * less than its share is never paused; what takes all of a core with a share of 5 % is watched for half a
 * second in each ten. Pure.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "pushback_abi.h"

#define BUDGET_SLOTS 21 /* of half a second: ten seconds, and the one that it is in */

/* Hits cost more than in the loop that they were measured in, where all is in caches. */
#define BUDGET_IN_USE 1.2

struct budget_rules {
	double share;              /* of one core */
	uint64_t cost_ns[PB_HITS]; /* of a hit, by its kind */
};

struct budget {
	uint64_t at; /* of the last look, ns; 0: there was none */
	uint64_t hits[PB_HITS];
	double left_ns;
	uint64_t slot;             /* number of the present one, since the clock's beginning */
	float slots[BUDGET_SLOTS]; /* what was taken in each, ns */
	bool paused;
	bool partly; /* it was paused before, and may be again */
	/* Since it was attached or resumed last: what a pause is said with. */
	double cost_ns;
	uint64_t hit_count;
	uint64_t run_ns;
	/* Since it is watched partly: for how long it was. */
	uint64_t watched_ns, passed_ns;
	double expected;  /* of the time, by what it took when it was paused first */
	uint64_t calm_ns; /* for how long it has taken less than half of its share */
};

enum budget_turn {
	BUDGET_STAYS,
	BUDGET_PAUSE,
	BUDGET_RESUME,
	BUDGET_WHOLE, /* it has been cheap for a minute: it is to be watched all the time again */
};

/* `hits` are all so far. What it says is taken to be done; budget_failed(): it could not. */
enum budget_turn budget_look(struct budget *b, const struct budget_rules *rules, uint64_t now,
			     const uint64_t hits[PB_HITS]);
/* It could not be resumed: once more in a while. */
void budget_failed(struct budget *b);

/* Of a core while it is watched; hits a second; and for which part of the time it is. */
double budget_load(const struct budget *b);
double budget_rate(const struct budget *b);
double budget_part(const struct budget *b);

#endif /* BUDGET_H */
