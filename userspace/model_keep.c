/* SPDX-License-Identifier: MIT */
/* What of the model outlives the agent: series, and how far their steps had come. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hist_keep.h"
#include "model_internal.h"

/* Whoever has other ones has written something else. */
static const uint64_t counts[] = { COUNTERS, GAUGES, MODEL_SPELLS };
#define COUNTS (sizeof(counts) / sizeof(counts[0]))

/* ---- Series ---- */

static void save_entry(const struct entry *entry, struct keep_writer *w)
{
	const struct series *s = &entry->series;

	keep_number(w, s->id);
	keep_number(w, s->step != NULL);
	if (s->step)
		keep_text(w, s->step);
	keep_text(w, s->process);
	keep_text(w, s->tags);
	keep_numbers(w, s->counter, COUNTERS);
	keep_numbers(w, s->gauge, GAUGES);
	keep_number(w, s->has_marks);
	keep_number(w, s->has_depth);
	for (int d = 0; d < 2; d++) {
		keep_number(w, s->spell_ended[d]);
		hist_save(&s->durations[d], w);
	}
}

static int load_entry(struct model *m, struct keep_reader *r)
{
	uint64_t id = keep_read(r);
	const char *step = keep_read(r) ? keep_read_text(r) : NULL;
	const char *process = keep_read_text(r), *tags = keep_read_text(r);
	struct entry *entry;
	struct series *s;
	int err = 0;

	/* In order of id, each of its own name. */
	if (r->failed || id <= m->last_id)
		return -EBADMSG;
	m->last_id = id - 1;
	entry = model_entry(m, step, process, tags);
	if (!entry)
		return -ENOMEM;
	s = &entry->series;
	if (s->id != id)
		return -EBADMSG;
	keep_read_numbers(r, s->counter, COUNTERS);
	keep_read_numbers(r, s->gauge, GAUGES);
	s->has_marks = keep_read(r);
	s->has_depth = keep_read(r);
	for (int d = 0; !err && d < 2; d++) {
		s->spell_ended[d] = keep_read(r);
		err = hist_load(&s->durations[d], r);
	}
	return err;
}

static int load_entries(struct model *m, struct keep_reader *r)
{
	uint64_t last_id = keep_read(r);
	size_t count = keep_read_count(r);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = load_entry(m, r);
	if (!err && m->last_id > last_id)
		err = -EBADMSG;
	m->last_id = last_id;
	return err;
}

/* ---- Steps ---- */

/* One that is still has been judged at each drain, in effect. */
static void save_step(const struct model *m, const struct step *step, struct keep_writer *w)
{
	keep_bytes(w, &step->record.key, sizeof(step->record.key));
	keep_numbers(w, step->record.counter, COUNTERS);
	keep_number(w, step->record.watched);
	keep_numbers(w, step->taken, 2);
	keep_number(w, step->paid);
	keep_number(w, step->attempts);
	keep_number(w, step->first_at);
	keep_number(w, step->driven_at);
	keep_number(w, step->was_there);
	keep_number(w, step->is_judged);
	keep_number(w, step->still ? m->now : step->judged.at);
	keep_numbers(w, step->judged.counter, COUNTERS);
	keep_number(w, step->most_since);
	for (int i = 0; i < MODEL_SPELLS; i++) {
		keep_number(w, step->spell[i].since);
		keep_number(w, step->spell[i].at_least);
	}
}

static void read_step(struct step *step, struct keep_reader *r)
{
	keep_read_bytes(r, &step->record.key, sizeof(step->record.key));
	keep_read_numbers(r, step->record.counter, COUNTERS);
	step->record.watched = keep_read(r);
	keep_read_numbers(r, step->taken, 2);
	step->paid = keep_read(r);
	step->attempts = keep_read(r);
	step->first_at = keep_read(r);
	step->driven_at = keep_read(r);
	step->was_there = keep_read(r);
	step->is_judged = keep_read(r);
	step->judged.at = keep_read(r);
	keep_read_numbers(r, step->judged.counter, COUNTERS);
	step->most_since = keep_read(r);
	for (int i = 0; i < MODEL_SPELLS; i++) {
		step->spell[i].since = keep_read(r);
		step->spell[i].at_least = keep_read(r);
	}
}

static int load_step(struct model *m, struct keep_reader *r)
{
	struct step *step = model_step_new(), *known;
	int err = -ENOMEM;

	if (!step)
		return -ENOMEM;
	read_step(step, r);
	HASH_FIND(hh, m->left, &step->record.key, sizeof(step->record.key), known);
	if (r->failed || known) {
		err = -EBADMSG;
		goto fail;
	}
	HASH_ADD_KEYPTR(hh, m->left, &step->record.key, sizeof(step->record.key), step);
	if (step->hh.tbl)
		return 0;
fail:
	free(step);
	return err;
}

struct step *model_take_left(struct model *m, const struct pb_step_key *key)
{
	struct step *step;

	HASH_FIND(hh, m->left, key, sizeof(*key), step);
	if (!step)
		return NULL;
	HASH_DEL(m->left, step);
	memset(&step->hh, 0, sizeof(step->hh));
	return step;
}

void model_free_left(struct model *m)
{
	struct step *step, *next;

	HASH_ITER (hh, m->left, step, next) {
		HASH_DEL(m->left, step);
		free(step);
	}
}

/* ---- All ---- */

void model_save(const struct model *m, struct keep_writer *w)
{
	size_t living = HASH_COUNT(m->left);

	keep_numbers(w, counts, COUNTS);
	keep_number(w, m->last_id);
	keep_number(w, HASH_COUNT(m->entries));
	for (const struct entry *entry = m->entries; entry; entry = entry->hh.next)
		save_entry(entry, w);
	for (const struct step *step = m->steps; step; step = step->hh.next)
		living += step->entry != NULL;
	keep_number(w, living);
	for (const struct step *step = m->left; step; step = step->hh.next)
		save_step(m, step, w);
	for (const struct step *step = m->steps; step; step = step->hh.next)
		if (step->entry)
			save_step(m, step, w);
}

int model_load(struct model *m, struct keep_reader *r)
{
	size_t count;
	int err;

	for (size_t i = 0; i < COUNTS; i++)
		if (keep_read(r) != counts[i])
			return -EPROTO;
	m->undecided = true;
	err = load_entries(m, r);
	count = err ? 0 : keep_read_count(r);
	for (size_t i = 0; !err && i < count; i++)
		err = load_step(m, r);
	return err ? err : keep_result(r);
}
