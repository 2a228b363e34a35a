/* SPDX-License-Identifier: MIT */
/*
 * Steps that nothing happens to. Most of a host's are idle most of the time, and to find anew in each
 * drain that one refused nothing touches a kilobyte of it. So one that has just been found to rest, at
 * a drain that said no news of it, is *still*: passed over until the next record with news. What a screen
 * shows of it would go on (averages fade), so there are none where the model is seen.
 */
#include <stdlib.h>
#include <string.h>

#include "model_internal.h"

#define CACHE_LINE 64

struct step *model_step_new(void)
{
	const size_t size = (sizeof(struct step) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	struct step *step = aligned_alloc(CACHE_LINE, size);

	if (step)
		memset(step, 0, sizeof(*step));
	return step;
}

/* Each drain is a second of its own: so all that are judged are judged at each. */
static bool is_second(const struct model *m)
{
	return m->unseen && m->now >= m->before + MODEL_JUDGED;
}

static void wake(const struct model *m, struct step *step)
{
	step->still = false;
	step->judged.at = m->before;
}

void model_wake(struct model *m, struct step *step)
{
	if (!step->still)
		return;
	wake(m, step);
	m->awake[m->awake_count++] = step;
}

void model_begin_stillness(struct model *m)
{
	if (!m->has_still || is_second(m))
		return;
	for (size_t i = 0; i < m->living_count; i++)
		if (m->living[i]->still)
			wake(m, m->living[i]);
	m->has_still = false;
	m->undecided = true;
	m->notes++;
}

void model_list_awake(struct model *m)
{
	if (!m->undecided)
		return;
	m->awake_count = 0;
	for (size_t i = 0; i < m->living_count; i++)
		if (!m->living[i]->still)
			m->awake[m->awake_count++] = m->living[i];
}

/* Nothing is open, no spell goes on, and what it has counted is counted. */
static bool rests(const struct model *m, const struct step *step)
{
	const struct record *record = &step->record;

	return step->same && step->judged.at == m->now && !step->spell[PUSHBACK_SEND].since &&
	       !step->spell[PUSHBACK_RECEIVE].since && step->share[PUSHBACK_SEND] <= 0 &&
	       step->share[PUSHBACK_RECEIVE] <= 0 && !record->depth && !record->capacity;
}

void model_let_rest(struct model *m)
{
	bool second = is_second(m);
	size_t count = 0;

	for (size_t i = 0; i < m->awake_count; i++) {
		struct step *step = m->awake[i];

		step->still = second && rests(m, step);
		step->same = false;
		m->has_still |= step->still;
		if (!step->still)
			m->awake[count++] = step;
	}
	m->awake_count = count;
}
