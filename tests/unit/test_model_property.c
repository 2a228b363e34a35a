/* SPDX-License-Identifier: MIT */
/*
 * Random drains through the model and through a second one that knows no tables, no sums and no
 * shares: it goes through everything it has heard of, each time, and counts durations one by one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "model.h"
#include "records.h"
#include "seed.h"
#include "step_series.h"

#define START     (10000 * SEC)
#define STEPS     600 /* ever, in one run */
#define DURATIONS 4000
#define NAMES     3

static const char *const step_names[NAMES] = { "sink", "transform", "" };
static const char *const process_names[NAMES] = { "consumer", "sink", "a b\n" };
static const char *const tag_names[NAMES] = { "", "service:a", "service:a,group:b" };

/* What one step, or the consumer it is in, is really doing. */
struct naive_step {
	struct record told; /* the last one; counters as large as they ever were */
	int names[3];
	bool judged_once;
	bool known, dead, gone;  /* gone: what it counted was forgotten with its series */
	size_t born_in, died_in; /* numbers of the drains */
	uint64_t told_at, judged_at, judged[3], spell[2];
	double share[3];
	uint64_t taken[2], settled_ns[2];
};

struct naive_series {
	bool exists;
	uint64_t order; /* when it came to be */
	uint64_t spell[2], instances;
	bool ended[2];
	uint64_t durations[2][DURATIONS];
	size_t count[2];
};

static struct naive_step steps[STEPS];
static size_t step_total;
static struct naive_series series[NAMES][NAMES][NAMES];
static uint64_t series_total;
static size_t drains;

static struct naive_series *series_of(const struct naive_step *s)
{
	return &series[s->names[0]][s->names[1]][s->names[2]];
}

/* ---- the second model ---- */

static void naive_duration(struct naive_step *s, int d, uint64_t ns)
{
	struct naive_series *to = series_of(s);

	assert_true(to->count[d] < DURATIONS);
	to->durations[d][to->count[d]++] = ns;
	s->taken[d]++;
}

/*
 * The samples one by one; too many of them lose what stood for them, if it is all there, else the most
 * frequent, of equals the largest.
 */
static void naive_durations(struct naive_step *s, const struct record *r, int d)
{
	uint64_t closed = s->told.counter[COUNTER_SEND_EPISODES + d];
	uint64_t ns[16] = { 0 }, left[16] = { 0 }, sum = 0;
	size_t size = r->samples[d].size;

	for (size_t i = 0; i < size; i++) {
		ns[i] = r->samples[d].values[i].ns;
		left[i] = r->samples[d].values[i].count;
		sum += left[i];
	}
	for (size_t i = 0; i < size && sum > closed - s->taken[d]; i++) {
		uint64_t away = sum - (closed - s->taken[d]);

		if (!s->settled_ns[d] || left[i] < away ||
		    pb_hist_index(ns[i]) != pb_hist_index(s->settled_ns[d]))
			continue;
		left[i] -= away;
		sum -= away;
	}
	for (; sum > closed - s->taken[d]; sum--) {
		size_t most = 0;

		for (size_t i = 0; i < size; i++)
			if (left[i] >= left[most])
				most = i;
		left[most]--;
	}
	for (size_t i = 0; i < size; i++)
		while (left[i]-- > 0)
			naive_duration(s, d, ns[i]);
	for (; r->settle && s->taken[d] < closed; s->settled_ns[d] = r->rest_ns[d])
		naive_duration(s, d, r->rest_ns[d]);
}

static void naive_record(struct naive_step *s, const struct record *r, uint64_t now)
{
	struct record last = s->told;

	if (s->dead)
		return;
	s->told = *r;
	s->told_at = now;
	for (int c = 0; c < COUNTERS; c++)
		if (s->told.counter[c] < last.counter[c])
			s->told.counter[c] = last.counter[c];
	if (!s->known && !series_of(s)->exists) {
		*series_of(s) = (struct naive_series){ .exists = true, .order = ++series_total };
	}
	if (!s->known)
		s->born_in = drains;
	s->known = true;
	for (int d = 0; d < 2; d++)
		naive_durations(s, r, d);
	s->dead = r->dead;
	s->died_in = drains;
}

static uint64_t naive_time(const struct naive_step *s, int which, uint64_t now)
{
	uint64_t goes_on = now - s->told_at;

	if (which == 2 && (!s->told.since[0] || s->told.since[1]))
		goes_on = 0;
	if (which < 2 && !s->told.since[which])
		goes_on = 0;
	return s->told.counter[COUNTER_SEND_TIME + which] + goes_on;
}

