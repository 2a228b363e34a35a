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
 *   500 times a second and step, however fast the consumer spins.
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
 *                             come and go, unless the next one is made in the same place by
 *                             pushback_step_init: what lives there ends then. At process exit it may
 *                             be left out, before Linux 6.16 where the kernel has kprobes.
 *   pushback_submit_enter,
 *   pushback_poll_enter       optional: this thread is inside the step now (finds steps that block
 *                             instead of refusing, and makes sure of the order of steps).
 *   pushback_depth            optional: how full the step's queue is.
 *
 *   None of them allocates (but for one page a process and object at the first watched return),
 *   locks, fails or changes errno.
 *
 * OWNERSHIP AND THREADS
 *
 *   The caller owns the struct and keeps it in place and mapped from its first return to
 *   pushback_step_end or for ever; it must not be copied. On the heap it needs its alignment of 64:
 *   aligned_alloc(64, ...), or `new` from C++17 on. One thread at a time drives a step (it may be
 *   another one each time, with the ordinary hand-over between), and one executable or library:
 *   each has a watch of its own. Different steps are independent.
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
/* C in C++: its casts are C's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuseless-cast"
#endif
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
	uint64_t since; /* beginning of the open episode, 0 if none is open */
	uint64_t last;  /* duration of the last closed episode */
	uint64_t closed;
	uint64_t closed_ns;
	uint64_t partial;    /* the beginning was not seen */
	uint64_t partial_ns; /* at least this long */
	uint64_t abandoned;  /* ended by step_end or exit */
	uint64_t abandoned_ns;
	uint64_t folded;
	uint64_t folded_ns;
};

/*
 * One of the folded episodes since the last fire, any of them with the same chance: the durations of
 * fired cycles do not stand for it, since firing itself makes those longer.
 */
struct pushback_pick {
	uint64_t ns;
	uint64_t of; /* folded since the last fire */
};

/* struct pushback_step.state. Bits with two places are for SEND; << 1 for RECEIVE. */
#define PUSHBACK_OPEN        0x0001u  /* an episode is open */
#define PUSHBACK_PARTIAL     0x0004u  /* its beginning was not seen */
#define PUSHBACK_UNKNOWN     0x0010u  /* whether one is open is not known: it ran unwatched */
#define PUSHBACK_SHOWN       0x0040u  /* observers were told that it is open: its end is fired */
#define PUSHBACK_SAMPLE      0x0100u  /* this fire tells an episode's end: its duration is `last` */
#define PUSHBACK_PARTED      0x0400u  /* this fire tells a partial episode's end */
#define PUSHBACK_CYCLE_FIRED 0x1000u  /* the present cycle is one that fires */
#define PUSHBACK_UNTOLD      0x2000u  /* there is news that no site could tell yet */
#define PUSHBACK_BEAT        0x4000u  /* this fire is a heartbeat */
#define PUSHBACK_ENDED       0x8000u  /* this fire is the step's last */
#define PUSHBACK_NAME_CUT    0x10000u /* the name was longer than fits */
#define PUSHBACK_MARKS       0x20000u /* it has enter marks */

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
	uint64_t epoch;    /* of the watch it is in, or PUSHBACK_EPOCH_... */
	uint64_t accepted; /* submits; counted while watched, never cleared */
	uint64_t rejected;
	uint64_t forwarded; /* what it handed on */
	uint64_t refused;
	uint32_t state;
	uint32_t countdown; /* returns without an edge before the next look at the clock */
	uint64_t inside;    /* thread pointer | 1 in submit, | 2 in poll; 0 outside or unknown */

	uint64_t instance;   /* unique in the process and over its life; 0 before the first watch */
	uint64_t looked;     /* since when `returns` are counted */
	uint64_t fired;      /* when a probe last fired */
	uint64_t bound;      /* rate bound: a cycle that begins from then on is fired */
	uint16_t look_every; /* returns between looks */
	uint16_t edges;      /* in this cycle */
	uint32_t returns;    /* since `looked`, about */
	uint64_t depth;      /* queue: messages | capacity << 32; 0 if never told */
	uint64_t self_ns;    /* time refusing while not blocked */
	uint64_t self_since; /* since when it runs, 0 if it does not */

	uint64_t watch_since; /* when the present watch began, and the totals then */
	uint64_t watch_accepted;
	uint64_t watch_rejected;
	uint64_t watch_forwarded;
	uint64_t watch_refused;
	uint64_t next; /* the step that the last fired forward went to, or 0 */
	struct pushback_direction direction[2];
	struct pushback_pick pick[2];
	uint64_t nexts; /* which steps its forwards were told with, see pushback_next_bit() */
	uint32_t known; /* one of them: its address, cut; or 0 */
	uint32_t at;    /* its own, likewise, once it is numbered: a copy is another */

	char name[PUSHBACK_NAME_SIZE]; /* NUL-terminated */
} __attribute__((aligned(64)));

/* C takes a string of exactly the array's size, without its NUL, and only warns of longer ones. */
#define PUSHBACK_FITS(text) char[sizeof(text) <= PUSHBACK_NAME_SIZE ? 1 : -1]

/* For static storage. `text` is a string literal; one that does not fit does not compile. */
#define PUSHBACK_STEP_INIT(text)                                                                 \
	{                                                                                        \
		PUSHBACK_STEP_MAGIC, PUSHBACK_STEP_VERSION,                                      \
			sizeof(struct pushback_step) + 0 * sizeof(PUSHBACK_FITS(text)),          \
			PUSHBACK_EPOCH_FRESH, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
			0, 0, 0, 0, 0, 0,                                                        \
			{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } },  \
			{ { 0, 0 }, { 0, 0 } }, 0, 0, 0, text                                    \
	}

