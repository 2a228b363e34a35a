/* SPDX-License-Identifier: MIT */
/* A user's code, compiled with more warnings than most users have; C and C++, all calls. */
#include "pushback.h"

static struct pushback_step fixed = PUSHBACK_STEP_INIT("fixed");

void use(struct pushback_step *made, const char *name, int outcome);

void use(struct pushback_step *made, const char *name, int outcome)
{
	pushback_step_init(made, name);
	pushback_submit_enter(&fixed);
	pushback_submit_return(&fixed, outcome);
	pushback_forward_return(made, PUSHBACK_PROPAGATED);
	pushback_poll_enter(made);
	pushback_poll_return(made, outcome == PUSHBACK_ACCEPTED);
	pushback_depth(made, 1, 2);
	pushback_step_end(made);
}
