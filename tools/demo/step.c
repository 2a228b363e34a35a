/* SPDX-License-Identifier: MIT */
/* What all kinds of steps have in common. */
#include <stddef.h>

#include "clock.h"
#include "control.h"
#include "step.h"

const struct step_ops *const step_kinds[] = {
	&step_decode, &step_filter,    &step_transform, &step_guard,
	&step_batch,  &step_broadcast, &step_sink,      NULL,
};

void step_set_slow(struct step *step, enum slow_mode mode, uint64_t duration)
{
	uint64_t now = clock_now();

	step->slow = mode;
	step->slow_duration = mode == SLOW_NOT ? 0 : duration;
	step->busy_until = now + step->slow_duration;
	step->next_done = now + (mode == SLOW_REFUSE ? duration : 0);
	if (mode != SLOW_REFUSE)
		step->busy = false;
}

enum pushback_outcome step_offer(struct step *step, struct message *message)
{
	return step->next ? step_offer_to(step, step->next, message) : PUSHBACK_ACCEPTED;
}

enum pushback_outcome step_offer_to(struct step *step, struct step *next, struct message *message)
{
	enum pushback_outcome outcome = next->ops->submit(next, message);

	step_tell_forward(step, outcome);
	return outcome;
}

void step_block(struct step *step)
{
	if (step->slow != SLOW_BLOCK)
		return;
	control_wait(clock_now() + step->slow_duration);
	truth_tick();
}

void step_become_busy(struct step *step)
{
	if (step->slow != SLOW_REFUSE)
		return;
	step->busy = true;
	step->busy_until = clock_now() + step->slow_duration;
}

bool step_still_busy(struct step *step)
{
	if (step->busy && clock_now() >= step->busy_until)
		step->busy = false;
	return step->busy;
}
