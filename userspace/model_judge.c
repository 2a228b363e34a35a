/* SPDX-License-Identifier: MIT */
/* A step's last second: its shares, rates and states, and whether it is in a spell. */
#include <string.h>

#include "model_internal.h"

#define SPELL_BEGINS 0.50
#define SPELL_ENDS   0.10
#define WHOLE_SECOND 0.95 /* but for what the drain's own duration blurs */

/*
 * What an observer does not see at once it sees within this time, by a heartbeat. Of what is new
 * after it the beginning is known.
 */
#define SEEN_WITHIN (3 * MODEL_SECOND)

static const enum counter time_counter[] = {
	[MODEL_SPELL_SEND] = COUNTER_SEND_TIME,
	[MODEL_SPELL_RECEIVE] = COUNTER_RECEIVE_TIME,
	[MODEL_SPELL_SELF] = COUNTER_SEND_SELF_TIME,
};

/*
 * Where a record does not say since when it counts: the observer has seen the step first since the
 * drain before, so its counters were 0 then. Without one before, this drain is the beginning.
 */
void model_first_sight(const struct model *m, struct step *step, const struct record *record)
{
	const uint64_t *counter = record->counter;

	step->judged.at = m->before;
	if (record->begun && record->begun < m->now) {
		step->judged.at = record->begun;
	} else if (!m->before) {
		step->judged.at = m->now;
		memcpy(step->judged.counter, counter, sizeof(step->judged.counter));
		step->judged.counter[COUNTER_BUSY_TIME] = 0;
	}
	step->first_at = step->judged.at;
	step->was_there = m->now < m->began + SEEN_WITHIN || record->open_partial[PUSHBACK_SEND] ||
			  record->open_partial[PUSHBACK_RECEIVE] || counter[COUNTER_SEND_PARTIAL] ||
			  counter[COUNTER_RECEIVE_PARTIAL];
}

/* A step without a record is as it was: what was open still is, and grows. */
static uint64_t since_record(const struct step *step, uint64_t now)
{
	return now > step->recorded ? now - step->recorded : 0;
}

uint64_t model_send_time_at(const struct step *step, uint64_t now)
{
	uint64_t time = step->record.counter[COUNTER_SEND_TIME];

	return step->record.since[PUSHBACK_SEND] ? time + since_record(step, now) : time;
}

