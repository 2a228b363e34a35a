/* SPDX-License-Identifier: MIT */
/* drain_durations.h - a step's new durations: the last ones are in its entry, all in the map of histograms */
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
	uint32_t recent[2];   /* pb_recent.count, as of the last time */
	bool out_of_step[2];  /* what was handed on may not be what had gone in by then */
	bool read[2];         /* the last time took histograms; */
	bool few[2];          /* ... but the entry has all that went in since the time before */
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

/*
 * A histogram is read after the step, so others may have gone in meanwhile, and have been handed on in
 * place of older ones. `later` is the entry as read after that: if nothing was written since `e` they are the
 * same, and from there on the entry's last ones do.
 */
void durations_agree(struct durations *seen, const struct pb_step *e, const struct pb_step *later);
/* Whether it is worth it: the entry's last ones would have been enough. */
bool durations_may_agree(const struct durations *seen);
/* The last drain_durations() of either direction needed histograms. */
bool durations_were_read(const struct durations *seen);

#endif /* DRAIN_DURATIONS_H */
