/* SPDX-License-Identifier: MIT */
#include "top_merge.h"

#include <stdlib.h>
#include <string.h>

#include "top_agree.h"

struct top_named {
	const char *name;
	bool partly;
	size_t index;
};

struct top_merge {
	struct top_snapshot merged;
	struct top_step *sorted; /* all steps, those of one row after each other */
	size_t consumer_room, step_room;
	size_t *group; /* by consumer: index of its merged one */
	struct top_named *named;
	struct top_opinion *opinions;
	struct hist *hists; /* two per merged step */
	size_t hist_count;
};

struct top_merge *top_merge_new(void)
{
	return calloc(1, sizeof(struct top_merge));
}

static void free_hists(struct top_merge *m)
{
	for (size_t i = 0; i < m->hist_count; i++)
		hist_free(&m->hists[i]);
	free(m->hists);
	m->hists = NULL;
	m->hist_count = 0;
}

void top_merge_free(struct top_merge *m)
{
	if (!m)
		return;
	free_hists(m);
	free(m->merged.consumers);
	free(m->merged.steps);
	free(m->sorted);
	free(m->group);
	free(m->named);
	free(m->opinions);
	free(m);
}

/* All arrays have room for as much as there is in `s`. */
static bool reserve(struct top_merge *m, const struct top_snapshot *s)
{
	if (s->consumer_count > m->consumer_room || !m->named) {
		size_t room = s->consumer_count * 2 + 1;

		free(m->merged.consumers);
		free(m->group);
		free(m->named);
		free(m->opinions);
		m->consumer_room = 0;
		m->merged.consumers = calloc(room, sizeof(*m->merged.consumers));
		m->group = calloc(room, sizeof(*m->group));
		m->named = calloc(room, sizeof(*m->named));
		m->opinions = calloc(room, sizeof(*m->opinions));
		if (!m->merged.consumers || !m->group || !m->named || !m->opinions)
			return false;
		m->consumer_room = room;
	}
	if (s->step_count > m->step_room || !m->sorted) {
		size_t room = s->step_count * 2 + 1;

		free(m->merged.steps);
		free(m->sorted);
		m->step_room = 0;
		m->merged.steps = calloc(room, sizeof(*m->merged.steps));
		m->sorted = calloc(room, sizeof(*m->sorted));
		if (!m->merged.steps || !m->sorted)
			return false;
		m->step_room = room;
	}
	free_hists(m);
	m->hists = calloc(s->step_count * 2 + 1, sizeof(*m->hists));
	return m->hists != NULL;
}

/* ---- Consumers ---- */

static void add_consumer(struct top_consumer *to, const struct top_consumer *from)
{
	for (int i = 0; i < MODEL_AVGS; i++) {
		to->some[i] += from->some[i];
		to->full[i] += from->full[i];
	}
	to->some_share += from->some_share;
	to->full_share += from->full_share;
	to->pressed &= from->pressed;
	to->some_ns += from->some_ns;
	to->full_ns += from->full_ns;
	to->merged += from->merged;
}

static int by_name(const void *left, const void *right)
{
	const struct top_named *a = left, *b = right;
	int names = strcmp(a->name, b->name);

	if (!names)
		names = (int)a->partly - (int)b->partly;
	return names ? names : (a->index > b->index) - (a->index < b->index);
}

/* Into `group`, for each consumer the first one of its name that is watched alike. */
static void find_first(struct top_merge *m, const struct top_snapshot *s)
{
	size_t first = 0;

	for (size_t i = 0; i < s->consumer_count; i++)
		m->named[i] = (struct top_named){ .name = s->consumers[i].name,
						  .partly = s->consumers[i].partly,
						  .index = i };
	qsort(m->named, s->consumer_count, sizeof(*m->named), by_name);
	for (size_t i = 0; i < s->consumer_count; i++) {
		if (m->named[first].partly != m->named[i].partly ||
		    strcmp(m->named[first].name, m->named[i].name) != 0)
			first = i;
		m->group[m->named[i].index] = m->named[first].index;
	}
}

static void average_consumers(struct top_snapshot *s)
{
	for (size_t i = 0; i < s->consumer_count; i++) {
		struct top_consumer *c = &s->consumers[i];
		double count = (double)c->merged;

		for (int k = 0; k < MODEL_AVGS; k++) {
			c->some[k] /= count;
			c->full[k] /= count;
		}
		c->some_share /= count;
		c->full_share /= count;
	}
}

/* They come in most trouble first, so the first of a name is the one that speaks for all. */
static void merge_consumers(struct top_merge *m, const struct top_snapshot *s)
{
	struct top_snapshot *to = &m->merged;

	find_first(m, s);
	to->consumer_count = 0;
	for (size_t i = 0; i < s->consumer_count; i++) {
		size_t first = m->group[i];

		if (first == i) {
			m->group[i] = to->consumer_count;
			to->consumers[to->consumer_count++] = s->consumers[i];
		} else {
			m->group[i] = m->group[first];
			add_consumer(&to->consumers[m->group[i]], &s->consumers[i]);
		}
	}
}

/* ---- Steps ---- */

/* Where the pipeline order of different processes differs, a step comes where it is earliest. */
static int by_row(const void *left, const void *right)
{
	const struct top_step *a = left, *b = right;
	int names;

	if (a->consumer != b->consumer)
		return a->consumer < b->consumer ? -1 : 1;
	names = strcmp(a->name, b->name);
	if (names)
		return names;
	if (a->series != b->series)
		return a->series < b->series ? -1 : 1;
	return a->key.instance < b->key.instance ? -1 : a->key.instance > b->key.instance;
}