#define PUSHBACK_UNLIKELY(x) (__builtin_expect(!!(x), 0) != 0)
#define PUSHBACK_INLINE      static inline __attribute__((always_inline, unused))

/*
 * ---- The state machine ----
 *
 * Pure: a plain struct, and the time as an argument. Compiled into consumers, into the BPF program
 * and into unit tests.
 */

/*
 * At most one fired edge in 2 ms in the long run, with an allowance of 64 at once. Cycles are told
 * whole or not at all, and pay for all of their edges.
 */
#define PUSHBACK_BOUND_NS 2000000ull
#define PUSHBACK_BURST    64
/* Edges after which a cycle is cut: its directions may never be closed both at once. */
#define PUSHBACK_CYCLE_EDGES 16

/*
 * Outside observers read these while they change: in memory after each, and by one instruction where there
 * is one; of a volatile word gcc makes three.
 */
PUSHBACK_INLINE void pushback_add(uint64_t *counter, uint64_t n)
{
	*counter += n;
	__asm__ volatile("" : "+m"(*counter));
}

/* The kernel's clock, read in BPF, may be a little behind the consumer's. */
PUSHBACK_INLINE uint64_t pushback_since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

/* Self time runs while the step refuses and is not itself blocked. */
PUSHBACK_INLINE void pushback_self(struct pushback_step *s, uint64_t now)
{
	if (s->self_since)
		pushback_add(&s->self_ns, pushback_since(s->self_since, now));
	s->self_since = (s->state & PUSHBACK_OPEN_ANY) == PUSHBACK_OPEN ? now : 0;
}

/*
 * A cycle begins: is it one that fires? An allowance lets a consumer of few episodes tell each of
 * them, also when they come in bursts.
 */
PUSHBACK_INLINE void pushback_cycle(struct pushback_step *s, uint64_t now)
{
	uint64_t floor = now - (PUSHBACK_BURST - 1) * PUSHBACK_BOUND_NS;

	s->edges = 0;
	s->state &= ~PUSHBACK_CYCLE_FIRED;
	if (s->bound > now)
		return;
	s->state |= PUSHBACK_CYCLE_FIRED;
	if ((int64_t)(s->bound - floor) < 0)
		s->bound = floor;
}

PUSHBACK_INLINE void pushback_open(struct pushback_step *s, unsigned int direction, uint64_t now)
{
	if (!(s->state & PUSHBACK_OPEN_ANY))
		pushback_cycle(s, now);
	if (s->state & PUSHBACK_UNKNOWN << direction)
		s->state |= PUSHBACK_PARTIAL << direction;
	s->state &= ~(PUSHBACK_UNKNOWN << direction);
	s->state |= PUSHBACK_OPEN << direction;
	s->direction[direction].since = now;
}

/* The n-th replaces the one before with a chance of 1/n; the time's low bits are the dice. */
PUSHBACK_INLINE void pushback_pick_one(struct pushback_pick *pick, uint64_t took, uint64_t now)
{
	uint32_t dice = (uint32_t)now * 2654435761u;

	if ((dice * ++pick->of) >> 32 == 0)
		pick->ns = took;
}

/* Returns nonzero if the end is to be told whatever the cycle. */
PUSHBACK_INLINE unsigned int pushback_close(struct pushback_step *s, unsigned int direction,
					    uint64_t now)
{
	struct pushback_direction *d = &s->direction[direction];
	unsigned int state = s->state;
	unsigned int shown = state & PUSHBACK_SHOWN << direction;
	uint64_t took = pushback_since(d->since, now);

	s->state &= ~((PUSHBACK_OPEN | PUSHBACK_PARTIAL | PUSHBACK_UNKNOWN | PUSHBACK_SHOWN)
		      << direction);
	if (!(state & PUSHBACK_OPEN << direction))
		return 0;
	if (state & PUSHBACK_PARTIAL << direction) {
		pushback_add(&d->partial_ns, took);
		pushback_add(&d->partial, 1);
		if (shown || state & PUSHBACK_CYCLE_FIRED)
			s->state |= PUSHBACK_PARTED << direction;
	} else {
		pushback_add(&d->closed_ns, took);
		pushback_add(&d->closed, 1);
		d->last = took;
		if (shown || state & PUSHBACK_CYCLE_FIRED) {
			s->state |= PUSHBACK_SAMPLE << direction;
		} else {
			pushback_add(&d->folded_ns, took);
			pushback_add(&d->folded, 1);
			pushback_pick_one(&s->pick[direction], took, now);
		}
	}
	d->since = 0;
	return shown;
}

/* An edge: the direction opens, or is seen to be closed. Returns nonzero if it is to be told. */
PUSHBACK_INLINE unsigned int pushback_turn(struct pushback_step *s, unsigned int direction,
					   unsigned int opens, uint64_t now)
{
	unsigned int told = 0;

	if (opens)
		pushback_open(s, direction, now);
	else
		told = pushback_close(s, direction, now);
	if (s->state & PUSHBACK_CYCLE_FIRED) {
		told |= PUSHBACK_CYCLE_FIRED;
		s->bound += PUSHBACK_BOUND_NS;
	}
	pushback_self(s, now);
	if (++s->edges >= PUSHBACK_CYCLE_EDGES && s->state & PUSHBACK_OPEN_ANY)
		pushback_cycle(s, now);
	return told;
}

