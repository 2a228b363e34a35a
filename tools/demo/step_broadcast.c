/* SPDX-License-Identifier: MIT */
/*
 * broadcast: a copy of each message to every branch. A branch that refuses is tried again in poll,
 * those that took theirs are not; until all have it the next message is refused.
 */
#include "step.h"

static size_t pending(const struct step *step)
{
	size_t n = 0;

	for (size_t i = 0; i < step->branch_count; i++)
		n += step->pending[i];
	return n;
}

static void offer_pending(struct step *step)
{
	for (size_t i = 0; i < step->branch_count; i++) {
		struct message copy = step->carried;

		if (step->pending[i])
			step->pending[i] =
				step_refused(step_offer_to(step, step->branches[i], &copy));
	}
}

static enum pushback_outcome broadcast_submit(struct step *step, struct message *message)
{
	pushback_submit_enter(&step->probe);
	if (pending(step) || step->busy)
		return step_tell_submit(step, PUSHBACK_REJECTED);
	step_block(step);
	step->carried = *message;
	for (size_t i = 0; i < step->branch_count; i++)
		step->pending[i] = true;
	offer_pending(step);
	step_become_busy(step);
	return step_tell_submit(step, PUSHBACK_ACCEPTED);
}

static void broadcast_poll(struct step *step)
{
	bool busy;

	pushback_poll_enter(&step->probe);
	for (size_t i = 0; i < step->branch_count; i++)
		step->branches[i]->ops->poll(step->branches[i]);
	offer_pending(step);
	busy = step_still_busy(step);
	pushback_depth(&step->probe, pending(step), step->branch_count);
	step_tell_poll(step, !pending(step) && !busy);
}

static bool broadcast_idle(const struct step *step)
{
	return !pending(step);
}

const struct step_ops step_broadcast = {
	.kind = "broadcast",
	.submit = broadcast_submit,
	.poll = broadcast_poll,
	.idle = broadcast_idle,
};
