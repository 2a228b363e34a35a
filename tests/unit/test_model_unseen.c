/* SPDX-License-Identifier: MIT */
/*
 * A model that nobody sees passes over what rests: its series are those of one that is seen and is told
 * everything of everyone, in whatever order steps fall asleep, wake, come and die.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pipeline.h"
#include "seed.h"

#define SERIES 64
#define STEPS  12 /* in two processes, three chains and one step with two heads before it */

struct world {
	struct seed seed;
	struct model *seen, *unseen;
	uint64_t now, instances;
	struct record r[STEPS]; /* as of the last drain */
	bool told[STEPS];       /* to the unseen one */
	bool asleep[STEPS];
	bool marks[STEPS];
	struct series before[SERIES]; /* the unseen one's by their ids, when an interval began */
};

static bool is_open(const struct record *r)
{
	return r->since[PUSHBACK_SEND] || r->since[PUSHBACK_RECEIVE];
}

static void renew(struct world *w, size_t i)
{
	static const int next[STEPS] = { 1, 2, -1, 4, 5, -1, 8, 8, 9, -1, 11, -1 };
	uint32_t tgid = i < 6 ? 1 : 2;
	struct record *r = &w->r[i];

	*r = placed(tgid, i + 1);
	r->key.instance = ++w->instances;
	if (next[i] >= 0)
		hands_on(r, PLACE(next[i] + 1), 1);
	w->told[i] = false;
	w->asleep[i] = seed_chance(&w->seed, 50);
}

/* In `elapsed` it did something, but for what is open that goes on by itself. */
static void act(struct world *w, size_t i)
{
	struct record *r = &w->r[i];

	r->counter[COUNTER_ACCEPTED] += seed_below(&w->seed, 3);
	r->counter[COUNTER_SEND] += seed_below(&w->seed, 2);
	for (int d = PUSHBACK_SEND; d <= PUSHBACK_RECEIVE; d++)
		if (seed_chance(&w->seed, 40))
			r->since[d] = r->since[d] ? 0 : w->now - seed_below(&w->seed, SEC);
	if (seed_chance(&w->seed, 10))
		r->depth = (uint32_t)seed_below(&w->seed, 3);
	r->counter[COUNTER_SEND_EPISODES] += !r->since[PUSHBACK_SEND];
	r->rest_ns[PUSHBACK_SEND] = SEC;
	r->marks |= w->marks[i];
	r->events++;
}

static void go_on(struct world *w, struct record *r, uint64_t elapsed)
{
	if (r->since[PUSHBACK_SEND])
		r->counter[COUNTER_SEND_TIME] += seed_below(&w->seed, elapsed + 1);
	if (r->since[PUSHBACK_RECEIVE])
		r->counter[COUNTER_RECEIVE_TIME] += seed_below(&w->seed, elapsed + 1);
}

static void tell(struct world *w, size_t i, bool same)
{
	struct record short_one = { .key = w->r[i].key, .place = w->r[i].place, .same = true };

	assert_int_equal(model_record(w->seen, &w->r[i], ""), 0);
	assert_int_equal(model_record(w->unseen, same ? &short_one : &w->r[i], ""), 0);
}

static void drain_one(struct world *w, size_t i, uint64_t elapsed)
{
	struct record *r = &w->r[i];
	bool news = !w->told[i] || is_open(r);

	if (seed_chance(&w->seed, 5))
		w->asleep[i] = !w->asleep[i];
	go_on(w, r, elapsed);
	if (!w->asleep[i] && seed_chance(&w->seed, 80)) {
		act(w, i);
		news = true;
	}
	r->dead = seed_chance(&w->seed, 1);
	r->settle = r->dead || !news || seed_chance(&w->seed, 30);
	news |= r->dead || is_open(r);
	/* It could not be read. */
	if (w->told[i] && !r->dead && seed_chance(&w->seed, 3)) {
		w->told[i] = !news;
		return;
	}
	/* The last word with all durations is not short either. */
	tell(w, i, !news && w->told[i] && seed_chance(&w->seed, 90));
	w->told[i] = r->settle;
	if (r->dead)
		renew(w, i);
}

static void drain_world(struct world *w)
{
	static const uint64_t pauses[] = { SEC,     SEC,      SEC,     SEC,     SEC,
					   SEC + 7, 950 * MS, 3 * SEC, 300 * MS };
	/* As with an interval of less than a second, now and then. */
	uint64_t elapsed = pauses[seed_below(&w->seed, sizeof(pauses) / sizeof(*pauses))];

	w->now += elapsed;
	model_begin(w->seen, w->now);
	model_begin(w->unseen, w->now);
	for (size_t i = 0; i < STEPS; i++)
		drain_one(w, i, elapsed);
	model_end(w->seen);
	model_end(w->unseen);
}

