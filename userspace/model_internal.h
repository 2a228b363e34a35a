/* SPDX-License-Identifier: MIT */
/*
 * model_internal.h - what the parts of the model share
 *
 *	model.c           the order of calls; steps by their key; what screens see of one
 *	model_series.c    series by (step, process, tags): durations, gauges, what is forgotten when
 *	model_judge.c     a step's last second: shares, rates, spells
 *	model_pipeline.c  places -> edges -> consumers and levels; only when one of them has changed
 *	model_cycles.c    edges that are none
 *	model_edges.c     refusals on each edge
 *	model_sample.c    samples of the enter marks: who is busy
 *	model_keep.c      what of all this outlives the agent
 *	model_pressure.c  some and full of each consumer, and their averages
 *	model_still.c     steps that nothing happens to, and who need not be looked at
 *
 * Two hash tables: step instances by their key, series by their names. All arrays that have an item
 * per step are of one capacity, reserved when a step is made, so the end of a drain cannot fail.
 */
#ifndef MODEL_INTERNAL_H
#define MODEL_INTERNAL_H

#include "model.h"

#define HASH_NONFATAL_OOM 1 /* an element that could not be added has hh.tbl == NULL */
#include <uthash.h>

#define MODEL_SECOND 1000000000ULL
/* A second is judged when it is nearly over: drains come a little early at times. */
#define MODEL_JUDGED (MODEL_SECOND / 10 * 9)

struct ended {
	struct pb_process_key process;
	uint64_t drain; /* its number */
	struct spell spell[MODEL_SPELLS];
	uint64_t most_since;
	struct step *root; /* of its consumer; there until the end of the next drain */
};

struct entry {
	struct series series; /* first: a series is its entry */
	uint64_t living;      /* steps; the gauge is as of the last drain */
	/* The largest, while they are being looked for. Of a consumer's, how many there are. */
	uint64_t spell[2];
	uint32_t depth, capacity;
	uint64_t consumers, decided; /* by which drain it was */
	/* What an instance that has ended leaves to the one that takes its place. */
	struct ended ended;
	UT_hash_handle hh;
	size_t key_size;
	char key[]; /* step (not of a consumer), process and tags, each with its NUL */
};

/* Counters, as a judgement saw them. Those of times go on while what was open then still is. */
struct judged {
	uint64_t at;
	uint64_t counter[COUNTERS];
};

/* What a consumer's steps have refused in one drain, in ns. */
struct tally {
	uint64_t most, sum;    /* of all steps */
	uint64_t most_sampled; /* by samples, of the one that had most */
	size_t heads;          /* that were driven, or refuse */
	uint64_t head_most, head_sum;
};

/* Of a consumer; kept by its root. */
struct pressure {
	uint64_t total[2];   /* some, full */
	uint64_t sampled[2]; /* since the last drain, by samples */
	uint64_t owed;       /* of some by samples: for which the drains before had no room */
	uint64_t second[2];  /* since the last judgement */
	uint64_t judged_at;
	double share[2];
	double average[2][MODEL_AVGS]; /* as if all had been well before; see weight */
	double weight[MODEL_AVGS];     /* the part of a window that was watched */
	struct tally dead;             /* of those that died in this drain */
	bool succeeds;                 /* those that live came after them */
	/* The last sample that showed: some step refuses; a head does; one is driven and does not. */
	uint64_t some_seen, head_refuses, head_flows, full_seen;
};

enum visit { VISIT_NOT, VISIT_ON_PATH, VISIT_DONE };

/* Its first cache line is all that is touched of one that is still. */
struct step {
	struct entry *entry;    /* NULL: dead, and only here so that late records are known */
	struct step *root;      /* the oldest of its consumer; NULL before its first drain's end */
	bool same;              /* its record of this drain said so */
	bool still;             /* model_still.c */
	bool one_of_heads;      /* its consumer has others */
	struct record record;   /* the last one; counters never shrink, samples are empty */
	struct entry *consumer; /* of its process: there is one while a step of it lives */
	uint64_t recorded;      /* when the last record came */
	uint64_t taken[2];      /* durations that went into the series */
	uint64_t settled_ns[2]; /* the last that stood for ones without a sample; 0: none */
	size_t index;           /* in `living`, as of the last drain's end */
	bool marks, has_depth;  /* once they have been seen */
	bool was_there;         /* it may have run before it was first seen */
	uint64_t first_at;      /* what its counters count began then */
	uint64_t driven_at;     /* the last drain that has shown a return */

