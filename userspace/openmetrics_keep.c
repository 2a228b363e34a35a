/* SPDX-License-Identifier: MIT */
/* What of a scrape outlives the agent: its lines, and how much of each series is in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "openmetrics_internal.h"

/* Numbers and ids count on from what was kept, and none comes near. */
#define NUMBER_MAX (UINT64_MAX / 2)

static void save_line(const struct openmetrics_line *line, struct keep_writer *w)
{
	keep_text(w, line->labels);
	keep_number(w, line->number);
	keep_number(w, line->ended);
	for (unsigned int c = 0; c < COUNTERS; c++)
		keep_number(w, line->has_counter[c]);
	for (unsigned int g = 0; g < GAUGES; g++)
		keep_number(w, line->has_gauge[g]);
	keep_numbers(w, line->counter, COUNTERS);
	for (unsigned int d = 0; d < 2; d++) {
		keep_numbers(w, line->durations[d].bucket, OPENMETRICS_BUCKETS);
		keep_number(w, line->durations[d].count);
		keep_number(w, line->durations[d].sum_ns);
	}
}

void openmetrics_table_save(const struct openmetrics_table *t, struct keep_writer *w)
{
	keep_number(w, COUNTERS);
	keep_number(w, GAUGES);
	keep_number(w, OPENMETRICS_BUCKETS);
	keep_text(w, t->tags);
	keep_number(w, t->lost_full);
	keep_number(w, t->lost_no_memory);
	keep_number(w, t->last_number);
	keep_number(w, t->count);
	for (size_t i = 0; i < t->count; i++)
		save_line(t->at[i], w);
	keep_number(w, t->source_count);
	for (size_t i = 0; i < t->source_count; i++) {
		const struct openmetrics_source *s = t->sources[i];

		keep_number(w, s->id);
		keep_number(w, s->entry->line.number);
		keep_numbers(w, s->seen, COUNTERS);
	}
}

static void load_line(struct openmetrics_line *line, struct keep_reader *r)
{
	line->number = keep_read(r);
	line->ended = keep_read(r);
	for (unsigned int c = 0; c < COUNTERS; c++)
		line->has_counter[c] = keep_read(r);
	for (unsigned int g = 0; g < GAUGES; g++)
		line->has_gauge[g] = keep_read(r);
	keep_read_numbers(r, line->counter, COUNTERS);
	for (unsigned int d = 0; d < 2; d++) {
		keep_read_numbers(r, line->durations[d].bucket, OPENMETRICS_BUCKETS);
		line->durations[d].count = keep_read(r);
		line->durations[d].sum_ns = keep_read(r);
	}
}

static int load_lines(struct openmetrics_table *t, struct keep_reader *r)
{
	uint64_t last = 0, last_number = keep_read(r);
	size_t count = keep_read_count(r);

	for (size_t i = 0; i < count; i++) {
		const char *labels = keep_read_text(r);
		struct openmetrics_entry *entry;

		if (r->failed || openmetrics_entry_find(t, labels, strlen(labels)))
			return -EBADMSG;
		entry = openmetrics_entry_new(t, labels, strlen(labels));
		if (!entry)
			return -ENOMEM;
		load_line(&entry->line, r);
		if (r->failed || entry->line.number <= last || entry->line.number > last_number)
			return -EBADMSG;
		last = entry->line.number;
	}
	if (last_number > NUMBER_MAX)
		return -EBADMSG;
	t->last_number = last_number;
	return keep_result(r);
}

static int load_source(struct openmetrics_table *t, struct openmetrics_source *s,
		       struct keep_reader *r)
{
	uint64_t number;
	size_t at;

	s->id = keep_read(r);
	number = keep_read(r);
	keep_read_numbers(r, s->seen, COUNTERS);
	at = number ? openmetrics_table_after(t, number - 1) : t->count;
	if (r->failed || at == t->count || t->at[at]->number != number)
		return -EBADMSG;
	s->entry = (struct openmetrics_entry *)t->at[at];
	s->entry->line.sources++;
	return 0;
}

static int load_sources(struct openmetrics_table *t, struct keep_reader *r)
{
	size_t count = keep_read_count(r);
	uint64_t last = 0;
	int err = 0;

	t->sources = calloc(count + 1, sizeof(struct openmetrics_source *));
	if (!t->sources)
		return -ENOMEM;
	while (!err && t->source_count < count) {
		struct openmetrics_source *s = calloc(1, sizeof(*s));

		if (!s)
			return -ENOMEM;
		t->sources[t->source_count++] = s;
		err = load_source(t, s, r);
		if (!err && (s->id <= last || s->id > NUMBER_MAX))
			err = -EBADMSG;
		last = s->id;
	}
	return err ? err : keep_result(r);
}

int openmetrics_table_load(struct openmetrics_table *t, struct keep_reader *r)
{
	const char *tags;
	int err;

	if (keep_read(r) != COUNTERS || keep_read(r) != GAUGES ||
	    keep_read(r) != OPENMETRICS_BUCKETS)
		return -EPROTO;
	tags = keep_read_text(r);
	t->lost_full = keep_read(r);
	t->lost_no_memory = keep_read(r);
	if (r->failed || strcmp(tags, t->tags))
		return keep_result(r);
	err = load_lines(t, r);
	return err ? err : load_sources(t, r);
}
