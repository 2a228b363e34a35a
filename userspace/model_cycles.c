/* SPDX-License-Identifier: MIT */
/*
 * Edges that are none. Which step was called, the header knows from the last submit that returned on
 * the thread. A step without enter marks that hands on to something without probes may find there its
 * own caller's of a moment ago, and so says that it hands on to who hands on to it. Such an edge closes
 * a cycle. Within one call the inner steps return first, so they are the older instances: in a cycle
 * an edge from an older step to a younger one is none. With enter marks all edges are true.
 */
#include "model_internal.h"

/* Tarjan's way to find which steps lie on a cycle with which, without recursion. */
struct search {
	struct step **path; /* and what has been left, but may yet turn out to lie on a cycle */
	size_t length;
	size_t numbered;
};

static struct step *go_to(struct search *s, struct step *step, struct step *from)
{
	step->number = step->low = s->numbered++;
	step->came_from = from;
	step->slot = 0;
	step->visit = VISIT_ON_PATH;
	s->path[s->length++] = step;
	return step;
}

static void reach(struct step *step, size_t low)
{
	if (low < step->low)
		step->low = low;
}

/* Back to where it came from. If nothing before it was reached, all behind it in the path are one. */
static struct step *leave(struct search *s, struct step *step)
{
	struct step *from = step->came_from, *one = NULL;

	if (from)
		reach(from, step->low);
	if (step->low < step->number)
		return from;
	while (one != step) {
		one = s->path[--s->length];
		one->cycle = step;
		one->visit = VISIT_DONE;
	}
	return from;
}

static void search_from(struct search *s, struct step *step)
{
	step = go_to(s, step, NULL);
	while (step) {
		struct step *to;

		if (step->slot == PB_MAX_NEXT) {
			step = leave(s, step);
			continue;
		}
		to = step->to[step->slot++];
		if (to && to->visit == VISIT_NOT)
			step = go_to(s, to, step);
		else if (to && to->visit == VISIT_ON_PATH)
			reach(step, to->number);
	}
}

static void drop_from(struct step *step)
{
	for (int k = 0; !step->marks && k < PB_MAX_NEXT; k++) {
		const struct step *to = step->to[k];

		if (to && to->cycle == step->cycle && step->index < to->index)
			step->to[k] = NULL;
	}
}

void model_drop_false_edges(struct model *m)
{
	struct search s = { .path = m->topological };

	for (size_t i = 0; i < m->living_count; i++)
		m->living[i]->visit = VISIT_NOT;
	for (size_t i = 0; i < m->living_count; i++)
		if (m->living[i]->visit == VISIT_NOT)
			search_from(&s, m->living[i]);
	for (size_t i = 0; i < m->living_count; i++)
		drop_from(m->living[i]);
}
