/* SPDX-License-Identifier: MIT */
#include "statsd_series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "labels.h"

#define MS_NS 1000000

bool statsd_slot_is_time(unsigned int slot)
{
	return slot < COUNTERS ? counter_names[slot].is_time : slot >= STATSD_SLOT_SUM;
}

uint64_t statsd_slot_due(const struct statsd_series *s, unsigned int slot)
{
	const struct statsd_tally *tally = &s->tally[slot];
	uint64_t total = statsd_slot_is_time(slot) ? tally->total / MS_NS : tally->total;

	return total - tally->sent;
}

bool statsd_has_counter(const struct series *series, enum counter c)
{
	bool pressure = c == COUNTER_SOME_TIME || c == COUNTER_FULL_TIME;

	if (!series->step || pressure)
		return !series->step && pressure;
	return c != COUNTER_BUSY_TIME || series->has_marks;
}

bool statsd_has_gauge(const struct series *series, enum gauge g)
{
	if (!series->step)
		return false;
	return (g != GAUGE_QUEUE_DEPTH && g != GAUGE_QUEUE_CAPACITY) || series->has_depth;
}

/* Some servers take ':' out of a value; keep the one behind the key. */
static void make_values_plain(char *tags)
{
	bool in_value = false;

	for (char *c = tags; *c; c++) {
		if (*c == ',')
			in_value = false;
		else if (*c == ':' && in_value)
			*c = '_';
		else if (*c == ':')
			in_value = true;
	}
}

/* Where the series' own tags begin, behind that of its container, whose id is told. */
static const char *skip_origin(const char *tags, const char **id, size_t *size)
{
	const size_t length = strlen(LABELS_ORIGIN ":");

	*size = 0;
	if (strncmp(tags, LABELS_ORIGIN ":", length) != 0)
		return tags;
	*id = tags + length;
	*size = strcspn(*id, ",");
	tags = *id + *size;
	return *tags ? tags + 1 : tags;
}

char *statsd_tags(const struct statsd_table *t, const struct series *series)
{
	char step[STATSD_TEXT_MAX + 16] = "", process[STATSD_TEXT_MAX + 16];
	size_t size =
		sizeof(step) + sizeof(process) + strlen(series->tags) + strlen(t->global_tags) + 4;
	const char *own, *origin = "";
	char *tags = malloc(size);
	size_t origin_size;

	if (!tags)
		return NULL;
	own = skip_origin(series->tags, &origin, &origin_size);
	if (series->step)
		statsd_own_tag(step, sizeof(step), "step", series->step);
	statsd_own_tag(process, sizeof(process), "process", series->process);
	snprintf(tags, size, "%s%s%s%s%s%s%s%s%.*s", step, *step ? "," : "", process,
		 *own ? "," : "", own, *t->global_tags ? "," : "", t->global_tags,
		 origin_size ? "|c:" : "", (int)origin_size, origin);
	if (t->plain_values)
		make_values_plain(tags);
	return tags;
}

static struct statsd_series *new_state(const struct statsd_table *t, const struct series *series)
{
	struct statsd_series *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = series->id;
	s->tags = statsd_tags(t, series);
	if (!s->tags) {
		free(s);
		return NULL;
	}
	return s;
}

static void free_state(struct statsd_series *s)
{
	free(s->tags);
	free(s);
}

/* Something is still to be handed over, a last 0 included. */
static size_t count_due(const struct statsd_series *s)
{
	size_t due = 0;

	for (unsigned int slot = 0; slot < STATSD_SLOTS; slot++)
		due += s->tally[slot].told || statsd_slot_due(s, slot);
	for (unsigned int g = 0; g < GAUGES; g++)
		due += s->gauge[g].value != 0;
	return due;
}

static void grow(struct statsd_series *s, unsigned int slot, uint64_t total)
{
	if (total <= s->tally[slot].total)
		return;
	s->tally[slot].total = total;
	s->settled = false;
}

