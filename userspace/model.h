/* SPDX-License-Identifier: MIT */
/*
 * model.h - records + now -> steps, series, spells
 *
 * A *step* is one instance in one process. A *series* is what a sink sees: all instances under the
 * same tags, counters added up (those of dead instances stay in), gauges reduced to the largest.
 * Pure: no libbpf, no I/O, no clock; time comes as an argument. Not thread-safe.
 *
 * The order of calls:
 *
 *	once attached:	model_begin(m, now); model_end(m);	when the first second began
 *	every second:	model_begin(m, now); model_record(...) per record; model_end(m);
 *	every interval:	sinks read model_series(); then model_next_interval(m)
 *
 * Without the first line all is well but that no spell can begin with the first second. Drains that
 * come faster than every 0.9 s are judged together, until they make up a second.
 */
#ifndef MODEL_H
#define MODEL_H

#include "record.h"

struct model;

struct series {
	uint64_t id;      /* never reused */
	const char *step; /* as the consumer wrote it; sinks sanitise */
	const char *process;
	const char *tags;           /* ready-made, "k:v,k2:v2" or "" (from --tag-from) */
	uint64_t counter[COUNTERS]; /* cumulative, ns or counts, only grow */
	uint64_t gauge[GAUGES];     /* spells in ns */
	bool spell_ended[2];        /* the gauge went back to 0 in this interval: a last 0 is due */
	struct hist durations[2];   /* closed episodes of this interval */
};

/* One instance, for screens. */
struct step_view {
	const struct record *record; /* its last one; samples are empty */
	const struct series *series;
	uint64_t spell_since[2]; /* 0: in no spell */
	double share[2];         /* of the last second in backpressure, 0 to 1 */
	double self_share;
};

/* NULL when out of memory. */
struct model *model_new(void);
void model_free(struct model *m);

/* A drain begins at `now`. Until its end there are no steps to be seen. */
void model_begin(struct model *m, uint64_t now);
/*
 * Takes one step's state at the drain's instant; `tags` (copied, not NULL) are its process's. Name,
 * process and tags of a step's first record decide its series. A record that is dead ends its step,
 * and what comes for it in this drain and in the next one is ignored. 0 or -ENOMEM: then a new step
 * was not taken and will be with its next record; of a known one only durations are missing, which
 * its next record that settles makes up for.
 */
int model_record(struct model *m, const struct record *record, const char *tags);
/* The drain is complete: spells and gauges are decided. Steps without a record are as they were. */
void model_end(struct model *m);

/* All series, in order of id. Valid until the next call that is not const. */
const struct series *const *model_series(const struct model *m, size_t *count);
/* All living steps, in order of (tgid, instance). */
const struct step_view *model_steps(const struct model *m, size_t *count);

/* The sinks have seen this interval: clears durations, forgets series without instances. */
void model_next_interval(struct model *m);

#endif /* MODEL_H */
