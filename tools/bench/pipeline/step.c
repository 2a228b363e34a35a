/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "step.h"

uint64_t step_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static enum outcome returns(struct step *step, enum outcome outcome)
{
	step->counts.submits[outcome]++;
	probe_submit_return(&step->probe, outcome);
	return outcome;
}

/* Whether the next one took it. */
static bool offer(struct step *step, struct step *next, struct message *message)
{
	enum outcome outcome = next->ops->submit(next, message);

	step->counts.forwards[outcome != ACCEPTED]++;
	probe_forward_return(&step->probe, outcome);
	return outcome == ACCEPTED;
}

/* ---- Keeps nothing: whether it could take a message is up to the next one, so poll tells nothing ---- */

static enum outcome through_submit(struct step *step, struct message *message)
{
	probe_submit_enter(&step->probe);
	return returns(step, offer(step, step->next[0], message) ? ACCEPTED : PROPAGATED);
}

static void through_poll(struct step *step)
{
	step->next[0]->ops->poll(step->next[0]);
}

const struct step_ops step_through = { .submit = through_submit, .poll = through_poll };

/* ---- Carries over ---- */

void step_parse(struct message *message)
{
	message->sum = 0;
	for (size_t i = 0; i < sizeof(message->payload) / sizeof(*message->payload); i++)
		message->sum += message->payload[i];
}

void step_enrich(struct message *message)
{
	message->payload[0] = message->payload[0] * 9 / 5 + 32;
}

static enum outcome task_submit(struct step *step, struct message *message)
{
	probe_submit_enter(&step->probe);
	if (step->carries)
		return returns(step, REJECTED);
	if (step->work)
		step->work(message);
	if (!offer(step, step->next[0], message)) {
		step->carried = *message;
		step->carries = true;
	}
	return returns(step, ACCEPTED);
}

static void task_poll(struct step *step)
{
	probe_poll_enter(&step->probe);
	step->next[0]->ops->poll(step->next[0]);
	if (step->carries)
		step->carries = !offer(step, step->next[0], &step->carried);
	probe_poll_return(&step->probe, !step->carries);
}

const struct step_ops step_task = { .submit = task_submit, .poll = task_poll };

/* ---- A copy to each branch; until all have it the next message is refused ---- */

static void offer_pending(struct step *step)
{
	step->carries = false;
	for (size_t i = 0; i < step->branches; i++) {
		struct message copy = step->carried;

		if (step->pending[i])
			step->pending[i] = !offer(step, step->next[i], &copy);
		step->carries |= step->pending[i];
	}
}

static enum outcome broadcast_submit(struct step *step, struct message *message)
{
	probe_submit_enter(&step->probe);
	if (step->carries)
		return returns(step, REJECTED);
	step->carried = *message;
	for (size_t i = 0; i < step->branches; i++)
		step->pending[i] = true;
	offer_pending(step);
	return returns(step, ACCEPTED);
}

static void broadcast_poll(struct step *step)
{
	probe_poll_enter(&step->probe);
	for (size_t i = 0; i < step->branches; i++)
		step->next[i]->ops->poll(step->next[i]);
	if (step->carries)
		offer_pending(step);
	probe_poll_return(&step->probe, !step->carries);
}

const struct step_ops step_broadcast = { .submit = broadcast_submit, .poll = broadcast_poll };

/* ---- Takes, one message at a time ---- */

static void take(struct step *step, const struct message *message)
{
	if (message->offset != step->counts.submits[ACCEPTED]) {
		fprintf(stderr, "%s: got message %llu where %llu comes next\n", step->name,
			(unsigned long long)message->offset,
			(unsigned long long)step->counts.submits[ACCEPTED]);
		exit(1);
	}
	step->sum += message->sum;
}

static enum outcome sink_submit(struct step *step, struct message *message)
{
	probe_submit_enter(&step->probe);
	if (step->busy)
		return returns(step, REJECTED);
	take(step, message);
	if (step->service) {
		step->busy = true;
		step->taken_at = step_clock();
		step->free_at = step->taken_at + step->service;
	}
	return returns(step, ACCEPTED);
}

static void sink_poll(struct step *step)
{
	probe_poll_enter(&step->probe);
	if (step->busy && step_clock() >= step->free_at)
		step->busy = false;
	probe_poll_return(&step->probe, !step->busy);
}

const struct step_ops step_sink = { .submit = sink_submit, .poll = sink_poll };