	/* model_judge.c: the last second */
	struct judged judged;
	bool is_judged;        /* once at least */
	uint64_t second_began; /* the one that was judged */
	struct spell spell[MODEL_SPELLS];
	uint64_t most_since; /* none of its consumer has had more self time; 0: one has */
	double share[2];
	double self_share;
	double rate[COUNTERS];
	double state[MODEL_STATES];

	/* model_pipeline.c: as of the last drain's end */
	struct step *to[PB_MAX_NEXT]; /* for record.next[]; NULL: not known, or not living */
	size_t callers;               /* edges to it */
	size_t consumer_at;           /* in model.consumers */
	unsigned int back;            /* bit i: to[i] closes a cycle, and is no order */
	size_t level;
	struct step *over; /* on the way there, while it is being looked for */
	enum visit visit;
	struct step *came_from;
	unsigned int slot;
	/* model_cycles.c */
	size_t number, low;       /* in the order of the search; the first that it leads back to */
	const struct step *cycle; /* one for all that lie on a cycle together */

	/* model_sample.c */
	struct model_mark mark;
	uint64_t sample;     /* number of the last one that it was in */
	uint64_t mark_since; /* number of the one in which its mark came */
	uint64_t walked;     /* by which walk it was last seen */
	uint64_t busy;       /* number of the last one in which a thread was in it, and no deeper */
	uint64_t state_ns[MODEL_STATES];

	/* model_pressure.c */
	struct pressure pressure; /* of the consumer that it is the root of */
	struct step *heir;        /* the root of the consumer into which its own went */
	bool orphan;              /* a root without what its consumer was before */
	uint64_t paid;            /* time refusing that went into a consumer's */
	uint64_t sampled_ns;      /* time refusing since the last drain, by samples */
	uint64_t attempts;        /* to submit, as of the last drain */
	bool driven;              /* there were some */

	struct step *next_dead;
	UT_hash_handle hh;
};

/* A range of `ordered`, and one of `edges`. */
struct consumer {
	struct step *root;
	size_t first, count;
	size_t first_edge, edge_count;
	uint64_t stirred; /* the last drain for which there is something to add to its pressure */
};

/*
 * Steps in the order in which they were told of. It mostly is the same the next time: then the step is
 * known by its position, without a look into the table, and of one that is still without one at itself.
 */
struct trail_item {
	struct pb_step_key key;
	struct step *step;
	uint64_t noted; /* model.notes when the next two were; others may be wrong by now */
	bool still, one_of_heads;
};

struct trail {
	struct trail_item *items;
	size_t count; /* the last time */
	size_t at;    /* this time */
};

struct model {
	struct step *steps;    /* by key, the dead ones included */
	struct step *left;     /* by key: those of a former agent that no record has come for yet */
	struct entry *entries; /* by name, in order of id */
	uint64_t last_id;
	uint64_t now;    /* of this drain */
	uint64_t before; /* of the one before; 0 there was none */
	uint64_t began;  /* the first one */
	uint64_t drain;  /* its number, from 1 */

	const struct series **series;
	size_t series_count;
	size_t series_capacity;
	size_t ended_series;

	struct trail recorded, seen; /* in a drain, in a sample */
	bool unseen;                 /* model_set_unseen() */
	bool has_still;              /* there may be some */
	uint64_t notes;              /* counts up when what trails have noted is not so any more */

	/* An item, or PB_MAX_NEXT edges, for each of `living`. */
	size_t capacity;
	struct step **living; /* by process and age, after model_end() */
	size_t living_count;
	struct step **awake; /* those of them that are not still */
	size_t awake_count;
	bool added, died; /* since `living` was put in order */
	bool changed;     /* so the pipelines may have: steps, places, edges, memory */
	bool undecided;   /* gauges of series without a step that is awake */

	struct step_view *views; /* of `living` */
	size_t view_count;       /* 0 during a drain */
	bool laid_out;           /* views and what edges have refused are of the last drain */

	struct step **by_place;
	struct step **topological;
	struct step **ordered;          /* by consumer, level and age */
	const struct step_view **shown; /* of `ordered` */
	struct edge_view *edges;        /* in the same order */
	struct consumer *consumers;
	struct consumer_view *consumer_views;
	size_t consumer_count;

	/* What goes out of each average in `faded_after`: most consumers are judged at once. */
	uint64_t faded_after;
	double faded[MODEL_AVGS];

	uint64_t sampled_at;
	uint64_t sample; /* its number */
	uint64_t sample_ns;
	struct step **sampled;
	size_t sampled_count;
	struct step **marked; /* those of them that a thread is inside of */
	size_t marked_count;
	uint64_t walk;
	size_t walk_left; /* edges that this sample may still go along */

