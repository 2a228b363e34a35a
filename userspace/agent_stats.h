/* SPDX-License-Identifier: MIT */
/*
 * agent_stats.h - the observer about itself: losses, targets, room in the kernel's maps, CPU, memory
 *
 * Reads /proc/self and what the others have counted; no map is walked for it.
 */
#ifndef AGENT_STATS_H
#define AGENT_STATS_H

#include "attach.h"
#include "drain.h"
#include "sink.h"
#include "watch.h"

/*
 * Fills all but what is of the last drain, and who is silent. What cannot be read is 0. `undecided`: of
 * how many processes it was not found out whether they are meant.
 */
void agent_stats_count(struct agent_stats *stats, struct drain *d, const struct watch *w,
		       const struct attach *a, uint64_t undecided);

#endif /* AGENT_STATS_H */
