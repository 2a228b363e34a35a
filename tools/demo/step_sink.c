/* SPDX-License-Identifier: MIT */
/*
 * sink: arroyo's RunTaskInThreads, with work that is waited for and not computed (a write to a
 * remote store): up to `capacity` messages are in flight, and poll retires those that are done. The
 * remote end confirms one message every slow_duration, in order. That is kept as a time, not done
 * by threads, so that 100,000 slots and more can be freed in a second, exactly when they should be.
 */
#include "clock.h"
#include "step.h"

static enum pushback_outcome sink_submit(struct step *step, struct message *message)
{
	(void)message;
	pushback_submit_enter(&step->probe);
	if (step->in_flight == step->capacity)
		return step_tell_submit(step, PUSHBACK_REJECTED);
	step_block(step);
	if (!step->in_flight++ && step->slow == SLOW_REFUSE)
		step->next_done = clock_now() + step->slow_duration;
	pushback_depth(&step->probe, step->in_flight, step->capacity);
	return step_tell_submit(step, PUSHBACK_ACCEPTED);
}

static void sink_retire(struct step *step)
{
	uint64_t now;

	if (!step->in_flight)
		return;
	if (step->slow != SLOW_REFUSE) {
		step->in_flight = 0;
		return;
	}
	now = clock_now();
	while (step->in_flight && now >= step->next_done) {
		step->in_flight--;
		step->next_done += step->slow_duration;
	}
}

static void sink_poll(struct step *step)
{
	pushback_poll_enter(&step->probe);
	sink_retire(step);
	pushback_depth(&step->probe, step->in_flight, step->capacity);
	step_tell_poll(step, step->in_flight < step->capacity);
}

static bool sink_idle(const struct step *step)
{
	return !step->in_flight;
}

const struct step_ops step_sink = {
	.kind = "sink",
	.submit = sink_submit,
	.poll = sink_poll,
	.idle = sink_idle,
};
