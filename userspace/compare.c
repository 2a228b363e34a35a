/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

const char *const compare_names[COMPARE_MEASURES] = {
	[COMPARE_ACCEPTED] = "accepted", [COMPARE_REFUSING] = "refusing", [COMPARE_SELF] = "self",
	[COMPARE_BLOCKED] = "blocked",   [COMPARE_BUSY] = "busy",
};

/* Accepted counts, the others are times. */
static const enum counter counted[COMPARE_MEASURES] = {
	[COMPARE_ACCEPTED] = COUNTER_ACCEPTED,   [COMPARE_REFUSING] = COUNTER_SEND_TIME,
	[COMPARE_SELF] = COUNTER_SEND_SELF_TIME, [COMPARE_BLOCKED] = COUNTER_RECEIVE_TIME,
	[COMPARE_BUSY] = COUNTER_BUSY_TIME,
};

/* Who is watched in parts counts anew in each, from another beginning. */
struct key {
	struct pb_step_key step;
	uint64_t begun;
	uint64_t side;
};

struct instance {
	struct key key;
	struct entry *entry;
	uint64_t counter[COUNTERS];
	uint64_t watched_ns;
	bool partly, marks;
	bool again; /* it was there before, with another beginning */
	UT_hash_handle hh;
};

/* As they stood at the end of a part. */
struct stand {
	uint64_t count[COMPARE_MEASURES];
	uint64_t watched_ns;
};

/* A step: all instances of its name. */
struct entry {
	char name[PUSHBACK_NAME_SIZE];
	struct stand stands[COMPARE_SIDES][COMPARE_PARTS + 1]; /* the first is of the beginning */
	size_t level;                                          /* the least that was told of it */
	size_t index;                                          /* in steps */
	UT_hash_handle hh;
};

struct compare {
	struct entry *entries; /* in order of their first record */
	struct instance *instances;
	struct compare_step *steps;
};

struct compare *compare_new(void)
{
	return calloc(1, sizeof(struct compare));
}

void compare_free(struct compare *c)
{
	struct entry *entry, *next_entry;
	struct instance *instance, *next;

	if (!c)
		return;
	HASH_ITER (hh, c->entries, entry, next_entry) {
		HASH_DEL(c->entries, entry);
		free(entry);
	}
	HASH_ITER (hh, c->instances, instance, next) {
		HASH_DEL(c->instances, instance);
		free(instance);
	}
	free(c->steps);
	free(c);
}

/* ---- What was seen ---- */

/* NULL when out of memory. */
static struct entry *entry_of(struct compare *c, const char *text)
{
	char name[PUSHBACK_NAME_SIZE] = "";
	struct entry *entry;

	memcpy(name, text, strnlen(text, sizeof(name) - 1));
	HASH_FIND(hh, c->entries, name, sizeof(name), entry);
	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	memcpy(entry->name, name, sizeof(name));
	entry->level = COMPARE_LEVEL_SAME;
	HASH_ADD(hh, c->entries, name, sizeof(entry->name), entry);
	if (entry->hh.tbl)
		return entry;
	free(entry);
	return NULL;
}

static bool was_there(const struct compare *c, const struct key *key)
{
	const struct instance *i;

	for (i = c->instances; i; i = i->hh.next)
		if (!memcmp(&i->key.step, &key->step, sizeof(key->step)) &&
		    i->key.side == key->side)
			return true;
	return false;
}

/* NULL when out of memory. */
static struct instance *instance_of(struct compare *c, const struct key *key)
{
	struct instance *instance;

	HASH_FIND(hh, c->instances, key, sizeof(*key), instance);
	if (instance)
		return instance;
	instance = calloc(1, sizeof(*instance));
	if (!instance)
		return NULL;
	instance->key = *key;
	instance->again = was_there(c, key);
	HASH_ADD(hh, c->instances, key, sizeof(instance->key), instance);
	if (instance->hh.tbl)
		return instance;
	free(instance);
	return NULL;
}

int compare_record(struct compare *c, int side, const struct record *record, size_t level,
		   uint64_t now)
{
	const struct key key = { record->key, record->begun, (uint64_t)side };
	struct instance *instance = instance_of(c, &key);

	if (!instance)
		return -ENOMEM;
	if (!instance->entry)
		instance->entry = entry_of(c, record->name);
	if (!instance->entry)
		return -ENOMEM;
	memcpy(instance->counter, record->counter, sizeof(instance->counter));
	instance->watched_ns = record->begun && record->begun < now ? now - record->begun : 0;
	instance->partly = record->partly;
	instance->marks = record->marks;
	if (level < instance->entry->level)
		instance->entry->level = level;
	return 0;
}

void compare_part(struct compare *c, size_t part)
{
	const struct instance *i;
	struct entry *entry;

	for (entry = c->entries; entry; entry = entry->hh.next)
		for (int side = 0; side < COMPARE_SIDES; side++)
			entry->stands[side][part + 1] = (struct stand){ 0 };
	for (i = c->instances; i; i = i->hh.next) {
		struct stand *stand = &i->entry->stands[i->key.side][part + 1];

		stand->watched_ns += i->watched_ns;
		for (int m = 0; m < COMPARE_MEASURES; m++)
			stand->count[m] += i->counter[counted[m]];
	}
}

