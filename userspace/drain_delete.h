/* SPDX-License-Identifier: MIT */
/* drain_delete.h - what is dead leaves the maps, once it has been read */
#ifndef DRAIN_DELETE_H
#define DRAIN_DELETE_H

#include "attach.h"
#include "pushback_abi.h"

/* A step's entry, of which `e` is the last copy, and all that belongs to it. */
void drain_delete_step(const struct attach_maps *maps, const struct pb_step_key *key,
		       const struct pb_step *e);

/* Processes that have exited; their steps are flagged on their own. How many others there are. */
size_t drain_sweep_processes(const struct attach_maps *maps);

#endif /* DRAIN_DELETE_H */
