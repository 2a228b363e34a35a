/* SPDX-License-Identifier: MIT */
/*
 * verdict.h - which step is at fault, in words
 *
 * From the last second of one consumer. The step with nearly all of the self time is the bottleneck;
 * where two are close there is no clear culprit; where (next to) nothing refuses, or all that does waits
 * for a step that blocks, the busiest step is named. Of what was open when a consumer was last driven nobody is accused. Pure.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "model.h"

enum verdict_kind {
	VERDICT_MEASURING,  /* a second of its steps has not been seen yet */
	VERDICT_NOTHING,    /* no step has been driven in the last second */
	VERDICT_STOPPED,    /* ... because its process is stopped */
	VERDICT_FLOWING,    /* next to nothing refuses; `step`, if any, is the busiest */
	VERDICT_BUSIEST,    /* likewise; `step` is busy most of the time */
	VERDICT_BOTTLENECK, /* `step`; `other`, if any, is busy behind it and so may be the cause */
	VERDICT_UNCLEAR,    /* between `step` and `other` */
	VERDICT_PARTLY,     /* of top_partly.h: watched for a part of the time, nobody is judged */
	VERDICT_BEHIND,     /* `step` is blocked by what it hands on to, and that is not watched */
};

struct verdict {
	enum verdict_kind kind;
	const struct step_view *step, *other; /* as the kind says, else NULL */
	/* Of the second, 0 to 1: self time (BOTTLENECK, UNCLEAR but for is_busy), busy or blocked time. */
	double share, other_share;
	struct spell spell;          /* since when `step` is what the kind says */
	uint64_t quiet_ns;           /* so long nothing has been submitted; 0: it is */
	double refuses;              /* of the second, the step that does so longest */
	bool is_busy, other_is_busy; /* UNCLEAR: the share is busy time */
	enum { MARKS_NONE, MARKS_SOME, MARKS_ALL } marks; /* how many steps have enter marks */
	char state;                                       /* STOPPED: as in /proc/PID/stat */
};

/* Nothing has returned in the last second: it matters then whether the process is stopped. */
bool verdict_is_quiet(const struct consumer_view *consumer);
/* `state`: of the process as in /proc/PID/stat, or 0; only of one that is quiet. */
struct verdict verdict_of(const struct consumer_view *consumer, uint64_t now, char state);
/* Whether the verdict names this step as the one, or one of the two, to look at. */
bool verdict_accuses(const struct verdict *verdict, const struct step_view *step);
/*
 * One sentence without a full stop, NUL-terminated, cut to `size`. Names are as the consumer wrote
 * them, but control characters are not. `now` for "since".
 */
void verdict_text(const struct verdict *verdict, uint64_t now, char *text, size_t size);

#endif /* VERDICT_H */
