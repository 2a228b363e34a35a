/* SPDX-License-Identifier: MIT */
/* sinks.h - all sinks of a run at once, at most SINKS_MAX: what they wait for, and whose turn it is */
#ifndef SINKS_H
#define SINKS_H

#include "sink.h"

#define SINKS_FDS (SINKS_MAX * SINK_FDS)

/* What each of them waits for: in the array, up to there. */
struct sinks_wakers {
	size_t end[SINKS_MAX];
};

void sinks_drained(struct sink *const *sinks, size_t count, const struct model *m, uint64_t now);
/* Fills `fds` (SINKS_FDS of them) before a wait; how many there are. */
size_t sinks_gather(struct sinks_wakers *w, struct sink *const *sinks, size_t count,
		    struct pollfd *fds);
/* After it: only those that were woken; the others' turn comes at its time. */
void sinks_poll_woken(const struct sinks_wakers *w, struct sink *const *sinks, size_t count,
		      const struct pollfd *fds, uint64_t now);
void sinks_poll(struct sink *const *sinks, size_t count, uint64_t now);

#endif /* SINKS_H */
