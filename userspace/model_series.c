/* SPDX-License-Identifier: MIT */
/* Series by (step, process, tags), those of consumers without a step: what sinks see. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_internal.h"

static const enum counter closed_counter[2] = { COUNTER_SEND_EPISODES, COUNTER_RECEIVE_EPISODES };
static const enum gauge spell_gauge[2] = { GAUGE_SEND_SPELL, GAUGE_RECEIVE_SPELL };

static int reserve_series(struct model *m)
{
	size_t more = m->series_capacity ? m->series_capacity * 2 : 16;
	const struct series **series;

	if (m->series_count < m->series_capacity)
		return 0;
	series = realloc(m->series, more * sizeof(*series));
	if (!series)
		return -ENOMEM;
	m->series = series;
	m->series_capacity = more;
	return 0;
}

/*
 * An entry that is in no table yet; NULL when out of memory. A consumer's key has two NULs and a
 * step's three, so they never are the same.
 */
static struct entry *entry_new(const char *step, const char *process, const char *tags)
{
	size_t step_size = step ? strlen(step) + 1 : 0, process_size = strlen(process) + 1;
	size_t size = step_size + process_size + strlen(tags) + 1;
	struct entry *entry = calloc(1, sizeof(*entry) + size);

	if (!entry)
		return NULL;
	entry->key_size = size;
	if (step)
		entry->series.step = strcpy(entry->key, step);
	entry->series.process = strcpy(entry->key + step_size, process);
	entry->series.tags = strcpy(entry->key + step_size + process_size, tags);
	return entry;
}

struct entry *model_entry(struct model *m, const char *step, const char *process, const char *tags)
{
	struct entry *entry = entry_new(step, process, tags), *known;

	if (!entry)
		return NULL;
	HASH_FIND(hh, m->entries, entry->key, entry->key_size, known);
	if (known) {
		free(entry);
		return known;
	}
	if (reserve_series(m)) {
		free(entry);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, m->entries, entry->key, entry->key_size, entry);
	if (!entry->hh.tbl) {
		free(entry);
		return NULL;
	}
	entry->series.id = ++m->last_id;
	entry->series.moved = true;
	m->series[m->series_count++] = &entry->series;
	return entry;
}

/*
 * `count` of these come although `settled_ns` stood for them. One that was folded by itself, or ones that
 * are told by their mean, come as just that; else they are one value (pushback_pick), mostly the most
 * frequent.
 */
static void drop_late(struct hist *samples, uint64_t count, uint64_t settled_ns)
{
	uint64_t same = hist_bucket_ns(pb_hist_index(settled_ns));

	if (!settled_ns || !hist_take(samples, same, count))
		hist_trim(samples, count);
}

int model_take_durations(struct model *m, struct step *step, int direction,
			 const struct hist *samples)
{
	struct hist *durations = &step->entry->series.durations[direction];
	uint64_t *taken = &step->taken[direction];
	uint64_t due = step->record.counter[closed_counter[direction]] - *taken;
	int err;

	if (!samples->count && !step->record.settle)
		return 0;
	if (samples->count > due) {
		hist_clear(&m->scratch);
		err = hist_add_all(&m->scratch, samples);
		if (err)
			return err;
		drop_late(&m->scratch, samples->count - due, step->settled_ns[direction]);
		samples = &m->scratch;
	}
	err = hist_add_all(durations, samples);
	if (err)
		return err;
	step->entry->series.moved |= samples->count || due;
	*taken += samples->count;
	due -= samples->count;
	if (!step->record.settle || !due)
		return 0;
	err = hist_add(durations, step->record.rest_ns[direction], due);
	if (err)
		return err;
	*taken += due;
	step->settled_ns[direction] = step->record.rest_ns[direction];
	return 0;
}

void model_propose_gauges(const struct step *step, uint64_t now)
{
	struct entry *entry = step->entry;

	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		uint64_t since = step->spell[d].since;
		uint64_t spell = since && since < now ? now - since : 0;

		if (spell > entry->spell[d])
			entry->spell[d] = spell;
	}
	if (step->record.depth > entry->depth)
		entry->depth = step->record.depth;
	if (step->record.capacity > entry->capacity)
		entry->capacity = step->record.capacity;
}

void model_count_consumers(struct model *m)
{
	for (struct entry *entry = m->entries; entry; entry = entry->hh.next)
		entry->consumers = 0;
	for (size_t i = 0; i < m->consumer_count; i++)
		m->consumers[i].root->consumer->consumers++;
}

static bool is_needed(const struct entry *entry)
{
	return entry->living || entry->series.gauge[GAUGE_INSTANCES];
}

static void set_gauge(struct series *series, enum gauge g, uint64_t value)
{
	series->moved |= series->gauge[g] != value;
	series->gauge[g] = value;
}

static void decide(struct entry *entry)
{
	struct series *series = &entry->series;

	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		if (entry->spell[d])
			series->spell_ended[d] = false;
		else if (series->gauge[spell_gauge[d]])
			series->spell_ended[d] = true;
		set_gauge(series, spell_gauge[d], entry->spell[d]);
		entry->spell[d] = 0;
	}
	set_gauge(series, GAUGE_INSTANCES, series->step ? entry->living : entry->consumers);
	set_gauge(series, GAUGE_QUEUE_DEPTH, entry->depth);
	set_gauge(series, GAUGE_QUEUE_CAPACITY, entry->capacity);
	entry->depth = entry->capacity = 0;
}

static void decide_all(struct model *m)
{
	m->ended_series = 0;
	for (struct entry *entry = m->entries; entry; entry = entry->hh.next) {
		decide(entry);
		m->ended_series += !is_needed(entry);
	}
}

/* Those of steps that are still are decided, and as long as there are the same steps so are the others. */
void model_decide_gauges(struct model *m)
{
	if (m->undecided || !m->unseen) {
		decide_all(m);
		return;
	}
	for (size_t i = 0; i < m->awake_count; i++) {
		struct entry *entry = m->awake[i]->entry;

		if (entry->decided != m->drain)
			decide(entry);
		entry->decided = m->drain;
	}
}

size_t model_ended_series(const struct model *m)
{
	return m->ended_series;
}

const struct series *const *model_series(const struct model *m, size_t *count)
{
	*count = m->series_count;
	return m->series;
}

/* Keeps the memory of durations only where it was needed: true, and in the next interval it is seen. */
static bool next_durations(struct hist *durations)
{
	bool needed = durations->size;

	if (needed)
		hist_clear(durations);
	else
		hist_free(durations);
	return needed;
}

static void next_interval(struct series *series)
{
	series->moved = false;
	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		series->moved |= next_durations(&series->durations[d]);
		series->spell_ended[d] = false;
	}
}

static void forget(struct model *m, struct entry *entry)
{
	HASH_DEL(m->entries, entry);
	hist_free(&entry->series.durations[PUSHBACK_SEND]);
	hist_free(&entry->series.durations[PUSHBACK_RECEIVE]);
	free(entry);
}

/* Of an idle series nothing but its first cache line is touched. */
void model_next_interval(struct model *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->series_count; i++) {
		/* All of them are the model's own. */
		struct entry *entry = (struct entry *)(uintptr_t)m->series[i];
		bool needed = !entry->series.moved || is_needed(entry);

		if (needed && entry->series.moved)
			next_interval(&entry->series);
		if (needed)
			m->series[count++] = &entry->series;
		else
			forget(m, entry);
	}
	m->series_count = count;
	m->ended_series = 0;
}
