/* SPDX-License-Identifier: MIT */
/* drain_durations.h - a step's new durations, read from the map of histograms */
#ifndef DRAIN_DURATIONS_H
#define DRAIN_DURATIONS_H

#include <stdbool.h>

#include "drain_samples.h"
#include "hist.h"
#include "pushback_abi.h"

/* A step's. Zeroed is none. */
struct durations {
	struct samples samples[2];
	unsigned int part[2]; /* that had some the last time */
};

void durations_free(struct durations *seen);
/* All that `e` has were handed on. */
bool durations_are_told(const struct durations *seen, const struct pb_step *e);

/* An entry of the map. -ENOMEM: it is to be read once more. */
int durations_read(struct durations *seen, const struct pb_hist_key *key,
		   const struct pb_hist *counts);

/*
 * Makes `into` those that are new as of `e`, the step's entry. Where those that were read do not
 * suffice the map is asked. 0, or -ENOMEM with none.
 */
int drain_durations(struct durations *seen, int hists, const struct pb_step_key *step,
		    const struct pb_step *e, int direction, struct hist *into);

#endif /* DRAIN_DURATIONS_H */
