/* SPDX-License-Identifier: MIT */
/*
 * agent_keep.h - what was told, stored with the pinned state for the next agent
 *
 * The kernel's totals stay in the maps; this is how much of them the sinks were told. Not thread-safe.
 */
#ifndef AGENT_KEEP_H
#define AGENT_KEEP_H

#include "drain.h"
#include "labels.h"
#include "matcher.h"
#include "model.h"
#include "sink.h"

struct agent_keep;
struct pinned;

/* Whose it is; all stay the caller's. */
struct agent_keep_parts {
	struct pinned *pinned;
	struct drain *drain;
	struct model *model;
	struct labels *labels;
	struct matcher *matcher; /* NULL: all are meant */
};

/* Loads what a former agent has left into the parts, which are new. 0, or -errno with `why`. */
int agent_keep_new(struct agent_keep **out, const struct agent_keep_parts *parts, char *why);
/* NULL is fine. */
void agent_keep_free(struct agent_keep *k);
/* The same for the sinks, before their first flush. */
int agent_keep_load_sinks(struct agent_keep *k, struct sink *const *sinks, size_t count, char *why);

/*
 * A round of drain and flush is over: stores all as it is at `now` if sinks were told or something has
 * ended, and what has ended leaves the maps. Says it where that fails: then what was stored before stays.
 */
void agent_keep_round(struct agent_keep *k, struct sink *const *sinks, size_t count, bool told,
		      uint64_t now);

/* ", going on from 1.5 s ago", when the former agent stored the last time; "" if there was none. */
void agent_keep_age(const struct agent_keep *k, uint64_t now, char *text, size_t size);
/* Says what is to be known about the state. `some`: only the files that were given are to be watched. */
void agent_keep_tell(const struct attach *attach, bool some);

#endif /* AGENT_KEEP_H */
