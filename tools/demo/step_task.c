/* SPDX-License-Identifier: MIT */
/*
 * decode and transform: arroyo's RunTask. The next step's refusal stays inside: the message is
 * carried over, its submit was accepted all the same, and the one after it is refused.
 */
#include "step.h"

static bool task_take(struct step *step, struct message *message)
{
	if (step_refused(step_offer(step, message))) {
		step->carried = *message;
		step->has_carried = true;
		return false;
	}
	step->has_carried = false;
	return true;
}

static enum pushback_outcome task_submit(struct step *step, struct message *message)
{
	pushback_submit_enter(&step->probe);
	if (step->has_carried || step->busy)
		return step_tell_submit(step, PUSHBACK_REJECTED);
	step_block(step);
	if (!step->ops->task(message))
		return step_tell_submit(step, PUSHBACK_INVALID);
	task_take(step, message);
	step_become_busy(step);
	return step_tell_submit(step, PUSHBACK_ACCEPTED);
}

static void task_poll(struct step *step)
{
	bool busy;

	pushback_poll_enter(&step->probe);
	if (step->next)
		step->next->ops->poll(step->next);
	if (step->has_carried)
		task_take(step, &step->carried);
	busy = step_still_busy(step);
	pushback_depth(&step->probe, step->has_carried, 1);
	step_tell_poll(step, !step->has_carried && !busy);
}

static bool task_idle(const struct step *step)
{
	return !step->has_carried;
}

static bool to_fahrenheit(struct message *message)
{
	message->value = message->value * 9 / 5 + 32;
	return true;
}

const struct step_ops step_decode = {
	.kind = "decode",
	.submit = task_submit,
	.poll = task_poll,
	.idle = task_idle,
	.task = message_parse,
};

const struct step_ops step_transform = {
	.kind = "transform",
	.submit = task_submit,
	.poll = task_poll,
	.idle = task_idle,
	.task = to_fahrenheit,
};
