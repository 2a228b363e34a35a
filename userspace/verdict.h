/* SPDX-License-Identifier: MIT */
/*
 * verdict.h - which step is at fault, in words
 *
 * From the last second of one consumer. The step with nearly all of the self time is the bottleneck;
 * where two are close there is no clear culprit; where (next to) nothing refuses, the busiest step is
 * named. Pure.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "model.h"

enum verdict_kind {
	VERDICT_NOTHING,    /* no step has been driven in the last second */
	VERDICT_FLOWING,    /* nothing refuses, and no step is known to be busy */
	VERDICT_BUSIEST,    /* next to nothing refuses; `step` is busy most of the time */
	VERDICT_BOTTLENECK, /* `step`; `other`, if any, is busy behind it and so may be the cause */
	VERDICT_UNCLEAR,    /* between `step` and `other` */
	VERDICT_BEHIND,     /* `step` is blocked by what it hands on to, and that is not watched */
};

struct verdict {
	enum verdict_kind kind;
	const struct step_view *step, *other; /* as the kind says, else NULL */
	/* Of the second, 0 to 1: self time (BOTTLENECK, UNCLEAR), busy or blocked time. */
	double share, other_share;
	double self_share; /* of all steps together, may be above 1 */
};

struct verdict verdict_of(const struct consumer_view *consumer);
/*
 * One sentence without a full stop, NUL-terminated, cut to `size`. Names are as the consumer wrote
 * them, but control characters are not. `now` for "since".
 */
void verdict_text(const struct verdict *verdict, uint64_t now, char *text, size_t size);

#endif /* VERDICT_H */
