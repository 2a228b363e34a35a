/* SPDX-License-Identifier: MIT */
/*
 * recorder_internal.h - what the parts of the recorder share
 *
 *	recorder.c        strips by their step, series by their id; what a drain adds
 *	recorder_cells.c  minutes: made, merged, forgotten, added up
 *	recorder_keep.c   the whole into bytes, for another process, and back
 */
#ifndef RECORDER_INTERNAL_H
#define RECORDER_INTERNAL_H

#include "recorder.h"

#define HASH_NONFATAL_OOM 1 /* an element that could not be added has hh.tbl == NULL */
#include <uthash.h>

#define RECORDER_SECOND     1000000000ull
#define RECORDER_MINUTE     60u /* seconds */
#define RECORDER_VALUES     HIST_VALUES_MAX
#define RECORDER_VALUES_FEW 8
#define RECORDER_FORMAT     1 /* of what is saved */

/* First members: strips and series are these. */
struct strip_entry {
	struct recorder_strip strip;
	UT_hash_handle hh;
};

struct series_entry {
	struct recorder_series series;
	UT_hash_handle hh;
};

struct recorder {
	struct strip_entry *strips;
	struct series_entry *series;
	const struct recorder_strip **order; /* room for all */
	uint64_t began, last;
	uint64_t seconds;   /* that are over */
	uint64_t fine_from; /* minutes before this one are coarse */
	size_t bytes;
	bool ending;  /* some strip has ended */
	bool pending; /* something lies in the second that is not over */
	struct recorder_lost lost;
};

static inline size_t recorder_cells_of(bool coarse)
{
	return RECORDER_MINUTE / (coarse ? RECORDER_COARSE : 1);
}

static inline size_t recorder_minute_size(bool coarse)
{
	return sizeof(struct recorder_minute) +
	       recorder_cells_of(coarse) * sizeof(struct recorder_cell);
}

/* ---- recorder.c ---- */

/* NULL if there is none. */
struct recorder_strip *recorder_find_strip(const struct recorder *r, const struct pb_step_key *key);
/* In the table, counted in bytes; NULL when out of memory. */
struct recorder_strip *recorder_add_strip(struct recorder *r, const struct pb_step_key *key,
					  const char *tags);
/* The series of this id, made if there is none. NULL when out of memory. */
struct recorder_series *recorder_get_series(struct recorder *r, uint64_t id);

/* ---- recorder_cells.c ---- */

/* The cell of a second in which something happens; NULL when out of memory, or it is too old. */
struct recorder_cell *recorder_cell_at(struct recorder *r, struct recorder_strip *strip,
				       uint64_t second);
struct recorder_durations *recorder_durations_at(struct recorder *r, struct recorder_series *series,
						 uint64_t minute);
/* What a series' minute takes. */
size_t recorder_durations_size(const struct recorder_durations *d);
void recorder_drop_minute(struct recorder *r, struct recorder_minute **minute);
void recorder_drop_durations(struct recorder *r, struct recorder_durations **durations);
/* What lies in the second that is not over goes to the one before. */
void recorder_fold(struct recorder *r);
/* Forgets what is older than an hour, merges what is too much. */
void recorder_age(struct recorder *r);

#endif /* RECORDER_INTERNAL_H */
