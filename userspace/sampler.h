/* SPDX-License-Identifier: MIT */
/*
 * sampler.h - enter marks, seen 20 times a second in the memory of the consumers
 *
 * Less often where that would take more than a quarter of a percent of a core of our own CPU time:
 * from some hundred steps on, and at least twice a second. All are looked at together, so many
 * steps of one process mean fewer samples for the others too. Busy time and shares stay what they are,
 * each sample stands for more.
 *
 * One process_vm_readv(2) a process and sample (of at most 512 steps), whether it is on a CPU or
 * not, through another of its threads where the first does not do; none of one that has not run for a
 * second. Knows its steps from the records
 * of the last drain. Not thread-safe.
 */
#ifndef SAMPLER_H
#define SAMPLER_H

#include <sys/types.h>

#include "model.h"

struct sampler;

/* NULL when out of memory. */
struct sampler *sampler_new(void);
void sampler_free(struct sampler *s);

/* The steps to look at from now on: between begin and end, a call for every living one. */
void sampler_begin(struct sampler *s);
/* 0 or -ENOMEM: then this one is left out. */
int sampler_add(struct sampler *s, const struct record *record);
void sampler_end(struct sampler *s);

/* When the next sample is due; at random, so that no consumer's own period hides from it. */
uint64_t sampler_due(const struct sampler *s);
/* Looks at all of them and tells the model, as of `now` (the present). What cannot be read is passed over. */
void sampler_run(struct sampler *s, struct model *m, uint64_t now);

#endif /* SAMPLER_H */