static void take_times(struct judged *judged, const struct step *step, uint64_t now)
{
	const struct record *record = &step->record;
	const uint64_t *counter = record->counter;
	uint64_t more = since_record(step, now);
	bool refusing = record->since[PUSHBACK_SEND], blocked = record->since[PUSHBACK_RECEIVE];

	judged->at = now;
	judged->counter[COUNTER_SEND_TIME] = model_send_time_at(step, now);
	judged->counter[COUNTER_RECEIVE_TIME] =
		counter[COUNTER_RECEIVE_TIME] + (blocked ? more : 0);
	judged->counter[COUNTER_SEND_SELF_TIME] =
		counter[COUNTER_SEND_SELF_TIME] + (refusing && !blocked ? more : 0);
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

/* ---- Spells ---- */

/* The beginning of what goes on now, as the record has it; 0: not known. */
static uint64_t open_since(const struct step *step, int kind, bool *partial)
{
	const struct record *record = &step->record;
	uint64_t since = kind == MODEL_SPELL_SELF ? record->self_since : record->since[kind];

	*partial = record->open_partial[kind == MODEL_SPELL_RECEIVE] &&
		   since == record->since[kind == MODEL_SPELL_RECEIVE];
	return since;
}

/*
 * The episode that has lasted over all of the second just judged dates the spell, if it began before
 * it. (At first sight that second may count for less than it was; so this is asked again at each.)
 * A partial one only says that it is older; as long as its step was seen in backpressure it may be
 * believed.
 */
static void date_spell(const struct step *step, int kind, double share, const struct judged *at,
		       struct spell *spell)
{
	bool partial, cut = false;
	uint64_t since = open_since(step, kind, &partial), seen = at->counter[time_counter[kind]];

	if (!since || share < WHOLE_SECOND)
		return;
	if (partial && seen < at->at && since < at->at - seen) {
		since = at->at - seen;
		cut = true;
	}
	if (since >= spell->since)
		return;
	spell->since = since;
	spell->at_least = cut || (step->was_there && since <= step->first_at);
}

static void judge_spell(struct step *step, int kind, double share, const struct judged *at)
{
	struct spell *spell = &step->spell[kind];

	if (share < SPELL_ENDS) {
		*spell = (struct spell){ 0 };
		return;
	}
	if (!spell->since && share < SPELL_BEGINS)
		return;
	if (!spell->since) {
		spell->since = step->judged.at;
		spell->at_least = step->was_there && spell->since <= step->first_at;
	}
	if (kind != MODEL_SPELL_BUSY)
		date_spell(step, kind, share, at, spell);
}

/*
 * Of several that ended at once it is not known whose place is taken by whom. But one that came and went
 * within a drain, between two rebalances, has nothing to leave: the next one takes the place of the one
 * before it.
 */
void model_leave_spells(const struct model *m, const struct step *step)
{
	struct ended *ended = &step->entry->ended;
	bool several = ended->drain == m->drain;

	if (!step->root)
		return;
	*ended = (struct ended){ .process = step->record.key.process, .drain = m->drain };
	if (several)
		return;
	memcpy(ended->spell, step->spell, sizeof(ended->spell));
	ended->most_since = step->most_since;
	ended->root = step->root;
}

/* Until its own first second decides how it is. */
bool model_is_heir(const struct model *m, const struct step *step)
{
	const struct ended *ended = &step->entry->ended;

	return !step->is_judged && ended->drain && ended->drain + 1 >= m->drain &&
	       !memcmp(&ended->process, &step->record.key.process, sizeof(ended->process));
}

void model_take_spells(const struct model *m, struct step *step)
{
	const struct ended *ended = &step->entry->ended;

	if (!model_is_heir(m, step))
		return;
	for (int i = 0; i < MODEL_SPELLS; i++)
		if (!step->spell[i].since)
			step->spell[i] = ended->spell[i];
	if (!step->most_since)
		step->most_since = ended->most_since;
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

/* What only a screen shows. */
static void judge_seen(struct step *step, const struct judged *at, uint64_t elapsed)
{
	const uint64_t *last = step->judged.counter;
	double a_second = MODEL_SECOND / (double)elapsed;

	step->self_share = share_of(last[COUNTER_SEND_SELF_TIME],
				    at->counter[COUNTER_SEND_SELF_TIME], elapsed);
	for (int c = 0; c < COUNTERS; c++)
		step->rate[c] = (double)grown(last[c], at->counter[c]) * a_second;
	judge_states(step);
	judge_spell(step, MODEL_SPELL_SELF, step->self_share, at);
	judge_spell(step, MODEL_SPELL_BUSY, step->state[MODEL_BUSY], at);
}

void model_judge(const struct model *m, struct step *step)
{
	const struct judged *last = &step->judged;
	uint64_t elapsed = grown(last->at, m->now);
	struct judged at;

	if (elapsed < MODEL_JUDGED)
		return;
	if (!m->unseen)
		memcpy(at.counter, step->record.counter, sizeof(at.counter));
	take_times(&at, step, m->now);
	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		step->share[d] = share_of(last->counter[time_counter[d]],
					  at.counter[time_counter[d]], elapsed);
		judge_spell(step, d, step->share[d], &at);
	}
	if (!m->unseen)
		judge_seen(step, &at, elapsed);
	step->second_began = last->at;
	step->is_judged = true;
	if (!m->unseen)
		step->judged = at;
	else
		take_times(&step->judged, step, m->now);
}

/* ---- Consumers ---- */

struct spell model_fault(const struct step *step)
{
	struct spell fault = step->spell[MODEL_SPELL_SELF];

	if (!fault.since || !step->most_since)
		return (struct spell){ 0 };
	/* It was refusing before, and another one more. */
	if (step->most_since > fault.since && step->most_since > step->first_at)
		fault = (struct spell){ .since = step->most_since };
	return fault;
}

/* Who of `count` steps has the most self time, and since when. Of equals the first. */
static void find_most(struct step *const *steps, size_t count)
{
	struct step *most = NULL;

	for (size_t i = 0; i < count; i++)
		if (steps[i]->self_share > (most ? most->self_share : 0))
			most = steps[i];
	for (size_t i = 0; i < count; i++)
		if (steps[i] != most && steps[i]->is_judged)
			steps[i]->most_since = 0;
	if (most && !most->most_since)
		most->most_since = most->second_began;
}

void model_judge_consumers(struct model *m)
{
	for (size_t i = 0; i < m->consumer_count; i++)
		find_most(&m->ordered[m->consumers[i].first], m->consumers[i].count);
}

void model_view_judgement(const struct model *m, struct consumer_view *view,
			  struct step *const *steps)
{
	bool all = true, one_long_ago = false;

	view->driven_at = 0;
	for (size_t k = 0; k < view->step_count; k++) {
		const struct step *step = steps[k];

		all &= step->is_judged;
		one_long_ago |= step->is_judged && m->now >= step->first_at + SEEN_WITHIN;
		if (step->driven_at > view->driven_at)
			view->driven_at = step->driven_at;
	}
	view->judged = all || one_long_ago;
}
