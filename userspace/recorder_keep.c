/* SPDX-License-Identifier: MIT */
/* The recorder as bytes, on the host where it was made: a few MB in some ms, for another process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#include "hist_keep.h"
#include "recorder_internal.h"

#define NO_SERIES   UINT64_MAX
#define SECONDS_MAX (UINT64_MAX / RECORDER_SECOND)

/* ---- Writing ---- */

static void save_minute(struct keep_writer *w, const struct recorder_minute *minute)
{
	keep_number(w, minute->number);
	keep_number(w, minute->coarse);
	keep_bytes(w, minute->cells,
		   recorder_cells_of(minute->coarse) * sizeof(struct recorder_cell));
}

static void save_strip(struct keep_writer *w, const struct recorder_strip *s)
{
	size_t count = 0;

	keep_bytes(w, &s->key, sizeof(s->key));
	keep_text(w, s->tags);
	keep_bytes(w, s->name, sizeof(s->name));
	keep_bytes(w, s->process, sizeof(s->process));
	keep_numbers(w, (uint64_t[]){ s->consumer, s->began, s->ended, s->level, s->capacity }, 5);
	keep_numbers(w, (uint64_t[]){ s->marks, s->has_depth, s->partly }, 3);
	keep_bytes(w, s->next, sizeof(s->next));
	keep_number(w, s->series ? s->series->id : NO_SERIES);
	for (size_t i = 0; i < RECORDER_MINUTES; i++)
		count += s->minutes[i] != NULL;
	keep_number(w, count);
	for (size_t i = 0; i < RECORDER_MINUTES; i++)
		if (s->minutes[i])
			save_minute(w, s->minutes[i]);
}

static void save_series(struct keep_writer *w, const struct recorder_series *series)
{
	size_t count = 0;

	keep_number(w, series->id);
	for (size_t i = 0; i < RECORDER_MINUTES; i++)
		count += series->minutes[i] != NULL;
	keep_number(w, count);
	for (size_t i = 0; i < RECORDER_MINUTES; i++) {
		const struct recorder_durations *d = series->minutes[i];

		if (!d)
			continue;
		keep_number(w, d->number);
		for (int k = 0; k < 2; k++)
			hist_save(&d->of[k], w);
	}
}

void recorder_save(const struct recorder *r, struct keep_writer *w)
{
	struct strip_entry *s, *next;
	struct series_entry *d, *next_d;

	keep_begin(w, "recorder");
	keep_number(w, RECORDER_FORMAT);
	keep_number(w, sizeof(struct recorder_cell));
	keep_numbers(w, (uint64_t[]){ r->began, r->last, r->seconds, r->fine_from, r->pending }, 5);
	keep_numbers(w, (uint64_t[]){ r->lost.steps, r->lost.dropped, r->lost.memory }, 3);
	keep_number(w, HASH_COUNT(r->series));
	HASH_ITER (hh, r->series, d, next_d)
		save_series(w, &d->series);
	keep_number(w, HASH_COUNT(r->strips));
	HASH_ITER (hh, r->strips, s, next)
		save_strip(w, &s->strip);
	keep_end(w);
}

/* ---- Reading ---- */

static int load_minute(struct recorder *r, struct recorder_strip *strip, struct keep_reader *k)
{
	uint64_t number = keep_read(k);
	bool coarse = keep_read(k);
	struct recorder_minute **at = &strip->minutes[number % RECORDER_MINUTES];

	if (k->failed || *at)
		return -EBADMSG;
	*at = calloc(1, recorder_minute_size(coarse));
	if (!*at)
		return -ENOMEM;
	r->bytes += recorder_minute_size(coarse);
	(*at)->number = number;
	(*at)->coarse = coarse;
	keep_read_bytes(k, (*at)->cells, recorder_cells_of(coarse) * sizeof(struct recorder_cell));
	return keep_result(k);
}

