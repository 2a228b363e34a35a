/* SPDX-License-Identifier: MIT */
/* drain_seen.h - what the drain remembers of each step, by its key */
#ifndef DRAIN_SEEN_H
#define DRAIN_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define uthash_fatal(msg) abort()
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "drain_durations.h"
#include "keep.h"
#include "pushback_abi.h"

struct seen {
	struct pb_step_key key;
	uint64_t place;
	UT_hash_handle hh;
	struct durations durations;
	uint64_t events; /* as of the last drain with durations */
	unsigned int misses;
	unsigned int walk;  /* that saw it last */
	unsigned int parts; /* of its histograms */
	bool name_counted;
	bool unreadable_counted;
	bool lie_counted;
	bool left_out;  /* nobody wanted its records: none of its durations were handed on */
	bool told;      /* its last record was of its present state, but maybe for durations; */
	bool rested;    /* ... for which there is nothing to add until its next event */
	uint32_t ended; /* its last record was handed on: PB_STEP_DEAD of it; 0 while it lives */
};

/* Zeroed is empty. */
struct seen_table {
	struct seen *steps;
	size_t parts; /* of histograms, of all */
	/* Those that were asked for one after the other: mostly it is the same again. */
	struct seen **trail;
	size_t count, capacity, at;
};

/* Made if there is none; NULL when out of memory. */
struct seen *seen_get(struct seen_table *t, const struct pb_step_key *key);
void seen_count_parts(struct seen_table *t, struct seen *seen, const struct pb_step *e);
void seen_forget(struct seen_table *t, struct seen *seen);
void seen_free(struct seen_table *t);

/* A walk over many: each is asked for in its turn; NULL if it is not known. */
void seen_begin(struct seen_table *t);
struct seen *seen_next(struct seen_table *t, const struct pb_step_key *key);

/* For the next agent, and into an empty table. 0, -ENOMEM or -EBADMSG. */
void seen_save(const struct seen_table *t, struct keep_writer *w);
int seen_load(struct seen_table *t, struct keep_reader *r);

#endif /* DRAIN_SEEN_H */