/* ---- What differs ---- */

static double value_of(enum compare_measure measure, uint64_t count, uint64_t ns)
{
	double value = (double)count / (double)ns;

	if (measure == COMPARE_ACCEPTED)
		return value * 1e9;
	return value > 1 ? 1 : value;
}

struct range {
	double least, most;
	size_t parts;
};

static struct range range_of(const struct stand stands[COMPARE_PARTS + 1],
			     enum compare_measure measure)
{
	struct range range = { 0 };

	for (size_t i = 1; i <= COMPARE_PARTS; i++) {
		const struct stand *now = &stands[i], *before = &stands[i - 1];
		double value;

		if (now->watched_ns <= before->watched_ns)
			continue;
		value = value_of(measure, now->count[measure] - before->count[measure],
				 now->watched_ns - before->watched_ns);
		if (!range.parts || value < range.least)
			range.least = value;
		if (!range.parts || value > range.most)
			range.most = value;
		range.parts++;
	}
	return range;
}

static bool matters(enum compare_measure measure, double a, double b)
{
	double larger = a > b ? a : b, apart = a > b ? a - b : b - a;

	return apart >= (measure == COMPARE_ACCEPTED ? COMPARE_RATE * larger : COMPARE_SHARE);
}

static int differs(const struct entry *entry, const struct compare_step *step,
		   enum compare_measure measure)
{
	struct range a = range_of(entry->stands[0], measure);
	struct range b = range_of(entry->stands[1], measure);

	if (a.parts < COMPARE_PARTS_LEAST || b.parts < COMPARE_PARTS_LEAST ||
	    !matters(measure, step->side[0].value[measure], step->side[1].value[measure]))
		return 0;
	if (a.most < b.least)
		return 1;
	return b.most < a.least ? -1 : 0;
}

static void add_up(struct compare *c)
{
	const struct instance *i;

	for (i = c->instances; i; i = i->hh.next) {
		struct compare_sum *sum = &c->steps[i->entry->index].side[i->key.side];

		for (int k = 0; k < COUNTERS; k++)
			sum->counter[k] += i->counter[k];
		sum->watched_ns += i->watched_ns;
		sum->instances += !i->again;
		sum->partly |= i->partly;
		sum->marks |= i->marks;
	}
}

static void judge(const struct entry *entry, struct compare_step *step)
{
	for (int side = 0; side < COMPARE_SIDES; side++) {
		struct compare_sum *sum = &step->side[side];

		for (int m = 0; sum->watched_ns && m < COMPARE_MEASURES; m++)
			sum->value[m] = value_of((enum compare_measure)m, sum->counter[counted[m]],
						 sum->watched_ns);
	}
	for (int m = 0; m < COMPARE_MEASURES; m++)
		step->differs[m] = differs(entry, step, (enum compare_measure)m);
}

static int by_level(const struct entry *a, const struct entry *b)
{
	return (a->level > b->level) - (a->level < b->level);
}

const struct compare_step *compare_steps(struct compare *c, size_t *count)
{
	struct entry *entry;
	size_t i = 0;

	*count = HASH_COUNT(c->entries);
	free(c->steps);
	c->steps = *count ? calloc(*count, sizeof(*c->steps)) : NULL;
	if (!c->steps)
		return NULL;
	HASH_SORT(c->entries, by_level);
	for (entry = c->entries; entry; entry = entry->hh.next) {
		entry->index = i++;
		c->steps[entry->index].name = entry->name;
	}
	add_up(c);
	for (entry = c->entries; entry; entry = entry->hh.next)
		judge(entry, &c->steps[entry->index]);
	return c->steps;
}

/* How much more `side` has of it, where it is told apart; 0: not more. */
static double more(const struct compare_step *step, int side, enum compare_measure measure)
{
	if (step->differs[measure] != (side ? 1 : -1))
		return 0;
	return step->side[side].value[measure] - step->side[!side].value[measure];
}

const struct compare_step *compare_most(const struct compare_step *steps, size_t count, int side,
					enum compare_measure *measure)
{
	/* What is its own fault comes first, whichever way it shows. */
	static const struct {
		enum compare_measure measures[2];
	} order[] = { { { COMPARE_SELF, COMPARE_BUSY } },
		      { { COMPARE_REFUSING, COMPARE_REFUSING } },
		      { { COMPARE_BLOCKED, COMPARE_BLOCKED } } };
	const struct compare_step *most = NULL;
	double by = 0;

	for (size_t o = 0; !most && o < sizeof(order) / sizeof(order[0]); o++)
		for (size_t i = 0; i < 2 * count; i++) {
			enum compare_measure m = order[o].measures[i % 2];

			if (more(&steps[i / 2], side, m) <= by)
				continue;
			most = &steps[i / 2];
			by = more(most, side, m);
			*measure = m;
		}
	return most;
}
