/* SPDX-License-Identifier: MIT */
/*
 * Minutes of strips and of durations. An array of RECORDER_MINUTES is a ring: minute n lies at
 * n % RECORDER_MINUTES, and says itself which one it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#include "recorder_internal.h"

static uint64_t minute_of(uint64_t second)
{
	return second / RECORDER_MINUTE;
}

/* The last one that there may be, and the first. */
static uint64_t last_minute(const struct recorder *r)
{
	return minute_of(r->seconds);
}

static uint64_t first_minute(const struct recorder *r)
{
	uint64_t last = last_minute(r);

	return last >= RECORDER_MINUTES ? last - RECORDER_MINUTES + 1 : 0;
}

void recorder_drop_minute(struct recorder *r, struct recorder_minute **minute)
{
	if (!*minute)
		return;
	r->bytes -= recorder_minute_size((*minute)->coarse);
	free(*minute);
	*minute = NULL;
}

size_t recorder_durations_size(const struct recorder_durations *d)
{
	return sizeof(*d) + (d->of[0].capacity + d->of[1].capacity) * sizeof(struct hist_value);
}

void recorder_drop_durations(struct recorder *r, struct recorder_durations **durations)
{
	if (!*durations)
		return;
	r->bytes -= recorder_durations_size(*durations);
	hist_free(&(*durations)->of[0]);
	hist_free(&(*durations)->of[1]);
	free(*durations);
	*durations = NULL;
}

static struct recorder_minute *minute_new(struct recorder *r, uint64_t number, bool coarse)
{
	struct recorder_minute *minute = calloc(1, recorder_minute_size(coarse));

	if (!minute) {
		r->lost.memory++;
		return NULL;
	}
	minute->number = number;
	minute->coarse = coarse;
	r->bytes += recorder_minute_size(coarse);
	return minute;
}

struct recorder_cell *recorder_cell_at(struct recorder *r, struct recorder_strip *strip,
				       uint64_t second)
{
	uint64_t number = minute_of(second);
	struct recorder_minute **at = &strip->minutes[number % RECORDER_MINUTES];

	if (number < first_minute(r))
		return NULL;
	if (*at && (*at)->number != number)
		recorder_drop_minute(r, at);
	if (!*at)
		*at = minute_new(r, number, number < r->fine_from);
	if (!*at)
		return NULL;
	return &(*at)->cells[second % RECORDER_MINUTE / ((*at)->coarse ? RECORDER_COARSE : 1)];
}

struct recorder_durations *recorder_durations_at(struct recorder *r, struct recorder_series *series,
						 uint64_t minute)
{
	struct recorder_durations **at = &series->minutes[minute % RECORDER_MINUTES];

	if (*at && (*at)->number != minute)
		recorder_drop_durations(r, at);
	if (*at)
		return *at;
	*at = calloc(1, sizeof(**at));
	if (!*at) {
		r->lost.memory++;
		return NULL;
	}
	(*at)->number = minute;
	r->bytes += sizeof(**at);
	return *at;
}

/* ---- Merging ---- */

static void add16(uint16_t *to, unsigned int more)
{
	*to = *to + more < UINT16_MAX ? (uint16_t)(*to + more) : UINT16_MAX;
}

static void add32(uint32_t *to, uint32_t more)
{
	if (__builtin_add_overflow(*to, more, to))
		*to = UINT32_MAX;
}

static void add_cell(struct recorder_cell *to, const struct recorder_cell *from)
{
	add16(&to->refusing, from->refusing);
	add16(&to->blocked, from->blocked);
	add16(&to->self, from->self);
	add16(&to->busy, from->busy);
	add32(&to->accepted, from->accepted);
	add32(&to->rejected, from->rejected);
	add32(&to->forwarded, from->forwarded);
	add32(&to->refused, from->refused);
	add32(&to->episodes[0], from->episodes[0]);
	add32(&to->episodes[1], from->episodes[1]);
	if (from->depth > to->depth)
		to->depth = from->depth;
}

void recorder_fold(struct recorder *r)
{
	struct strip_entry *s, *next;

	HASH_ITER (hh, r->strips, s, next) {
		struct recorder_minute *minute =
			s->strip.minutes[minute_of(r->seconds) % RECORDER_MINUTES];
		struct recorder_cell *rest, *cell;

		if (!minute || minute->number != minute_of(r->seconds) || minute->coarse)
			continue;
		rest = &minute->cells[r->seconds % RECORDER_MINUTE];
		cell = recorder_cell_at(r, &s->strip, r->seconds - 1);
		if (cell)
			add_cell(cell, rest);
		*rest = (struct recorder_cell){ 0 };
	}
	r->pending = false;
}

/* Without memory it stays as it is. */
static void merge_minute(struct recorder *r, struct recorder_minute **at)
{
	struct recorder_minute *coarse;

	if (!*at || (*at)->coarse || (*at)->number >= r->fine_from)
		return;
	coarse = minute_new(r, (*at)->number, true);
	if (!coarse)
		return;
	for (size_t i = 0; i < RECORDER_MINUTE; i++)
		add_cell(&coarse->cells[i / RECORDER_COARSE], &(*at)->cells[i]);
	recorder_drop_minute(r, at);
	*at = coarse;
}