/* Of moments at which an episode was open that no drain has shown, too. */
static void sample_world(struct world *w)
{
	struct model *both[] = { w->seen, w->unseen };
	struct model_mark marks[STEPS];

	for (size_t i = 0; i < STEPS; i++) {
		marks[i] = (struct model_mark){ .refusing = w->r[i].since[PUSHBACK_SEND],
						.blocked = w->r[i].since[PUSHBACK_RECEIVE] };
		if (seed_chance(&w->seed, 20))
			marks[i].refusing = !marks[i].refusing;
		if (w->marks[i] && seed_chance(&w->seed, 20))
			marks[i].inside = 64 * (1 + seed_below(&w->seed, 2)) + 1;
	}
	w->now += 50 * MS;
	for (int k = 0; k < 2; k++) {
		model_sample_begin(both[k], w->now);
		for (size_t i = 0; i < STEPS; i++)
			model_sample(both[k], &w->r[i].key, &marks[i]);
		model_sample_end(both[k]);
	}
}

static void same_durations(const struct hist *a, const struct hist *b)
{
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->count, b->count);
	if (a->size)
		assert_memory_equal(a->values, b->values, a->size * sizeof(*a->values));
}

/* One that has not moved is as it was. */
static void same_as_before(const struct world *w, const struct series *s)
{
	const struct series *before = &w->before[s->id];

	assert_true(s->id < SERIES);
	if (s->moved)
		return;
	assert_memory_equal(s->counter, before->counter, sizeof(s->counter));
	assert_memory_equal(s->gauge, before->gauge, sizeof(s->gauge));
	for (int d = 0; d < 2; d++) {
		assert_int_equal(s->durations[d].size, 0);
		assert_false(s->spell_ended[d]);
	}
}

static void next_interval(struct world *w)
{
	const struct series *const *series;
	size_t count;

	model_next_interval(w->seen);
	model_next_interval(w->unseen);
	series = model_series(w->unseen, &count);
	for (size_t i = 0; i < count; i++)
		w->before[series[i]->id] = *series[i];
}

static void same_series(const struct world *w)
{
	size_t count, others;
	const struct series *const *a = model_series(w->seen, &count);
	const struct series *const *b = model_series(w->unseen, &others);

	assert_int_equal(count, others);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(a[i]->id, b[i]->id);
		for (int c = 0; c < COUNTERS; c++)
			assert_int_equal(a[i]->counter[c], b[i]->counter[c]);
		for (int g = 0; g < GAUGES; g++)
			assert_int_equal(a[i]->gauge[g], b[i]->gauge[g]);
		same_as_before(w, b[i]);
		assert_int_equal(a[i]->has_marks, b[i]->has_marks);
		assert_int_equal(a[i]->has_depth, b[i]->has_depth);
		for (int d = 0; d < 2; d++) {
			assert_int_equal(a[i]->spell_ended[d], b[i]->spell_ended[d]);
			same_durations(&a[i]->durations[d], &b[i]->durations[d]);
		}
	}
	assert_int_equal(model_ended_series(w->seen), model_ended_series(w->unseen));
}

static void run(struct world *w)
{
	w->seen = model_new();
	w->unseen = model_new();
	assert_non_null(w->seen);
	assert_non_null(w->unseen);
	model_set_unseen(w->unseen);
	for (size_t i = 0; i < STEPS; i++) {
		w->marks[i] = seed_chance(&w->seed, 30);
		renew(w, i);
	}
	for (int i = 0; i < 150; i++) {
		drain_world(w);
		same_series(w);
		for (uint64_t k = seed_below(&w->seed, 3); k; k--)
			sample_world(w);
		if (!seed_chance(&w->seed, 40))
			continue;
		next_interval(w);
		same_series(w);
	}
	model_free(w->seen);
	model_free(w->unseen);
}

static void test_as_if_it_were_seen(void **state)
{
	struct world w = { .seed = seed_new(__func__), .now = START };

	(void)state;
	for (int i = 0; i < 40; i++)
		run(&w);
}

static void test_nobody_sees_steps(void **state)
{
	struct model *m = *state;
	struct record r = placed(1, 1);
	size_t count;

	model_set_unseen(m);
	drain_all(m, START + SEC, &r, 1);
	model_steps(m, &count);
	assert_int_equal(count, 0);
	assert_int_equal(consumer_count(m), 0);
	model_series(m, &count);
	assert_int_equal(count, 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_if_it_were_seen),
		cmocka_unit_test_setup_teardown(test_nobody_sees_steps, begun_setup,
						begun_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
