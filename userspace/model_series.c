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
	m->series[m->series_count++] = &entry->series;
	return entry;
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
		hist_trim(&m->scratch, samples->count - due);
		samples = &m->scratch;
	}
	err = hist_add_all(durations, samples);
	if (err)
		return err;
	*taken += samples->count;
	due -= samples->count;
	if (!step->record.settle || !due)
		return 0;
	err = hist_add(durations, step->record.rest_ns[direction], due);
	if (!err)
		*taken += due;
	return err;
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
	if (step->root == step)
		step->consumer->consumers++;
}

static bool is_needed(const struct entry *entry)
{
	return entry->living || entry->series.gauge[GAUGE_INSTANCES];
}

static void decide(struct entry *entry)
{
	struct series *series = &entry->series;

	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		uint64_t *gauge = &series->gauge[spell_gauge[d]];

		if (entry->spell[d])
			series->spell_ended[d] = false;
		else if (*gauge)
			series->spell_ended[d] = true;
		*gauge = entry->spell[d];
		entry->spell[d] = 0;
	}
	series->gauge[GAUGE_INSTANCES] = series->step ? entry->living : entry->consumers;
	series->gauge[GAUGE_QUEUE_DEPTH] = entry->depth;
	series->gauge[GAUGE_QUEUE_CAPACITY] = entry->capacity;
	entry->depth = entry->capacity = 0;
	entry->consumers = 0;
}

void model_decide_gauges(struct model *m)
{
	m->ended_series = 0;
	for (struct entry *entry = m->entries; entry; entry = entry->hh.next) {
		decide(entry);
		m->ended_series += !is_needed(entry);
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

/* Keeps the memory of durations only where it was needed. */
static void next_durations(struct hist *durations)
{
	if (durations->size)
		hist_clear(durations);
	else
		hist_free(durations);
}

void model_next_interval(struct model *m)
{
	struct entry *entry, *next;

	m->series_count = 0;
	HASH_ITER (hh, m->entries, entry, next) {
		for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
			next_durations(&entry->series.durations[d]);
			entry->series.spell_ended[d] = false;
		}
		if (is_needed(entry)) {
			m->series[m->series_count++] = &entry->series;
			continue;
		}
		HASH_DEL(m->entries, entry);
		hist_free(&entry->series.durations[PUSHBACK_SEND]);
		hist_free(&entry->series.durations[PUSHBACK_RECEIVE]);
		free(entry);
	}
}
