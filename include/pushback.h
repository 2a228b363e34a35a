/* SPDX-License-Identifier: MIT */
/*
 * pushback.h - backpressure probes for stream consumers
 *
 * One file, no dependencies, C11 or C++11, x86-64 and aarch64 Linux. Copy it into your project.
 *
 * WHAT IT IS FOR
 *
 *   A consumer is a chain of steps. A step that cannot take a message now refuses it, its caller
 *   keeps the message and tries again: that is backpressure. Tell this header how each submit and
 *   each poll returned, and `pushback` (or bpftrace, perf, gdb: the probes are ordinary USDT)
 *   can attach to the running consumer and say which step pushes back, how often and for how long.
 *
 *   Nobody attached: a return costs one test of a counter. Somebody attached: the header accounts
 *   in place, in the step's own struct, and a probe fires only when there is news, at most about
 *   1,000 cycles a second and step, however fast the consumer spins.
 *
 * HOW TO USE IT
 *
 *	#include <pushback.h>
 *
 *	static struct pushback_step transform = PUSHBACK_STEP_INIT("transform");
 *
 *	int transform_submit(struct message *m)
 *	{
 *		if (carried) {
 *			pushback_submit_return(&transform, PUSHBACK_REJECTED);
 *			return -EAGAIN;
 *		}
 *		int err = sink_submit(m);			// the next step
 *		pushback_forward_return(&transform, err ? PUSHBACK_REJECTED : PUSHBACK_ACCEPTED);
 *		if (err)
 *			carried = m;
 *		pushback_submit_return(&transform, PUSHBACK_ACCEPTED);
 *		return 0;
 *	}
 *
 *	// at the end of poll:
 *	pushback_poll_return(&transform, carried == NULL);
 *	// when the step is destroyed:
 *	pushback_step_end(&transform);
 *
 *   A step that is made at run time starts with pushback_step_init(&step, name) instead.
 *
 * THE CALLS
 *
 *   pushback_submit_return    this step's submit returns. ACCEPTED closes the send episode,
 *                             REJECTED (this step itself refuses) opens one. PROPAGATED (a later
 *                             step's refusal handed through) and INVALID (the message is bad)
 *                             change nothing.
 *   pushback_forward_return   this step offered a message to the next one. REJECTED and PROPAGATED
 *                             open the receive episode, ACCEPTED closes it.
 *   pushback_poll_return      this step's poll returns. ready: it could accept a message now, which
 *                             closes the send episode. Not knowing, do not call it.
 *   pushback_step_end         the step is destroyed; what is open is abandoned. Needed where steps
 *                             come and go; at process exit it may be left out on Linux 6.16 and later.
 *   pushback_submit_enter,
 *   pushback_poll_enter       optional: this thread is inside the step now (finds steps that block
 *                             instead of refusing).
 *   pushback_depth            optional: how full the step's queue is.
 *
 *   None of them allocates (but for one page a process and object at the first watched return),
 *   locks, fails or changes errno.
 *
 * OWNERSHIP AND THREADS
 *
 *   The caller owns the struct and keeps it in place and mapped from its first return to
 *   pushback_step_end or for ever; it must not be copied. One thread at a time drives a step (it may
 *   be another one each time, with the ordinary hand-over between). Different steps are independent.
 *   fork: the child starts clean. What the struct holds is read from outside: never reset it.
 *
 * UNITS: nanoseconds of CLOCK_MONOTONIC, and plain counts.
 *
 * WHAT IT EMITS: notes of provider "pushback" in .note.stapsdt, for four sites in each executable
 * or shared object, whatever the number of translation units and steps:
 *
 *	submit_return   (step *, name *, outcome, accepted, rejected, 0)
 *	forward_return  (step *, name *, outcome, forwarded, refused, next step * or 0)
 *	poll_return     (step *, name *, ready, accepted, rejected, 0)
 *	step_end        (step *, name *, 0, accepted, rejected, 0)
 *
 *   all guarded by one semaphore. A site is a cold function of its own (`nop; ret`), so the
 *   arguments are those of the calling convention and the red zone is dead. Try:
 *
 *	bpftrace -e 'usdt:./consumer:pushback:submit_return { @[str(arg1)] = count(); }'
 *
 *   It counts news, not attempts: totals are in the arguments.
 *
 * N.B. The kernel raises the semaphore before it has placed the breakpoint. The cold path therefore
 * looks at its own site's first instruction and keeps what it could not tell for the next return.
 *
 * VERSIONING: the struct's version is PUSHBACK_STEP_VERSION; fields are only ever appended, into
 * the reserved bytes. Offsets are frozen in pushback_abi.h of the pushback project.
 */