static void naive_judge_one(struct naive_step *s, int d, uint64_t grown, uint64_t elapsed,
			    uint64_t now)
{
	uint64_t since = s->told.since[d], begin = s->spell[d] ? s->spell[d] : s->judged_at;

	if (grown * 10 < elapsed) {
		s->spell[d] = 0;
		return;
	}
	if (!s->spell[d] && grown * 2 < elapsed)
		return;
	s->spell[d] = begin;
	if (!since || grown * 100 < elapsed * 95)
		return;
	if (s->told.open_partial[d]) {
		uint64_t seen = naive_time(s, d, now);

		since = since < now - (seen < now ? seen : now) ? now - seen : since;
	}
	if (since < begin)
		s->spell[d] = since;
}

/* The only one of its series that has died in the last drain with a death leaves its spells, but for
 * those that were born in it. */
static void naive_inherit(struct naive_step *s)
{
	const struct naive_step *heir_of = NULL;
	size_t latest = 0, count = 0;

	for (int look = 0; look < 2; look++) {
		for (size_t i = 0; i < step_total; i++) {
			const struct naive_step *other = &steps[i];

			if (!other->known || !other->dead || other->gone ||
			    other->born_in == other->died_in || series_of(other) != series_of(s))
				continue;
			if (!look && other->died_in > latest)
				latest = other->died_in;
			if (look && other->died_in == latest) {
				heir_of = other;
				count++;
			}
		}
	}
	if (s->judged_once || count != 1 || latest + 1 < drains ||
	    heir_of->told.key.process.tgid != s->told.key.process.tgid)
		return;
	for (int d = 0; d < 2; d++)
		if (!s->spell[d])
			s->spell[d] = heir_of->spell[d];
}

static void naive_judge(struct naive_step *s, uint64_t now)
{
	uint64_t elapsed = now - s->judged_at;

	if (elapsed < 900 * MS)
		return;
	for (int i = 0; i < 3; i++) {
		uint64_t time = naive_time(s, i, now);
		uint64_t grown = time > s->judged[i] ? time - s->judged[i] : 0;

		if (grown > elapsed)
			grown = elapsed;
		s->share[i] = (double)grown / (double)elapsed;
		if (i < 2)
			naive_judge_one(s, i, grown, elapsed, now);
		s->judged[i] = time;
	}
	s->judged_at = now;
	s->judged_once = true;
}

static void naive_end(uint64_t now)
{
	struct naive_series *all = &series[0][0][0];

	for (size_t k = 0; k < NAMES * NAMES * NAMES; k++) {
		uint64_t spell[2] = { 0, 0 }, instances = 0;

		for (size_t i = 0; i < step_total; i++) {
			if (!steps[i].known || steps[i].dead || series_of(&steps[i]) != &all[k])
				continue;
			naive_inherit(&steps[i]);
			naive_judge(&steps[i], now);
			instances++;
			for (int d = 0; d < 2; d++)
				if (steps[i].spell[d] && now - steps[i].spell[d] > spell[d])
					spell[d] = now - steps[i].spell[d];
		}
		for (int d = 0; d < 2; d++) {
			all[k].ended[d] = !spell[d] && (all[k].ended[d] || all[k].spell[d]);
			all[k].spell[d] = spell[d];
		}
		all[k].instances = instances;
	}
}

static void naive_next_interval(void)
{
	struct naive_series *all = &series[0][0][0];

	for (size_t k = 0; k < NAMES * NAMES * NAMES; k++) {
		all[k].count[0] = all[k].count[1] = 0;
		all[k].ended[0] = all[k].ended[1] = false;
		if (all[k].instances)
			continue;
		all[k].exists = false;
		for (size_t i = 0; i < step_total; i++)
			if (steps[i].known && series_of(&steps[i]) == &all[k])
				steps[i].gone = true;
	}
}

/* ---- what happens ---- */

static const uint64_t pauses[] = { SEC / 10, SEC / 4, SEC / 2,   900 * MS,
				   SEC,      SEC,     1003 * MS, 5 * SEC / 2 };

static void random_names(struct seed *s, struct naive_step *step)
{
	for (int i = 0; i < 3; i++)
		step->names[i] = (int)seed_below(s, seed_chance(s, 50) ? 1 : NAMES);
}

