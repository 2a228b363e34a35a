/* SPDX-License-Identifier: MIT */
/*
 * batch: arroyo's Reduce. Adds readings up and hands them on from poll, when there are enough of
 * them or they have waited long enough. A batch that the next step refused is carried over, and
 * until it is gone nothing is taken.
 */
#include <time.h>

#include "step.h"

#define MAX_WAIT_MS 100

/* Of the coarse clock: it costs a few ns, and a tick of a few ms is precise enough here. */
static uint64_t coarse_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void batch_add(struct step *step, const struct message *message)
{
	if (!step->batch.readings) {
		step->batch = *message;
		step->batch_since = coarse_ms();
		return;
	}
	step->batch.readings += message->readings;
	step->batch.value += message->value;
}

static enum pushback_outcome batch_submit(struct step *step, struct message *message)
{
	pushback_submit_enter(&step->probe);
	if (step->has_carried || step->busy)
		return step_tell_submit(step, PUSHBACK_REJECTED);
	step_block(step);
	batch_add(step, message);
	step_become_busy(step);
	return step_tell_submit(step, PUSHBACK_ACCEPTED);
}

static void batch_hand_on(struct step *step, struct message *batch)
{
	if (step_refused(step_offer(step, batch))) {
		step->carried = *batch;
		step->has_carried = true;
	} else {
		step->has_carried = false;
	}
}

static void batch_flush(struct step *step)
{
	struct message batch = step->batch;

	if (step->has_carried || !batch.readings)
		return;
	step->batch.readings = 0;
	batch_hand_on(step, &batch);
}

static bool batch_due(const struct step *step)
{
	return step->batch.readings >= step->capacity ||
	       (step->batch.readings && coarse_ms() - step->batch_since >= MAX_WAIT_MS);
}

static void batch_poll(struct step *step)
{
	bool busy;

	pushback_poll_enter(&step->probe);
	if (step->next)
		step->next->ops->poll(step->next);
	if (step->has_carried)
		batch_hand_on(step, &step->carried);
	else if (batch_due(step))
		batch_flush(step);
	busy = step_still_busy(step);
	pushback_depth(&step->probe, step->has_carried ? step->capacity : step->batch.readings,
		       step->capacity);
	step_tell_poll(step, !step->has_carried && !busy);
}

static bool batch_idle(const struct step *step)
{
	return !step->has_carried && !step->batch.readings;
}

const struct step_ops step_batch = {
	.kind = "batch",
	.submit = batch_submit,
	.poll = batch_poll,
	.flush = batch_flush,
	.idle = batch_idle,
};
