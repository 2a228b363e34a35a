/* SPDX-License-Identifier: MIT */
/* drain_record.h - a step's entry in the map -> a record. Pure. */
#ifndef DRAIN_RECORD_H
#define DRAIN_RECORD_H

#include "record.h"

/*
 * Fills all of it but its key, samples, `dead` and `settle`, as of `now`. `fresh`: e->now is the
 * present state and not that of the last event. False where it says more than can be believed: then
 * that is cut.
 */
bool drain_record(struct record *r, const struct pb_step *e, uint64_t now, bool fresh);

#endif /* DRAIN_RECORD_H */