static void random_times(struct seed *s, struct record *r, uint64_t now, uint64_t elapsed)
{
	static const unsigned int percent[] = {
		0, 5, 9, 10, 30, 49, 50, 94, 95, 100, 100, 100, 120
	};

	for (int i = 0; i < 3; i++)
		r->counter[COUNTER_SEND_TIME + i] +=
			elapsed / 100 * percent[seed_below(s, sizeof(percent) / sizeof(*percent))];
	for (int d = 0; d < 2; d++) {
		r->open_partial[d] = seed_chance(s, 20);
		if (seed_chance(s, 40))
			r->since[d] = seed_chance(s, 50) ? now - seed_below(s, 60 * SEC) : 0;
	}
}

/* Samples, and closed episodes that they are of, or not. To be freed. */
static void random_episodes(struct seed *s, struct record *r)
{
	for (int d = 0; d < 2; d++) {
		r->samples[d] = (struct hist){ 0 };
		for (uint64_t n = seed_below(s, 4); n > 0; n--)
			assert_int_equal(
				hist_add(&r->samples[d],
					 hist_bucket_ns(40 + (unsigned int)seed_below(s, 6)),
					 seed_below(s, 5)),
				0);
		r->rest_ns[d] =
			hist_bucket_ns(40 + (unsigned int)seed_below(s, 6)) + seed_below(s, 9);
		r->counter[COUNTER_SEND_EPISODES + d] +=
			seed_chance(s, 60) ? r->samples[d].count : seed_below(s, 8);
	}
}

static struct record random_record(struct seed *s, const struct naive_step *step, uint64_t now,
				   uint64_t elapsed)
{
	struct record r = step->told;

	if (!step->known) {
		r = record_of(1 + (uint32_t)seed_below(s, 3), 1 + (uint64_t)(step - steps),
			      step_names[step->names[0]]);
		strcpy(r.process, process_names[step->names[1]]);
	}
	for (int c = 0; c < COUNTERS; c++) {
		if ((c >= COUNTER_SEND_TIME && c <= COUNTER_SEND_SELF_TIME) ||
		    c == COUNTER_SEND_EPISODES || c == COUNTER_RECEIVE_EPISODES)
			continue;
		r.counter[c] += seed_below(s, 100);
		if (seed_chance(s, 5))
			r.counter[c] /= 2;
	}
	random_times(s, &r, now, elapsed);
	random_episodes(s, &r);
	if (seed_chance(s, 3))
		r.counter[COUNTER_SEND_EPISODES] = 0;
	r.settle = seed_chance(s, 30);
	r.dead = seed_chance(s, 6);
	return r;
}

static void random_drain(struct seed *s, struct model *m, uint64_t now, uint64_t before)
{
	drains++;
	model_begin(m, now);
	for (uint64_t n = seed_below(s, 4); n > 0 && step_total < STEPS; n--) {
		steps[step_total] = (struct naive_step){ .judged_at = before };
		random_names(s, &steps[step_total++]);
	}
	for (size_t i = 0; i < step_total; i++) {
		struct naive_step *step = &steps[i];
		struct record r;

		/* Late records come in the drain of the death (twice then) or in the next one. */
		if (step->dead && (step->died_in + 1 < drains || !seed_chance(s, 30)))
			continue;
		if (step->known ? seed_chance(s, 20) : step->judged_at != before)
			continue;
		r = random_record(s, step, now, now - before);
		naive_record(step, &r, now);
		assert_int_equal(model_record(m, &r, tag_names[step->names[2]]), 0);
		if (r.dead && seed_chance(s, 20))
			assert_int_equal(model_record(m, &r, tag_names[step->names[2]]), 0);
		hist_free(&r.samples[0]);
		hist_free(&r.samples[1]);
		memset(step->told.samples, 0, sizeof(step->told.samples));
	}
	model_end(m);
	naive_end(now);
}

/* ---- the two are one ---- */

static void same_durations(const struct naive_series *naive, const struct hist *h, int d)
{
	assert_int_equal(h->count, naive->count[d]);
	for (size_t i = 0; i < h->size; i++) {
		uint64_t count = 0;

		for (size_t k = 0; k < naive->count[d]; k++)
			count += naive->durations[d][k] == h->values[i].ns;
		assert_int_equal(h->values[i].count, count);
	}
}

