/* SPDX-License-Identifier: MIT */
/*
 * guard.h - sees to it that what is watched is not slowed by more than its budget
 *
 * Hits are counted in the kernel, and what one costs was measured here; see budget.h. A file whose probes
 * take more than their share is watched for a part of the time. That is said in a line when it begins and
 * when it ends, and steps that are met meanwhile are marked. Not thread-safe.
 */
#ifndef GUARD_H
#define GUARD_H

#include "attach.h"
#include "budget.h"

struct guard;

struct guard_options {
	struct budget_rules rules;
	bool own; /* also files that have our probes only */
	/* Its sites are gone: the last is to be read of the steps that it told of. */
	void (*paused)(int number, void *context);
	void *context;
};

/* The attach stays the caller's. NULL when out of memory. */
struct guard *guard_new(struct attach *attach, const struct guard_options *options);
void guard_free(struct guard *g);

/* When to call guard_run(), ns of CLOCK_MONOTONIC; UINT64_MAX for NULL. */
uint64_t guard_due(const struct guard *g);
void guard_run(struct guard *g, uint64_t now);
/* How many files are watched for a part of the time now. */
size_t guard_partly(const struct guard *g);
/* For which part of the time, 0 to 1; of several the least; 1: there is none. */
double guard_part(const struct guard *g);

#endif /* GUARD_H */
