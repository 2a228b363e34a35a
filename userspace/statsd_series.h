/* SPDX-License-Identifier: MIT */
/*
 * statsd_series.h - what the statsd sink remembers of each series
 *
 * Keyed by series->id and kept in order of it, as the model hands series out. It outlives the
 * series until everything was handed over. Series that look the same to a server (their names
 * differ only in what had to be made sane) form a group: its gauges and durations go out once,
 * through its leader.
 */
#ifndef STATSD_SERIES_H
#define STATSD_SERIES_H

#include "keep.h"
#include "model.h"
#include "statsd_packet.h"

#define STATSD_SERIES_MAX 50000

/* The model's counters, then those that the summary format adds. */
enum statsd_slot {
	STATSD_SLOT_COUNT = COUNTERS, /* closed episodes, [PUSHBACK_SEND] and [PUSHBACK_RECEIVE] */
	STATSD_SLOT_SUM = COUNTERS + 2, /* the sum of their durations */
	STATSD_SLOTS = COUNTERS + 4,
};

struct statsd_series {
	uint64_t id;
	char *tags; /* sane, "k:v,k2:v2", and behind them "|c:ID" of a container's */
	const struct series *series; /* NULL once the model has forgotten it */
	struct statsd_series *next;  /* in its group */
	bool is_leader;
	bool settled; /* no counter was due at the last flush, or has grown since */
	uint64_t
		known_at; /* its gauges are known as they are, the first one since; 0: not all are */
	struct statsd_told gauge[GAUGES];
	struct statsd_tally tally[STATSD_SLOTS];
};

struct statsd_table {
	struct statsd_series **at; /* in order of id */
	size_t count;
	size_t max;
	const char *global_tags; /* sane; the caller's */
	bool plain_values;       /* no ':' inside of tag values */
	bool summary;            /* the slots of the summary format are in use */
	bool changed;            /* there are others than when groups were made */
	/* Only grow. */
	uint64_t lost_series_full; /* counters whose last differences were given up for newer series
				    */
	uint64_t lost_no_memory;   /* series that were left out in an interval */
};

/*
 * Takes over the model's series: new ones get a state, totals are brought up to date, states that
 * are of no use any more are freed. No packet may refer to a state now.
 */
void statsd_table_update(struct statsd_table *t, const struct series *const *series, size_t count);
void statsd_table_free(struct statsd_table *t);

/* How far slot `slot` is behind its total, in the unit of the wire: whole ms for times. */
uint64_t statsd_slot_due(const struct statsd_series *s, unsigned int slot);
bool statsd_slot_is_time(unsigned int slot);

/*
 * Whether a series has this counter or gauge at all: a consumer has its pressure and no more, a step
 * all but that; busy time only with enter marks, a queue only where its depth was told.
 */
bool statsd_has_counter(const struct series *series, enum counter c);
bool statsd_has_gauge(const struct series *series, enum gauge g);

/* statsd_keep.c: for the next agent, and into an empty table. 0, -ENOMEM, -EBADMSG or -EPROTO. */
void statsd_table_save(const struct statsd_table *t, struct keep_writer *w);
int statsd_table_load(struct statsd_table *t, const struct model *m, struct keep_reader *r);
/* Of the model's series nothing is due that they have counted so far. */
void statsd_table_begin(struct statsd_table *t, const struct model *m);
/* "k:v,k2:v2", sane, with the table's global ones; NULL when out of memory. */
char *statsd_tags(const struct statsd_table *t, const struct series *series);

#endif /* STATSD_SERIES_H */
