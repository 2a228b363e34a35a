/* SPDX-License-Identifier: MIT */
/*
 * drain.h - maps -> checked plain records
 *
 * Reads every step of the maps and its memory as it is now, turns each into a record and deletes the
 * dead ones. Entries of steps without an event since are not read again. Owns the totals of what was lost. Not thread-safe.
 */
#ifndef DRAIN_H
#define DRAIN_H

#include "attach.h"
#include "keep.h"
#include "record.h"

struct drain;

/*
 * Negative stops the drain and is handed on; 1: nobody wants it, and to the next agent it is as if it had
 * not been told. The record is the drain's; copy what is kept.
 */
typedef int (*drain_fn)(const struct record *record, void *context);

/* `maps` stay the attach's. NULL when out of memory. */
struct drain *drain_new(const struct attach_maps *maps);
void drain_free(struct drain *d);

enum drain_kind {
	/*
	 * Without durations, which are left for a later drain. Where no step has come or ended this reads
	 * the steps' memory and not the maps.
	 */
	DRAIN_COUNTS,
	DRAIN_ALL,
	DRAIN_LAST, /* no other will follow, so all durations are settled */
};

/* One drain, as of `now` (CLOCK_MONOTONIC ns). 0 or -errno. */
int drain_run(struct drain *d, uint64_t now, enum drain_kind kind, drain_fn fn, void *context);

/* Everything lost so far, by enum pb_loss and then by what the drain itself could not read. */
enum drain_loss {
	DRAIN_LOSS_TORN = PB_LOSSES, /* a copy that stayed inconsistent; the next drain has it */
	DRAIN_LOSS_SILENT,           /* a silent step's memory could not be read: its last counts */
	DRAIN_LOSS_GONE,             /* a process or struct went without a word */
	DRAIN_LOSS_NAME_CUT,         /* names longer than fits, or unterminated */
	DRAIN_LOSS_LIE,              /* steps that claimed more than there was time for */
	DRAIN_LOSS_MEMORY,           /* out of memory: a step was left out of a drain */
	DRAIN_LOSSES,
};
uint64_t drain_lost(struct drain *d, unsigned int reason);
const char *drain_loss_name(unsigned int reason);

/* From now on steps that are as they were get records that say only that (record.same). */
void drain_set_terse(struct drain *d);

/*
 * For a state that outlives the agent. Once set, a step that has ended stays in the maps, and is handed
 * on no more, until drain_bury(): until what was handed on of it has been stored (drain_save).
 */
void drain_set_keeps(struct drain *d);
/* Deletes those that have ended from the maps; how many have since the last time. */
void drain_bury(struct drain *d);
size_t drain_ended(const struct drain *d);
void drain_save(const struct drain *d, struct keep_writer *w);
/* Into a new one. 0, -ENOMEM or -EBADMSG. */
int drain_load(struct drain *d, struct keep_reader *r);

/*
 * Nobody watches the steps any more that this file's sites told of: each is handed on once more by the
 * next drain, as one that has ended. What was open is partial: its end will not be seen. Right after a
 * drain, and once the sites are gone.
 */
void drain_retire(struct drain *d, uint32_t object, uint64_t now);

/* As of the last drain. */
size_t drain_steps(const struct drain *d);
size_t drain_processes(const struct drain *d);
/* Entries of the map of histograms; those made since the last drain with durations are not in it. */
size_t drain_histograms(const struct drain *d);

#endif /* DRAIN_H */