static void load_names(struct recorder_strip *s, struct keep_reader *k)
{
	keep_read_bytes(k, s->name, sizeof(s->name));
	keep_read_bytes(k, s->process, sizeof(s->process));
	s->name[sizeof(s->name) - 1] = '\0';
	s->process[sizeof(s->process) - 1] = '\0';
}

static void load_facts(struct recorder_strip *s, struct keep_reader *k)
{
	s->consumer = keep_read(k);
	s->began = keep_read(k);
	s->ended = keep_read(k);
	s->level = keep_read(k);
	s->capacity = (uint32_t)keep_read(k);
	s->marks = keep_read(k);
	s->has_depth = keep_read(k);
	s->partly = keep_read(k);
	keep_read_bytes(k, s->next, sizeof(s->next));
}

static int load_strip(struct recorder *r, struct keep_reader *k)
{
	struct recorder_strip *strip;
	struct pb_step_key key;
	const char *tags;
	uint64_t series;
	size_t count;
	int err = 0;

	keep_read_bytes(k, &key, sizeof(key));
	tags = keep_read_text(k);
	/* Once each: who adds up edges has room for that. */
	if (k->failed || recorder_find_strip(r, &key))
		return -EBADMSG;
	strip = recorder_add_strip(r, &key, tags);
	if (!strip)
		return -ENOMEM;
	load_names(strip, k);
	load_facts(strip, k);
	series = keep_read(k);
	strip->series = series == NO_SERIES ? NULL : recorder_get_series(r, series);
	if (strip->series)
		strip->series->users++;
	count = keep_read_count(k);
	for (size_t i = 0; i < count && !err; i++)
		err = load_minute(r, strip, k);
	return err ? err : keep_result(k);
}

static int load_durations(struct recorder *r, struct recorder_series *series, struct keep_reader *k)
{
	uint64_t number = keep_read(k);
	struct recorder_durations *d;
	int err = 0;

	if (k->failed || series->minutes[number % RECORDER_MINUTES])
		return -EBADMSG;
	d = recorder_durations_at(r, series, number);
	if (!d)
		return -ENOMEM;
	r->bytes -= recorder_durations_size(d);
	for (int i = 0; i < 2 && !err; i++)
		err = hist_load(&d->of[i], k);
	r->bytes += recorder_durations_size(d);
	return err ? err : keep_result(k);
}

static int load_series(struct recorder *r, struct keep_reader *k)
{
	struct recorder_series *series = recorder_get_series(r, keep_read(k));
	size_t count = keep_read_count(k);
	int err = series ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && !err; i++)
		err = load_durations(r, series, k);
	return err ? err : keep_result(k);
}

static int load_all(struct recorder *r, struct keep_reader *k)
{
	size_t count;
	int err = 0;

	if (keep_read(k) != RECORDER_FORMAT || keep_read(k) != sizeof(struct recorder_cell))
		return k->failed ? -EBADMSG : -EPROTO;
	r->began = keep_read(k);
	r->last = keep_read(k);
	r->seconds = keep_read(k);
	r->fine_from = keep_read(k);
	r->pending = keep_read(k);
	/* Beyond that no sum of seconds and minutes could be trusted. */
	if (r->seconds > SECONDS_MAX)
		return -EBADMSG;
	r->lost.steps = keep_read(k);
	r->lost.dropped = keep_read(k);
	r->lost.memory = keep_read(k);
	count = keep_read_count(k);
	for (size_t i = 0; i < count && !err; i++)
		err = load_series(r, k);
	count = err ? 0 : keep_read_count(k);
	if (count > RECORDER_STEPS)
		return -EBADMSG;
	for (size_t i = 0; i < count && !err; i++)
		err = load_strip(r, k);
	return err ? err : keep_result(k);
}

int recorder_load(struct recorder **out, struct keep_reader *r)
{
	struct recorder *loaded = recorder_new(0);
	struct keep_reader section;
	int err;

	*out = NULL;
	if (!loaded)
		return -ENOMEM;
	err = keep_find(r, "recorder", &section) ? load_all(loaded, &section) : -EBADMSG;
	if (err)
		recorder_free(loaded);
	else
		*out = loaded;
	return err;
}
