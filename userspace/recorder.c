/* SPDX-License-Identifier: MIT */
#include "recorder.h"

#include <stdlib.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#include "recorder_internal.h"

#define MS 1000000u
/* What counts since longer than this before it was first seen was counted for somebody else. */
#define LATE_NS (3 * RECORDER_SECOND)
/* A drain that comes so much before the end of a second is the one of that second. */
#define EARLY_NS (RECORDER_SECOND / 4)
/* What is kept of a step that ended, and of a host that slept. */
#define MOST_SECONDS (1ull * RECORDER_MINUTES * RECORDER_MINUTE)

struct recorder *recorder_new(uint64_t now)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->order = calloc(RECORDER_STEPS, sizeof(*r->order));
	if (!r->order) {
		free(r);
		return NULL;
	}
	r->began = r->last = now;
	return r;
}

void recorder_begin(struct recorder *r, uint64_t now)
{
	r->began = r->last = now;
}

/* ---- Strips and series ---- */

static void drop_series(struct recorder *r, struct series_entry *entry)
{
	for (size_t i = 0; i < RECORDER_MINUTES; i++)
		recorder_drop_durations(r, &entry->series.minutes[i]);
	HASH_DEL(r->series, entry);
	r->bytes -= sizeof(*entry);
	free(entry);
}

struct recorder_series *recorder_get_series(struct recorder *r, uint64_t id)
{
	struct series_entry *entry;

	HASH_FIND(hh, r->series, &id, sizeof(id), entry);
	if (entry)
		return &entry->series;
	entry = calloc(1, sizeof(*entry));
	if (entry) {
		entry->series.id = id;
		HASH_ADD(hh, r->series, series.id, sizeof(id), entry);
	}
	if (!entry || !entry->hh.tbl) {
		free(entry);
		r->lost.memory++;
		return NULL;
	}
	r->bytes += sizeof(*entry);
	return &entry->series;
}

static void drop_strip(struct recorder *r, struct strip_entry *entry)
{
	struct recorder_series *series = entry->strip.series;

	for (size_t i = 0; i < RECORDER_MINUTES; i++)
		recorder_drop_minute(r, &entry->strip.minutes[i]);
	if (series && !--series->users)
		drop_series(r, (struct series_entry *)series);
	HASH_DEL(r->strips, entry);
	r->bytes -= sizeof(*entry) + strlen(entry->strip.tags) + 1;
	free(entry->strip.tags);
	free(entry);
}

void recorder_free(struct recorder *r)
{
	struct strip_entry *s, *next;
	struct series_entry *d, *next_d;

	if (!r)
		return;
	HASH_ITER (hh, r->strips, s, next)
		drop_strip(r, s);
	HASH_ITER (hh, r->series, d, next_d)
		drop_series(r, d);
	free(r->order);
	free(r);
}

struct recorder_strip *recorder_add_strip(struct recorder *r, const struct pb_step_key *key,
					  const char *tags)
{
	struct strip_entry *entry = calloc(1, sizeof(*entry));
	char *copy = entry ? strdup(tags) : NULL;

	if (copy) {
		entry->strip.key = *key;
		entry->strip.tags = copy;
		HASH_ADD(hh, r->strips, strip.key, sizeof(*key), entry);
	}
	if (!copy || !entry->hh.tbl) {
		free(copy);
		free(entry);
		r->lost.memory++;
		return NULL;
	}
	r->bytes += sizeof(*entry) + strlen(tags) + 1;
	return &entry->strip;
}

/* The strip of the step that ended first goes. */
static bool make_room(struct recorder *r)
{
	struct strip_entry *s, *next, *first = NULL;

	if (HASH_COUNT(r->strips) < RECORDER_STEPS)
		return true;
	if (r->ending)
		HASH_ITER (hh, r->strips, s, next)
			if (s->strip.ended && (!first || s->strip.ended < first->strip.ended))
				first = s;
	r->ending = first;
	if (!first)
		return false;
	drop_strip(r, first);
	r->lost.dropped++;
	return true;
}

struct recorder_strip *recorder_find_strip(const struct recorder *r, const struct pb_step_key *key)
{
	struct strip_entry *entry;

	HASH_FIND(hh, r->strips, key, sizeof(*key), entry);
	return entry ? &entry->strip : NULL;
}

