/* SPDX-License-Identifier: MIT */
/* A step's last second: its shares, rates and states, and whether it is in a spell. */
#include <string.h>

#include "model_internal.h"

#define SPELL_BEGINS 0.50
#define SPELL_ENDS   0.10
#define WHOLE_SECOND 0.95 /* but for what the drain's own duration blurs */

static const enum counter time_counter[2] = { COUNTER_SEND_TIME, COUNTER_RECEIVE_TIME };

/*
 * The observer has seen the step first since the drain before, so its counters were 0 then. Without
 * one before, this drain is the beginning.
 */
struct judged model_first_sight(const struct model *m, const struct record *record)
{
	struct judged first = { .at = m->before };

	if (m->before)
		return first;
	first.at = m->now;
	memcpy(first.counter, record->counter, sizeof(first.counter));
	first.counter[COUNTER_BUSY_TIME] = 0;
	return first;
}

/* A step without a record is as it was: what was open still is, and grows. */
struct judged model_counters_at(const struct step *step, uint64_t now)
{
	const struct record *record = &step->record;
	uint64_t more = now > step->recorded ? now - step->recorded : 0;
	bool refusing = record->since[PUSHBACK_SEND], blocked = record->since[PUSHBACK_RECEIVE];
	struct judged judged = { .at = now };

	memcpy(judged.counter, record->counter, sizeof(judged.counter));
	judged.counter[COUNTER_SEND_TIME] += refusing ? more : 0;
	judged.counter[COUNTER_RECEIVE_TIME] += blocked ? more : 0;
	judged.counter[COUNTER_SEND_SELF_TIME] += refusing && !blocked ? more : 0;
	return judged;
}

static uint64_t grown(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

/* The part of `elapsed` by which a counter has grown, 0 to 1, whatever it says. */
static double share_of(uint64_t before, uint64_t now, uint64_t elapsed)
{
	uint64_t more = grown(before, now);

	return more < elapsed ? (double)more / (double)elapsed : 1;
}

/*
 * When a spell began of which `known` is known: then, or when the episode did that has lasted over
 * all of the second just judged and since before `known`. (At first sight that second may count for
 * less than it was; so this is asked again at each.) A partial one only says that it is older; as
 * long as its step was seen in backpressure it may be believed.
 */
static uint64_t spell_begin(const struct step *step, int d, uint64_t known, uint64_t seen,
			    uint64_t now)
{
	uint64_t since = step->record.since[d];

	if (!since || step->share[d] < WHOLE_SECOND)
		return known;
	if (step->record.open_partial[d] && seen < now && since < now - seen)
		since = now - seen;
	return since < known ? since : known;
}

static void judge_spell(struct step *step, int d, const struct judged *at)
{
	uint64_t *since = &step->spell_since[d];
	uint64_t seen = at->counter[time_counter[d]];

	if (step->share[d] < SPELL_ENDS)
		*since = 0;
	else if (*since || step->share[d] >= SPELL_BEGINS)
		*since = spell_begin(step, d, *since ? *since : step->judged.at, seen, at->at);
}

/* Without a sample all are 0. */
static void judge_states(struct step *step)
{
	uint64_t sum = 0;

	for (int i = 0; i < MODEL_STATES; i++)
		sum += step->state_ns[i];
	for (int i = 0; i < MODEL_STATES; i++)
		step->state[i] = sum ? (double)step->state_ns[i] / (double)sum : 0;
	memset(step->state_ns, 0, sizeof(step->state_ns));
}

void model_judge(struct step *step, uint64_t now)
{
	const struct judged *last = &step->judged;
	struct judged at = model_counters_at(step, now);
	uint64_t elapsed = grown(last->at, now);

	if (elapsed < MODEL_JUDGED)
		return;
	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		enum counter c = time_counter[d];

		step->share[d] = share_of(last->counter[c], at.counter[c], elapsed);
		judge_spell(step, d, &at);
	}
	step->self_share = share_of(last->counter[COUNTER_SEND_SELF_TIME],
				    at.counter[COUNTER_SEND_SELF_TIME], elapsed);
	for (int c = 0; c < COUNTERS; c++)
		step->rate[c] = (double)grown(last->counter[c], at.counter[c]) * MODEL_SECOND /
				(double)elapsed;
	judge_states(step);
	step->judged = at;
}
