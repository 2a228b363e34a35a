/* SPDX-License-Identifier: MIT */
/* slots.h - what `slots` knows of itself, in a file that others map */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdint.h>

#define SLOTS_LENGTHS 48

struct slots {
	uint64_t accepted, rejected;
	uint64_t episodes;
	uint64_t open_since; /* ns of CLOCK_MONOTONIC; 0: none is */
	/* Episodes of 2^(i/2) ns up to the next. */
	uint64_t lengths[2 * SLOTS_LENGTHS];
};

#endif /* SLOTS_H */