/* NULL: it has no strip. */
static struct recorder_strip *strip_of(struct recorder *r, const struct record *record,
				       const char *tags, uint64_t now)
{
	struct recorder_strip *strip = recorder_find_strip(r, &record->key);

	if (strip)
		return strip;
	if (!make_room(r))
		return NULL;
	strip = recorder_add_strip(r, &record->key, tags);
	if (!strip)
		return NULL;
	memcpy(strip->name, record->name, sizeof(strip->name));
	memcpy(strip->process, record->process, sizeof(strip->process));
	strip->consumer = record->key.instance;
	strip->began = now;
	/* A state that an agent before this one left, or that others have watched. */
	if (record->begun && record->begun + LATE_NS < r->last)
		memcpy(strip->counter, record->counter, sizeof(strip->counter));
	return strip;
}

/* ---- What has happened ---- */

/* By how much a counter has grown; it is up to date then. */
static uint64_t grown(struct recorder_strip *strip, const struct record *record, enum counter which)
{
	uint64_t before = strip->counter[which], now = record->counter[which];

	strip->counter[which] = now;
	return now > before ? now - before : 0;
}

/* In whole ms such that all of them add up. */
static uint64_t grown_ms(struct recorder_strip *strip, const struct record *record,
			 enum counter which)
{
	uint64_t before = strip->counter[which] / MS, now = record->counter[which] / MS;

	strip->counter[which] = record->counter[which];
	return now > before ? now - before : 0;
}

/* What has come since the last time. */
struct grown {
	uint64_t refusing, blocked, self, busy; /* ms */
	uint64_t accepted, rejected, forwarded, refused, episodes[2];
	uint32_t depth;
};

static struct grown take_grown(struct recorder_strip *s, const struct record *r)
{
	return (struct grown){
		.refusing = grown_ms(s, r, COUNTER_SEND_TIME),
		.blocked = grown_ms(s, r, COUNTER_RECEIVE_TIME),
		.self = grown_ms(s, r, COUNTER_SEND_SELF_TIME),
		.busy = grown_ms(s, r, COUNTER_BUSY_TIME),
		.accepted = grown(s, r, COUNTER_ACCEPTED),
		.rejected = grown(s, r, COUNTER_SEND),
		.forwarded = grown(s, r, COUNTER_FORWARDED),
		.refused = grown(s, r, COUNTER_RECEIVE),
		.episodes = { grown(s, r, COUNTER_SEND_EPISODES),
			      grown(s, r, COUNTER_RECEIVE_EPISODES) },
		.depth = r->depth,
	};
}

static bool is_nothing(const struct grown *g)
{
	return !(g->refusing | g->blocked | g->self | g->busy | g->accepted | g->rejected |
		 g->forwarded | g->refused | g->episodes[0] | g->episodes[1] | g->depth);
}

/* The part of it that falls to the `i`th of `n` seconds; all of them add up. */
static uint64_t part(uint64_t all, uint64_t i, uint64_t n)
{
	return all / n + (i < all % n);
}

static void put16(uint16_t *to, uint64_t more)
{
	uint64_t sum = *to + more;

	*to = sum < UINT16_MAX ? (uint16_t)sum : UINT16_MAX;
}