#ifndef PUSHBACK_H
#define PUSHBACK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PUSHBACK_STEP_MAGIC   0x70756c6cu
#define PUSHBACK_STEP_VERSION 1
#define PUSHBACK_NAME_SIZE    128

/* How a submit ended. Anything above 3 counts as INVALID. */
enum pushback_outcome {
	PUSHBACK_ACCEPTED = 0,
	PUSHBACK_REJECTED = 1,
	PUSHBACK_PROPAGATED = 2,
	PUSHBACK_INVALID = 3,
};

/* Directions: SEND is "this step refuses", RECEIVE is "the next step refused this one". */
enum pushback_direction_index {
	PUSHBACK_SEND = 0,
	PUSHBACK_RECEIVE = 1,
};

/*
 * One direction of a step: what is open, and what has ended since the present watch began.
 * `closed` is of episodes seen whole; `folded` ones are among them: accounted here, not fired.
 */
struct pushback_direction {
	uint64_t since;		/* beginning of the open episode, 0 if none is open */
	uint64_t last;		/* duration of the last closed episode */
	uint64_t closed;
	uint64_t closed_ns;
	uint64_t partial;	/* the beginning was not seen */
	uint64_t partial_ns;	/* at least this long */
	uint64_t abandoned;	/* ended by step_end or exit */
	uint64_t abandoned_ns;
	uint64_t folded;
	uint64_t folded_ns;
};

/* struct pushback_step.state. Bits with two places are for SEND; << 1 for RECEIVE. */
#define PUSHBACK_OPEN	     0x0001u /* an episode is open */
#define PUSHBACK_PARTIAL     0x0004u /* its beginning was not seen */
#define PUSHBACK_UNKNOWN     0x0010u /* whether one is open is not known: it ran unwatched */
#define PUSHBACK_SHOWN	     0x0040u /* observers were told that it is open: its end is fired */
#define PUSHBACK_SAMPLE	     0x0100u /* this fire tells an episode's end: its duration is `last` */
#define PUSHBACK_PARTED	     0x0400u /* this fire tells a partial episode's end */
#define PUSHBACK_CYCLE_FIRED 0x1000u /* the present cycle is one that fires */
#define PUSHBACK_UNTOLD	     0x2000u /* there is news that no site could tell yet */
#define PUSHBACK_BEAT	     0x4000u /* this fire is a heartbeat */
#define PUSHBACK_ENDED	     0x8000u /* this fire is the step's last */
#define PUSHBACK_NAME_CUT    0x10000u /* the name was longer than fits */

#define PUSHBACK_OPEN_ANY (PUSHBACK_OPEN | PUSHBACK_OPEN << 1)

/* struct pushback_step.epoch, when it is not that of a watch of this process. */
#define PUSHBACK_EPOCH_MISSED 1u /* returned unwatched */
#define PUSHBACK_EPOCH_FRESH  2u /* never called */

/*
 * A step. Opaque to its owner; read by observers, whose view of it this layout is. The first cache
 * line is what a watched return touches.
 */
struct pushback_step {
	uint32_t magic;
	uint16_t version;
	uint16_t size;
	uint64_t epoch;		/* of the watch it is in, or PUSHBACK_EPOCH_... */
	uint64_t accepted;	/* submits; counted while watched, never cleared */
	uint64_t rejected;
	uint64_t forwarded;	/* what it handed on */
	uint64_t refused;
	uint32_t state;
	uint32_t countdown;	/* returns until the next look at the clock */
	uint64_t inside;	/* thread pointer | 1 in submit, | 2 in poll; 0 outside or unknown */

	uint64_t instance;	/* unique in the process and over its life; 0 before the first watch */
	uint64_t looked;	/* when the clock was last looked at */
	uint64_t fired;		/* when a probe last fired */
	uint64_t bound;		/* rate bound: when the allowance is whole again */
	uint32_t look_every;	/* returns between looks */
	uint32_t edges;		/* in this cycle */
	uint64_t depth;		/* queue: messages | capacity << 32; 0 if never told */
	uint64_t self_ns;	/* time refusing while not blocked */
	uint64_t self_since;	/* since when it runs, 0 if it does not */

	uint64_t watch_since;	/* when the present watch began, and the totals then */
	uint64_t watch_accepted;
	uint64_t watch_rejected;
	uint64_t watch_forwarded;
	uint64_t watch_refused;
	uint64_t next;		/* the step that the last fired forward went to, or 0 */
	struct pushback_direction direction[2];
	uint64_t reserved[6];

	char name[PUSHBACK_NAME_SIZE];	/* NUL-terminated */
} __attribute__((aligned(64)));
