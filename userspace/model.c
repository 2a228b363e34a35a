/* SPDX-License-Identifier: MIT */
/*
 * Two hash tables: step instances by their key, series by (step, process, tags). A record adds what
 * its step's counters have grown by to the step's series, so what a dead instance has counted stays
 * there and nothing is ever added up anew. What a screen or a sink reads is laid out in arrays at
 * the end of a drain; their memory is reserved when a step is made, so a drain cannot fail at its
 * end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1 /* an element that could not be added has hh.tbl == NULL */
#include <uthash.h>

#include "model.h"

#define MSEC 1000000ULL

/* Spells. A second is judged when it is nearly over: drains come a little early at times. */
#define SECOND_NS    (900 * MSEC)
#define SPELL_BEGINS 0.50
#define SPELL_ENDS   0.10
#define WHOLE_SECOND 0.95 /* but for what the drain's own duration blurs */

static const enum counter closed_counter[2] = { COUNTER_SEND_EPISODES, COUNTER_RECEIVE_EPISODES };
static const enum gauge spell_gauge[2] = { GAUGE_SEND_SPELL, GAUGE_RECEIVE_SPELL };

struct entry {
	struct series series;
	uint64_t living;   /* instances; the gauge is as of the last drain */
	uint64_t spell[2]; /* the largest, while it is being looked for */
	UT_hash_handle hh;
	size_t key_size;
	char key[]; /* step, process and tags, each with its NUL */
};

/* Time counters, as a judgement saw them. */
struct judged {
	uint64_t at;
	uint64_t time[2];
	uint64_t self;
};

struct step {
	struct record record; /* the last one; counters never shrink, samples are empty */
	struct entry *entry;  /* NULL: dead, and only here so that late records are known */
	uint64_t recorded;    /* when the last record came */
	uint64_t taken[2];    /* durations that went into the series */
	struct judged judged;
	uint64_t spell_since[2];
	double share[2];
	double self_share;
	struct step *next_dead;
	UT_hash_handle hh;
};

struct model {
	struct step *steps;    /* by key, the dead ones included */
	struct entry *entries; /* by name, in order of id */
	uint64_t last_id;
	uint64_t now;    /* of this drain */
	uint64_t before; /* of the one before; 0 there was none */

	struct step **living; /* in order after model_end() */
	size_t living_count;
	size_t living_capacity;
	bool added, died; /* since `living` was put in order */

	struct step_view *views;
	size_t view_count;
	size_t view_capacity;

	const struct series **series;
	size_t series_count;
	size_t series_capacity;

	/* Those that died in this drain and in the one before: after that no record is on its way.
	 */
	struct step *dead[2];
	struct hist scratch;
};

struct model *model_new(void)
{
	return calloc(1, sizeof(struct model));
}

void model_free(struct model *m)
{
	struct entry *entry, *next_entry;
	struct step *step, *next_step;

	if (!m)
		return;
	HASH_ITER (hh, m->steps, step, next_step) {
		HASH_DEL(m->steps, step);
		free(step);
	}
	HASH_ITER (hh, m->entries, entry, next_entry) {
		HASH_DEL(m->entries, entry);
		hist_free(&entry->series.durations[PUSHBACK_SEND]);
		hist_free(&entry->series.durations[PUSHBACK_RECEIVE]);
		free(entry);
	}
	hist_free(&m->scratch);
	free(m->living);
	free(m->views);
	free(m->series);
	free(m);
}

/* `array` with room for `count` items of `size`, or NULL, and it is as it was. */
static void *with_room(void *array, size_t *capacity, size_t count, size_t size)
{
	size_t more = *capacity ? *capacity * 2 : 16;

	if (count <= *capacity)
		return array;
	array = realloc(array, more * size);
	if (array)
		*capacity = more;
	return array;
}

static int reserve_series(struct model *m)
{
	const struct series **series =
		with_room(m->series, &m->series_capacity, m->series_count + 1, sizeof(*series));

	if (!series)
		return -ENOMEM;
	m->series = series;
	return 0;
}

static int reserve_steps(struct model *m)
{
	struct step **living =
		with_room(m->living, &m->living_capacity, m->living_count + 1, sizeof(*living));
	struct step_view *views;

	if (!living)
		return -ENOMEM;
	m->living = living;
	views = with_room(m->views, &m->view_capacity, m->living_count + 1, sizeof(*views));
	if (!views)
		return -ENOMEM;
	m->views = views;
	return 0;
}

/* An entry that is in no table yet; NULL when out of memory. */
static struct entry *entry_new(const struct record *record, const char *tags)
{
	size_t step = strlen(record->name) + 1, process = strlen(record->process) + 1;
	size_t size = step + process + strlen(tags) + 1;
	struct entry *entry = calloc(1, sizeof(*entry) + size);

