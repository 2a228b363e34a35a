/* SPDX-License-Identifier: MIT */
/*
 * The order of calls, and steps by their key. A record adds what its step's counters have grown by to
 * the step's series, so what a dead instance has counted stays there and nothing is ever added up
 * anew. What a sink reads is laid out in arrays at the end of a drain, what a screen reads once it is
 * read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_internal.h"

struct model *model_new(void)
{
	return calloc(1, sizeof(struct model));
}

void model_set_unseen(struct model *m)
{
	m->unseen = true;
}

static void free_arrays(struct model *m)
{
	free(m->series);
	free(m->living);
	free(m->awake);
	free(m->views);
	free(m->by_place);
	free(m->topological);
	free(m->ordered);
	free(m->shown);
	free(m->edges);
	free(m->consumers);
	free(m->consumer_views);
	free(m->recorded.items);
	free(m->seen.items);
	free(m->sampled);
	free(m->marked);
}

void model_free(struct model *m)
{
	struct entry *entry, *next_entry;
	struct step *step, *next_step;

	if (!m)
		return;
	HASH_ITER (hh, m->steps, step, next_step) {
		HASH_DEL(m->steps, step);
		free(step);
	}
	HASH_ITER (hh, m->entries, entry, next_entry) {
		HASH_DEL(m->entries, entry);
		hist_free(&entry->series.durations[PUSHBACK_SEND]);
		hist_free(&entry->series.durations[PUSHBACK_RECEIVE]);
		free(entry);
	}
	model_free_left(m);
	hist_free(&m->scratch);
	free_arrays(m);
	free(m);
}

void model_add(uint64_t *sum, uint64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = UINT64_MAX;
}

/* One more step has room in all arrays. Where one has none, the others are as they were or larger. */
static int reserve_steps(struct model *m)
{
	const struct {
		void *array; /* a pointer to one, whatever it is to */
		size_t size;
	} arrays[] = {
		{ &m->living, sizeof(*m->living) },
		{ &m->awake, sizeof(*m->awake) },
		{ &m->views, sizeof(*m->views) },
		{ &m->by_place, sizeof(*m->by_place) },
		{ &m->topological, sizeof(*m->topological) },
		{ &m->ordered, sizeof(*m->ordered) },
		{ &m->shown, sizeof(*m->shown) },
		{ &m->edges, sizeof(*m->edges) * PB_MAX_NEXT },
		{ &m->consumers, sizeof(*m->consumers) },
		{ &m->consumer_views, sizeof(*m->consumer_views) },
		{ &m->recorded.items, sizeof(*m->recorded.items) },
		{ &m->seen.items, sizeof(*m->seen.items) },
		{ &m->sampled, sizeof(*m->sampled) },
		{ &m->marked, sizeof(*m->marked) },
	};
	size_t more = m->capacity ? m->capacity * 2 : 16;

	if (m->living_count < m->capacity)
		return 0;
	m->changed = true; /* what points into them is to be made anew */
	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		void *old, *array;

		memcpy(&old, arrays[i].array, sizeof(old));
		array = realloc(old, more * arrays[i].size);
		if (!array)
			return -ENOMEM;
		memcpy(arrays[i].array, &array, sizeof(array));
	}
	m->capacity = more;
	return 0;
}

void model_start_trail(struct trail *trail)
{
	trail->count = trail->at;
	trail->at = 0;
}

static void lose_trail(struct trail *trail)
{
	trail->count = trail->at = 0;
}

static void follow(const struct model *m, struct trail *trail, struct step *step)
{
	if (trail->at < m->capacity)
		trail->items[trail->at++] = (struct trail_item){ step->record.key, step, m->notes,
								 false, step->one_of_heads };
}

static bool is_key(const struct pb_step_key *a, const struct pb_step_key *b)
{
	return a->instance == b->instance && a->process.tgid == b->process.tgid &&
	       a->process.start_time == b->process.start_time &&
	       a->process.exec_id == b->process.exec_id;
}

/* The one that was the next one the last time, if it is this; NULL: it is not. */
static struct trail_item *next_of(const struct trail *trail, const struct pb_step_key *key)
{
	struct trail_item *item = trail->at < trail->count ? &trail->items[trail->at] : NULL;

	return item && is_key(&item->key, key) ? item : NULL;
}

struct step *model_find(struct model *m, struct trail *trail, const struct pb_step_key *key)
{
	const struct trail_item *item = next_of(trail, key);
	struct step *step = item ? item->step : NULL;

	if (!step)
		HASH_FIND(hh, m->steps, key, sizeof(*key), step);
	if (step)
		follow(m, trail, step);
	return step;
}

struct step *model_find_unless(struct model *m, struct trail *trail, const struct pb_step_key *key,
			       enum unless unless)
{
	const struct trail_item *item = next_of(trail, key);
	size_t at = trail->at;
	struct step *step;

	if (item && item->noted == m->notes &&
	    (unless == UNLESS_STILL ? item->still : !item->one_of_heads)) {
		trail->at++;
		return NULL;
	}
	step = model_find(m, trail, key);
	/* One with news is woken after it was found, so that is not noted there. */
	if (step && trail->at > at)
		trail->items[at].still = step->still;
	return step;
}

