/* SPDX-License-Identifier: MIT */
/*
 * stuck.h - steps that are stuck: told of once a spell has lasted so long, and at its end
 *
 * Of series, as sinks see them: the longest spell of all instances, in either direction. A step that is
 * refused by what is behind it is held up, whether it refuses or not; one that only refuses is where to
 * look. Pure: no I/O, no clock. Not thread-safe.
 */
#ifndef STUCK_H
#define STUCK_H

#include "model.h"

struct stuck;

struct stuck_news {
	const char *process, *step; /* as the consumer wrote them; valid during the call */
	const char *tags;           /* as series.tags */
	bool held_up;
	bool ended;  /* neither direction has a spell any more */
	bool gone;   /* ended, for no instance is left */
	uint64_t ns; /* how long it lasts, or has lasted as of the last look at it */
};

typedef void stuck_fn(const struct stuck_news *news, void *context);

/* Spells of `ns` and more. NULL when out of memory. */
struct stuck *stuck_new(uint64_t ns);
void stuck_free(struct stuck *s);
/* Once a drain is complete. Of several those come first that are not held up. What there is no memory for is told of by a later look. */
void stuck_look(struct stuck *s, const struct model *m, stuck_fn *fn, void *context);

#endif /* STUCK_H */
