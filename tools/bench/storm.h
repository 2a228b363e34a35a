/* SPDX-License-Identifier: MIT */
/* storm.h - what the storm knows of itself, in a file that all of its processes map */
#ifndef STORM_H
#define STORM_H

#include <stdint.h>

#define STORM_RECORDS 8192
#define STORM_NAME    24

struct storm_direction {
	uint64_t closed;
	uint64_t partial;
	uint64_t abandoned;
	uint64_t low_ns; /* time in backpressure is at least, at most this */
	uint64_t high_ns;
	uint64_t open_low; /* what is open began between these; 0: nothing is */
	uint64_t open_high;
};

/* A step name in one image of one process; only the thread that drives its steps writes here. */
struct storm_record {
	uint64_t pid;
	char step[STORM_NAME];
	uint64_t accepted;
	uint64_t rejected;
	uint64_t forwarded;
	uint64_t refused;
	uint64_t returns;
	uint64_t edges;
	uint64_t instances;
	struct storm_direction direction[2];
	uint64_t self_low_ns;
	uint64_t self_high_ns;
	uint64_t gone_low; /* its image ended between these; 0: it ended all of its steps itself */
	uint64_t gone_high;
};

struct storm_truth {
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t processes; /* images that began: the storm itself, forks, execs */
	uint64_t used;
	struct storm_record records[STORM_RECORDS];
};

#endif /* STORM_H */