/* A living step without a record yet; NULL when out of memory. */
static struct step *step_new(struct model *m, const struct record *record, const char *tags)
{
	struct entry *entry = model_entry(m, record->name, record->process, tags);
	struct entry *consumer = entry ? model_entry(m, NULL, record->process, tags) : NULL;
	struct step *left, *step;

	if (!consumer || reserve_steps(m))
		return NULL;
	left = model_take_left(m, &record->key);
	step = left ? left : model_step_new();
	if (!step)
		return NULL;
	step->record.key = record->key;
	memcpy(step->record.name, record->name, sizeof(record->name));
	memcpy(step->record.process, record->process, sizeof(record->process));
	HASH_ADD_KEYPTR(hh, m->steps, &step->record.key, sizeof(step->record.key), step);
	if (!step->hh.tbl) {
		free(step);
		return NULL;
	}
	step->entry = entry;
	step->consumer = consumer;
	if (!left) {
		model_first_sight(m, step, record);
		step->driven_at = m->now;
	}
	step->pressure = model_new_pressure(step);
	if (left)
		step->pressure.judged_at = m->now;
	entry->living++;
	consumer->living++;
	m->living[m->living_count++] = step;
	m->added = m->changed = true;
	follow(m, &m->recorded, step);
	return step;
}

/* Its consumer still has it, until its last pressure has been told (model_press). */
static void step_die(struct model *m, struct step *step)
{
	model_leave_spells(m, step);
	step->entry->living--;
	step->entry = NULL;
	step->next_dead = m->dead[0];
	m->dead[0] = step;
	m->died = m->changed = true;
}

/* Takes the dead out of `living`; the order stays. */
static void forget_dead(struct model *m)
{
	size_t count = 0;

	if (!m->died)
		return;
	for (size_t i = 0; i < m->living_count; i++)
		if (m->living[i]->entry)
			m->living[count++] = m->living[i];
	m->living_count = count;
	m->died = false;
}

void model_begin(struct model *m, uint64_t now)
{
	forget_dead(m);
	model_start_trail(&m->recorded);
	if (m->dead[1]) {
		lose_trail(&m->recorded);
		lose_trail(&m->seen);
	}
	for (struct step *step = m->dead[1], *next; step; step = next) {
		next = step->next_dead;
		HASH_DEL(m->steps, step);
		free(step);
	}
	m->dead[1] = m->dead[0];
	m->dead[0] = NULL;
	m->view_count = 0;
	if (!m->began)
		m->began = now;
	m->drain++;
	m->before = m->now;
	m->now = now;
	model_begin_stillness(m);
}

static bool has_moved(const struct record *last, const struct record *next)
{
	if (next->place != last->place)
		return true;
	for (int i = 0; i < PB_MAX_NEXT; i++) {
		if (next->next[i].place != last->next[i].place)
			return true;
		if (!next->next[i].place)
			return false;
	}
	return false;
}

static bool has_returned(const struct record *last, const struct record *next)
{
	static const enum counter returns[] = { COUNTER_ACCEPTED, COUNTER_SEND, COUNTER_FORWARDED,
						COUNTER_RECEIVE };

	for (size_t i = 0; i < sizeof(returns) / sizeof(returns[0]); i++)
		if (next->counter[returns[i]] > last->counter[returns[i]])
			return true;
	return false;
}

/* All of it but its key and name, which stay, its samples, and the counters, which never shrink. */
static void keep(struct record *last, const struct record *next)
{
	const size_t counters = offsetof(struct record, counter);
	const size_t since = offsetof(struct record, since);
	const size_t samples = offsetof(struct record, samples);

	last->place = next->place;
	memcpy(last->next, next->next, counters - offsetof(struct record, next));
	memcpy((char *)last + since, (const char *)next + since, samples - since);
	memcpy(last->rest_ns, next->rest_ns, sizeof(last->rest_ns));
	last->settle = next->settle;
}

/*
 * Nobody watched it for a while: what was open then was dropped, and its time is not in the totals any
 * more. It counts on from there.
 */
static void begin_watch(struct record *last, const struct record *next)
{
	static const enum counter times[] = { COUNTER_SEND_TIME, COUNTER_RECEIVE_TIME,
					      COUNTER_SEND_SELF_TIME };

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (next->counter[times[i]] < last->counter[times[i]])
			last->counter[times[i]] = next->counter[times[i]];
}

/* The record becomes the step's last one, what its counters have grown by goes into the series. */
static void take_record(struct model *m, struct step *step, const struct record *record)
{
	struct series *series = &step->entry->series;
	struct record *last = &step->record;

	if (has_returned(last, record))
		step->driven_at = m->now;
	m->changed |= has_moved(last, record) || (record->marks && !step->marks);
	if (record->watched != last->watched)
		begin_watch(last, record);
	/* From busy time on they are the model's own. */
	for (int i = 0; i < COUNTER_BUSY_TIME; i++) {
		if (record->counter[i] <= last->counter[i])
			continue;
		model_add(&series->counter[i], record->counter[i] - last->counter[i]);
		series->moved = true;
		last->counter[i] = record->counter[i];
	}
	keep(last, record);
	step->recorded = m->now;
	step->marks |= record->marks;
	step->has_depth |= record->depth || record->capacity;
	series->has_marks |= step->marks;
	series->has_depth |= step->has_depth;
}

