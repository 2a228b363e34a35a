/* SPDX-License-Identifier: MIT */
/*
 * probes.h - what the steps tell, and to whom: one source, compiled once for each way
 *
 * WAY_NOTHING    nobody: the steps as they are by themselves
 * WAY_PUSHBACK   pushback.h, with enter marks
 * WAY_UNMARKED   pushback.h, without them
 * WAY_SDT        a sys/sdt.h probe at each return of a submit, which is the least that a tracer needs
 * WAY_METRICS    in-process metrics, see metrics.h
 */
#ifndef BENCH_PROBES_H
#define BENCH_PROBES_H

/* The same numbers as in enum pushback_outcome. */
enum outcome {
	ACCEPTED,
	REJECTED,
	PROPAGATED,
};

#if defined(WAY_PUSHBACK) || defined(WAY_UNMARKED)
#include <pushback.h>

_Static_assert((int)ACCEPTED == (int)PUSHBACK_ACCEPTED && (int)REJECTED == (int)PUSHBACK_REJECTED &&
		       (int)PROPAGATED == (int)PUSHBACK_PROPAGATED,
	       "outcomes are pushback.h's");

struct probe {
	struct pushback_step step;
};
#define probe_init(probe, name)              pushback_step_init(&(probe)->step, name)
#define probe_submit_return(probe, outcome)  pushback_submit_return(&(probe)->step, outcome)
#define probe_forward_return(probe, outcome) pushback_forward_return(&(probe)->step, outcome)
#define probe_poll_return(probe, ready)      pushback_poll_return(&(probe)->step, ready)
#define probe_end(probe)                     pushback_step_end(&(probe)->step)
#ifdef WAY_PUSHBACK
#define probe_submit_enter(probe) pushback_submit_enter(&(probe)->step)
#define probe_poll_enter(probe)   pushback_poll_enter(&(probe)->step)
#endif

#elif defined(WAY_SDT)
#include <sys/sdt.h>

struct probe {
	const char *name;
};
#define probe_init(probe, called) ((probe)->name = (called))
#define probe_submit_return(probe, outcome) \
	STAP_PROBE2(bench, submit_return, (probe)->name, (int)(outcome))

#elif defined(WAY_METRICS)
#include "metrics.h"

struct probe {
	struct metrics_step step;
};
#define probe_init(probe, name)             metrics_init(&(probe)->step, name)
#define probe_submit_return(probe, outcome) metrics_attempt(&(probe)->step, METRICS_SEND, outcome)
#define probe_forward_return(probe, outcome) \
	metrics_attempt(&(probe)->step, METRICS_RECEIVE, outcome)

#elif defined(WAY_NOTHING)
struct probe {
	const char *name;
};
#define probe_init(probe, called) ((probe)->name = (called))

#else
#error "no WAY_ is chosen"
#endif

/* What a way does not tell. */
#define probe_nothing(probe, ...) ((void)(probe))
#ifndef probe_submit_enter
#define probe_submit_enter probe_nothing
#define probe_poll_enter   probe_nothing
#endif
#ifndef probe_submit_return
#define probe_submit_return probe_nothing
#endif
#ifndef probe_forward_return
#define probe_forward_return probe_nothing
#endif
#ifndef probe_poll_return
#define probe_poll_return probe_nothing
#define probe_end         probe_nothing
#endif

#endif /* BENCH_PROBES_H */
