/* SPDX-License-Identifier: MIT */
/* drain_map.h - all entries of the map of steps, read with few calls */
#ifndef DRAIN_MAP_H
#define DRAIN_MAP_H

#include <stdbool.h>

#include "pushback_abi.h"

/* Zeroed but for `fd`. In the map's own order, which is the same as long as its keys are. */
struct drain_map {
	int fd; /* the attach's */
	struct pb_step_key *keys;
	struct pb_step *values;
	size_t count, capacity;
	bool no_batch;
};

/*
 * Reads it all; entries may be torn. 0; -ENOMEM with those that there was room for; or another -errno
 * that the kernel says.
 */
int drain_map_read(struct drain_map *m);
void drain_map_free(struct drain_map *m);

#endif /* DRAIN_MAP_H */
