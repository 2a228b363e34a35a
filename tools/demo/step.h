/* SPDX-License-Identifier: MIT */
/*
 * step.h - a step of the consumer's chain, after arroyo's processing strategies
 *
 * A step is driven by the one before it, all by one thread: submit() offers a message, which the
 * step takes or refuses; poll() lets it do what is due and reaches all the steps behind it. One
 * that hands on what it took carries the message over if the next step refuses it, refuses what
 * comes meanwhile, and tries again in poll.
 *
 * Each return and each offer is told to the probes and, just before, to the truth log, by the
 * step_tell_ functions. Whoever writes a step of his own needs the pushback_ calls in them and
 * nothing else of this.
 */
#ifndef DEMO_STEP_H
#define DEMO_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include <pushback.h>

#include "message.h"
#include "slow.h"
#include "truth.h"

struct step;

struct step_ops {
	const char *kind;
	/* REJECTED and PROPAGATED leave the message with the caller. */
	enum pushback_outcome (*submit)(struct step *step, struct message *message);
	void (*poll)(struct step *step);
	/* At the end of the input: nothing is to come that would complete what is begun. */
	void (*flush)(struct step *step);
	/* Nothing is carried, begun or in flight. */
	bool (*idle)(const struct step *step);
	/* Of a task: works on the message; false if it is invalid. */
	bool (*task)(struct message *message);
};

#define STEP_BRANCHES 8

struct step_counts {
	uint64_t submits[4]; /* by outcome */
};

struct step {
	struct pushback_step probe;
	struct truth_step truth;
	const struct step_ops *ops;
	struct step *next; /* NULL: the last one */
	/* Of a broadcast step, each of them; of others, `next`. */
	struct step *branches[STEP_BRANCHES];
	size_t branch_count;
	bool pending[STEP_BRANCHES]; /* it has not taken `carried` yet */
	struct step_counts counts;

	enum slow_mode slow;
	uint64_t slow_duration;
	uint64_t busy_until; /* SLOW_REFUSE */
	bool busy;

	bool has_carried;
	struct message carried;

	/* A batch as it grows; `batch.readings` counts it. */
	struct message batch;
	uint64_t batch_since; /* ms of the coarse clock */

	/* The sink: what was handed out and not yet confirmed. */
	uint32_t in_flight;
	uint64_t next_done; /* when the oldest one is */

	uint32_t capacity; /* of batch or sink */
};

/* The kinds there are, ended by NULL. */
extern const struct step_ops *const step_kinds[];
extern const struct step_ops step_decode, step_filter, step_transform, step_guard, step_batch,
	step_broadcast, step_sink;

/* Makes it slow from now on, or not slow; what was under way with it starts its time anew. */
void step_set_slow(struct step *step, enum slow_mode mode, uint64_t duration);

/* Offers a message to the next step and tells the probes; without a next one it is ACCEPTED. */
enum pushback_outcome step_offer(struct step *step, struct message *message);
/* The same to one of several. */
enum pushback_outcome step_offer_to(struct step *step, struct step *next, struct message *message);

/* When a slow step takes a message: while in submit, ... */
void step_block(struct step *step);
/* ... after it took it, ... */
void step_become_busy(struct step *step);
/* ... and in poll: is it still busy? */
bool step_still_busy(struct step *step);

static inline bool step_refused(enum pushback_outcome outcome)
{
	return outcome == PUSHBACK_REJECTED || outcome == PUSHBACK_PROPAGATED;
}

static inline enum pushback_outcome step_tell_submit(struct step *step,
						     enum pushback_outcome outcome)
{
	step->counts.submits[outcome]++;
	truth_note(&step->truth, TRUTH_SUBMIT, outcome);
	pushback_submit_return(&step->probe, outcome);
	truth_noted(&step->truth, TRUTH_SUBMIT);
	return outcome;
}

static inline void step_tell_forward(struct step *step, enum pushback_outcome outcome)
{
	truth_note(&step->truth, TRUTH_FORWARD, outcome);
	pushback_forward_return(&step->probe, outcome);
	truth_noted(&step->truth, TRUTH_FORWARD);
}

static inline void step_tell_poll(struct step *step, bool ready)
{
	truth_note(&step->truth, TRUTH_POLL, ready);
	pushback_poll_return(&step->probe, ready);
	truth_noted(&step->truth, TRUTH_POLL);
}

static inline void step_tell_end(struct step *step)
{
	truth_end(&step->truth);
	pushback_step_end(&step->probe);
}

#endif /* DEMO_STEP_H */