	/* Those that died in this drain and in the one before: then no record is on its way. */
	struct step *dead[2];
	struct hist scratch;
};

/* ---- model.c ---- */

enum unless { UNLESS_STILL, UNLESS_NOT_ONE_OF_HEADS };

/* By process and age: the order of `living`. */
int model_compare_steps(const struct step *a, const struct step *b);
/* The step with this key, dead or alive, as the next one of `trail`; NULL: not known. */
struct step *model_find(struct model *m, struct trail *trail, const struct pb_step_key *key);
/* The same, but NULL also where it is at rest: it is still, or in a sample none of several heads. */
struct step *model_find_unless(struct model *m, struct trail *trail, const struct pb_step_key *key,
			       enum unless unless);
void model_start_trail(struct trail *trail);

/* Adds, but not beyond UINT64_MAX. */
void model_add(uint64_t *sum, uint64_t more);

/* ---- model_keep.c ---- */

/* What a former agent has left of this step, if it has; the caller's from now on. */
struct step *model_take_left(struct model *m, const struct pb_step_key *key);
void model_free_left(struct model *m);

/* ---- model_series.c ---- */

/*
 * The series of a step with this record, made if there is none; with `step` NULL that of its
 * process's consumers. NULL when out of memory.
 */
struct entry *model_entry(struct model *m, const char *step, const char *process, const char *tags);
/*
 * Puts `samples` into the series, and of closed episodes without a sample those that will get none,
 * so that in the end there are as many durations as closed episodes. What fails for lack of memory
 * is not taken, and so made up for at the next record that settles.
 */
int model_take_durations(struct model *m, struct step *step, int direction,
			 const struct hist *samples);
/* The step's gauges, where no other instance's in its series are larger. */
void model_propose_gauges(const struct step *step, uint64_t now);
/* Takes over what all have proposed. */
void model_decide_gauges(struct model *m);
/* How many consumers there are of each name, after model_arrange(). */
void model_count_consumers(struct model *m);

/* ---- model_still.c ---- */

/* A step's memory, zeroed; free() frees it. NULL when out of memory. */
struct step *model_step_new(void);
/* A drain begins, `before` and `now` are set. */
void model_begin_stillness(struct model *m);
/* Something happens to the step: it is as if it had been looked at in each drain. */
void model_wake(struct model *m, struct step *step);
/* Lists those that are awake, where there are others than before. */
void model_list_awake(struct model *m);
/* Which of them are still from now on, after all else has been decided. */
void model_let_rest(struct model *m);

/* ---- model_judge.c ---- */

/* A new step: what its first judgement compares with. */
void model_first_sight(const struct model *m, struct step *step, const struct record *record);
/* COUNTER_SEND_TIME, what is open included. */
uint64_t model_send_time_at(const struct step *step, uint64_t now);
/* Judges the time since the last judgement, if it is a second by now. */
void model_judge(const struct model *m, struct step *step);
/* A step has ended; those of its name that are new in this drain go on with its spells. */
void model_leave_spells(const struct model *m, const struct step *step);
void model_take_spells(const struct model *m, struct step *step);
/* It takes the place of the one that `ended` of its entry is about. */
bool model_is_heir(const struct model *m, const struct step *step);
/* The spell in which it is the one at fault. */
struct spell model_fault(const struct step *step);
/* Who is at fault, now that all are judged. */
void model_judge_consumers(struct model *m);
/* Whether the consumer of these steps is judged, and when it was driven last. */
void model_view_judgement(const struct model *m, struct consumer_view *view,
			  struct step *const *steps);

/* ---- model_pipeline.c ---- */

/* Edges, levels, consumers of the living steps; `living` is in order. */
void model_arrange(struct model *m);

/* ---- model_cycles.c ---- */

/* Takes those edges out of `to` that a step without enter marks has only by mistake. */
void model_drop_false_edges(struct model *m);

/* ---- model_edges.c ---- */

/* The edges' list, after model_arrange(). */
void model_list_edges(struct model *m);
/* Refusals on them, by the steps' counters. */
void model_weigh_edges(struct model *m);

/* ---- model_pressure.c ---- */

/* A new step, until it is found to be in a consumer with others. */
struct pressure model_new_pressure(const struct step *step);
/* `over` of all living steps is the root of their consumer now, `root` still the one before. */
void model_inherit(struct model *m);
/* What a sample shows, after its steps were taken. */
void model_press_sample(struct model *m);
/* Adds up what the drain and the samples say, and judges. After model_arrange(). */
void model_press(struct model *m);
/* What screens see of consumers, as of the last drain. */
void model_view_consumers(struct model *m);

#endif /* MODEL_INTERNAL_H */
