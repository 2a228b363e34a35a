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
 *	20 a second:	model_sample_begin(m, now); model_sample(...) per step; model_sample_end(m);
 *	every interval:	sinks read model_series(); then model_next_interval(m)
 *
 * Without the first line all is well but that no spell can begin with the first second. Drains that
 * come faster than every 0.9 s are judged together, until they make up a second.
 */
#ifndef MODEL_H
#define MODEL_H

#include "keep.h"
#include "record.h"

struct model;

/*
 * A *consumer* is what hangs together by edges: the steps of one process that hand messages to each
 * other. A process may have several. Its series has no step, and only the pressure counters; its
 * gauge `instances` says how many there are. It goes on while any of its steps lives, as that of the
 * oldest; two that become one go on as the older one. When all have ended and new ones of their names
 * come in the same drain or in the next (a rebalance), it goes on as theirs.
 */
struct series {
	uint64_t id;      /* never reused */
	bool moved;       /* something of it is not as at the last model_next_interval() */
	const char *step; /* as the consumer wrote it; sinks sanitise. NULL: of a consumer */
	const char *process;
	const char *tags;           /* ready-made, "k:v,k2:v2" or "" (from --tag-from) */
	uint64_t counter[COUNTERS]; /* cumulative, ns or counts, only grow */
	uint64_t gauge[GAUGES];     /* spells in ns */
	bool has_marks;             /* COUNTER_BUSY_TIME means something */
	bool has_depth;             /* the queue gauges do */
	bool spell_ended[2];        /* the gauge went back to 0 in this interval: a last 0 is due */
	struct hist durations[2];   /* closed episodes of this interval */
};

enum model_state { MODEL_BUSY, MODEL_BLOCKED, MODEL_REFUSING, MODEL_IDLE, MODEL_STATES };

/*
 * A spell: it begins with a second of which something held for 50 % or more, and ends with one below
 * 10 %. The new instance of a step goes on with that of the one that has ended in the same drain.
 */
struct spell {
	uint64_t since; /* 0: none */
	bool at_least;  /* the beginning was not seen */
};

/* In spells; the first two as directions are numbered. Self is refusing and not blocked. */
enum { MODEL_SPELL_SEND, MODEL_SPELL_RECEIVE, MODEL_SPELL_SELF, MODEL_SPELL_BUSY, MODEL_SPELLS };

/* One instance, for screens. */
struct step_view {
	const struct record *record; /* its last one; samples are empty */
	const struct series *series;
	struct spell spell[MODEL_SPELLS];
	/* The spell of self time, from when on none of its consumer has had more: the step at fault. */
	struct spell fault;
	/* A second of it has been seen; before that shares, rates and states are 0. */
	bool judged;
	double share[2]; /* of the last second in backpressure, 0 to 1 */
	double self_share;
	double rate[COUNTERS]; /* counts and ns per second, in the last second */
	/*
	 * The last second by samples, adding up to 1: the first that holds of busy (a thread is inside
	 * this step and in none behind it), blocked, refusing, idle. All 0 without a sample. Without
	 * enter marks `marks` is false: busy is 0 and idle is not known to be idle.
	 */
	bool marks;
	double state[MODEL_STATES];
	bool has_depth;
	uint32_t depth, capacity;
	size_t level; /* 0 at a head; else one more than the farthest that hands on to it */
};

struct edge_view {
	const struct step_view *from, *to;
	/*
	 * Attempts on this edge that were refused, since this observer's first sight. Exact where `from`
	 * has no other edge and its counts don't say that it hands on to something unwatched as well
	 * (estimated, and no more than `to` can have refused); else `to`'s own refusals, and what is not
	 * told apart is shared out (estimated).
	 */
	uint64_t refused;
	bool estimated;
};

/*
 * Averages over 10, 60 and 300 s, as Linux has them for pressure stall information, or over as long as
 * it was watched; 0 to 1.
 */
enum { MODEL_AVG10, MODEL_AVG60, MODEL_AVG300, MODEL_AVGS };

struct consumer_view {
	struct pb_process_key process;
	const char *name; /* comm, as the process has it */
	const char *tags;
	const struct step_view *const *steps; /* in pipeline order: by level, then by age */
	size_t step_count;
	const struct edge_view *edges; /* in order of `from`, then of `to` */
	size_t edge_count;
	bool judged;        /* its steps have been, but for those that came later */
	uint64_t driven_at; /* the last drain that has shown a return of any of them */
	/*
	 * Since first sight. Full is exact where one head is driven; with several it is when all refuse
	 * that are not idle, by samples. Of some the longest step's time is exact, what others add to it
	 * is by samples.
	 */
	uint64_t some_ns, full_ns;
	double some[MODEL_AVGS], full[MODEL_AVGS];
	double some_share, full_share; /* of the last second */
	bool pressed;                  /* a second of these has been seen */
};

/* NULL when out of memory. */
struct model *model_new(void);
void model_free(struct model *m);
/*
 * For who has no screen and asks for series only: there are no steps and consumers to be seen, and what
 * only these show is not kept up. To be called before the first drain.
 */
void model_set_unseen(struct model *m);

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

/* All consumers with a living step, in order of (tgid, oldest instance). As the steps. */
const struct consumer_view *model_consumers(const struct model *m, size_t *count);

/* Of a step, for who keeps a record of it; there is this also of a model that is unseen. */
struct step_moved {
	const struct record *record; /* its last one; samples are empty */
	const struct series *series;
	uint64_t consumer; /* instance of its oldest step */
	size_t level;
	bool marks, has_depth;
	size_t next_count; /* of those known that it hands on to */
	struct {
		uint64_t instance;
		uint64_t refusals; /* as a record has them: a weight */
	} next[PB_MAX_NEXT];
};
typedef void model_moved_fn(const struct step_moved *step, void *context);
/* After a drain: tells of all living steps but those to which nothing has happened. */
void model_tell_moved(const struct model *m, model_moved_fn *tell, void *context);

/*
 * A sample of what the steps' memory says at one moment. `inside` is struct pushback_step.inside: the
 * thread and a mark in the low bits, or 0. Of several steps that one thread is inside of the one
 * behind all others is busy; where edges don't tell which that is, the one whose mark came last in
 * the samples. The time since the sample before goes to the states that it shows. Steps that are not
 * known are passed over.
 */
struct model_mark {
	uint64_t inside;
	bool refusing, blocked;
};
void model_sample_begin(struct model *m, uint64_t now);
void model_sample(struct model *m, const struct pb_step_key *key, const struct model_mark *mark);
void model_sample_end(struct model *m);

/* How many series are kept, as of the last drain, only until the sinks have seen them. */
size_t model_ended_series(const struct model *m);
/* The sinks have seen this interval: clears durations, forgets series without instances. */
void model_next_interval(struct model *m);

/*
 * For the next agent: series with what they have counted, and how far each living step had come. That
 * one loads it into a new model, before the first drain; its steps live again once a record comes for
 * them. Spells go on; what samples show and averages begin anew. 0, -ENOMEM, -EBADMSG, or -EPROTO: of
 * another version.
 */
void model_save(const struct model *m, struct keep_writer *w);
int model_load(struct model *m, struct keep_reader *r);

#endif /* MODEL_H */
