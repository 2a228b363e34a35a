/* SPDX-License-Identifier: MIT */
/*
 * filter and guard: steps that keep nothing. A refusal of the next step passes through them, and
 * what they decided they decide again when the message comes back. They cannot know whether they
 * could take a message, as that is up to the next step: so poll tells the probes nothing, but for
 * the time in which they are slow themselves.
 */
#include "step.h"

#define DROPPED_SENSOR 9 /* one reading in ten */

static bool wanted(struct message *message)
{
	return message->sensor != DROPPED_SENSOR;
}

static enum pushback_outcome filter_submit(struct step *step, struct message *message)
{
	enum pushback_outcome outcome = PUSHBACK_ACCEPTED;

	pushback_submit_enter(&step->probe);
	if (step->busy)
		return step_tell_submit(step, PUSHBACK_REJECTED);
	step_block(step);
	if (!step->ops->task || step->ops->task(message))
		outcome = step_offer(step, message);
	if (step_refused(outcome))
		return step_tell_submit(step, PUSHBACK_PROPAGATED);
	step_become_busy(step);
	return step_tell_submit(step, outcome);
}

static void filter_poll(struct step *step)
{
	if (step->next)
		step->next->ops->poll(step->next);
	if (step_still_busy(step))
		step_tell_poll(step, false);
}

static bool filter_idle(const struct step *step)
{
	(void)step;
	return true;
}

const struct step_ops step_filter = {
	.kind = "filter",
	.submit = filter_submit,
	.poll = filter_poll,
	.idle = filter_idle,
	.task = wanted,
};

const struct step_ops step_guard = {
	.kind = "guard",
	.submit = filter_submit,
	.poll = filter_poll,
	.idle = filter_idle,
};