static void take_totals(struct statsd_series *s, const struct series *series, bool summary)
{
	static const enum counter episodes[2] = {
		[PUSHBACK_SEND] = COUNTER_SEND_EPISODES,
		[PUSHBACK_RECEIVE] = COUNTER_RECEIVE_EPISODES,
	};

	s->series = series;
	for (unsigned int c = 0; c < COUNTERS; c++)
		if (statsd_has_counter(series, c))
			grow(s, c, series->counter[c]);
	for (unsigned int d = 0; summary && d < 2; d++) {
		unsigned int sum = STATSD_SLOT_SUM + d;

		grow(s, STATSD_SLOT_COUNT + d, series->counter[episodes[d]]);
		grow(s, sum, s->tally[sum].total + hist_sum(&series->durations[d]));
	}
}

/* Frees the oldest states without a series until `count` of them are left; returns how many are. */
static size_t evict(struct statsd_table *t, struct statsd_series **at, size_t have, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < have; i++) {
		if (have - i + kept > count && !at[i]->series) {
			t->lost_series_full += count_due(at[i]);
			free_state(at[i]);
		} else {
			at[kept++] = at[i];
		}
	}
	return kept;
}

/* The state of `series` in `old` from `*from` on; those before it have lost their series. */
static size_t merge_one(struct statsd_table *t, struct statsd_series **merged, size_t have,
			size_t *from, const struct series *series)
{
	struct statsd_series *s;

	for (; *from < t->count && (!series || t->at[*from]->id < series->id); ++*from) {
		s = t->at[*from];
		t->changed |= s->series != NULL;
		s->series = NULL;
		if (count_due(s))
			merged[have++] = s;
		else
			free_state(s);
	}
	if (!series)
		return have;
	if (*from < t->count && t->at[*from]->id == series->id)
		s = t->at[(*from)++];
	else
		s = new_state(t, series);
	if (!s) {
		t->lost_no_memory++;
		return have;
	}
	t->changed |= !s->series;
	if (series->moved || s->series != series)
		take_totals(s, series, t->summary);
	merged[have++] = s;
	return have;
}

static int compare_tags(const void *a, const void *b)
{
	const struct statsd_series *left = *(struct statsd_series *const *)a;
	const struct statsd_series *right = *(struct statsd_series *const *)b;
	int order = strcmp(left->tags, right->tags);

	return order ? order : (left->id > right->id) - (left->id < right->id);
}

/* Without the memory for it each series leads itself, as most do. */
static void make_groups(struct statsd_table *t)
{
	struct statsd_series **sorted = malloc((t->count + 1) * sizeof(struct statsd_series *));
	size_t live = 0;

	for (size_t i = 0; i < t->count; i++) {
		t->at[i]->next = NULL;
		t->at[i]->is_leader = t->at[i]->series != NULL;
		if (sorted && t->at[i]->series)
			sorted[live++] = t->at[i];
	}
	if (!sorted)
		return;
	qsort(sorted, live, sizeof(struct statsd_series *), compare_tags);
	for (size_t i = 1; i < live; i++) {
		if (strcmp(sorted[i - 1]->tags, sorted[i]->tags))
			continue;
		sorted[i - 1]->next = sorted[i];
		sorted[i]->is_leader = false;
	}
	free(sorted);
	t->changed = false;
}

void statsd_table_update(struct statsd_table *t, const struct series *const *series, size_t count)
{
	struct statsd_series **merged =
		malloc((t->count + count + 1) * sizeof(struct statsd_series *));
	size_t have = 0, from = 0;

	if (!merged) {
		t->lost_no_memory += count;
		for (size_t i = 0; i < t->count; i++)
			t->at[i]->series = NULL;
		t->changed = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		have = merge_one(t, merged, have, &from, series[i]);
	have = merge_one(t, merged, have, &from, NULL);
	if (have > t->max)
		have = evict(t, merged, have, t->max);
	free(t->at);
	t->at = merged;
	t->count = have;
	if (t->changed)
		make_groups(t);
}

void statsd_table_free(struct statsd_table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free_state(t->at[i]);
	free(t->at);
	t->at = NULL;
	t->count = 0;
}