/* The step is gone: what is open is abandoned, which wins over partial. */
PUSHBACK_INLINE void pushback_abandon(struct pushback_step *s, uint64_t now)
{
	unsigned int i;

	for (i = PUSHBACK_SEND; i <= PUSHBACK_RECEIVE; i++) {
		struct pushback_direction *d = &s->direction[i];

		if (d->since) {
			pushback_add(&d->abandoned_ns, pushback_since(d->since, now));
			pushback_add(&d->abandoned, 1);
			d->since = 0;
		}
	}
	s->state &= ~((PUSHBACK_OPEN | PUSHBACK_PARTIAL | PUSHBACK_SHOWN) * 3);
	pushback_self(s, now);
}

/* What a return is to its direction. */
#define PUSHBACK_NO_EDGE 0u
#define PUSHBACK_OPENS   1u
#define PUSHBACK_CLOSES  2u

/* Counts an outcome; which edge is it? Most returns are as the one before. */
PUSHBACK_INLINE unsigned int pushback_count(struct pushback_step *s, unsigned int direction,
					    int outcome)
{
	if (outcome == PUSHBACK_ACCEPTED) {
		pushback_add(direction == PUSHBACK_SEND ? &s->accepted : &s->forwarded, 1);
		if (PUSHBACK_UNLIKELY(s->state & (PUSHBACK_OPEN | PUSHBACK_UNKNOWN) << direction))
			return PUSHBACK_CLOSES;
	} else if (outcome == PUSHBACK_REJECTED ||
		   (direction == PUSHBACK_RECEIVE && outcome == PUSHBACK_PROPAGATED)) {
		pushback_add(direction == PUSHBACK_SEND ? &s->rejected : &s->refused, 1);
		if (PUSHBACK_UNLIKELY(!(s->state & PUSHBACK_OPEN << direction)))
			return PUSHBACK_OPENS;
	}
	return PUSHBACK_NO_EDGE;
}

/* A poll that says "ready" ends the refusing; one that does not says nothing. */
PUSHBACK_INLINE unsigned int pushback_ready(const struct pushback_step *s, int ready)
{
	return ready && s->state & (PUSHBACK_OPEN | PUSHBACK_UNKNOWN) ? PUSHBACK_CLOSES
								      : PUSHBACK_NO_EDGE;
}

/* Time in backpressure up to `now` since the present watch began, of all ends and what is open. */
PUSHBACK_INLINE uint64_t pushback_time(const struct pushback_step *s, unsigned int direction,
				       uint64_t now)
{
	const struct pushback_direction *d = &s->direction[direction];
	uint64_t open = d->since ? pushback_since(d->since, now) : 0;

	return d->closed_ns + d->partial_ns + d->abandoned_ns + open;
}

PUSHBACK_INLINE uint64_t pushback_self_time(const struct pushback_step *s, uint64_t now)
{
	return s->self_ns + (s->self_since ? pushback_since(s->self_since, now) : 0);
}

/* A watch begins at a step that ran before: nothing is known of it. Totals stay. */
PUSHBACK_INLINE void pushback_miss_begin(struct pushback_step *s)
{
	const struct pushback_direction none = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

	s->direction[PUSHBACK_SEND] = none;
	s->direction[PUSHBACK_RECEIVE] = none;
	s->pick[PUSHBACK_SEND].of = 0;
	s->pick[PUSHBACK_RECEIVE].of = 0;
	s->self_ns = 0;
	s->self_since = 0;
	s->state = (s->state & (PUSHBACK_NAME_CUT | PUSHBACK_MARKS)) | PUSHBACK_UNKNOWN |
		   PUSHBACK_UNKNOWN << 1;
}

#ifndef __bpf__

/*
 * ---- The sites ----
 *
 * Everything that is one per linked object, whatever the number of translation units, is defined in
 * comdat groups by assembler: the four sites with their notes, the semaphore, and what the cold path
 * keeps. Hidden, so that each executable and shared object has its own. `.ifndef` because link-time
 * optimisation puts the assembler of all units into one.
 */
#if defined(__x86_64__)
#define PUSHBACK_NOP       "nop"
#define PUSHBACK_PAGE      "4096"
#define PUSHBACK_SITE_ARGS "8@%rdi 8@%rsi 4@%edx 8@%rcx 8@%r8 8@%r9"
typedef uint8_t pushback_instruction;
#define PUSHBACK_NOP_CODE 0x90u
#elif defined(__aarch64__)
#define PUSHBACK_NOP       "nop"
#define PUSHBACK_PAGE      "65536" /* the largest there is */
#define PUSHBACK_SITE_ARGS "8@x0 8@x1 4@x2 8@x3 8@x4 8@x5"
typedef uint32_t pushback_instruction;
#define PUSHBACK_NOP_CODE  0xd503201fu
#else
#error "pushback.h: x86-64 and aarch64 only"
#endif

/* Defines `name` in a comdat group of its own, in `section` with `flags`. */
#define PUSHBACK_OBJECT(name, section, flags, kind, align, body)               \
	".ifndef " name "\n"                                                   \
	".pushsection " section "," flags "," kind "," name ",comdat\n"        \
	".weak " name "\n"                                                     \
	".hidden " name "\n"                                                   \
	".balign " align "\n" name ":\n" body ".size " name ", . - " name "\n" \
	".popsection\n"                                                        \
	".endif\n"

