/* SPDX-License-Identifier: MIT */
/*
 * pushback_abi.h - what the kernel side and the loader share
 *
 * The frozen offsets of struct pushback_step, and the keys and values of the BPF maps. Fixed width,
 * numbered, append-only: a retired number stays as a comment. Times are ns of CLOCK_MONOTONIC.
 */
#ifndef PUSHBACK_ABI_H
#define PUSHBACK_ABI_H

#include "pushback.h"

#ifdef __cplusplus
#define PB_ASSERT(cond, text) static_assert(cond, text)
#else
#define PB_ASSERT(cond, text) _Static_assert(cond, text)
#endif
#define PB_OFFSET(field, at) \
	PB_ASSERT(offsetof(struct pushback_step, field) == (at), #field " moved")

PB_ASSERT(sizeof(struct pushback_step) == 512, "struct pushback_step has changed its size");
PB_ASSERT(sizeof(struct pushback_direction) == 80, "struct pushback_direction has changed");
PB_OFFSET(magic, 0);
PB_OFFSET(version, 4);
PB_OFFSET(size, 6);
PB_OFFSET(epoch, 8);
PB_OFFSET(accepted, 16);
PB_OFFSET(rejected, 24);
PB_OFFSET(forwarded, 32);
PB_OFFSET(refused, 40);
PB_OFFSET(state, 48);
PB_OFFSET(countdown, 52);
PB_OFFSET(inside, 56);
PB_OFFSET(instance, 64);
PB_OFFSET(looked, 72);
PB_OFFSET(fired, 80);
PB_OFFSET(bound, 88);
PB_OFFSET(look_every, 96);
PB_OFFSET(edges, 98);
PB_OFFSET(returns, 100);
PB_OFFSET(depth, 104);
PB_OFFSET(self_ns, 112);
PB_OFFSET(self_since, 120);
PB_OFFSET(watch_since, 128);
PB_OFFSET(watch_accepted, 136);
PB_OFFSET(watch_rejected, 144);
PB_OFFSET(watch_forwarded, 152);
PB_OFFSET(watch_refused, 160);
PB_OFFSET(next, 168);
PB_OFFSET(direction, 176);
PB_OFFSET(pick, 336);
PB_OFFSET(nexts, 368);
PB_OFFSET(known, 376);
PB_OFFSET(at, 380);
PB_OFFSET(name, 384);

/* Of all that follows. A state that outlives its agent is for agents of the same version only. */
#define PB_ABI_VERSION 1

/* The probes; also the low byte of an attach cookie, the object's number is above it. */
enum pb_probe {
	PB_PROBE_SUBMIT_RETURN = 0,
	PB_PROBE_FORWARD_RETURN = 1,
	PB_PROBE_POLL_RETURN = 2,
	PB_PROBE_STEP_END = 3,
	PB_PROBES = 4,
};
#define PB_COOKIE(object, probe) ((uint64_t)(object) << 8 | (probe))

/*
 * Of a site that a recipe names: which of its file's, which rule, what kind of hit it is, and how far below
 * its value at entry the stack pointer is there.
 */
#define PB_SITE_COOKIE(site, rule, hit, below)                                     \
	((uint64_t)(site) << 52 | (uint64_t)(rule) << 40 | (uint64_t)(hit) << 32 | \
	 (uint32_t)(below))
#define PB_COOKIE_TALLY(cookie) ((uint32_t)((cookie) >> 40))
#define PB_COOKIE_RULE(cookie)  (PB_COOKIE_TALLY(cookie) & 0xfff)
#define PB_COOKIE_HIT(cookie)   ((uint32_t)((cookie) >> 32) & 0xff)

/* What a hit costs depends on what its breakpoint stands on. */
enum pb_hit {
	PB_HIT_OWN = 0,      /* one of our four sites, with its handler */
	PB_HIT_EMULATED = 1, /* the kernel does the instruction itself */
	PB_HIT_STEPPED = 2,  /* it has the processor do it, alone */
	PB_HIT_RETURN = 3,   /* a uretprobe's, as the function returns */
	PB_HITS = 4,
};

/* Bounds. What does not fit is refused and counted (enum pb_loss), never silently. */
#define PB_MAX_STEPS         16384 /* step instances in all */
#define PB_MAX_PROCESS_STEPS 4096  /* of one process */
#define PB_MAX_PROCESSES     8192
#define PB_MAX_EXIT_STEPS    256  /* of one process that are read once more at its exit */
#define PB_MAX_OBJECTS       4096 /* attached executables and libraries */
#define PB_MAX_NEXT          8    /* steps that one step hands messages to */
#define PB_MAX_RULES         1024 /* of recipes, in attached files */
#define PB_MAX_RANGES        8    /* of values, in one rule */
#define PB_MAX_TALLIES       8192 /* sites of recipes that are tallied */
#define PB_MAX_FRAMES        16   /* calls of one thread into one another */
#define PB_MAX_THREADS       16384

/*
 * Durations: log-linear, 32 sub-buckets per octave, 2^10 ns (1 us) to 2^43 ns (2.4 h). Shorter ones
 * go into the first bucket, longer ones into the last. A bucket is 1/32 of its octave's base wide,
 * so its middle is at most 1.6 % off.
 */
#define PB_HIST_OCTAVES   33
#define PB_HIST_SUB       32
#define PB_HIST_BUCKETS   (PB_HIST_OCTAVES * PB_HIST_SUB)
#define PB_HIST_MIN_SHIFT 10
/* It is kept in parts of 3 octaves; most steps' durations are in one of them or two. */
#define PB_HIST_PART  (3 * PB_HIST_SUB)
#define PB_HIST_PARTS ((PB_HIST_BUCKETS + PB_HIST_PART - 1) / PB_HIST_PART)

/* The bucket of a duration in ns. */
PUSHBACK_INLINE unsigned int pb_hist_index(uint64_t ns)
{
	unsigned int msb = 0, shift;

	if (ns >> PB_HIST_MIN_SHIFT == 0)
		return 0;
	if (ns >> (PB_HIST_MIN_SHIFT + PB_HIST_OCTAVES))
		return PB_HIST_BUCKETS - 1;
	for (shift = 32; shift; shift >>= 1) {
		if (ns >> (msb + shift))
			msb += shift;
	}
	return (msb - PB_HIST_MIN_SHIFT) * PB_HIST_SUB +
	       (unsigned int)(ns >> (msb - 5) & (PB_HIST_SUB - 1));
}

/* A process: pid alone is reused, and an exec keeps pid and start time. */
struct pb_process_key {
	uint64_t
		start_time; /* of the thread group's leader, ns since boot as the kernel keeps it */
	uint32_t tgid;
	uint32_t exec_id; /* task_struct.self_exec_id: how many execs */
};

struct pb_step_key {
	struct pb_process_key process;
	uint64_t instance;
};

/* What this observer leaves out: totals at its first sight of the step. */
struct pb_baseline {
	uint64_t accepted;
	uint64_t rejected;
	uint64_t forwarded;
	uint64_t refused;
	struct {
		uint64_t closed;
		uint64_t partial;
		uint64_t abandoned;
		uint64_t folded;
		uint64_t time_ns; /* in backpressure, of all ends and what was open */
	} direction[2];
	uint64_t self_ns;
};

/*
 * What went into a direction's histogram last: who has seen all that went before need not read that.
 * A weight of 0 is one that has no room here.
 */
#define PB_RECENT 16
struct pb_recent {
	uint32_t count; /* how often something went in; wraps */
	struct {
		uint16_t index; /* of the bucket */
		uint16_t weight;
	} last[PB_RECENT]; /* number n at n % PB_RECENT */
};

/* struct pb_step.flags */
#define PB_STEP_ENDED    0x1u  /* step_end was seen */
#define PB_STEP_REPLACED 0x2u  /* another instance lives at its address */
#define PB_STEP_EXITED   0x4u  /* the process exited or replaced its image */
#define PB_STEP_READ     0x8u  /* ... and its memory was read at that moment */
#define PB_STEP_PARTLY   0x10u /* watched for a part of the time only */
#define PB_STEP_DEAD     (PB_STEP_ENDED | PB_STEP_REPLACED | PB_STEP_EXITED)

/*
 * Map `steps`: a step instance as of its last event. Written by the thread that drives the step (and
 * at its exit), read by the loader. A copy with sequence_begin != sequence_end is torn: read again.
 * A copy goes from the first byte to the last, so the one that a writer counts up last comes first:
 * if all that had begun by the end of the copy had ended before it, none was under way meanwhile.
 */
struct pb_step {
	uint64_t sequence_end;
	uint64_t place; /* address of the struct in its process */
	uint64_t cgroup_id;
	uint64_t seen_ns;  /* baseline's instant */
	uint64_t event_ns; /* last event, as the step itself has it */
	uint64_t dead_ns;  /* when it ended, 0 while it lives */
	uint32_t flags;
	uint32_t slot; /* in its process's list, PB_MAX_EXIT_STEPS if it found no room there */
	char comm[16]; /* of the thread group's leader, at first sight */
	/* Per direction: how many closed episodes, and of what time in all, are in `hists`. */
	uint64_t sampled[2];
	uint64_t sampled_ns[2];
	uint64_t folded[2]; /* of them */
	uint64_t folded_ns[2];
	uint64_t events; /* fires seen */
	struct {
		uint64_t place;
		uint64_t refusals; /* fires of refusals there */
	} next[PB_MAX_NEXT];       /* the steps that it forwards to, in order of their first fire */
	uint32_t parts[2];         /* per direction, bit i: there is part i of its histogram */
	uint32_t object;           /* number of the file whose site told of it first */
	uint32_t reserved;
	struct pb_recent recent[2];
	struct pb_baseline base;
	struct pushback_step now;
	uint64_t sequence_begin;
};
PB_ASSERT(offsetof(struct pb_step, sequence_end) == 0, "read first");
PB_ASSERT(offsetof(struct pb_step, sequence_begin) > offsetof(struct pb_step, now), "read last");

/*
 * Map `hists`: a part of a histogram, made at its first sampled episode. Bucket i is in part
 * i / PB_HIST_PART. Counts wrap; take differences mod 2^32.
 */
struct pb_hist_key {
	struct pb_step_key step;
	uint32_t direction;
	uint32_t part;
};
struct pb_hist {
	uint32_t count[PB_HIST_PART];
};

/* Map `processes`: how many living steps, and those that are read at exit. Written by BPF. */
struct pb_process {
	uint32_t steps;
	uint32_t exited;
	uint32_t leaving; /* its end is being handled, by whoever has set this */
	uint32_t made;    /* entries of `steps`, the deleted ones included */
	struct {
		uint64_t place;
		uint64_t instance; /* 0: free */
	} list[PB_MAX_EXIT_STEPS];
};

/* Map `places`: which instance lives at an address. */
struct pb_place_key {
	struct pb_process_key process;
	uint64_t place;
};

/* Map `objects`, by number: written by the loader before it attaches. */
struct pb_object {
	uint64_t attached_ns;
	uint32_t partly; /* it is watched for a part of the time only */
	uint32_t armed;  /* all sites of recipes are there: before that none tells anything */
};

/*
 * ---- Recipes: sites of others that tell outcomes only ----
 *
 * The state machine of pushback.h runs in BPF then, on a struct of the kernel's own: `now` of the step's
 * entry. Its instance number has this bit, its place is where the instance is and, above that, which
 * step of the recipe: an object may begin with the object of its next step.
 */
#define PB_FOREIGN     (1ull << 63)
#define PB_PLACE_SHIFT 57
#define PB_MAX_KINDS   64 /* steps of all recipes together */
#define PB_PLACE(kind, at) \
	((uint64_t)((kind) + 1) << PB_PLACE_SHIFT | ((at) & ((1ull << PB_PLACE_SHIFT) - 1)))

/* Where a value is when a site is hit. */
enum pb_source_kind {
	PB_SOURCE_NONE = 0,
	PB_SOURCE_CONSTANT = 1, /* it is `offset` */
	PB_SOURCE_REGISTER = 2,
	PB_SOURCE_MEMORY = 3, /* at the register's value plus `offset` */
};
struct pb_source {
	uint8_t kind;
	uint8_t width; /* 1, 2, 4, 8 */
	uint8_t is_signed;
	uint8_t at_entry; /* a result's register is the one that it was as the function was entered */
	uint32_t at;      /* of the register, in struct pt_regs; bytes */
	int64_t offset;
};

/* The function returns no such value: it is not what the recipe says. Nothing is counted, but the loss. */
#define PB_OUTCOME_UNKNOWN 4

/* What a value in low..high means. Compared as signed numbers where the source is. */
struct pb_range {
	uint64_t low;
	uint64_t high;
	uint32_t outcome; /* enum pushback_outcome, or PB_OUTCOME_UNKNOWN */
	uint32_t reserved;
};

enum pb_rule_kind {
	PB_RULE_SUBMIT = 0, /* the result is the outcome */
	PB_RULE_POLL = 1,   /* it hands on what it submits meanwhile; ACCEPTED: it is ready */
	PB_RULE_END = 2,    /* the instance is destroyed */
};
#define PB_RULE_OWN_REFUSALS 0x1u /* they are, whatever the next step did just before */
#define PB_RULE_PARTLY       0x2u /* as pb_object.partly */

/* Map `rules`: what a site means. Written by the loader before it attaches, for as long as it is. */
struct pb_rule {
	uint64_t attached_ns;
	uint32_t kind;
	uint32_t step; /* which of all recipes' */
	uint32_t flags;
	uint32_t ranges_count;
	uint32_t object; /* number of the file that it is attached in */
	uint32_t entry;  /* of a function, how far behind its beginning its first site is */
	struct pb_source instance;
	struct pb_source result;
	struct pb_source message; /* refused where these three words stand in what is returned */
	struct pb_range ranges[PB_MAX_RANGES];
	uint32_t otherwise; /* the outcome of all other values */
	uint32_t reserved;
	char name[PUSHBACK_NAME_SIZE];
};

/* Map `threads`: the calls that a thread is in, the outermost first. */
struct pb_frame {
	uint64_t stack; /* pointer at entry */
	uint64_t place;
	uint64_t words[3]; /* of the message */
	uint64_t argument; /* what the result's register was */
	uint32_t rule;
	uint32_t refused; /* the last that it handed on was */
	/* It has ended by a jump there, which returns in its name, from the same place on the stack. */
	uint64_t jumped;   /* 0: it has not */
	uint64_t cookie;   /* of that jump */
	uint32_t followed; /* what is there has been entered */
	uint32_t reserved;
};
struct pb_thread {
	uint64_t depth;
	struct pb_frame frames[PB_MAX_FRAMES];
};

/*
 * Map `tallies`, by PB_COOKIE_TALLY: what a site was hit with once all were there. Made by the loader before
 * it attaches, and only for who wants to know whether a recipe is right.
 */
struct pb_tally {
	uint64_t hits;
	uint64_t unread;      /* of them, instance or result could not be read */
	uint64_t unknown;     /* likewise, the result was none that the function can return */
	uint64_t outcomes[4]; /* by enum pushback_outcome; of a poll, ACCEPTED is ready */
};

/* Ring buffer `execs`: a process has a new image, whose executable is mapped by now. */
struct pb_exec {
	uint32_t tgid;
	uint32_t reserved;
};
/* Bytes, a power of two of at least a page; an entry takes 16, so this is for 256 of them. */
#define PB_EXECS_SIZE 4096

/*
 * ---- Traces: an end of an episode as it happens, for who asks ----
 */
enum pb_close_kind {
	PB_CLOSE_CLOSED = 0,
	PB_CLOSE_PARTIAL = 1, /* its beginning was not seen: it took at least so long */
	PB_CLOSE_ABANDONED = 2,
};
#define PB_CLOSE_COUNTED  0x1u /* `rejections` and `self_ns` are known */
#define PB_CLOSE_LATE     0x2u /* it had ended some time before: at `end_ns` that was told */
#define PB_CLOSE_AT_LEAST 0x4u /* its beginning was not seen, whatever its kind */

/* Ring buffer `closes`: one episode that is told by itself. Any bytes: it is from a consumer's memory. */
struct pb_close {
	struct pb_step_key key;
	uint64_t cgroup_id;
	uint64_t end_ns;
	uint64_t ns; /* from its beginning on */
	uint64_t rejections;
	uint64_t self_ns; /* of refusing: not blocked meanwhile */
	/* Closed since the one before it of this step and direction: those folded, and those untold. */
	uint64_t folded;
	uint64_t folded_ns;
	uint64_t untold;
	uint32_t direction;
	uint32_t kind;
	uint32_t flags;
	uint32_t reserved;
	char comm[16];
	char name[PUSHBACK_NAME_SIZE];
};
/* Bytes, a power of two of pages: some 15,000 of them. Who reads is woken when a quarter is full. */
#define PB_CLOSES_SIZE (4u << 20)

/* Map `traces`: a step as of its last event, and what of it was not told yet. Only while somebody traces. */
struct pb_trace {
	uint64_t watch; /* counters begin anew with each */
	struct {
		uint64_t since; /* of what is open, */
		uint64_t attempts,
			self_ns; /* ... and what the step had when that began, if `counted` */
		uint32_t counted;
		uint32_t partial;
		uint64_t closed, partials, abandoned;
		uint64_t folded, folded_ns;
		/* Since the last one in the ring. */
		uint64_t fold, fold_ns, untold;
	} direction[2];
};

/* Map `losses`, by reason, per CPU. Names for users: drain_loss_name(). */
enum pb_loss {
	PB_LOSS_READ = 0,         /* a step struct could not be read */
	PB_LOSS_INVALID = 1,      /* magic, version or instance are wrong */
	PB_LOSS_STEPS_FULL = 2,   /* more than PB_MAX_STEPS */
	PB_LOSS_PROCESS_FULL = 3, /* more than PB_MAX_PROCESS_STEPS of one process */
	PB_LOSS_PROCESSES_FULL = 4,
	PB_LOSS_HISTS_FULL = 5,  /* no room for a histogram: durations of that step are missing */
	PB_LOSS_EXIT_UNREAD = 6, /* at exit: counts after the step's last event are missing */
	PB_LOSS_PLACE_FULL = 7,  /* no room in `places`: a reuse of the address may go unseen */
	PB_LOSS_NEXT_FULL = 8,   /* a step hands on to more than PB_MAX_NEXT: fires to the others */
	PB_LOSS_EXEC_UNTOLD = 9, /* no room in `execs`: found by the next look at all processes */
	PB_LOSS_REPLACED = 10,   /* written over by a new one: its last counts are missing */
	PB_LOSS_FRAMES_FULL = 11,    /* recipes: calls nest too deep, or too many threads */
	PB_LOSS_SOURCE_UNREAD = 12,  /* recipes: an instance or a result could not be read */
	PB_LOSS_RESULT_UNKNOWN = 13, /* recipes: what the function cannot return, says the recipe */
	PB_LOSS_RETURN_UNMATCHED = 14, /* recipes: of a call whose beginning is not known */
	PB_LOSSES = 15,
};

#endif /* PUSHBACK_ABI_H */
