/* SPDX-License-Identifier: MIT */
/*
 * compare.h - two sides of one consumer, step by step: two processes, or two builds
 *
 * A *side* is all that is told of as of it: its steps by their names, all of a name taken together. The
 * time is cut into COMPARE_PARTS; two sides differ in a measure only where all parts of the one are above
 * all parts of the other, and by so much that it matters. That assumes nothing of how a measure scatters;
 * of 90,000 that do not differ one is said to, if what one part shows tells nothing of the next. Pure: no libbpf, no I/O, no clock. Not
 * thread-safe.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include "model.h"

#define COMPARE_SIDES       2
#define COMPARE_PARTS       10
#define COMPARE_PARTS_LEAST 5    /* in so many each side was watched, else nothing is claimed */
#define COMPARE_SHARE       0.01 /* what matters of a share, */
#define COMPARE_RATE        0.05 /* and of a rate, relative to the larger one */

enum compare_measure {
	COMPARE_ACCEPTED, /* messages a second and instance */
	COMPARE_REFUSING, /* shares of the time: it refuses, */
	COMPARE_SELF,     /* and is not blocked itself; */
	COMPARE_BLOCKED,  /* it is refused by what is behind it; */
	COMPARE_BUSY, /* a thread is inside it and in no step behind it: by samples, with marks */
	COMPARE_MEASURES,
};

extern const char *const compare_names[COMPARE_MEASURES];

/* What a step is on one side: all instances together. */
struct compare_sum {
	uint64_t counter[COUNTERS]; /* ns or counts, while it was watched */
	uint64_t watched_ns;        /* of several instances their sum; 0: it is not on this side */
	size_t instances;
	bool partly; /* one was watched for a part of the time only */
	bool marks;  /* one has enter marks: busy is known */
	double value[COMPARE_MEASURES];
};

struct compare_step {
	const char *name; /* as the consumer wrote it */
	struct compare_sum side[COMPARE_SIDES];
	/* Of the second side, held against the first: -1 less, 1 more, 0: not told apart. */
	int differs[COMPARE_MEASURES];
};

struct compare;

/* NULL when out of memory. */
struct compare *compare_new(void);
void compare_free(struct compare *c);

/*
 * An instance's record on `side`, with what it has counted by `now`; told again it replaces what it was,
 * unless what it counts began anew. `level`: as a step_view has it, or COMPARE_LEVEL_SAME. 0 or -ENOMEM:
 * nothing is to be compared.
 */
#define COMPARE_LEVEL_SAME SIZE_MAX
int compare_record(struct compare *c, int side, const struct record *record, size_t level,
		   uint64_t now);
/* All records are as of the end of part `part` (0 to COMPARE_PARTS - 1; each once, in order). */
void compare_part(struct compare *c, size_t part);

/*
 * All steps, in the order of a pipeline. Valid until the next call that is not const. NULL with *count 0
 * where there are none, with another count when out of memory.
 */
const struct compare_step *compare_steps(struct compare *c, size_t *count);
/*
 * Of `count` steps the one that stands out on `side`: whose own time (self, or busy) is most above that
 * of the other side; if there is none, its refusing time, then its blocked time. NULL: none does.
 * *measure is by which.
 */
const struct compare_step *compare_most(const struct compare_step *steps, size_t count, int side,
					enum compare_measure *measure);

#endif /* COMPARE_H */
