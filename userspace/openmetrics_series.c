/* SPDX-License-Identifier: MIT */
#include "openmetrics_series.h"

#include <stdlib.h>
#include <string.h>

#include "openmetrics_internal.h"
#include "pushback_abi.h"
#include "statsd_series.h"

/* ---- Lines ---- */

static void free_line(struct openmetrics_table *t, struct openmetrics_line *line)
{
	struct openmetrics_entry *entry = (struct openmetrics_entry *)line;

	HASH_DEL(t->by_labels, entry);
	free(entry);
}

/* Forgets those that ended at `until` or before. */
static void forget(struct openmetrics_table *t, uint64_t until)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++) {
		if (t->at[i]->ended && t->at[i]->ended <= until)
			free_line(t, t->at[i]);
		else
			t->at[kept++] = t->at[i];
	}
	t->count = kept;
}

/* Those that ended first go first; a tenth of all at once, as looking for them takes its time. */
static bool make_room(struct openmetrics_table *t, uint64_t now)
{
	size_t enough = t->max - t->max / 10;

	if (t->count < t->max)
		return true;
	for (uint64_t keep = OPENMETRICS_KEEP_NS; !t->is_full && keep && t->count > enough;
	     keep /= 4)
		forget(t, now > keep ? now - keep : 0);
	if (t->count >= t->max)
		forget(t, now);
	t->is_full = t->count >= t->max;
	return !t->is_full;
}

static bool reserve(struct openmetrics_table *t)
{
	size_t capacity = t->capacity ? t->capacity * 2 : 16;
	struct openmetrics_line **at;

	if (t->count < t->capacity)
		return true;
	at = realloc(t->at, capacity * sizeof(struct openmetrics_line *));
	if (!at)
		return false;
	t->at = at;
	t->capacity = capacity;
	return true;
}

struct openmetrics_entry *openmetrics_entry_find(const struct openmetrics_table *t,
						 const char *labels, size_t length)
{
	struct openmetrics_entry *entry;

	HASH_FIND(hh, t->by_labels, labels, length, entry);
	return entry;
}

struct openmetrics_entry *openmetrics_entry_new(struct openmetrics_table *t, const char *labels,
						size_t length)
{
	struct openmetrics_entry *entry =
		reserve(t) ? calloc(1, sizeof(*entry) + length + 1) : NULL;

	if (!entry)
		return NULL;
	memcpy(entry->labels, labels, length);
	entry->line.labels = entry->labels;
	HASH_ADD_KEYPTR(hh, t->by_labels, entry->labels, length, entry);
	if (!entry->hh.tbl) {
		free(entry);
		return NULL;
	}
	entry->line.number = ++t->last_number;
	t->at[t->count++] = &entry->line;
	return entry;
}

/* The line of these labels, made where there is none; NULL where it cannot be. */
static struct openmetrics_entry *entry_of(struct openmetrics_table *t, const struct buffer *labels,
					  uint64_t now, bool interval)
{
	struct openmetrics_entry *entry = openmetrics_entry_find(t, labels->data, labels->length);

	if (entry)
		return entry;
	if (!make_room(t, now)) {
		t->lost_full += interval;
		return NULL;
	}
	entry = openmetrics_entry_new(t, labels->data, labels->length);
	t->lost_no_memory += !entry && interval;
	return entry;
}

/* ---- Sources ---- */

static struct openmetrics_source *new_source(struct openmetrics_table *t,
					     const struct series *series, uint64_t now,
					     bool interval)
{
	struct openmetrics_source *s = calloc(1, sizeof(*s));
	struct buffer labels = { 0 };

	if (series->step)
		openmetrics_label(&labels, "step", series->step);
	openmetrics_label(&labels, "process", series->process);
	openmetrics_tags(&labels, series->tags);
	openmetrics_tags(&labels, t->tags);
	if (!s || labels.failed)
		t->lost_no_memory += interval;
	else
		s->entry = entry_of(t, &labels, now, interval);
	buffer_free(&labels);
	if (s && !s->entry) {
		free(s);
		return NULL;
	}
	if (s)
		s->id = series->id;
	return s;
}

