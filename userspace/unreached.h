/* SPDX-License-Identifier: MIT */
/*
 * unreached.h - says that nothing gets to where a sink sends
 *
 * A server that restarts is none of it. One that was never reached is told of at the second flush, as
 * its address may be wrong; one that is gone after a minute. And that it is there again.
 */
#ifndef UNREACHED_H
#define UNREACHED_H

#include "sink.h"

/* Zeroed to begin with. */
struct unreached {
	struct {
		uint64_t since; /* the first flush of which nothing arrived, 0: the last one did */
		bool was_reached;
		bool told;
	} of[SINKS_MAX];
};

/* To be called after each flush but the last. */
void unreached_say(struct unreached *u, struct sink *const *sinks, size_t count, uint64_t now);

#endif /* UNREACHED_H */
