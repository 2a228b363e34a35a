/* SPDX-License-Identifier: MIT */
/*
 * From "this step hands on to the one at that address" to consumers in pipeline order. Edges never
 * leave a process. All of it is made anew, but only when steps, places or edges have changed; then it
 * costs a few sorts.
 */
#include <stdlib.h>
#include <string.h>

#include "model_internal.h"

static int compare_places(const struct pb_process_key *process, uint64_t place,
			  const struct step *step)
{
	int order = memcmp(process, &step->record.key.process, sizeof(*process));

	return order ? order : (place > step->record.place) - (place < step->record.place);
}

/* The oldest first of those at one place. */
static int by_place(const void *a, const void *b)
{
	const struct step *x = *(struct step *const *)a, *y = *(struct step *const *)b;
	int order = compare_places(&x->record.key.process, x->record.place, y);

	return order ? order : model_compare_steps(x, y);
}

/* The newest living step at this place; NULL: none that is known. */
static struct step *step_at(const struct model *m, const struct pb_process_key *process,
			    uint64_t place)
{
	size_t low = 0, high = m->living_count; /* the last that is not behind it is below `high` */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_places(process, place, m->by_place[middle]) < 0)
			high = middle;
		else
			low = middle + 1;
	}
	if (!low || compare_places(process, place, m->by_place[low - 1]))
		return NULL;
	return m->by_place[low - 1];
}

static bool is_known(const struct step *step, int count, const struct step *to)
{
	for (int i = 0; i < count; i++)
		if (step->to[i] == to)
			return true;
	return false;
}

static void resolve(const struct model *m, struct step *step)
{
	const struct record *record = &step->record;
	bool ended = false;

	for (int i = 0; i < PB_MAX_NEXT; i++) {
		uint64_t place = record->next[i].place;
		struct step *to = NULL;

		ended |= !place;
		if (!ended && place != record->place)
			to = step_at(m, &record->key.process, place);
		if (to && is_known(step, i, to))
			to = NULL;
		step->to[i] = to;
	}
}

static void count_callers(const struct step *step)
{
	for (int i = 0; i < PB_MAX_NEXT; i++)
		if (step->to[i])
			step->to[i]->callers++;
}

static void find_edges(struct model *m)
{
	memcpy(m->by_place, m->living, m->living_count * sizeof(*m->living));
	qsort(m->by_place, m->living_count, sizeof(*m->by_place), by_place);
	for (size_t i = 0; i < m->living_count; i++) {
		struct step *step = m->living[i];

		step->index = i;
		step->callers = 0;
		step->back = 0;
		step->level = 0;
		step->over = step;
	}
	for (size_t i = 0; i < m->living_count; i++)
		resolve(m, m->living[i]);
	model_drop_false_edges(m);
	for (size_t i = 0; i < m->living_count; i++)
		count_callers(m->living[i]);
}

/* ---- Consumers: what hangs together ---- */

static struct step *top_of(struct step *step)
{
	while (step->over != step) {
		step->over = step->over->over;
		step = step->over;
	}
	return step;
}

/* The oldest of all is the root. */
static void join(struct step *a, struct step *b)
{
	a = top_of(a);
	b = top_of(b);
	if (a->index < b->index)
		b->over = a;
	else
		a->over = b;
}

static void find_roots(struct model *m)
{
	for (size_t i = 0; i < m->living_count; i++)
		for (int k = 0; k < PB_MAX_NEXT; k++)
			if (m->living[i]->to[k])
				join(m->living[i], m->living[i]->to[k]);
	for (size_t i = 0; i < m->living_count; i++)
		m->living[i]->over = top_of(m->living[i]);
}

/* ---- Levels ---- */

/* Depth first, without recursion; `topological` fills up from its end. Returns what is left of it. */
static size_t visit(struct model *m, struct step *step, size_t left)
{
	step->came_from = NULL;
	step->slot = 0;
	step->visit = VISIT_ON_PATH;
	while (step) {
		struct step *to;

		if (step->slot == PB_MAX_NEXT) {
			step->visit = VISIT_DONE;
			m->topological[--left] = step;
			step = step->came_from;
			continue;
		}
		to = step->to[step->slot++];
		if (to && to->visit == VISIT_ON_PATH)
			step->back |= 1u << (step->slot - 1);
		if (!to || to->visit != VISIT_NOT)
			continue;
		to->came_from = step;
		to->slot = 0;
		to->visit = VISIT_ON_PATH;
		step = to;
	}
	return left;
}

/*
 * Steps with enter marks may really hand on in a cycle. Heads first, so that it is cut where one comes
 * to it from a head; one that nobody comes to is cut at its oldest step.
 */
static void find_levels(struct model *m)
{
	size_t left = m->living_count;

	for (size_t i = 0; i < m->living_count; i++)
		m->living[i]->visit = VISIT_NOT;
	for (size_t i = 0; i < m->living_count; i++)
		if (!m->living[i]->callers)
			left = visit(m, m->living[i], left);
	for (size_t i = 0; i < m->living_count; i++)
		if (m->living[i]->visit == VISIT_NOT)
			left = visit(m, m->living[i], left);
	for (size_t i = 0; i < m->living_count; i++) {
		const struct step *step = m->topological[i];

		for (int k = 0; k < PB_MAX_NEXT; k++) {
			struct step *to = step->to[k];

			if (to && !(step->back & 1u << k) && to->level <= step->level)
				to->level = step->level + 1;
		}
	}
}

/* ---- In order ---- */

static int by_pipeline(const void *a, const void *b)
{
	const struct step *x = *(struct step *const *)a, *y = *(struct step *const *)b;

	if (x->root != y->root)
		return x->root->index < y->root->index ? -1 : 1;
	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static void list_consumers(struct model *m)
{
	memcpy(m->ordered, m->living, m->living_count * sizeof(*m->living));
	qsort(m->ordered, m->living_count, sizeof(*m->ordered), by_pipeline);
	m->consumer_count = 0;
	for (size_t i = 0; i < m->living_count; i++) {
		struct step *step = m->ordered[i];

		m->shown[i] = &m->views[step->index];
		if (!i || m->ordered[i - 1]->root != step->root)
			m->consumers[m->consumer_count++] =
				(struct consumer){ .root = step->root, .first = i };
		m->consumers[m->consumer_count - 1].count++;
		step->consumer_at = m->consumer_count - 1;
	}
}

/* They come first of a consumer's. */
static void count_heads(struct model *m)
{
	for (size_t i = 0; i < m->consumer_count; i++) {
		struct step **steps = &m->ordered[m->consumers[i].first];
		size_t count = m->consumers[i].count;
		bool several = count > 1 && !steps[1]->level;

		for (size_t k = 0; k < count; k++)
			steps[k]->one_of_heads = several && !steps[k]->level;
	}
}

void model_arrange(struct model *m)
{
	find_edges(m);
	find_roots(m);
	find_levels(m);
	model_inherit(m);
	list_consumers(m);
	count_heads(m);
	model_count_consumers(m);
	model_list_edges(m);
}