static void put32(uint32_t *to, uint64_t more)
{
	uint64_t sum = *to + more;

	*to = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static void put_cell(struct recorder_cell *cell, const struct grown *g, uint64_t i, uint64_t n)
{
	put16(&cell->refusing, part(g->refusing, i, n));
	put16(&cell->blocked, part(g->blocked, i, n));
	put16(&cell->self, part(g->self, i, n));
	put16(&cell->busy, part(g->busy, i, n));
	put32(&cell->accepted, part(g->accepted, i, n));
	put32(&cell->rejected, part(g->rejected, i, n));
	put32(&cell->forwarded, part(g->forwarded, i, n));
	put32(&cell->refused, part(g->refused, i, n));
	put32(&cell->episodes[0], part(g->episodes[0], i, n));
	put32(&cell->episodes[1], part(g->episodes[1], i, n));
	if (g->depth > cell->depth)
		cell->depth = g->depth;
}

/* Of several seconds, as after a late drain, each has an equal part. */
static void put(struct recorder *r, struct recorder_strip *strip, const struct record *record,
		uint64_t first, uint64_t n)
{
	struct grown g = take_grown(strip, record);

	if (is_nothing(&g))
		return;
	for (uint64_t i = 0; i < n; i++) {
		struct recorder_cell *cell = recorder_cell_at(r, strip, first + i);

		if (cell)
			put_cell(cell, &g, i, n);
	}
}

/* ---- A drain ---- */

static void take_facts(struct recorder *r, struct recorder_strip *strip,
		       const struct step_moved *step)
{
	if (!strip->series) {
		strip->series = recorder_get_series(r, step->series->id);
		if (strip->series)
			strip->series->users++;
	}
	strip->consumer = step->consumer;
	strip->level = step->level;
	strip->marks = step->marks;
	strip->has_depth = step->has_depth;
	strip->capacity = step->record->capacity;
	strip->partly = step->record->partly;
	memset(strip->next, 0, sizeof(strip->next));
	for (size_t i = 0; i < step->next_count; i++)
		strip->next[i] =
			(struct recorder_next){ step->next[i].instance, step->next[i].refusals };
}

/* Of `n` seconds, `first` on. */
struct taking {
	struct recorder *r;
	uint64_t now, first, n;
	uint64_t without_room;
};

static void take_step(const struct step_moved *step, void *context)
{
	struct taking *t = context;
	struct recorder_strip *strip = strip_of(t->r, step->record, step->series->tags, t->now);

	if (!strip) {
		t->without_room++;
		return;
	}
	take_facts(t->r, strip, step);
	put(t->r, strip, step->record, t->first, t->n);
}

/* Of what ended an hour ago nothing is left. */
static void forget_ended(struct recorder *r)
{
	struct strip_entry *s, *next;

	HASH_ITER (hh, r->strips, s, next)
		if (s->strip.ended &&
		    pushback_since(s->strip.ended, r->last) > MOST_SECONDS * RECORDER_SECOND)
			drop_strip(r, s);
}

/* How many are over by now, the last one too if it is nearly over, or if a good part of it is. */
static uint64_t seconds_at(const struct recorder *r, uint64_t now, bool last)
{
	uint64_t early = last ? RECORDER_SECOND / 2 : EARLY_NS;
	uint64_t seconds = (now - r->began + early) / RECORDER_SECOND;

	if (seconds < r->seconds)
		seconds = r->seconds;
	return last && !seconds ? 1 : seconds;
}

void recorder_take(struct recorder *r, const struct model *m, uint64_t now, bool last)
{
	uint64_t before = r->seconds, seconds = seconds_at(r, now, last);
	struct taking t = { .r = r, .now = now, .first = before, .n = seconds - before };

	/* After so long a sleep of the whole host. */
	if (t.n > MOST_SECONDS) {
		t.n = RECORDER_MINUTE;
		t.first = seconds - t.n;
	}
	t.n = t.n ? t.n : 1;
	r->seconds = seconds;
	r->pending = seconds == before;
	model_tell_moved(m, take_step, &t);
	if (last && r->pending)
		recorder_fold(r);
	if (t.without_room > r->lost.steps)
		r->lost.steps = t.without_room;
	r->last = now;
	if (seconds / RECORDER_MINUTE == before / RECORDER_MINUTE)
		return;
	forget_ended(r);
	recorder_age(r);
}

void recorder_take_durations(struct recorder *r, const struct model *m, uint64_t now)
{
	uint64_t second = (now - r->began) / RECORDER_SECOND;
	size_t count;
	const struct series *const *series = model_series(m, &count);

	for (size_t i = 0; i < count; i++) {
		const struct hist *of = series[i]->durations;
		struct recorder_durations *d;
		struct series_entry *entry;

		if (!of[0].count && !of[1].count)
			continue;
		HASH_FIND(hh, r->series, &series[i]->id, sizeof(series[i]->id), entry);
		d = entry ? recorder_durations_at(r, &entry->series,
						  (second ? second - 1 : 0) / RECORDER_MINUTE)
			  : NULL;
		if (!d)
			continue;
		r->bytes -= recorder_durations_size(d);
		for (int k = 0; k < 2; k++) {
			if (hist_add_all(&d->of[k], &of[k]))
				r->lost.memory++;
			hist_reduce(&d->of[k], RECORDER_VALUES);
		}
		r->bytes += recorder_durations_size(d);
	}
}

void recorder_end(struct recorder *r, const struct record *record, uint64_t now)
{
	struct recorder_strip *strip = strip_of(r, record, "", now);

	if (!strip)
		return;
	/* In the second that is not over yet. */
	put(r, strip, record, r->seconds, 1);
	strip->ended = now;
	r->ending = r->pending = true;
}

/* ---- Reading ---- */

const struct recorder_strip *const *recorder_strips(const struct recorder *r, size_t *count)
{
	struct strip_entry *s, *next;

	*count = 0;
	HASH_ITER (hh, r->strips, s, next)
		r->order[(*count)++] = &s->strip;
	return r->order;
}

struct recorder_lost recorder_lost(const struct recorder *r)
{
	return r->lost;
}

uint64_t recorder_began(const struct recorder *r)
{
	return r->began;
}

uint64_t recorder_last(const struct recorder *r)
{
	return r->last;
}

uint64_t recorder_seconds(const struct recorder *r)
{
	return r->seconds + r->pending;
}

size_t recorder_bytes(const struct recorder *r)
{
	return r->bytes;
}
