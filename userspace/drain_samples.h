/* SPDX-License-Identifier: MIT */
/*
 * drain_samples.h - what is new in a histogram of the kernel's
 *
 * Its counts only grow, so what was handed on before is remembered and taken off. Pure.
 */
#ifndef DRAIN_SAMPLES_H
#define DRAIN_SAMPLES_H

#include "hist.h"
#include "pushback_abi.h"

/* What of one histogram was handed on. Zeroed is nothing. */
struct samples_taken {
	struct samples_bucket *buckets; /* in order of their index */
	size_t size, capacity;
	uint64_t total;
};

void samples_free(struct samples_taken *taken);

/*
 * Adds what is new in this part of the histogram to `into`, but not more than `most`; the rest stays
 * new. 0, or -ENOMEM with nothing taken.
 */
int samples_take(struct samples_taken *taken, unsigned int part, const struct pb_hist *counts,
		 uint64_t most, struct hist *into);

#endif /* DRAIN_SAMPLES_H */