int model_record(struct model *m, const struct record *record, const char *tags)
{
	struct step *step;
	int err = 0;

	if (record->same) {
		step = model_find_unless(m, &m->recorded, &record->key, UNLESS_STILL);
		if (step)
			step->same = true;
		return 0;
	}
	step = model_find(m, &m->recorded, &record->key);
	if (!step)
		step = step_new(m, record, tags);
	if (!step)
		return -ENOMEM;
	if (!step->entry)
		return 0;
	step->same = false;
	model_wake(m, step);
	take_record(m, step, record);
	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		int failed = model_take_durations(m, step, d, &record->samples[d]);

		if (failed)
			err = failed;
	}
	if (record->dead)
		step_die(m, step);
	return err;
}

int model_compare_steps(const struct step *a, const struct step *b)
{
	const struct pb_step_key *x = &a->record.key, *y = &b->record.key;
	const struct pb_process_key *p = &x->process, *q = &y->process;

	if (p->tgid != q->tgid)
		return p->tgid < q->tgid ? -1 : 1;
	if (x->instance != y->instance)
		return x->instance < y->instance ? -1 : 1;
	if (p->start_time != q->start_time)
		return p->start_time < q->start_time ? -1 : 1;
	return (p->exec_id > q->exec_id) - (p->exec_id < q->exec_id);
}

static int by_process(const void *a, const void *b)
{
	return model_compare_steps(*(struct step *const *)a, *(struct step *const *)b);
}

static struct step_view view_of(const struct step *step)
{
	struct step_view view = {
		.record = &step->record,
		.series = &step->entry->series,
		.fault = model_fault(step),
		.judged = step->is_judged,
		.share = { step->share[0], step->share[1] },
		.self_share = step->self_share,
		.marks = step->marks,
		.has_depth = step->has_depth,
		.depth = step->record.depth,
		.capacity = step->record.capacity,
		.level = step->level,
	};

	memcpy(view.spell, step->spell, sizeof(view.spell));
	memcpy(view.rate, step->rate, sizeof(view.rate));
	memcpy(view.state, step->state, sizeof(view.state));
	return view;
}

static void put_in_order(struct model *m)
{
	if (m->added)
		qsort(m->living, m->living_count, sizeof(*m->living), by_process);
	m->added = false;
	m->undecided |= m->changed;
	m->notes += m->changed;
	if (m->changed)
		model_arrange(m);
	m->changed = false;
}

void model_end(struct model *m)
{
	forget_dead(m);
	put_in_order(m);
	model_list_awake(m);
	model_press(m);
	m->view_count = m->unseen ? 0 : m->living_count;
	for (size_t i = 0; i < m->awake_count; i++) {
		model_take_spells(m, m->awake[i]);
		model_judge(m, m->awake[i]);
		model_propose_gauges(m->awake[i], m->now);
	}
	if (!m->unseen)
		model_judge_consumers(m);
	model_decide_gauges(m);
	model_let_rest(m);
	m->undecided = false;
	m->laid_out = false;
}

/*
 * When first asked for after a drain: most observers have no screen. The model is of model_new(), and
 * to who reads it this changes nothing.
 */
static void lay_out(const struct model *read)
{
	struct model *m = (struct model *)(uintptr_t)read;

	if (m->laid_out)
		return;
	m->laid_out = true;
	for (size_t i = 0; i < m->view_count; i++)
		m->views[i] = view_of(m->living[i]);
	if (!m->view_count)
		return;
	model_view_consumers(m);
	model_weigh_edges(m);
}

const struct step_view *model_steps(const struct model *m, size_t *count)
{
	lay_out(m);
	*count = m->view_count;
	return m->views;
}

const struct consumer_view *model_consumers(const struct model *m, size_t *count)
{
	lay_out(m);
	*count = m->view_count ? m->consumer_count : 0;
	return m->consumer_views;
}

static struct step_moved moved_of(const struct step *step)
{
	struct step_moved moved = {
		.record = &step->record,
		.series = &step->entry->series,
		.consumer = step->root->record.key.instance,
		.level = step->level,
		.marks = step->marks,
		.has_depth = step->has_depth,
	};

	for (size_t i = 0; i < PB_MAX_NEXT; i++) {
		if (!step->to[i])
			continue;
		moved.next[moved.next_count].instance = step->to[i]->record.key.instance;
		moved.next[moved.next_count++].refusals = step->record.next[i].refusals;
	}
	return moved;
}

void model_tell_moved(const struct model *m, model_moved_fn *tell, void *context)
{
	for (size_t i = 0; i < m->awake_count; i++) {
		struct step_moved moved = moved_of(m->awake[i]);

		tell(&moved, context);
	}
}
