/* SPDX-License-Identifier: MIT */
/*
 * Pressure of each consumer, in the words of Linux: *some* of its steps refuses; *full*: its head
 * does, so nothing gets in. With several heads, all that are not idle.
 *
 * How long each step has refused is known exactly, when it did so within a drain is not. So full is
 * exact with one head. Where it depends on which times overlap it is by samples, within the bounds
 * that the exact times set; some is the exact time of the step that has most, and only what others
 * add to it is by samples: where all refuse at once that is nothing, and no chance is in it.
 */
#include <math.h>

#include "model_internal.h"

/*
 * A sample stands for 50 ms, and where a step refuses nearly all the time there is not as much left in
 * a drain: were the rest of it dropped, others' time would come out too short. So much is kept.
 */
#define OWED_MOST 100000000u

enum { SOME, FULL };

static const double windows[MODEL_AVGS] = { 10e9, 60e9, 300e9 };

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct pressure model_new_pressure(const struct step *step)
{
	return (struct pressure){ .judged_at = step->first_at };
}

/* ---- Samples ---- */

static void see_step(struct model *m, struct step *step)
{
	struct pressure *p = &step->root->pressure;
	bool driven = step->marks ? step->mark.inside != 0 : step->driven;

	if (step->mark.refusing) {
		step->sampled_ns += m->sample_ns;
		m->consumers[step->consumer_at].stirred = m->drain + 1;
	}
	if (step->mark.refusing && p->some_seen != m->sample) {
		p->some_seen = m->sample;
		p->sampled[SOME] += m->sample_ns;
	}
	if (step->level)
		return;
	if (step->mark.refusing)
		p->head_refuses = m->sample;
	else if (driven)
		p->head_flows = m->sample;
}

void model_press_sample(struct model *m)
{
	for (size_t i = 0; i < m->sampled_count; i++)
		see_step(m, m->sampled[i]);
	for (size_t i = 0; i < m->sampled_count; i++) {
		struct pressure *p = &m->sampled[i]->root->pressure;

		if (p->head_refuses != m->sample || p->head_flows == m->sample ||
		    p->full_seen == m->sample)
			continue;
		p->full_seen = m->sample;
		p->sampled[FULL] += m->sample_ns;
	}
}

/* ---- Which consumer of before is which now ---- */

/* `old`, the root of a consumer before, has gone into that of `root` or is dead. */
static bool has_ended(const struct step *old, const struct step *root)
{
	return !old->entry || old->over == root;
}

/* Two that have become one: no total is less than it was. */
static void join_totals(struct pressure *p, const struct pressure *other)
{
	for (int i = SOME; i <= FULL; i++)
		p->total[i] = larger(p->total[i], other->total[i]);
}

/* What the step's consumer had when it was a root the last time: only the totals are still true. */
static struct pressure pressure_again(const struct model *m, const struct step *step)
{
	struct pressure p = { .judged_at = m->before };

	join_totals(&p, &step->pressure);
	return p;
}

/*
 * The root of the consumer that the step was in before. A new one takes the place of the one of its
 * name that has ended just now, if there is only one; so a consumer goes on over a rebalance.
 */
static struct step *root_before(const struct model *m, const struct step *step)
{
	const struct ended *ended = &step->entry->ended;

	if (step->root)
		return step->root;
	return model_is_heir(m, step) ? ended->root : NULL;
}

/*
 * The oldest step's consumer goes on. Where a consumer's oldest was not a root before (the older ones
 * have died, or it has come to be known only now), it goes on as that of its oldest member that has
 * ended.
 */
void model_inherit(struct model *m)
{
	for (size_t i = 0; i < m->living_count; i++) {
		struct step *step = m->living[i];

		step->heir = NULL;
		step->orphan = step->over == step && step->root != step;
		if (step->orphan && step->root)
			step->pressure = pressure_again(m, step);
	}
	for (size_t i = 0; i < m->living_count; i++) {
		struct step *root = m->living[i]->over, *old = root_before(m, m->living[i]);
		struct pressure inherited;

		if (!old || old == root || old->heir || !has_ended(old, root))
			continue;
		old->heir = root;
		inherited = root->orphan ? old->pressure : root->pressure;
		join_totals(&inherited, &root->pressure);
		join_totals(&inherited, &old->pressure);
		root->pressure = inherited;
		root->pressure.succeeds = !m->living[i]->root;
		root->orphan = false;
	}
	for (size_t i = 0; i < m->living_count; i++)
		m->living[i]->root = m->living[i]->over;
}