#define PUSHBACK_SITE(probe)                                                         \
	".ifndef pushback_fire_" probe "\n"                                          \
	".pushsection .text.unlikely.pushback_fire_" probe                           \
	",\"axG\",\"progbits\",pushback_fire_" probe ",comdat\n"                     \
	".weak pushback_fire_" probe "\n"                                            \
	".hidden pushback_fire_" probe "\n"                                          \
	".type pushback_fire_" probe ", STT_FUNC\n"                                  \
	".balign 16\n"                                                               \
	"pushback_fire_" probe ":\n"                                                 \
	"\t" PUSHBACK_NOP "\n"                                                       \
	"\tret\n"                                                                    \
	".size pushback_fire_" probe ", . - pushback_fire_" probe "\n"               \
	".popsection\n"                                                              \
	".pushsection .note.stapsdt,\"G\",\"note\",pushback_fire_" probe ",comdat\n" \
	".balign 4\n"                                                                \
	".4byte 992f-991f, 994f-993f, 3\n"                                           \
	"991: .asciz \"stapsdt\"\n"                                                  \
	"992: .balign 4\n"                                                           \
	"993: .8byte pushback_fire_" probe ", _.stapsdt.base, pushback_semaphore\n"  \
	".asciz \"pushback\"\n"                                                      \
	".asciz \"" probe "\"\n"                                                     \
	".asciz \"" PUSHBACK_SITE_ARGS "\"\n"                                        \
	"994: .balign 4\n"                                                           \
	".popsection\n"                                                              \
	".endif\n"

/* clang-format off */
__asm__(
	/*
	 * As sys/sdt.h has it, but "R" keeps it where the linker collects sections, and "M", of items
	 * of one byte, merges two: lld drops no group that stands in an object for link-time
	 * optimisation and in another one too, and with two of them all notes would be one byte off.
	 */
	".ifndef _.stapsdt.base\n"
	".pushsection .stapsdt.base,\"aMGR\",\"progbits\",1,.stapsdt.base,comdat\n"
	".weak _.stapsdt.base\n"
	".hidden _.stapsdt.base\n"
	"_.stapsdt.base: .space 1\n"
	".size _.stapsdt.base, 1\n"
	".popsection\n"
	".endif\n");
__asm__(
	/*
	 * Raised by the kernel for each attached site: in the file, writable, not in .bss. At the
	 * beginning of a page: lld and mold map the one where what is read-only after relocation ends and
	 * .data begins twice, and in a process that starts watched the kernel would raise the first.
	 */
	PUSHBACK_OBJECT("pushback_semaphore", ".probes", "\"awG\"", "\"progbits\"", PUSHBACK_PAGE,
			".2byte 0\n")
	/* The epoch of this process's watch, in a page that a fork wipes; see pushback_begin(). */
	PUSHBACK_OBJECT("pushback_no_epoch", ".bss.pushback_no_epoch", "\"awG\"", "\"nobits\"", "8",
			".zero 8\n")
	PUSHBACK_OBJECT("pushback_epoch", ".data.pushback_epoch", "\"awG\"", "\"progbits\"", "8",
			".8byte pushback_no_epoch\n")
	PUSHBACK_OBJECT("pushback_instances", ".bss.pushback_instances", "\"awG\"", "\"nobits\"", "8",
			".zero 8\n"));
__asm__(PUSHBACK_SITE("submit_return"));
__asm__(PUSHBACK_SITE("forward_return"));
__asm__(PUSHBACK_SITE("poll_return"));
__asm__(PUSHBACK_SITE("step_end"));
/* clang-format on */

#define PUSHBACK_HIDDEN __attribute__((visibility("hidden")))

typedef void pushback_fire(struct pushback_step *, const char *, unsigned int, uint64_t, uint64_t,
			   uint64_t);

extern PUSHBACK_HIDDEN pushback_fire pushback_fire_submit_return;
extern PUSHBACK_HIDDEN pushback_fire pushback_fire_forward_return;
extern PUSHBACK_HIDDEN pushback_fire pushback_fire_poll_return;
extern PUSHBACK_HIDDEN pushback_fire pushback_fire_step_end;
extern PUSHBACK_HIDDEN uint16_t pushback_semaphore;
extern PUSHBACK_HIDDEN uint64_t pushback_no_epoch;
extern PUSHBACK_HIDDEN uint64_t *pushback_epoch;
extern PUSHBACK_HIDDEN uint64_t pushback_instances;

/*
 * What is known of this thread. By the compiler, not in assembler as the others: clang's link-time
 * optimisation does not see there that it is thread-local, and lld refuses.
 */
struct pushback_here {
	uintptr_t called; /* the step whose submit returned last, or 0 */
	uintptr_t frame;  /* Rust's: the innermost wrapped call */
};

extern PUSHBACK_HIDDEN __thread struct pushback_here pushback_here;
__attribute__((weak)) __thread struct pushback_here pushback_here;

/* ---- The cold path ---- */

#define PUSHBACK_COLD static __attribute__((noinline, cold, unused))

/*
 * A look is at the coarse clock: it takes a fifth of the time of the other, some 5 ns, and stands still for
 * a tick of the kernel, 1 to 10 ms. One every 4 us costs next to nothing; who returns less often has one at
 * each return. Between two are at most 61 returns, after an edge 7.
 */
#define PUSHBACK_LOOK_NS   4000u
#define PUSHBACK_LOOK_MOST 61u
#define PUSHBACK_LOOK_EDGE 7u
#define PUSHBACK_TICK_NS   500000u
#define PUSHBACK_BEAT_NS   1000000000ull

enum pushback_site {
	PUSHBACK_SUBMIT_RETURN,
	PUSHBACK_FORWARD_RETURN,
	PUSHBACK_POLL_RETURN,
	PUSHBACK_STEP_END,
};

/* Under a name of our own: <time.h> hides it from strict C, and C++ declares it otherwise. */
struct pushback_timespec {
	long tv_sec;
	long tv_nsec;
};
extern int pushback_clock_gettime(int, struct pushback_timespec *) __asm__("clock_gettime");