	if (!entry)
		return NULL;
	entry->key_size = size;
	entry->series.step = strcpy(entry->key, record->name);
	entry->series.process = strcpy(entry->key + step, record->process);
	entry->series.tags = strcpy(entry->key + step + process, tags);
	return entry;
}

/* The series of a step with this record, made if there is none; NULL when out of memory. */
static struct entry *entry_for(struct model *m, const struct record *record, const char *tags)
{
	struct entry *entry = entry_new(record, tags), *known;

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

static struct step *step_find(const struct model *m, const struct pb_step_key *key)
{
	struct step *step;

	HASH_FIND(hh, m->steps, key, sizeof(*key), step);
	return step;
}

/*
 * What the first judgement compares with. The observer has seen the step first since the drain
 * before, so its counters were 0 then. Without one before, this drain is the beginning.
 */
static struct judged first_sight(const struct model *m, const struct record *record)
{
	if (m->before)
		return (struct judged){ .at = m->before };
	return (struct judged){
		.at = m->now,
		.time = { record->counter[COUNTER_SEND_TIME],
			  record->counter[COUNTER_RECEIVE_TIME] },
		.self = record->counter[COUNTER_SEND_SELF_TIME],
	};
}

/* A living step without a record yet; NULL when out of memory. */
static struct step *step_new(struct model *m, const struct record *record, const char *tags)
{
	struct entry *entry = entry_for(m, record, tags);
	struct step *step;

	if (!entry || reserve_steps(m))
		return NULL;
	step = calloc(1, sizeof(*step));
	if (!step)
		return NULL;
	step->record.key = record->key;
	HASH_ADD_KEYPTR(hh, m->steps, &step->record.key, sizeof(step->record.key), step);
	if (!step->hh.tbl) {
		free(step);
		return NULL;
	}
	step->entry = entry;
	step->judged = first_sight(m, record);
	entry->living++;
	m->living[m->living_count++] = step;
	m->added = true;
	return step;
}

static void step_die(struct model *m, struct step *step)
{
	step->entry->living--;
	step->entry = NULL;
	step->next_dead = m->dead[0];
	m->dead[0] = step;
	m->died = true;
}

/* Takes the dead out of `living`; the order stays. */
static void forget_dead(struct model *m)
{
	size_t count = 0;

	if (!m->died)
		return;
	for (size_t i = 0; i < m->living_count; i++)
		if (m->living[i]->entry)
			m->living[count++] = m->living[i];
	m->living_count = count;
	m->died = false;
}

void model_begin(struct model *m, uint64_t now)
{
	forget_dead(m);
	for (struct step *step = m->dead[1], *next; step; step = next) {
		next = step->next_dead;
		HASH_DEL(m->steps, step);
		free(step);
	}
	m->dead[1] = m->dead[0];
	m->dead[0] = NULL;
	m->view_count = 0;
	m->before = m->now;
	m->now = now;
}

/* The record becomes the step's last one, what its counters have grown by goes into the series. */
static void take_record(struct step *step, const struct record *record, uint64_t now)
{
	uint64_t *sum = step->entry->series.counter;
	struct record next = *record;

	for (int i = 0; i < COUNTERS; i++) {
		uint64_t last = step->record.counter[i];

		if (next.counter[i] < last)
			next.counter[i] = last;
		if (__builtin_add_overflow(sum[i], next.counter[i] - last, &sum[i]))
			sum[i] = UINT64_MAX;
	}
	memset(next.samples, 0, sizeof(next.samples));
	step->record = next;
	step->recorded = now;
}

/*
 * Puts `samples` into the series, and of closed episodes without a sample those that will get none,
 * so that in the end there are as many durations as closed episodes. What fails for lack of memory
 * is not taken, and so made up for at the next record that settles.
 */
static int take_durations(struct model *m, struct step *step, int direction,
			  const struct hist *samples)
{
	struct hist *durations = &step->entry->series.durations[direction];
	uint64_t *taken = &step->taken[direction];
	uint64_t due = step->record.counter[closed_counter[direction]] - *taken;
	int err;

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

int model_record(struct model *m, const struct record *record, const char *tags)
{
	struct step *step = step_find(m, &record->key);
	int err = 0;

	if (!step)
		step = step_new(m, record, tags);
	if (!step)
		return -ENOMEM;
	if (!step->entry)
		return 0;
	take_record(step, record, m->now);
	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		int failed = take_durations(m, step, d, &record->samples[d]);

		if (failed)
			err = failed;
	}
	if (record->dead)
		step_die(m, step);
	return err;
}

/* Time counters now. A step without a record is as it was: what was open still is, and grows. */
static struct judged times_at(const struct step *step, uint64_t now)
{
	const struct record *record = &step->record;
	uint64_t more = now > step->recorded ? now - step->recorded : 0;
	bool refusing = record->since[PUSHBACK_SEND], blocked = record->since[PUSHBACK_RECEIVE];