/* ---- Drains ---- */

static void tally(struct tally *t, struct step *step, uint64_t now)
{
	const uint64_t *counter = step->record.counter;
	uint64_t time = model_send_time_at(step, now);
	uint64_t attempts = counter[COUNTER_ACCEPTED] + counter[COUNTER_SEND];
	uint64_t grown = time > step->paid ? time - step->paid : 0;

	step->paid += grown;
	step->driven = attempts != step->attempts;
	step->attempts = attempts;
	model_add(&t->sum, grown);
	if (grown > t->most) {
		t->most = grown;
		t->most_sampled = step->sampled_ns;
	}
	step->sampled_ns = 0;
	if (step->level || (!grown && !step->driven))
		return;
	t->heads++;
	model_add(&t->head_sum, grown);
	if (grown > t->head_most)
		t->head_most = grown;
}

/* `value`, or the bound that it is beyond; the lower one wins. */
static uint64_t within(uint64_t value, uint64_t least, uint64_t most)
{
	if (value > most)
		value = most;
	return value > least ? value : least;
}

/* How long one of two things held; they held one after the other, or nobody knows how they lay. */
static uint64_t either(bool in_turn, uint64_t a, uint64_t b)
{
	if (!in_turn)
		return larger(a, b);
	model_add(&a, b);
	return a;
}

static uint64_t some_of(struct pressure *p, const struct tally *living, uint64_t elapsed)
{
	const struct tally *more = living->most >= p->dead.most ? living : &p->dead;
	uint64_t most = more->most, seen = more->most_sampled, sum = living->sum, some;

	if (p->succeeds) {
		most = either(true, living->most, p->dead.most);
		seen = living->most_sampled + p->dead.most_sampled;
	}
	model_add(&sum, p->dead.sum);
	/* Others, while it did not. */
	seen = p->sampled[SOME] > seen ? p->sampled[SOME] - seen : 0;
	model_add(&seen, most);
	model_add(&seen, p->owed);
	some = within(seen, most, smaller(elapsed, sum));
	p->owed = seen > some ? smaller(seen - some, OWED_MOST) : 0;
	return some;
}

static uint64_t full_of(const struct tally *t, uint64_t sampled, uint64_t elapsed)
{
	uint64_t apart, most = smaller(t->head_most, elapsed);

	if (t->heads <= 1)
		return t->head_sum;
	/* When all have refused at the same time at least: had they done so as far apart as can be. */
	if (__builtin_mul_overflow(t->heads - 1, elapsed, &apart) || apart > t->head_sum)
		apart = t->head_sum;
	return within(sampled, smaller(t->head_sum - apart, most), most);
}

/*
 * What this drain adds, into the consumer's and its series' times. Those that died in it were heads
 * at another time than the living ones.
 */
static void press(struct pressure *p, struct entry *entry, const struct tally *t, uint64_t elapsed)
{
	static const enum counter counter[2] = { COUNTER_SOME_TIME, COUNTER_FULL_TIME };
	uint64_t more[2] = { some_of(p, t, elapsed),
			     either(p->succeeds, full_of(t, p->sampled[FULL], elapsed),
				    full_of(&p->dead, p->sampled[FULL], elapsed)) };

	p->succeeds = false;
	p->dead = (struct tally){ 0 };
	for (int i = SOME; i <= FULL; i++) {
		model_add(&p->total[i], more[i]);
		model_add(&p->second[i], more[i]);
		model_add(&entry->series.counter[counter[i]], more[i]);
		entry->series.moved |= more[i] > 0;
		p->sampled[i] = 0;
	}
}

static void fade(struct model *m, uint64_t elapsed)
{
	if (m->faded_after == elapsed)
		return;
	for (int k = 0; k < MODEL_AVGS; k++)
		m->faded[k] = -expm1(-(double)elapsed / windows[k]);
	m->faded_after = elapsed;
}

