/* SPDX-License-Identifier: MIT */
/*
 * drain_samples.h - what is new in a histogram of the kernel's
 *
 * Its counts only grow, so what was handed on before is remembered and taken off. Pure.
 */
#ifndef DRAIN_SAMPLES_H
#define DRAIN_SAMPLES_H

#include "hist.h"
#include "keep.h"
#include "pushback_abi.h"

/* What one histogram has, as it was read last, and what of it was handed on. Zeroed is nothing. */
struct samples {
	struct samples_bucket *buckets; /* in order of their index */
	size_t size, capacity;
	uint64_t total; /* handed on */
};

void samples_free(struct samples *samples);

/* This part of the histogram as it is now. 0, or -ENOMEM with some of its buckets left as they were. */
int samples_read(struct samples *samples, unsigned int part, const struct pb_hist *counts);

/*
 * Adds what was read and not yet handed on to `into`, but not more than `most`; the rest is for the
 * next time. 0, or -ENOMEM with no more taken than was added.
 */
int samples_hand_on(struct samples *samples, uint64_t most, struct hist *into);

/* One of which is known, without reading it, that it went in and was not handed on. 0 or -ENOMEM. */
int samples_pass(struct samples *samples, unsigned int index, uint32_t weight, struct hist *into);

/* What was handed on, for the next agent, and into zeroed ones. -ENOMEM, or -EBADMSG. */
void samples_save(const struct samples *samples, struct keep_writer *w);
int samples_load(struct samples *samples, struct keep_reader *r);

#endif /* DRAIN_SAMPLES_H */