static void take_counters(struct openmetrics_source *s, const struct series *series)
{
	struct openmetrics_line *line = &s->entry->line;

	for (unsigned int c = 0; c < COUNTERS; c++) {
		if (!statsd_has_counter(series, c))
			continue;
		line->has_counter[c] = true;
		if (series->counter[c] <= s->seen[c])
			continue;
		line->counter[c] += series->counter[c] - s->seen[c];
		s->seen[c] = series->counter[c];
	}
}

/* The largest of all sources, but all of their instances. */
static void take_gauges(struct openmetrics_line *line, const struct series *series)
{
	for (unsigned int g = 0; g < GAUGES; g++) {
		if (!statsd_has_gauge(series, g))
			continue;
		line->has_gauge[g] = true;
		if (g == GAUGE_INSTANCES)
			line->gauge[g] += series->gauge[g];
		else if (series->gauge[g] > line->gauge[g])
			line->gauge[g] = series->gauge[g];
	}
}

static void take(struct openmetrics_source *s, const struct series *series, bool interval)
{
	struct openmetrics_line *line = &s->entry->line;

	line->sources++;
	line->ended = 0; /* at once: make_room() may come before the end of this update */
	take_counters(s, series);
	take_gauges(line, series);
	for (unsigned int d = 0; interval && d < 2; d++)
		openmetrics_count_durations(&line->durations[d], &series->durations[d]);
}

/* Queues are a consumer's that lives; 0 instances and no spell are true of one that has ended. */
static void clear_gauges(struct openmetrics_line *line)
{
	memset(line->gauge, 0, sizeof(line->gauge));
	line->has_gauge[GAUGE_QUEUE_DEPTH] = line->has_gauge[GAUGE_QUEUE_CAPACITY] = false;
	line->sources = 0;
}

/* The source of a series; those before it have lost theirs, and are in their lines whole. */
static struct openmetrics_source *source_of(struct openmetrics_table *t, size_t *from, uint64_t id)
{
	while (*from < t->source_count && t->sources[*from]->id < id)
		free(t->sources[(*from)++]);
	if (*from < t->source_count && t->sources[*from]->id == id)
		return t->sources[(*from)++];
	return NULL;
}

static void end_lines(struct openmetrics_table *t, uint64_t now)
{
	for (size_t i = 0; i < t->count; i++) {
		struct openmetrics_line *line = t->at[i];

		if (line->sources)
			line->ended = 0;
		else if (!line->ended)
			line->ended = now ? now : 1;
	}
	if (now > OPENMETRICS_KEEP_NS)
		forget(t, now - OPENMETRICS_KEEP_NS);
}

void openmetrics_table_update(struct openmetrics_table *t, const struct series *const *series,
			      size_t count, uint64_t now, bool interval)
{
	struct openmetrics_source **merged =
		malloc((count + 1) * sizeof(struct openmetrics_source *));
	size_t have = 0, from = 0;

	if (!merged) {
		t->lost_no_memory += interval ? count : 0;
		return;
	}
	t->is_full = false;
	for (size_t i = 0; i < t->count; i++)
		clear_gauges(t->at[i]);
	for (size_t i = 0; i < count; i++) {
		struct openmetrics_source *s = source_of(t, &from, series[i]->id);

		if (!s)
			s = new_source(t, series[i], now, interval);
		if (!s)
			continue;
		take(s, series[i], interval);
		merged[have++] = s;
	}
	source_of(t, &from, UINT64_MAX);
	free(t->sources);
	t->sources = merged;
	t->source_count = have;
	end_lines(t, now);
}

size_t openmetrics_table_after(const struct openmetrics_table *t, uint64_t number)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->at[middle]->number > number)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void openmetrics_table_free(struct openmetrics_table *t)
{
	for (size_t i = 0; i < t->source_count; i++)
		free(t->sources[i]);
	free(t->sources);
	for (size_t i = 0; i < t->count; i++)
		free_line(t, t->at[i]);
	free(t->at);
	t->at = NULL;
	t->sources = NULL;
	t->count = t->source_count = t->capacity = 0;
}