static void same_counters(const struct naive_series *naive, const struct series *one)
{
	for (int c = 0; c < COUNTER_BUSY_TIME; c++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < step_total; i++)
			if (steps[i].known && !steps[i].gone && series_of(&steps[i]) == naive)
				sum += steps[i].told.counter[c];
		assert_int_equal(one->counter[c], sum);
	}
}

static const struct naive_series *naive_named(const struct series *one)
{
	int at[3] = { -1, -1, -1 };

	for (int i = 0; i < NAMES; i++) {
		if (!strcmp(step_names[i], one->step))
			at[0] = i;
		if (!strcmp(process_names[i], one->process))
			at[1] = i;
		if (!strcmp(tag_names[i], one->tags))
			at[2] = i;
	}
	for (int i = 0; i < 3; i++)
		assert_true(at[i] >= 0);
	return &series[at[0]][at[1]][at[2]];
}

static void same_series(const struct model *m)
{
	const struct naive_series *all = &series[0][0][0];
	size_t count, naive_count = 0;
	const struct series *const *list = step_series(m, &count);

	for (size_t k = 0; k < NAMES * NAMES * NAMES; k++)
		naive_count += all[k].exists;
	assert_int_equal(count, naive_count);
	for (size_t i = 0; i < count; i++) {
		const struct naive_series *naive = naive_named(list[i]);

		assert_true(naive->exists);
		if (i) {
			assert_true(list[i - 1]->id < list[i]->id);
			assert_true(naive_named(list[i - 1])->order < naive->order);
		}
		same_counters(naive, list[i]);
		assert_int_equal(list[i]->gauge[GAUGE_INSTANCES], naive->instances);
		for (int d = 0; d < 2; d++) {
			assert_int_equal(list[i]->gauge[GAUGE_SEND_SPELL + d], naive->spell[d]);
			assert_int_equal(list[i]->spell_ended[d], naive->ended[d]);
			same_durations(naive, &list[i]->durations[d], d);
		}
	}
}

static void same_step(const struct naive_step *s, const struct step_view *view)
{
	for (int d = 0; d < 2; d++) {
		assert_int_equal(view->spell[d].since, s->spell[d]);
		assert_true(fabs(view->share[d] - s->share[d]) < 1e-12);
	}
	assert_true(fabs(view->self_share - s->share[2]) < 1e-12);
	assert_memory_equal(view->record->counter, s->told.counter,
			    COUNTER_BUSY_TIME * sizeof(s->told.counter[0]));
	assert_memory_equal(view->record->since, s->told.since, sizeof(s->told.since));
	assert_string_equal(view->record->name, s->told.name);
	assert_null(view->record->samples[0].values);
	assert_string_equal(view->series->step, step_names[s->names[0]]);
}

static void same_steps(const struct model *m)
{
	size_t count, living = 0;
	const struct step_view *views = model_steps(m, &count);

	for (size_t i = 0; i < step_total; i++) {
		size_t found = 0;

		if (!steps[i].known || steps[i].dead)
			continue;
		living++;
		for (size_t k = 0; k < count; k++) {
			if (memcmp(&views[k].record->key, &steps[i].told.key,
				   sizeof(steps[i].told.key)))
				continue;
			same_step(&steps[i], &views[k]);
			found++;
		}
		assert_int_equal(found, 1);
	}
	assert_int_equal(count, living);
	for (size_t k = 1; k < count; k++) {
		const struct pb_step_key *a = &views[k - 1].record->key, *b = &views[k].record->key;

		assert_true(a->process.tgid < b->process.tgid ||
			    (a->process.tgid == b->process.tgid && a->instance < b->instance));
	}
}

static void run(struct seed *s)
{
	struct model *m = model_new();
	uint64_t now = START, before;

	assert_non_null(m);
	memset(steps, 0, sizeof(steps));
	memset(series, 0, sizeof(series));
	step_total = 0;
	series_total = 0;
	model_begin(m, now);
	model_end(m);
	for (int i = 0; i < 60; i++) {
		before = now;
		now += pauses[seed_below(s, sizeof(pauses) / sizeof(*pauses))];
		random_drain(s, m, now, before);
		same_series(m);
		same_steps(m);
		if (!seed_chance(s, 25))
			continue;
		model_next_interval(m);
		naive_next_interval();
		same_series(m);
	}
	model_free(m);
}

static void test_like_a_naive_model(void **state)
{
	struct seed s = seed_new(__func__);

	(void)state;
	for (int i = 0; i < 40; i++)
		run(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_a_naive_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
