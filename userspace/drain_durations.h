/* SPDX-License-Identifier: MIT */
/* drain_durations.h - a step's new durations, read from the map of histograms */
#ifndef DRAIN_DURATIONS_H
#define DRAIN_DURATIONS_H

#include "drain_samples.h"
#include "hist.h"
#include "pushback_abi.h"

/* What was handed on of a step. Zeroed is nothing. */
struct durations {
	struct samples_taken taken[2];
	unsigned int part[2]; /* that had some the last time */
};

void durations_free(struct durations *seen);

/* Makes `into` those that are new as of `e`, the step's entry. 0, or -ENOMEM with none. */
int drain_durations(struct durations *seen, int hists, const struct pb_step_key *step,
		    const struct pb_step *e, int direction, struct hist *into);

#endif /* DRAIN_DURATIONS_H */