static int by_level(const void *left, const void *right)
{
	const struct top_step *a = left, *b = right;

	if (a->consumer != b->consumer)
		return a->consumer < b->consumer ? -1 : 1;
	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (a->key.instance != b->key.instance)
		return a->key.instance < b->key.instance ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void add_side(struct top_side *to, const struct top_side *from)
{
	if (from->longest > to->longest) {
		to->longest = from->longest;
		to->at_least = from->at_least;
	}
	if (from->spell_ns > to->spell_ns) {
		to->spell_ns = from->spell_ns;
		to->spell_at_least = from->spell_at_least;
	}
	to->share += from->share;
}

static bool is_fuller(const struct top_step *a, const struct top_step *b)
{
	if (!a->has_depth || !b->has_depth)
		return a->has_depth;
	if (!a->capacity || !b->capacity)
		return a->depth > b->depth;
	return (uint64_t)a->depth * b->capacity > (uint64_t)b->depth * a->capacity;
}

static void add_step(struct top_step *to, const struct top_step *from)
{
	for (int i = 0; i < COUNTERS; i++) {
		to->rate[i] += from->rate[i];
		to->counter[i] += from->counter[i];
	}
	if (is_fuller(from, to)) {
		to->has_depth = from->has_depth;
		to->depth = from->depth;
		to->capacity = from->capacity;
	}
	for (int d = 0; d < 2; d++)
		add_side(&to->side[d], &from->side[d]);
	for (int i = 0; i < MODEL_STATES; i++)
		to->split[i] += from->split[i];
	to->self += from->self;
	to->busy += from->busy;
	to->marks |= from->marks;
	to->judged |= from->judged;
	to->at_fault |= from->at_fault;
	if (from->level < to->level)
		to->level = from->level;
	if (from->key.instance < to->key.instance)
		to->key.instance = from->key.instance;
	to->merged += from->merged;
}

/*
 * The steps from `first` on are of one row, in which their shares are added up. Of those of which
 * nothing is known yet they are 0, and do not count.
 */
static void average_step(struct top_step *row, const struct top_step *first, size_t count)
{
	double judged = 0, marks = 0, sampled = 0;

	for (size_t i = 0; i < count; i++) {
		judged += first[i].judged;
		marks += first[i].judged && first[i].marks;
		for (int k = 0; k < MODEL_STATES; k++)
			sampled += first[i].split[k];
	}
	for (int d = 0; d < 2; d++)
		row->side[d].share /= judged > 0 ? judged : 1;
	row->self /= judged > 0 ? judged : 1;
	row->busy /= marks > 0 ? marks : 1;
	for (int k = 0; k < MODEL_STATES; k++)
		row->split[k] /= sampled > 0 ? sampled : 1;
	row->state = top_step_state(row);
	row->since_ns = 0;
	row->since_at_least = false;
	for (size_t i = 0; i < count; i++) {
		if (first[i].state != row->state || first[i].since_ns <= row->since_ns)
			continue;
		row->since_ns = first[i].since_ns;
		row->since_at_least = first[i].since_at_least;
	}
}

/* The steps from `first` on are of one row: its durations, each series once. */
static bool merge_durations(struct top_merge *m, struct top_step *row, const struct top_step *first,
			    size_t count)
{
	for (int d = 0; d < 2; d++) {
		struct hist *h = &m->hists[m->hist_count++];
		uint64_t longest = row->side[d].longest;
		bool at_least = row->side[d].at_least;

		for (size_t i = 0; i < count; i++)
			if (first[i].side[d].durations &&
			    (!i || first[i].series != first[i - 1].series) &&
			    hist_add_all(h, first[i].side[d].durations))
				return false;
		row->side[d].durations = h;
		top_side_measure(&row->side[d], longest, at_least);
	}
	return true;
}

static bool merge_steps(struct top_merge *m, size_t count)
{
	struct top_snapshot *to = &m->merged;

	to->step_count = 0;
	for (size_t i = 0, next; i < count; i = next) {
		struct top_step *row = &to->steps[to->step_count++];

		*row = m->sorted[i];
		for (next = i + 1; next < count; next++) {
			const struct top_step *other = &m->sorted[next];

			if (other->consumer != row->consumer || strcmp(other->name, row->name))
				break;
			add_step(row, other);
		}
		average_step(row, &m->sorted[i], next - i);
		if (!merge_durations(m, row, &m->sorted[i], next - i))
			return false;
	}
	return true;
}

const struct top_snapshot *top_merge_snapshot(struct top_merge *m, const struct top_snapshot *s)
{
	struct top_snapshot *to = &m->merged;

	if (!reserve(m, s))
		return NULL;
	to->now = s->now;
	to->any_ever = s->any_ever;
	merge_consumers(m, s);
	average_consumers(to);
	for (size_t i = 0; i < s->step_count; i++) {
		m->sorted[i] = s->steps[i];
		m->sorted[i].consumer = m->group[s->steps[i].consumer];
	}
	qsort(m->sorted, s->step_count, sizeof(*m->sorted), by_row);
	if (!merge_steps(m, s->step_count))
		return NULL;
	qsort(to->steps, to->step_count, sizeof(*to->steps), by_level);
	for (size_t i = 0; i < to->consumer_count; i++)
		to->consumers[i].count = 0;
	for (size_t i = 0; i < to->step_count; i++) {
		struct top_consumer *c = &to->consumers[to->steps[i].consumer];

		if (!c->count++)
			c->first = i;
	}
	for (size_t i = 0; i < s->consumer_count; i++)
		m->opinions[i] = top_opinion_of(s, i, m->group[i]);
	top_agree(to, m->opinions, s->consumer_count);
	return to;
}