PUSHBACK_INLINE uint64_t pushback_read_clock(int which)
{
	struct pushback_timespec t;

	pushback_clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

PUSHBACK_INLINE uint64_t pushback_clock(void)
{
	return pushback_read_clock(1 /* CLOCK_MONOTONIC */);
}

/* The same clock as of the kernel's last tick. */
PUSHBACK_INLINE uint64_t pushback_clock_coarse(void)
{
	return pushback_read_clock(6 /* CLOCK_MONOTONIC_COARSE */);
}

/* Without the C library's: they would change errno. */
PUSHBACK_COLD long pushback_syscall(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#else
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#endif
}

/*
 * The page that holds the epoch. MADV_WIPEONFORK makes it zero in a forked child, and so the child's
 * first return finds the step's epoch to be another's. Never unmapped: its address makes instance
 * numbers unique over the life of the process, also when libraries come and go. Without memory the
 * fallback serves, in which a fork goes unseen.
 */
PUSHBACK_COLD uint64_t *pushback_epoch_page(void)
{
#if defined(__x86_64__)
	enum { SYS_mmap_ = 9, SYS_munmap_ = 11, SYS_madvise_ = 28 };
#else
	enum { SYS_mmap_ = 222, SYS_munmap_ = 215, SYS_madvise_ = 233 };
#endif
	uint64_t *none = &pushback_no_epoch;
	uint64_t *known = __atomic_load_n(&pushback_epoch, __ATOMIC_ACQUIRE);
	long page;

	if (known != none)
		return known;
	page = pushback_syscall(SYS_mmap_, 0, 4096, 3 /* read, write */,
				0x22 /* private, anonymous */, -1, 0);
	if (page < 0 && page > -4096)
		return none;
	pushback_syscall(SYS_madvise_, page, 4096, 18 /* MADV_WIPEONFORK */, 0, 0, 0);
	if (__atomic_compare_exchange_n(&pushback_epoch, &none, (uint64_t *)page, 0,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return (uint64_t *)page;
	pushback_syscall(SYS_munmap_, page, 4096, 0, 0, 0, 0);
	return none; /* another thread's: the exchange has put it there */
}

/* The present watch's epoch: a time, so that it is neither the parent's nor a PUSHBACK_EPOCH_. */
PUSHBACK_COLD uint64_t pushback_epoch_now(uint64_t *page, uint64_t now)
{
	uint64_t none = 0;

	if (__atomic_compare_exchange_n(page, &none, now, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return now;
	return none;
}

/* The upper 36 bits of instance numbers, below the top one, which is the observer's: addresses have up to 48. */
PUSHBACK_COLD uint64_t pushback_page_number(const uint64_t *page)
{
	return (uint64_t)(uintptr_t)page >> 12 << 27;
}

/* The first watched return of a watch: of a new step, of one that ran unwatched, of a forked one. */
PUSHBACK_COLD void pushback_begin(struct pushback_step *s)
{
	uint64_t now = pushback_clock();
	uint64_t *page = pushback_epoch_page();
	uint64_t number;

	if (s->epoch != PUSHBACK_EPOCH_FRESH)
		pushback_miss_begin(s);
	if (s->instance == 0) {
		number = __atomic_add_fetch(&pushback_instances, 1, __ATOMIC_RELAXED);
		s->instance = pushback_page_number(page) | (number & 0x7ffffff);
	}
	s->at = (uint32_t)((uintptr_t)s >> 6);
	s->watch_since = now;
	s->watch_accepted = s->accepted;
	s->watch_rejected = s->rejected;
	s->watch_forwarded = s->forwarded;
	s->watch_refused = s->refused;
	s->next = 0;
	s->nexts = 0;
	s->known = 0;
	s->inside = 0;
	s->bound = 0;
	s->looked = 0;
	s->fired = 0;
	s->look_every = 1;
	s->returns = 0;
	s->countdown = 0;
	s->state |= PUSHBACK_UNTOLD;
	*(volatile uint64_t *)&s->epoch = pushback_epoch_now(page, now);
}

PUSHBACK_INLINE uintptr_t pushback_site_address(enum pushback_site site)
{
	switch (site) {
	case PUSHBACK_SUBMIT_RETURN:
		return (uintptr_t)pushback_fire_submit_return;
	case PUSHBACK_FORWARD_RETURN:
		return (uintptr_t)pushback_fire_forward_return;
	case PUSHBACK_POLL_RETURN:
		return (uintptr_t)pushback_fire_poll_return;
	case PUSHBACK_STEP_END:
		break;
	}
	return (uintptr_t)pushback_fire_step_end;
}

/*
 * Whether the kernel has placed its breakpoint; the semaphore is up before that. A load in assembler:
 * sanitizers have nothing to say about code, and the thread sanitizer has no shadow for it.
 */
PUSHBACK_COLD int pushback_armed(enum pushback_site site)
{
	uintptr_t at = pushback_site_address(site);
	pushback_instruction code;

#if defined(__x86_64__)
	__asm__ volatile("movb (%1), %0" : "=q"(code) : "r"(at) : "memory");
#else
	__asm__ volatile("ldr %w0, [%1]" : "=r"(code) : "r"(at) : "memory");
#endif
	return code != PUSHBACK_NOP_CODE;
}

/* Direct calls: the sites are no landing pads for indirect ones (BTI, IBT, CFI would fault). */
PUSHBACK_COLD void pushback_fire_at(enum pushback_site site, struct pushback_step *s,
				    unsigned int value, uint64_t yes, uint64_t no, uint64_t next)
{
	switch (site) {
	case PUSHBACK_SUBMIT_RETURN:
		pushback_fire_submit_return(s, s->name, value, yes, no, next);
		break;
	case PUSHBACK_FORWARD_RETURN:
		pushback_fire_forward_return(s, s->name, value, yes, no, next);
		break;
	case PUSHBACK_POLL_RETURN:
		pushback_fire_poll_return(s, s->name, value, yes, no, next);
		break;
	case PUSHBACK_STEP_END:
		pushback_fire_step_end(s, s->name, value, yes, no, next);
		break;
	}
}

/*
 * A forward to a step that was not told in this second is news: that is how observers learn the order
 * of steps. `nexts` has the second in its high bits, below them one for each step that was told; the
 * second decides which, so that no two share one for long. Steps often lie in an array: it takes two
 * rounds, or else neighbours that share one go on to share the next.
 */
#define PUSHBACK_NEXT_BITS 48

PUSHBACK_INLINE uint64_t pushback_next_bit(const struct pushback_step *s, uintptr_t next)
{
	uint32_t second = (uint32_t)(s->nexts >> PUSHBACK_NEXT_BITS);
	uint32_t mixed = ((uint32_t)(next >> 6) + second * 2654435769u) * 2246822507u;

	mixed = (mixed ^ mixed >> 15) * 3266489909u;
	return 1ull << ((uint64_t)mixed * PUSHBACK_NEXT_BITS >> 32);
}

/* A new second: all of them are news again. Not back to the one before, where the coarse clock still is. */
PUSHBACK_INLINE void pushback_next_second(struct pushback_step *s, uint64_t now)
{
	uint64_t second = now >> 30, known = s->nexts >> PUSHBACK_NEXT_BITS;

	if (PUSHBACK_UNLIKELY((second ^ known) & 0xffff && ((second + 1) ^ known) & 0xffff)) {
		s->nexts = second << PUSHBACK_NEXT_BITS;
		s->known = 0;
	}
}

/* Called, and not told. Only a forward's own site can tell it: where nobody listens, not tried for ever. */
PUSHBACK_COLD unsigned int pushback_next_news(struct pushback_step *s, uintptr_t next,
					      enum pushback_site site, uint64_t now)
{
	uint64_t bit = pushback_next_bit(s, next);

	if (s->nexts & bit)
		return 0;
	if (pushback_armed(site))
		return PUSHBACK_UNTOLD;
	if (pushback_since(s->watch_since, now) >= PUSHBACK_BEAT_NS)
		s->nexts |= bit;
	return 0;
}

#define PUSHBACK_CALLED_NEWS 1u /* beside a step's address: observers have not heard of it */

/* A forward returns: which step was called? */
PUSHBACK_INLINE uintptr_t pushback_take_called(struct pushback_step *s)
{
	uintptr_t called = pushback_here.called;

	pushback_here.called = 0;
	if (PUSHBACK_UNLIKELY((uint32_t)(called >> 6) != s->known)) {
		if (called == (uintptr_t)s)
			return 0;
		if (called && s->nexts & pushback_next_bit(s, called)) {
			s->known = (uint32_t)(called >> 6);
		} else if (called) {
			s->countdown = 0;
			called |= PUSHBACK_CALLED_NEWS;
		}
	}
	return called;
}

/* Fires, or keeps it for the next return. */
PUSHBACK_COLD void pushback_tell(struct pushback_step *s, enum pushback_site site, int value,
				 uintptr_t next, uint64_t now)
{
	int forward = site == PUSHBACK_FORWARD_RETURN;

	s->state |= PUSHBACK_UNTOLD;
	if (!pushback_armed(site)) {
		/* Later on it is somebody attached to other sites only: no clock at each return. */
		if (now - s->watch_since < PUSHBACK_BEAT_NS || now - s->fired < PUSHBACK_BEAT_NS)
			s->countdown = 0;
		return;
	}
	s->state &= ~PUSHBACK_UNTOLD;
	s->fired = now;
	if (next) {
		s->next = next;
		s->nexts |= pushback_next_bit(s, next);
	}
	pushback_fire_at(site, s, (unsigned int)value, forward ? s->forwarded : s->accepted,
			 forward ? s->refused : s->rejected, next);
	s->state &= ~(PUSHBACK_SAMPLE | PUSHBACK_SAMPLE << 1 | PUSHBACK_PARTED |
		      PUSHBACK_PARTED << 1 | PUSHBACK_BEAT | PUSHBACK_ENDED);
	s->pick[PUSHBACK_SEND].of = 0;
	s->pick[PUSHBACK_RECEIVE].of = 0;
}

/*
 * How many returns until the next look: as many as went by in PUSHBACK_LOOK_NS, by the rate of the last tick.
 * After a sudden slow-down the next look is as many of the slow returns away, so it is few for all but who
 * spins: that is what a heartbeat can be late. An edge often brings a slow-down, so fewer follow it. Odd
 * numbers, or else a step that forwards and returns in turn would beat at the same site each time.
 */
PUSHBACK_INLINE void pushback_look(struct pushback_step *s, unsigned int edge, uint64_t now)
{
	uint64_t took = pushback_since(s->looked, now), every = s->look_every;

	s->returns += edge ? 1 : (uint32_t)every;
	if (PUSHBACK_UNLIKELY(took >= PUSHBACK_TICK_NS)) {
		every = (uint64_t)s->returns * PUSHBACK_LOOK_NS / took | 1;
		if (every > PUSHBACK_LOOK_MOST)
			every = PUSHBACK_LOOK_MOST;
		s->look_every = (uint16_t)every;
		s->looked = now;
		s->returns = 0;
	}
	if (edge && every > PUSHBACK_LOOK_EDGE)
		every = PUSHBACK_LOOK_EDGE;
	s->countdown = (uint32_t)every - 1;
}

/* A return at which the clock is looked at: is there something to tell? */
PUSHBACK_INLINE unsigned int pushback_seen(struct pushback_step *s, enum pushback_site site,
					   uintptr_t called, uint64_t now)
{
	unsigned int tell = s->state & PUSHBACK_UNTOLD;

	pushback_next_second(s, now);
	if (called & PUSHBACK_CALLED_NEWS)
		tell |= pushback_next_news(s, called, site, now);
	if (!tell && pushback_since(s->fired, now) >= PUSHBACK_BEAT_NS)
		tell = PUSHBACK_BEAT;
	return tell;
}

/* A return with an edge, or one at which the clock is looked at. `called`: by pushback_take_called(). */
PUSHBACK_COLD void pushback_news(struct pushback_step *s, enum pushback_site site, int value,
				 unsigned int edge, uintptr_t called)
{
	unsigned int direction = site == PUSHBACK_FORWARD_RETURN ? PUSHBACK_RECEIVE : PUSHBACK_SEND;
	uint64_t now = edge ? pushback_clock() : pushback_clock_coarse();
	unsigned int tell = pushback_seen(s, site, called, now);

	/* An end that is told with something else is no folded one: who hears of the step first, counts it. */
	if (tell && edge == PUSHBACK_CLOSES)
		s->state |=
			(s->state & PUSHBACK_OPEN << direction) * (PUSHBACK_SHOWN / PUSHBACK_OPEN);
	if (edge)
		tell |= pushback_turn(s, direction, edge == PUSHBACK_OPENS, now);
	pushback_look(s, edge, now);
	if (!tell)
		return;
	if (!edge)
		now = pushback_clock();
	s->state |= tell & PUSHBACK_BEAT;
	/* Not for the end of a shown one alone: directions that overlap would show each other for ever. */
	if (tell & ~(PUSHBACK_SHOWN | PUSHBACK_SHOWN << 1))
		s->state |= (s->state & PUSHBACK_OPEN_ANY) * (PUSHBACK_SHOWN / PUSHBACK_OPEN);
	pushback_tell(s, site, value, called & ~(uintptr_t)PUSHBACK_CALLED_NEWS, now);
}

PUSHBACK_INLINE void pushback_clear(struct pushback_step *s)
{
	char *from = (char *)s;
	size_t i;

	for (i = offsetof(struct pushback_step, epoch); i < offsetof(struct pushback_step, name);
	     i++)
		from[i] = 0;
	s->magic = PUSHBACK_STEP_MAGIC;
	s->version = PUSHBACK_STEP_VERSION;
	s->size = sizeof(*s);
	s->epoch = PUSHBACK_EPOCH_FRESH;
}

PUSHBACK_COLD void pushback_end(struct pushback_step *s)
{
	uint64_t now = pushback_clock();
	unsigned int site = PUSHBACK_STEP_END;

	if (pushback_here.called == (uintptr_t)s)
		pushback_here.called = 0;
	pushback_abandon(s, now);
	s->state |= PUSHBACK_ENDED;
	/* There is no next return to keep it for: any site that is armed may tell it. */
	while (site > 0 && !pushback_armed((enum pushback_site)site))
		site--;
	pushback_tell(s, (enum pushback_site)site, 0, 0, now);
}

/* In assembler: whoever checks what is read was written (compilers, the memory sanitizer) has no say in it. */
PUSHBACK_INLINE uint64_t pushback_word(const void *at)
{
	uint64_t word;

#if defined(__x86_64__)
	__asm__ volatile("movq (%1), %0" : "=r"(word) : "r"(at) : "memory");
#else
	__asm__ volatile("ldr %0, [%1]" : "=r"(word) : "r"(at) : "memory");
#endif
	return word;
}

/* To them, all of it is written now: as it is. */
PUSHBACK_COLD void pushback_claim(struct pushback_step *s)
{
	char *bytes = (char *)s;
	size_t i;

	for (i = 0; i < offsetof(struct pushback_step, name); i += sizeof(uint64_t)) {
		uint64_t word = pushback_word(bytes + i);

		__builtin_memcpy(bytes + i, &word, sizeof(word));
	}
}

/*
 * A step is made where one may live that was not ended: it has its last word. The memory may be anything.
 * One of ours lies there if it has this watch's epoch, a number of ours, and that it lies there and is no copy.
 */
PUSHBACK_COLD void pushback_end_former(struct pushback_step *s)
{
	const uint64_t head = PUSHBACK_STEP_MAGIC | (uint64_t)PUSHBACK_STEP_VERSION << 32 |
			      (uint64_t)sizeof(*s) << 48;
	const uint64_t *page = __atomic_load_n(&pushback_epoch, __ATOMIC_ACQUIRE);
	uint64_t epoch = __atomic_load_n(page, __ATOMIC_RELAXED);

	if (epoch && pushback_word(&s->epoch) == epoch && pushback_word(s) == head &&
	    pushback_word(&s->instance) >> 27 << 27 == pushback_page_number(page) &&
	    pushback_word(&s->known) >> 32 == (uint32_t)((uintptr_t)s >> 6)) {
		pushback_claim(s);
		pushback_end(s);
	}
}

/* ---- The hot path ---- */

PUSHBACK_INLINE int pushback_watched(void)
{
	return PUSHBACK_UNLIKELY(*(const volatile uint16_t *)&pushback_semaphore);
}

/* Unwatched: what is open now will be forgotten, and what opens is not seen. */
PUSHBACK_INLINE void pushback_miss(struct pushback_step *s)
{
	if (PUSHBACK_UNLIKELY(s->epoch != PUSHBACK_EPOCH_MISSED))
		*(volatile uint64_t *)&s->epoch = PUSHBACK_EPOCH_MISSED;
}

/* Is the step in a watch of this process? */
PUSHBACK_INLINE int pushback_known(const struct pushback_step *s)
{
	const uint64_t *page = __atomic_load_n(&pushback_epoch, __ATOMIC_ACQUIRE);

	return s->epoch == __atomic_load_n(page, __ATOMIC_RELAXED);
}

/* Before a watched return is counted. */
PUSHBACK_INLINE void pushback_enter_watch(struct pushback_step *s)
{
	if (PUSHBACK_UNLIKELY(!pushback_known(s)))
		pushback_begin(s);
}

PUSHBACK_INLINE void pushback_counted(struct pushback_step *s, enum pushback_site site, int value,
				      unsigned int edge, uintptr_t called)
{
	if (PUSHBACK_UNLIKELY(edge)) {
		pushback_news(s, site, value, edge, called);
		return;
	}
	/* Signed: if two threads do drive one step, it does not miss the zero for 2^32 returns. */
	s->countdown--;
	if (PUSHBACK_UNLIKELY((int32_t)s->countdown < 0))
		pushback_news(s, site, value, edge, called);
}

/* The thread pointer: tells threads apart, and costs one instruction. */
PUSHBACK_INLINE uint64_t pushback_thread(void)
{
	uint64_t self;
#if defined(__x86_64__)
	__asm__("mov %%fs:0, %0" : "=r"(self));
#else
	__asm__("mrs %0, tpidr_el0" : "=r"(self));
#endif
	return self;
}

PUSHBACK_INLINE void pushback_inside(struct pushback_step *s, uint64_t what)
{
	if (!pushback_watched())
		return;
	if (PUSHBACK_UNLIKELY(!(s->state & PUSHBACK_MARKS)))
		s->state |= PUSHBACK_MARKS;
	*(volatile uint64_t *)&s->inside = what ? pushback_thread() | what : 0;
	pushback_here.called = 0;
}

/* ---- The calls ---- */

/*
 * Makes a step at run time. `name` is copied; 127 bytes of it are kept. The memory need not have
 * been a step before; if it still is one that has not ended, that one ends now.
 */
static inline __attribute__((unused)) void pushback_step_init(struct pushback_step *s,
							      const char *name)
{
	size_t i = 0;

	if (pushback_watched())
		pushback_end_former(s);
	pushback_clear(s);
	while (name && name[i] && i < PUSHBACK_NAME_SIZE - 1) {
		s->name[i] = name[i];
		i++;
	}
	if (name && name[i])
		s->state |= PUSHBACK_NAME_CUT;
	while (i < PUSHBACK_NAME_SIZE)
		s->name[i++] = 0;
}

/* This step's submit returns `outcome` (enum pushback_outcome). */
PUSHBACK_INLINE void pushback_submit_return(struct pushback_step *s, int outcome)
{
	if (!pushback_watched()) {
		pushback_miss(s);
		return;
	}
	pushback_enter_watch(s);
	pushback_here.called = (uintptr_t)s;
	*(volatile uint64_t *)&s->inside = 0;
	pushback_counted(s, PUSHBACK_SUBMIT_RETURN, outcome,
			 pushback_count(s, PUSHBACK_SEND, outcome), 0);
}

/* The next step's submit, called by this one, returned `outcome`. */
PUSHBACK_INLINE void pushback_forward_return(struct pushback_step *s, int outcome)
{
	if (!pushback_watched()) {
		pushback_miss(s);
		return;
	}
	pushback_enter_watch(s);
	pushback_counted(s, PUSHBACK_FORWARD_RETURN, outcome,
			 pushback_count(s, PUSHBACK_RECEIVE, outcome), pushback_take_called(s));
}

/* This step's poll returns; `ready`: a submit would be accepted now. */
PUSHBACK_INLINE void pushback_poll_return(struct pushback_step *s, int ready)
{
	if (!pushback_watched()) {
		pushback_miss(s);
		return;
	}
	pushback_enter_watch(s);
	pushback_here.called = 0;
	*(volatile uint64_t *)&s->inside = 0;
	pushback_counted(s, PUSHBACK_POLL_RETURN, ready ? 1 : 0, pushback_ready(s, ready), 0);
}

/*
 * The step is destroyed: what is open is abandoned. Afterwards the struct may go, or be used again
 * as a new instance of the same name.
 */
PUSHBACK_INLINE void pushback_step_end(struct pushback_step *s)
{
	unsigned int cut = s->state & PUSHBACK_NAME_CUT;

	if (pushback_watched() && pushback_known(s))
		pushback_end(s);
	pushback_clear(s);
	s->state = cut;
}

/* This thread enters the step's submit / poll; the return calls take the mark away. */
PUSHBACK_INLINE void pushback_submit_enter(struct pushback_step *s)
{
	pushback_inside(s, 1);
}
PUSHBACK_INLINE void pushback_poll_enter(struct pushback_step *s)
{
	pushback_inside(s, 2);
}

/* The step's queue holds `n` messages, of `capacity` (0: unknown). Cut at 2^32 - 1. */
PUSHBACK_INLINE void pushback_depth(struct pushback_step *s, uint64_t n, uint64_t capacity)
{
	const uint64_t most = 0xffffffffu;

	*(volatile uint64_t *)&s->depth =
		(n < most ? n : most) | (capacity < most ? capacity : most) << 32;
}

#endif /* !__bpf__ */

#ifdef __cplusplus
}
#pragma GCC diagnostic pop
#endif

#endif /* PUSHBACK_H */
