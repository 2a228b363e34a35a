/* SPDX-License-Identifier: MIT */
/*
 * Where threads are, by samples of the enter marks. A step's submit mostly calls the next step's, so
 * a thread is inside several steps at once: the one behind all others has it.
 */
#include <stdlib.h>
#include <string.h>

#include "model_internal.h"

#define MARK_BITS 3ULL /* the rest of a mark is its thread */
/* Edges that the walks of one thread go along, for each mark: nobody's thicket holds up the others. */
#define WALK_MOST 64

void model_sample_begin(struct model *m, uint64_t now)
{
	uint64_t elapsed = m->sampled_at && now > m->sampled_at ? now - m->sampled_at : 0;

	/* Of a longer time nobody knows what it was like. */
	m->sample_ns = elapsed < MODEL_SECOND ? elapsed : MODEL_SECOND;
	m->sampled_at = now;
	m->sample++;
	m->sampled_count = 0;
	m->marked_count = 0;
	model_start_trail(&m->seen);
}

void model_sample(struct model *m, const struct pb_step_key *key, const struct model_mark *mark)
{
	/* Else nobody shows that it is idle, and for no time of others it counts. */
	bool shows = !m->unseen || mark->inside || mark->refusing;
	struct step *step = shows ? model_find(m, &m->seen, key)
				  : model_find_unless(m, &m->seen, key, UNLESS_NOT_ONE_OF_HEADS);

	if (!shows && step && !step->one_of_heads)
		return;
	/* Without a root it is as new as this drain, which has not ended. */
	if (!step || !step->entry || !step->root || step->sample == m->sample)
		return;
	if (mark->inside != step->mark.inside || step->sample + 1 != m->sample)
		step->mark_since = m->sample;
	step->mark = *mark;
	step->sample = m->sample;
	m->sampled[m->sampled_count++] = step;
	if (!mark->inside)
		return;
	m->changed |= !step->marks;
	step->marks = true;
	step->entry->series.has_marks = true;
	m->marked[m->marked_count++] = step;
}

static uint64_t thread_of(const struct step *step)
{
	return step->mark.inside & ~MARK_BITS;
}

static int compare_threads(const struct step *a, const struct step *b)
{
	uint64_t x = thread_of(a), y = thread_of(b);
	int order = memcmp(&a->record.key.process, &b->record.key.process,
			   sizeof(a->record.key.process));

	return order ? order : (x > y) - (x < y);
}

/* Of one thread the deepest first: most walks then end with their first step. */
static int by_thread(const void *a, const void *b)
{
	const struct step *x = *(struct step *const *)a, *y = *(struct step *const *)b;
	int order = compare_threads(x, y);

	if (order)
		return order;
	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	return model_compare_steps(x, y);
}

static bool is_marked(const struct model *m, const struct step *step, const struct step *like)
{
	return step->sample == m->sample && step->mark.inside && !compare_threads(step, like);
}

/* The next edge of `step` that goes on to a step not seen in this walk, as deep as `deepest` at most. */
static struct step *walk_on(struct model *m, struct step *step, size_t deepest)
{
	while (step->slot < PB_MAX_NEXT && m->walk_left) {
		unsigned int slot = step->slot++;
		struct step *to = step->to[slot];

		m->walk_left--;
		if (to && !(step->back & 1u << slot) && to->walked != m->walk &&
		    to->level <= deepest)
			return to;
	}
	return NULL;
}

/* The thread is inside of a step that this one hands on to, near or far; not below `deepest`. */
static bool goes_on(struct model *m, struct step *from, size_t deepest)
{
	m->walk++;
	from->came_from = NULL;
	from->slot = 0;
	for (struct step *step = from, *to; step;) {
		to = walk_on(m, step, deepest);
		if (!to) {
			step = step->came_from;
			continue;
		}
		if (is_marked(m, to, from))
			return true;
		to->walked = m->walk;
		to->came_from = step;
		to->slot = 0;
		step = to;
	}
	return false;
}

/*
 * The step that has the thread, of `count` that it is inside of. Where their order is not known the
 * mark that came last; of those that came between the same two samples that of the oldest step: the
 * innermost returns first, and ages are those of first returns.
 */
static struct step *innermost(struct model *m, struct step *const *steps, size_t count)
{
	struct step *best = NULL;

	for (size_t i = 0; i < count; i++) {
		struct step *step = steps[i];

		if (count > 1 && goes_on(m, step, steps[0]->level))
			continue;
		if (!best || step->mark_since > best->mark_since ||
		    (step->mark_since == best->mark_since && model_compare_steps(step, best) < 0))
			best = step;
	}
	return best;
}

static void find_busy(struct model *m)
{
	if (m->marked_count)
		qsort(m->marked, m->marked_count, sizeof(*m->marked), by_thread);
	for (size_t first = 0, count; first < m->marked_count; first += count) {
		struct step *step;

		for (count = 1; first + count < m->marked_count; count++)
			if (compare_threads(m->marked[first], m->marked[first + count]))
				break;
		m->walk_left = count * WALK_MOST;
		step = innermost(m, &m->marked[first], count);
		step->busy = m->sample;
	}
}

static enum model_state state_of(const struct model *m, const struct step *step)
{
	if (step->busy == m->sample)
		return MODEL_BUSY;
	if (step->mark.blocked)
		return MODEL_BLOCKED;
	return step->mark.refusing ? MODEL_REFUSING : MODEL_IDLE;
}

void model_sample_end(struct model *m)
{
	find_busy(m);
	for (size_t i = 0; i < m->sampled_count; i++) {
		struct step *step = m->sampled[i];
		enum model_state state = state_of(m, step);

		step->state_ns[state] += m->sample_ns;
		if (state == MODEL_BUSY) {
			model_add(&step->record.counter[COUNTER_BUSY_TIME], m->sample_ns);
			model_add(&step->entry->series.counter[COUNTER_BUSY_TIME], m->sample_ns);
			step->entry->series.moved = true;
		}
	}
	model_press_sample(m);
	m->sampled_count = 0;
	m->marked_count = 0;
}
