/* SPDX-License-Identifier: MIT */
/*
 * recorder.h - the last hour of each step, second by second, in bounded memory
 *
 * A *strip* is what a step did in each second: its times in backpressure, accepted submits, the depth of
 * its queue. It lies in memory minute by minute, a minute without anything in it has none. Beyond
 * RECORDER_BYTES the oldest minutes of all steps become six cells of ten seconds, with fewer distinct
 * durations; so an hour of RECORDER_STEPS busy steps fits. Of more steps those that ended first give
 * way, then a newcomer has none: both are counted. Durations are those of a series, which several
 * instances may share. Pure: time comes as an argument. Not thread-safe.
 */
#ifndef RECORDER_H
#define RECORDER_H

#include "keep.h"
#include "model.h"

#define RECORDER_STEPS   256
#define RECORDER_BYTES   (12u << 20)
#define RECORDER_MINUTES 61 /* an hour, whenever in a minute one asks */
#define RECORDER_COARSE  10 /* seconds in a cell of an old minute */

/* What happened in a second, or in RECORDER_COARSE of them. Times in ms, but for the last as sums. */
struct recorder_cell {
	uint16_t refusing, blocked, self, busy;
	uint32_t accepted, rejected, forwarded, refused;
	uint32_t episodes[2]; /* closed */
	uint32_t depth;       /* the largest that was seen at the end of a second */
};

struct recorder_minute {
	uint64_t number; /* since the recorder began, from 0 */
	bool coarse;
	struct recorder_cell cells[]; /* 60, or 60 / RECORDER_COARSE */
};

struct recorder_durations {
	uint64_t number;
	struct hist of[2];
};

struct recorder_series {
	uint64_t id;
	size_t users; /* strips */
	struct recorder_durations *minutes[RECORDER_MINUTES];
};

struct recorder_next {
	uint64_t instance; /* of the same process; 0 ends them */
	uint64_t refusals; /* there, as a record has them: a weight */
};

struct recorder_strip {
	struct pb_step_key key;
	uint64_t consumer;     /* instance of its oldest step */
	uint64_t began, ended; /* on the recorder's clock; ended 0: it lives */
	uint64_t level;
	char name[PUSHBACK_NAME_SIZE], process[16];
	char *tags;
	bool marks, has_depth, partly;
	uint32_t capacity;
	struct recorder_next next[PB_MAX_NEXT];
	uint64_t counter[COUNTERS]; /* as last seen */
	struct recorder_series *series;
	struct recorder_minute *minutes[RECORDER_MINUTES];
};

struct recorder_lost {
	uint64_t steps;   /* had no room, the most in any one drain */
	uint64_t dropped; /* strips of steps that had ended, for others */
	uint64_t memory;  /* times that memory ran out */
};

struct recorder;

/* NULL when out of memory. `now` is on the clock of all calls. */
struct recorder *recorder_new(uint64_t now);
void recorder_free(struct recorder *r);
/* The first second begins, with the first drain: nothing was taken before. */
void recorder_begin(struct recorder *r, uint64_t now);

/*
 * A drain is complete. What comes before the second is over lies in it all the same; the `last` one ends
 * it.
 */
void recorder_take(struct recorder *r, const struct model *m, uint64_t now, bool last);
/* The interval's durations, before the model forgets them. */
void recorder_take_durations(struct recorder *r, const struct model *m, uint64_t now);
/* A step's last record. */
void recorder_end(struct recorder *r, const struct record *record, uint64_t now);

/* In the order in which they came. */
const struct recorder_strip *const *recorder_strips(const struct recorder *r, size_t *count);
struct recorder_lost recorder_lost(const struct recorder *r);
/* When it began, and the last second that it has; older ones than an hour before that are gone. */
uint64_t recorder_began(const struct recorder *r);
uint64_t recorder_last(const struct recorder *r);
/* Seconds from the recorder's beginning on: the first that is (or could be) there, and how many. */
uint64_t recorder_first_second(const struct recorder *r);
uint64_t recorder_seconds(const struct recorder *r);
/* Whether some minute of those from `second` on has been merged. */
bool recorder_is_coarse(const struct recorder *r, uint64_t second);
/* What it takes, bytes. */
size_t recorder_bytes(const struct recorder *r);

/*
 * Adds up what a strip has in seconds `from` to before `until`; depth is the largest. Of a merged cell
 * each of its seconds has an equal part. `sums` has 64 bits for each.
 */
struct recorder_sums {
	uint64_t refusing, blocked, self, busy; /* us */
	uint64_t accepted, rejected, forwarded, refused, episodes[2];
	uint32_t depth;
};
void recorder_add(const struct recorder_strip *strip, uint64_t from, uint64_t until,
		  struct recorder_sums *sums);
/* The durations of the minutes that have seconds `from` to before `until`. 0 or -ENOMEM. */
int recorder_add_durations(const struct recorder_strip *strip, uint64_t from, uint64_t until,
			   struct hist out[2]);

/* For another process. The whole; 0, -ENOMEM, -EBADMSG or -EPROTO. */
void recorder_save(const struct recorder *r, struct keep_writer *w);
int recorder_load(struct recorder **out, struct keep_reader *r);

#endif /* RECORDER_H */
