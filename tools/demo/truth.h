/* SPDX-License-Identifier: MIT */
/*
 * truth.h - a log of what the steps really answered, to hold an observer's numbers against
 *
 * It notes outcomes on its own, with its own clock readings, and never looks into the probe
 * header's structs. tests/e2e/truth.py computes from it what an observer must say.
 *
 * The log is text, a record a line, times in ns since `base` (but base itself: CLOCK_MONOTONIC):
 *
 *	# pushback-demo truth 1
 *	base NS
 *	pid PID
 *	begin STEP NEXT TIME NAME		a step instance is made; NEXT is 0 for the last one and
 *						for one with several behind it
 *	STEP KIND OUTCOME COUNT FIRST LENGTH [LATE]
 *						COUNT equal returns, the first at FIRST and the last
 *						LENGTH later
 *	end STEP TIME				just before step_end
 *	exit TIME				the log is complete
 *
 * STEP numbers instances from 1 on. KIND is s (submit_return), f (forward_return) or p
 * (poll_return). OUTCOME is that of enum pushback_outcome, for p 1 is ready and 0 not ready.
 *
 * The clock is read just before the first call of a run: these are the times that matter. That of
 * the last one is the latest reading before it, so at most a turn of the consumer's loop too early.
 * Reading the clock before each call would make a spinning consumer eight times slower, not twice.
 * It is read once more just after the first call of a run: the probe did read its own clock between
 * FIRST and LATE ns after. LATE is left out if it is at most TRUTH_PROMPT; more is a pre-emption.
 *
 * A run of equal returns of one step and kind is one record. Other kinds may fall into its time,
 * with one exception, so that nothing is lost by it: a rejected submit ends a run of ready polls,
 * and a ready poll ends a run of rejected submits. Records come in the order in which runs end;
 * sorted by FIRST, and each taken as a whole at FIRST, they give the same episodes as one by one.
 */
#ifndef DEMO_TRUTH_H
#define DEMO_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

enum truth_kind { TRUTH_SUBMIT, TRUTH_FORWARD, TRUTH_POLL, TRUTH_KINDS };

#define TRUTH_PROMPT 1000

struct truth_run {
	uint64_t first;
	uint64_t late; /* how long its first call took, at most; 0 until it has returned */
	uint64_t last;
	uint64_t count; /* 0: none */
	unsigned int outcome;
};

/* The log's view of a step instance. */
struct truth_step {
	unsigned int id;
	struct truth_run run[TRUTH_KINDS];
};

extern bool truth_enabled;

/* Opens the log; all the rest does nothing until then. Returns 0 or -errno. */
int truth_open(const char *path);

/* Writes what is left and closes; returns 0, or -errno of this or any earlier write. */
int truth_close(void);

/* `next`: instance number of the step behind it, or 0. The step's own is put into step->id. */
void truth_begin(struct truth_step *step, const char *name, unsigned int next);
/* Ends the step's runs, as if other returns had followed: there will be none for some time. */
void truth_cut(struct truth_step *step);
void truth_end(struct truth_step *step);
void truth_write(struct truth_step *step, enum truth_kind kind, unsigned int outcome);
void truth_write_after(struct truth_step *step, enum truth_kind kind);

/* Reads the clock for the calls to come: at each turn of the loop, and after any wait. */
void truth_tick(void);

/* To be called just before the probe of the same name. */
static inline void truth_note(struct truth_step *step, enum truth_kind kind, unsigned int outcome)
{
	if (truth_enabled)
		truth_write(step, kind, outcome);
}

/* To be called just after it. */
static inline void truth_noted(struct truth_step *step, enum truth_kind kind)
{
	if (truth_enabled && !step->run[kind].late)
		truth_write_after(step, kind);
}

#endif /* DEMO_TRUTH_H */