/* The same durations in less memory. */
static void shrink(struct hist *h)
{
	struct hist_value *values;

	hist_reduce(h, RECORDER_VALUES_FEW);
	values = h->size ? realloc(h->values, h->size * sizeof(*values)) : NULL;
	if (!values)
		return;
	h->values = values;
	h->capacity = h->size;
}

static void merge_durations(struct recorder *r, struct recorder_durations *d)
{
	if (!d || d->number >= r->fine_from)
		return;
	r->bytes -= recorder_durations_size(d);
	shrink(&d->of[0]);
	shrink(&d->of[1]);
	r->bytes += recorder_durations_size(d);
}

static void merge_oldest(struct recorder *r)
{
	size_t at = r->fine_from % RECORDER_MINUTES;
	struct strip_entry *s, *next;
	struct series_entry *d, *next_d;

	r->fine_from++;
	HASH_ITER (hh, r->strips, s, next)
		merge_minute(r, &s->strip.minutes[at]);
	HASH_ITER (hh, r->series, d, next_d)
		merge_durations(r, d->series.minutes[at]);
}

static void forget_old(struct recorder *r)
{
	uint64_t first = first_minute(r);
	struct strip_entry *s, *next;
	struct series_entry *d, *next_d;

	HASH_ITER (hh, r->strips, s, next)
		for (size_t i = 0; i < RECORDER_MINUTES; i++)
			if (s->strip.minutes[i] && s->strip.minutes[i]->number < first)
				recorder_drop_minute(r, &s->strip.minutes[i]);
	HASH_ITER (hh, r->series, d, next_d)
		for (size_t i = 0; i < RECORDER_MINUTES; i++)
			if (d->series.minutes[i] && d->series.minutes[i]->number < first)
				recorder_drop_durations(r, &d->series.minutes[i]);
	if (r->fine_from < first)
		r->fine_from = first;
}

/* The minute that is being written stays as it is. */
void recorder_age(struct recorder *r)
{
	forget_old(r);
	while (r->bytes > RECORDER_BYTES && r->fine_from < last_minute(r))
		merge_oldest(r);
}

/* ---- Adding up ---- */

static void add_part(struct recorder_sums *sums, const struct recorder_cell *cell, uint64_t part,
		     uint64_t of)
{
	sums->refusing += cell->refusing * 1000ull * part / of;
	sums->blocked += cell->blocked * 1000ull * part / of;
	sums->self += cell->self * 1000ull * part / of;
	sums->busy += cell->busy * 1000ull * part / of;
	sums->accepted += cell->accepted * part / of;
	sums->rejected += cell->rejected * part / of;
	sums->forwarded += cell->forwarded * part / of;
	sums->refused += cell->refused * part / of;
	sums->episodes[0] += cell->episodes[0] * part / of;
	sums->episodes[1] += cell->episodes[1] * part / of;
	if (cell->depth > sums->depth)
		sums->depth = cell->depth;
}

static void add_minute(const struct recorder_minute *minute, uint64_t from, uint64_t until,
		       struct recorder_sums *sums)
{
	uint64_t size = minute->coarse ? RECORDER_COARSE : 1;
	uint64_t start = minute->number * RECORDER_MINUTE;

	for (size_t i = 0; i < recorder_cells_of(minute->coarse); i++) {
		uint64_t begin = start + i * size, end = begin + size;
		uint64_t first = begin > from ? begin : from, last = end < until ? end : until;

		if (first < last)
			add_part(sums, &minute->cells[i], last - first, size);
	}
}

void recorder_add(const struct recorder_strip *strip, uint64_t from, uint64_t until,
		  struct recorder_sums *sums)
{
	for (uint64_t n = minute_of(from); n * RECORDER_MINUTE < until; n++) {
		const struct recorder_minute *minute = strip->minutes[n % RECORDER_MINUTES];

		if (minute && minute->number == n)
			add_minute(minute, from, until, sums);
	}
}

int recorder_add_durations(const struct recorder_strip *strip, uint64_t from, uint64_t until,
			   struct hist out[2])
{
	int err = 0;

	for (uint64_t n = minute_of(from); strip->series && n * RECORDER_MINUTE < until; n++) {
		const struct recorder_durations *d = strip->series->minutes[n % RECORDER_MINUTES];

		for (int i = 0; d && d->number == n && i < 2 && !err; i++)
			err = hist_add_all(&out[i], &d->of[i]);
	}
	return err;
}

uint64_t recorder_first_second(const struct recorder *r)
{
	return first_minute(r) * RECORDER_MINUTE;
}

bool recorder_is_coarse(const struct recorder *r, uint64_t second)
{
	return minute_of(second) < r->fine_from && r->fine_from > first_minute(r);
}