	return (struct judged){
		.at = now,
		.time = { record->counter[COUNTER_SEND_TIME] + (refusing ? more : 0),
			  record->counter[COUNTER_RECEIVE_TIME] + (blocked ? more : 0) },
		.self = record->counter[COUNTER_SEND_SELF_TIME] + (refusing && !blocked ? more : 0),
	};
}

/* The part of `elapsed` by which a counter has grown, 0 to 1, whatever it says. */
static double share_of(uint64_t before, uint64_t now, uint64_t elapsed)
{
	uint64_t grown = now > before ? now - before : 0;

	return grown < elapsed ? (double)grown / (double)elapsed : 1;
}

/*
 * When a spell began of which `known` is known: then, or when the episode did that has lasted over
 * all of the second just judged and since before `known`. (At first sight that second may count for
 * less than it was; so this is asked again at each.) A partial one only says that it is older; as
 * long as its step was seen in backpressure it may be believed.
 */
static uint64_t spell_begin(const struct step *step, int d, uint64_t known, uint64_t seen,
			    uint64_t now)
{
	uint64_t since = step->record.since[d];

	if (!since || step->share[d] < WHOLE_SECOND)
		return known;
	if (step->record.open_partial[d] && seen < now && since < now - seen)
		since = now - seen;
	return since < known ? since : known;
}

/* Judges the time since the last judgement, if it is a second by now. */
static void judge(struct step *step, uint64_t now)
{
	struct judged last = step->judged, at = times_at(step, now);
	uint64_t elapsed = now > last.at ? now - last.at : 0;

	if (elapsed < SECOND_NS)
		return;
	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		uint64_t *since = &step->spell_since[d];

		step->share[d] = share_of(last.time[d], at.time[d], elapsed);
		if (step->share[d] < SPELL_ENDS)
			*since = 0;
		else if (*since || step->share[d] >= SPELL_BEGINS)
			*since = spell_begin(step, d, *since ? *since : last.at, at.time[d], now);
	}
	step->self_share = share_of(last.self, at.self, elapsed);
	step->judged = at;
}

static int by_process(const void *a, const void *b)
{
	const struct pb_step_key *x = &(*(struct step *const *)a)->record.key;
	const struct pb_step_key *y = &(*(struct step *const *)b)->record.key;
	const struct pb_process_key *p = &x->process, *q = &y->process;

	if (p->tgid != q->tgid)
		return p->tgid < q->tgid ? -1 : 1;
	if (x->instance != y->instance)
		return x->instance < y->instance ? -1 : 1;
	if (p->start_time != q->start_time)
		return p->start_time < q->start_time ? -1 : 1;
	return (p->exec_id > q->exec_id) - (p->exec_id < q->exec_id);
}

static void view(struct model *m, const struct step *step)
{
	m->views[m->view_count++] = (struct step_view){
		.record = &step->record,
		.series = &step->entry->series,
		.spell_since = { step->spell_since[0], step->spell_since[1] },
		.share = { step->share[0], step->share[1] },
		.self_share = step->self_share,
	};
}

/* The step's spells, if no other instance's in its series are longer. */
static void propose_spells(const struct step *step, uint64_t now)
{
	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++) {
		uint64_t since = step->spell_since[d];
		uint64_t spell = since && since < now ? now - since : 0;

		if (spell > step->entry->spell[d])
			step->entry->spell[d] = spell;
	}
}

/* Takes over what its steps have proposed. */
static void decide_gauges(struct entry *entry)
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
	series->gauge[GAUGE_INSTANCES] = entry->living;
}

void model_end(struct model *m)
{
	forget_dead(m);
	if (m->added)
		qsort(m->living, m->living_count, sizeof(*m->living), by_process);
	m->added = false;
	m->view_count = 0;
	for (size_t i = 0; i < m->living_count; i++) {
		judge(m->living[i], m->now);
		propose_spells(m->living[i], m->now);
		view(m, m->living[i]);
	}
	for (struct entry *entry = m->entries; entry; entry = entry->hh.next)
		decide_gauges(entry);
}

const struct series *const *model_series(const struct model *m, size_t *count)
{
	*count = m->series_count;
	return m->series;
}

const struct step_view *model_steps(const struct model *m, size_t *count)
{
	*count = m->view_count;
	return m->views;
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
		if (entry->living || entry->series.gauge[GAUGE_INSTANCES]) {
			m->series[m->series_count++] = &entry->series;
			continue;
		}
		HASH_DEL(m->entries, entry);
		hist_free(&entry->series.durations[PUSHBACK_SEND]);
		hist_free(&entry->series.durations[PUSHBACK_RECEIVE]);
		free(entry);
	}
}
