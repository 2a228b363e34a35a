/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "clock.h"
#include "consumer.h"
#include "control.h"

static bool input_over(const struct consumer *consumer)
{
	return consumer->max_messages && consumer->messages >= consumer->max_messages;
}

/* Nothing new is read as long as a message is carried. */
static void read_next(struct consumer *consumer)
{
	struct source *source = consumer->source;

	if (consumer->has_carried || input_over(consumer))
		return;
	consumer->has_carried = source->ops->poll(source, &consumer->carried);
	consumer->messages += consumer->has_carried;
}

/* On refusal it just tries again, at once: so does arroyo. */
static void submit_carried(struct consumer *consumer)
{
	struct step *first = consumer->chain->steps[0];
	enum pushback_outcome outcome;

	if (!consumer->has_carried)
		return;
	outcome = first->ops->submit(first, &consumer->carried);
	consumer->invalid += outcome == PUSHBACK_INVALID;
	consumer->has_carried = step_refused(outcome);
	if (consumer->has_carried && !consumer->refused) {
		consumer->refused = true;
		fprintf(stderr, "pushback-demo: in backpressure\n");
	}
}

static int rebalance(struct consumer *consumer)
{
	chain_end(consumer->chain);
	consumer->has_carried = false;
	return chain_begin(consumer->chain);
}

static void change_slow(struct chain *chain, const struct slow_request *slow)
{
	struct slow_list list;

	if (slow->mode != SLOW_NOT && !chain_has(chain, slow->step)) {
		fprintf(stderr, "pushback-demo: there is no step '%s'\n", slow->step);
		return;
	}
	list = chain->slow;
	if (!slow_take(&list, slow)) {
		fprintf(stderr, "pushback-demo: %d steps are slow: begin anew without +\n",
			SLOW_MAX);
		return;
	}
	chain_set_slow(chain, &list);
	if (slow->mode == SLOW_NOT)
		fprintf(stderr, "pushback-demo: no step is slow now\n");
	else
		fprintf(stderr, "pushback-demo: slow is now %s, it %s for %.6g %s\n", slow->step,
			slow->mode == SLOW_REFUSE ? "refuses" : "blocks",
			(double)slow->duration / (slow->duration < NSEC_PER_SEC ? 1e6 : 1e9),
			slow->duration < NSEC_PER_SEC ? "ms" : "s");
}

/* Says when, so that whoever reads it has a moment before which all calls of now are. */
static void set_paused(struct consumer *consumer, bool paused)
{
	if (consumer->paused == paused)
		return;
	consumer->paused = paused;
	chain_cut_truth(consumer->chain);
	fprintf(stderr, "pushback-demo: %s at %llu\n", paused ? "paused" : "resumed",
		(unsigned long long)clock_now());
}

static int obey_one(struct consumer *consumer, const struct command *command)
{
	switch (command->verb) {
	case COMMAND_SLOW:
		change_slow(consumer->chain, &command->slow);
		return 0;
	case COMMAND_REBALANCE:
		return rebalance(consumer);
	case COMMAND_PAUSE:
	case COMMAND_RESUME:
		set_paused(consumer, command->verb == COMMAND_PAUSE);
		return 0;
	}
	return 0;
}

/* Takes what commands there are, up to a resume; while it is paused also those to come. */
static int obey(struct consumer *consumer)
{
	struct command command;
	int err = 0;

	do {
		while (!err && control_take(&command)) {
			err = obey_one(consumer, &command);
			if (command.verb == COMMAND_RESUME)
				return err;
		}
		if (consumer->paused)
			control_wait(clock_now() + NSEC_PER_SEC);
	} while (!err && consumer->paused && !control_stop());
	return err;
}

static bool finished(struct consumer *consumer)
{
	return input_over(consumer) && !consumer->has_carried && chain_drained(consumer->chain);
}

int consumer_run(struct consumer *consumer)
{
	uint64_t begin = clock_now();
	int err = chain_begin(consumer->chain);

	while (!err && !control_stop() && !finished(consumer)) {
		struct step *first = consumer->chain->steps[0];

		read_next(consumer);
		truth_tick();
		first->ops->poll(first);
		submit_carried(consumer);
		consumer->loops++;
		if (control_pending())
			err = obey(consumer);
	}
	chain_end(consumer->chain);
	consumer->elapsed = clock_now() - begin;
	return err;
}

void consumer_summary(const struct consumer *consumer)
{
	double seconds = (double)consumer->elapsed / 1e9;

	fprintf(stderr,
		"pushback-demo: %llu messages in %.1f s, %llu of them invalid; %.0f loops/s\n"
		"%-20s %12s %14s %14s %12s\n",
		(unsigned long long)consumer->messages, seconds,
		(unsigned long long)consumer->invalid, (double)consumer->loops / seconds, "step",
		"accepted", "refused", "passed back", "messages/s");
	for (size_t i = 0; i < consumer->chain->length; i++) {
		struct step_counts counts = chain_counts(consumer->chain, i);

		fprintf(stderr, "%-20s %12llu %14llu %14llu %12.0f\n",
			consumer->chain->plan[i].name,
			(unsigned long long)counts.submits[PUSHBACK_ACCEPTED],
			(unsigned long long)counts.submits[PUSHBACK_REJECTED],
			(unsigned long long)counts.submits[PUSHBACK_PROPAGATED],
			(double)counts.submits[PUSHBACK_ACCEPTED] / seconds);
	}
}