static void judge(struct model *m, struct pressure *p)
{
	uint64_t now = m->now;
	uint64_t elapsed = now > p->judged_at ? now - p->judged_at : 0;

	if (elapsed < MODEL_JUDGED)
		return;
	fade(m, elapsed);
	for (int k = 0; k < MODEL_AVGS; k++)
		p->weight[k] += (1 - p->weight[k]) * m->faded[k];
	for (int i = SOME; i <= FULL; i++) {
		double share = p->second[i] < elapsed ? (double)p->second[i] / (double)elapsed : 1;

		p->share[i] = share;
		p->second[i] = 0;
		for (int k = 0; k < MODEL_AVGS; k++)
			p->average[i][k] += (share - p->average[i][k]) * m->faded[k];
	}
	p->judged_at = now;
}

static struct consumer_view view_of(const struct model *m, const struct consumer *consumer)
{
	const struct step *root = consumer->root;
	const struct pressure *p = &root->pressure;
	struct consumer_view view = {
		.process = root->record.key.process,
		.name = root->consumer->series.process,
		.tags = root->consumer->series.tags,
		.steps = &m->shown[consumer->first],
		.step_count = consumer->count,
		.edges = &m->edges[consumer->first_edge],
		.edge_count = consumer->edge_count,
		.some_ns = p->total[SOME],
		.full_ns = p->total[FULL],
		.some_share = p->share[SOME],
		.full_share = p->share[FULL],
		.pressed = p->weight[MODEL_AVG10] > 0,
	};

	for (int k = 0; k < MODEL_AVGS; k++) {
		/* Of the time before it was watched nobody knows that it was good. */
		view.some[k] = p->weight[k] > 0 ? p->average[SOME][k] / p->weight[k] : 0;
		view.full[k] = p->weight[k] > 0 ? p->average[FULL][k] / p->weight[k] : 0;
	}
	model_view_judgement(m, &view, &m->ordered[consumer->first]);
	return view;
}

void model_view_consumers(struct model *m)
{
	for (size_t i = 0; i < m->consumer_count; i++)
		m->consumer_views[i] = view_of(m, &m->consumers[i]);
}

/* Where the pressure of a step goes that has died in this drain. */
static struct pressure *pressure_after(struct step *dead)
{
	struct step *root = dead->root ? dead->root : dead;

	if (root->entry)
		return &root->root->pressure;
	return root->heir ? &root->heir->pressure : &root->pressure;
}

static bool is_empty(const struct tally *t)
{
	return !t->sum && !t->heads;
}

/* Of consumers that are no more: they are in none of the model's lists. */
static void press_dead(struct model *m, uint64_t elapsed)
{
	for (struct step *step = m->dead[0]; step; step = step->next_dead) {
		if (!is_empty(&step->pressure.dead))
			press(&step->pressure, step->consumer, &(struct tally){ 0 }, elapsed);
		step->consumer->living--;
	}
}

/* All but those of which no step has anything to add: what they were before has only where some died. */
static void find_stirred(struct model *m)
{
	for (size_t i = 0; i < m->awake_count; i++)
		m->consumers[m->awake[i]->consumer_at].stirred = m->drain;
}

void model_press(struct model *m)
{
	uint64_t elapsed = m->before && m->now > m->before ? m->now - m->before : 0;

	find_stirred(m);
	for (struct step *step = m->dead[0]; step; step = step->next_dead)
		tally(&pressure_after(step)->dead, step, m->now);
	for (size_t i = 0; i < m->consumer_count; i++) {
		const struct consumer *consumer = &m->consumers[i];
		struct step *root = consumer->root;
		struct tally t = { 0 };

		if (!m->undecided && consumer->stirred != m->drain)
			continue;
		for (size_t k = 0; k < consumer->count; k++)
			tally(&t, m->ordered[consumer->first + k], m->now);
		press(&root->pressure, root->consumer, &t, elapsed);
		if (!m->unseen)
			judge(m, &root->pressure);
	}
	press_dead(m, elapsed);
}
