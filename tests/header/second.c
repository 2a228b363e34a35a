/* SPDX-License-Identifier: MIT */
/* A second unit with probes, and one whose probed function nobody calls. */
#include "pushback.h"
#include "units.h"

static struct pushback_step second = PUSHBACK_STEP_INIT("second");
static struct pushback_step never = PUSHBACK_STEP_INIT("never");

void second_submit(int outcome)
{
	pushback_submit_return(&second, outcome);
}

int nobody_calls_this(int n)
{
	pushback_submit_enter(&never);
	pushback_forward_return(&never, n);
	pushback_poll_return(&never, n);
	pushback_submit_return(&never, n);
	pushback_step_end(&never);
	return n;
}
