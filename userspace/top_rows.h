/* SPDX-License-Identifier: MIT */
/*
 * top_rows.h - model -> what `top` shows: one row per step, grouped by consumer
 *
 * A snapshot is a copy, so that a screen can stand still while the model goes on. Percentiles are of
 * all episodes since the view began: the model's are of one interval, and are added up here. Pure.
 */
#ifndef TOP_ROWS_H
#define TOP_ROWS_H

#include "model.h"
#include "verdict.h"

#define TOP_VERDICT_SIZE 512
#define TOP_ENDED_MOST   PB_MAX_STEPS /* that wait for a snapshot */

/* In rising order of what is worth looking at. */
enum top_state {
	TOP_ENDED,
	TOP_UNKNOWN, /* no second of it was seen yet; or nothing was accepted, and without enter marks
		      * it is not known whether that is because it is inside a call */
	TOP_IDLE,
	TOP_FLOWING,
	TOP_PARTLY, /* watched for a part of the time only */
	TOP_BUSY,
	TOP_BLOCKED,
	TOP_REFUSING, /* and not blocked */
	TOP_STATES,
};

extern const char *const top_state_names[TOP_STATES];

/* One direction of a step. Durations in ns. */
struct top_side {
	uint64_t spell_ns; /* so far, 0 in none */
	bool spell_at_least;
	double share;      /* of the last second; exact, as self is */
	uint64_t p50, p99; /* of closed episodes, 0 without any */
	uint64_t longest;  /* of these and of what is open, its age so far */
	bool at_least;     /* of the longest the beginning was not seen */
	/* The closed episodes; those of all instances of this name in this process. May be NULL. */
	const struct hist *durations;
};

struct top_step {
	struct pb_step_key key;
	uint64_t series;
	char name[PUSHBACK_NAME_SIZE]; /* terminated, otherwise any bytes, as all names here */
	char process[16];
	enum top_state state;
	/* For so long it has been in this state most of the time; 0: not most of it, or not known. */
	uint64_t since_ns;
	bool since_at_least;
	/* It is watched for `part` of the time only (else 1), and all here is of the last such part. */
	bool partly;
	double part;
	bool judged;   /* a second of it has been seen; before that no share or rate is known */
	bool at_fault; /* the verdict blames it */
	struct top_side side[2];
	double self; /* share of the last second */
	double busy; /* likewise; without `marks` not known */
	double split
		[MODEL_STATES]; /* the last second by samples, see step_view.state; all 0: none */
	bool marks;
	double rate[COUNTERS];      /* a second, in the last second */
	uint64_t counter[COUNTERS]; /* since first sight; ns or counts */
	bool has_depth;
	uint32_t depth, capacity;
	size_t level;    /* in the pipeline, 0 is a head */
	size_t sharing;  /* instances in whose `durations` these are */
	size_t merged;   /* instances that this row stands for */
	size_t consumer; /* index */
};

struct top_consumer {
	struct pb_process_key process;
	uint64_t instance; /* of its oldest step */
	size_t sibling;    /* of several in one process: 1, 2, ...; 0 of the only one */
	char name[16];
	double some[MODEL_AVGS], full[MODEL_AVGS]; /* 0 to 1 */
	double some_share, full_share;             /* of the last second */
	uint64_t some_ns, full_ns;
	bool partly;  /* one of its steps is: nothing is said of whose fault it is */
	bool pressed; /* the shares and averages are known */
	enum verdict_kind kind;
	char verdict[TOP_VERDICT_SIZE];
	size_t culprit;      /* of its steps, the one that the verdict is about; `count`: of none */
	size_t first, count; /* its steps, in pipeline order */
	size_t merged;       /* consumers that it stands for */
};

struct top_snapshot {
	uint64_t now;
	bool any_ever; /* steps have been seen, now or before */
	/* Those in most trouble first. */
	struct top_consumer *consumers;
	size_t consumer_count;
	struct top_step *steps; /* by consumer, in the order of consumers */
	size_t step_count;
	/* Steps that ended since the last one: state TOP_ENDED, no shares, rates, spells or consumer. */
	struct top_step *ended;
	size_t ended_count;
	uint64_t ended_lost; /* since the view began: beyond TOP_ENDED_MOST */
};

struct top_rows;

/* The state of a process, a letter as in /proc/PID/stat; 0: not known. */
typedef char (*top_process_fn)(uint32_t tgid);

/* `process` is asked of consumers that are quiet; NULL: nothing is known. NULL when out of memory. */
struct top_rows *top_rows_new(top_process_fn process);
void top_rows_free(struct top_rows *r);

/* A step's last record, before its interval is taken. 0, -ENOMEM, or -ENOSPC: counted. */
int top_rows_ended(struct top_rows *r, const struct record *record);

/*
 * Takes an interval: adds its durations and, unless the view stands still (`hold`), makes a new
 * snapshot. 0, or -ENOMEM: the snapshot is the one before, or durations are missing.
 */
int top_rows_take(struct top_rows *r, const struct model *m, uint64_t now, bool hold);

/* Before that: whether anything is watched for a part of the time only, and for which. */
void top_rows_partly(struct top_rows *r, bool any, double part);
/* What is in the model now may not be the next time, though it goes on: it is shown as it is now. */
int top_rows_keep(struct top_rows *r, const struct model *m, uint64_t now);

/* Of no consumer before the first interval. Valid until the next call that is not const. */
const struct top_snapshot *top_rows_snapshot(const struct top_rows *r);

/* Fills in p50, p99 and longest from `durations` and the age of what is open (0: nothing is). */
void top_side_measure(struct top_side *side, uint64_t open_ns, bool open_partial);
/* Its state by its shares and rates. */
enum top_state top_step_state(const struct top_step *step);
/* How much trouble a verdict tells of, from 0 on. */
unsigned int top_kind_trouble(enum verdict_kind kind);
/* Puts consumers in most trouble first, and their steps after them. `scratch`: as many steps. */
void top_snapshot_sort(struct top_snapshot *s, struct top_step *scratch);

#endif /* TOP_ROWS_H */
