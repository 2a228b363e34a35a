/* SPDX-License-Identifier: MIT */
/* What of the statsd sink outlives the agent: how much of each counter was handed over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statsd_agent.h"
#include "statsd_series.h"

static void save_tally(const struct statsd_tally *tally, struct keep_writer *w)
{
	keep_number(w, tally->total);
	keep_number(w, tally->sent);
	keep_number(w, tally->told);
}

static void load_tally(struct statsd_tally *tally, struct keep_reader *r)
{
	tally->total = keep_read(r);
	tally->sent = keep_read(r);
	tally->told = keep_read(r);
	/* What is due is never below 0. */
	if (tally->sent > tally->total)
		r->failed = true;
}

/* ---- Series ---- */

void statsd_table_save(const struct statsd_table *t, struct keep_writer *w)
{
	keep_number(w, STATSD_SLOTS);
	keep_number(w, GAUGES);
	keep_number(w, t->summary);
	keep_number(w, t->lost_series_full);
	keep_number(w, t->lost_no_memory);
	keep_number(w, t->count);
	for (size_t i = 0; i < t->count; i++) {
		const struct statsd_series *s = t->at[i];

		keep_number(w, s->id);
		keep_text(w, s->tags);
		for (unsigned int slot = 0; slot < STATSD_SLOTS; slot++)
			save_tally(&s->tally[slot], w);
		for (unsigned int g = 0; g < GAUGES; g++) {
			keep_number(w, s->gauge[g].value);
			keep_number(w, s->gauge[g].at);
		}
	}
}

/* The model's series of this id, from `*from` on; both are in order of it. */
static const struct series *find(const struct series *const *series, size_t count, size_t *from,
				 uint64_t id)
{
	while (*from < count && series[*from]->id < id)
		++*from;
	return *from < count && series[*from]->id == id ? series[*from] : NULL;
}

/* Global tags may be others now. Of a series that is no more there is only what it had. */
static int load_state(struct statsd_table *t, const struct series *series, struct statsd_series *s,
		      struct keep_reader *r)
{
	const char *tags = keep_read_text(r);

	s->tags = series ? statsd_tags(t, series) : strdup(tags);
	for (unsigned int slot = 0; slot < STATSD_SLOTS; slot++)
		load_tally(&s->tally[slot], r);
	for (unsigned int g = 0; g < GAUGES; g++) {
		s->gauge[g].value = keep_read(r);
		s->gauge[g].at = keep_read(r);
	}
	if (!s->tags)
		return -ENOMEM;
	return keep_result(r);
}

/* Durations went out in another format up to now, and so they are not due in this one. */
static void begin_summary(struct statsd_series *s, const struct series *series)
{
	static const enum counter episodes[2] = { COUNTER_SEND_EPISODES, COUNTER_RECEIVE_EPISODES };

	for (unsigned int d = 0; d < 2; d++) {
		struct statsd_tally *tally = &s->tally[STATSD_SLOT_COUNT + d];

		tally->total = tally->sent = series->counter[episodes[d]];
	}
}

int statsd_table_load(struct statsd_table *t, const struct model *m, struct keep_reader *r)
{
	size_t series_count, from = 0, count;
	const struct series *const *series = model_series(m, &series_count);
	uint64_t last = 0;
	bool anew;
	int err = 0;

	if (keep_read(r) != STATSD_SLOTS || keep_read(r) != GAUGES)
		return -EPROTO;
	anew = !keep_read(r) && t->summary;
	t->lost_series_full = keep_read(r);
	t->lost_no_memory = keep_read(r);
	count = keep_read_count(r);
	t->at = calloc(count + 1, sizeof(struct statsd_series *));
	if (!t->at)
		return -ENOMEM;
	t->changed = true;
	while (!err && t->count < count) {
		struct statsd_series *s = calloc(1, sizeof(*s));
		const struct series *one;

		if (!s)
			return -ENOMEM;
		t->at[t->count++] = s;
		s->id = keep_read(r);
		if (r->failed || s->id <= last)
			return -EBADMSG;
		last = s->id;
		one = find(series, series_count, &from, s->id);
		err = load_state(t, one, s, r);
		if (!err && anew && one)
			begin_summary(s, one);
	}
	return err;
}

void statsd_table_begin(struct statsd_table *t, const struct model *m)
{
	size_t count;
	const struct series *const *series = model_series(m, &count);

	statsd_table_update(t, series, count);
	for (size_t i = 0; i < t->count; i++)
		for (unsigned int slot = 0; slot < STATSD_SLOTS; slot++)
			t->at[i]->tally[slot].sent += statsd_slot_due(t->at[i], slot);
}

/* ---- The agent's own ---- */

void statsd_agent_save(const struct statsd_agent *agent, const struct statsd_outbox *out,
		       struct keep_writer *w)
{
	const struct statsd_sent *sent = &out->stats;

	keep_number(w, STATSD_REASONS);
	keep_number(w, agent->lost_count);
	for (size_t i = 0; i < agent->lost_count; i++) {
		keep_text(w, agent->lost[i].reason);
		save_tally(&agent->lost[i].tally, w);
	}
	save_tally(&agent->packets_sent, w);
	for (unsigned int i = 0; i < STATSD_REASONS; i++) {
		save_tally(&agent->packets_dropped[i], w);
		save_tally(&agent->lines_dropped[i], w);
	}
	keep_number(w, sent->packets);
	keep_numbers(w, sent->packets_dropped, STATSD_REASONS);
	keep_numbers(w, sent->lines_dropped, STATSD_REASONS);
	keep_number(w, sent->lines_too_long);
	keep_number(w, sent->durations_dropped + statsd_outbox_durations(out));
}

static void load_sent(struct statsd_sent *sent, struct keep_reader *r)
{
	sent->packets = keep_read(r);
	keep_read_numbers(r, sent->packets_dropped, STATSD_REASONS);
	keep_read_numbers(r, sent->lines_dropped, STATSD_REASONS);
	sent->lines_too_long = keep_read(r);
	sent->durations_dropped = keep_read(r);
}

int statsd_agent_load(struct statsd_agent *agent, struct statsd_outbox *out, struct keep_reader *r)
{
	size_t count;

	if (keep_read(r) != STATSD_REASONS)
		return -EPROTO;
	count = keep_read_count(r);
	if (count > STATSD_LOST_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < count; i++) {
		snprintf(agent->lost[i].reason, sizeof(agent->lost[i].reason), "%s",
			 keep_read_text(r));
		load_tally(&agent->lost[i].tally, r);
	}
	agent->lost_count = count;
	load_tally(&agent->packets_sent, r);
	for (unsigned int i = 0; i < STATSD_REASONS; i++) {
		load_tally(&agent->packets_dropped[i], r);
		load_tally(&agent->lines_dropped[i], r);
	}
	load_sent(&out->stats, r);
	return keep_result(r);
}
