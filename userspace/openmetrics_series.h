/* SPDX-License-Identifier: MIT */
/*
 * openmetrics_series.h - what a scrape shows: totals by labels
 *
 * A *source* is a series of the model, a *line* what stands in a scrape: series whose labels are the
 * same, at one time or one after the other, are one line, so that no scrape has a line twice and a
 * consumer that comes back goes on with its counters. A line without a source is kept for
 * OPENMETRICS_KEEP_NS, for its last counts to be scraped, and then forgotten; comes it again, it
 * begins at 0. Pure: no I/O, no clock. Not thread-safe.
 */
#ifndef OPENMETRICS_SERIES_H
#define OPENMETRICS_SERIES_H

#include "keep.h"
#include "model.h"
#include "openmetrics_text.h"

#define OPENMETRICS_KEEP_NS   600000000000ull
#define OPENMETRICS_LINES_MAX 50000

struct openmetrics_line {
	uint64_t number; /* never reused, ascending in the table */
	bool has_counter[COUNTERS];
	bool has_gauge[GAUGES]; /* of a source that it has now */
	uint64_t counter[COUNTERS];
	uint64_t gauge[GAUGES];
	struct openmetrics_histogram durations[2];
	size_t sources;
	uint64_t ended; /* since when it has none; 0: it has */
	char *labels;   /* terminated */
};

struct openmetrics_source;
struct openmetrics_entry;

struct openmetrics_table {
	struct openmetrics_line **at; /* in order of number */
	size_t count;
	size_t max;       /* lines */
	const char *tags; /* on every line, "k:v,k2:v2"; the caller's */
	/* Only grow: series whose interval is in no line, and durations of others. */
	uint64_t lost_full;
	uint64_t lost_no_memory;

	/* Its own. */
	struct openmetrics_source **sources; /* in order of id, as the model has them */
	size_t source_count;
	struct openmetrics_entry *by_labels;
	size_t capacity;
	uint64_t last_number;
	bool is_full; /* in this update there is no more room to be made */
};

/*
 * Brings all lines up to date with the model's series, as of `now`. `interval`: an interval ends,
 * their durations are taken, which the model then forgets.
 */
void openmetrics_table_update(struct openmetrics_table *t, const struct series *const *series,
			      size_t count, uint64_t now, bool interval);
/* The first line with a number above `number`, as an index; `count` where there is none. */
size_t openmetrics_table_after(const struct openmetrics_table *t, uint64_t number);
void openmetrics_table_free(struct openmetrics_table *t);

/* ---- openmetrics_keep.c ---- */

/* For the next agent, whose scrapes go on from there. */
void openmetrics_table_save(const struct openmetrics_table *t, struct keep_writer *w);
/*
 * Into an empty table. With other tags it stays empty: its counters then are the model's, its histograms
 * begin. 0, -ENOMEM, -EBADMSG or -EPROTO.
 */
int openmetrics_table_load(struct openmetrics_table *t, struct keep_reader *r);

#endif /* OPENMETRICS_SERIES_H */
