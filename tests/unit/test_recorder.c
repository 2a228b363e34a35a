/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "pipeline.h"
#include "recorder.h"
#include "seed.h"

/* A recorder beside its model, and the steps that both hear of. */
struct stand {
	struct model *m;
	struct recorder *r;
	uint64_t now;
	uint64_t read_ns; /* from when a drain begins until it hands on who has ended */
	struct record records[RECORDER_STEPS + 8];
	size_t count;
};

static int set_up(void **state)
{
	struct stand *s = calloc(1, sizeof(*s));

	s->m = model_new();
	s->now = START;
	s->r = recorder_new(START);
	model_begin(s->m, START);
	model_end(s->m);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct stand *s = *state;

	model_free(s->m);
	recorder_free(s->r);
	free(s);
	return 0;
}

static struct record *add_step(struct stand *s, uint64_t instance)
{
	s->records[s->count] = placed(1, instance);
	s->records[s->count].begun = s->now;
	return &s->records[s->count++];
}

static void drain_at(struct stand *s, uint64_t now)
{
	s->now = now;
	model_begin(s->m, now);
	for (size_t i = 0; i < s->count; i++) {
		struct record *r = &s->records[i];

		if (r->dead)
			recorder_end(s->r, r, now + s->read_ns);
		model_record(s->m, r, "k:v");
		if (r->dead)
			s->records[i--] = s->records[--s->count];
	}
	model_end(s->m);
	recorder_take(s->r, s->m, now, false);
}

static void drain(struct stand *s)
{
	drain_at(s, s->now + SEC);
}

static const struct recorder_strip *strip(const struct stand *s, size_t i)
{
	size_t count;
	const struct recorder_strip *const *strips = recorder_strips(s->r, &count);

	assert_true(i < count);
	return strips[i];
}

static struct recorder_sums sums(const struct stand *s, size_t i, uint64_t from, uint64_t until)
{
	struct recorder_sums all = { 0 };

	recorder_add(strip(s, i), from, until, &all);
	return all;
}

static void each_second_has_its_own(void **state)
{
	struct stand *s = *state;
	struct record *r = add_step(s, 1);

	r->counter[COUNTER_ACCEPTED] = 10;
	r->counter[COUNTER_SEND_TIME] = 400 * MS;
	r->counter[COUNTER_SEND_SELF_TIME] = 300 * MS;
	r->counter[COUNTER_RECEIVE_TIME] = 100 * MS;
	r->depth = 7;
	drain(s);
	drain(s);
	r->counter[COUNTER_ACCEPTED] = 15;
	r->counter[COUNTER_SEND] = 1000;
	r->counter[COUNTER_SEND_TIME] = 1400 * MS;
	r->counter[COUNTER_SEND_EPISODES] = 3;
	r->depth = 2;
	drain(s);
	assert_int_equal(recorder_seconds(s->r), 3);
	assert_int_equal(sums(s, 0, 0, 1).accepted, 10);
	assert_int_equal(sums(s, 0, 0, 1).refusing, 400000);
	assert_int_equal(sums(s, 0, 0, 1).self, 300000);
	assert_int_equal(sums(s, 0, 0, 1).blocked, 100000);
	assert_int_equal(sums(s, 0, 0, 3).depth, 7);
	assert_int_equal(sums(s, 0, 1, 2).accepted, 0);
	assert_int_equal(sums(s, 0, 2, 3).accepted, 5);
	assert_int_equal(sums(s, 0, 2, 3).refusing, 1000000);
	assert_int_equal(sums(s, 0, 2, 3).rejected, 1000);
	assert_int_equal(sums(s, 0, 2, 3).episodes[0], 3);
	assert_int_equal(sums(s, 0, 2, 3).depth, 2);
	assert_int_equal(sums(s, 0, 0, 3).accepted, 15);
	assert_string_equal(strip(s, 0)->tags, "k:v");
}

static void drains_come_faster_or_late(void **state)
{
	struct stand *s = *state;
	struct record *r = add_step(s, 1);

	for (int i = 0; i < 20; i++) {
		r->counter[COUNTER_ACCEPTED] += 3;
		drain_at(s, s->now + 100 * MS);
	}
	assert_int_equal(recorder_seconds(s->r), 3);
	assert_int_equal(sums(s, 0, 0, 2).accepted + sums(s, 0, 2, 3).accepted, 60);
	/* A second is over when it nearly is. */
	assert_in_range(sums(s, 0, 1, 2).accepted, 28, 32);
	r->counter[COUNTER_ACCEPTED] += 10;
	drain_at(s, s->now + 3 * SEC);
	for (uint64_t i = 2; i < 5; i++)
		assert_in_range(sums(s, 0, i, i + 1).accepted, 3, 10);
	assert_int_equal(sums(s, 0, 0, 5).accepted, 70);
	/* A rest of less than half a second is no second of its own. */
	r->counter[COUNTER_ACCEPTED] += 1;
	s->now += 100 * MS;
	model_begin(s->m, s->now);
	model_record(s->m, r, "k:v");
	model_end(s->m);
	recorder_take(s->r, s->m, s->now, true);
	assert_int_equal(recorder_seconds(s->r), 5);
	assert_int_equal(sums(s, 0, 0, 5).accepted, 71);
	r->counter[COUNTER_ACCEPTED] += 1;
	drain_at(s, s->now + 600 * MS);
	assert_int_equal(recorder_seconds(s->r), 6);
	recorder_take(s->r, s->m, s->now, true);
	assert_int_equal(recorder_seconds(s->r), 6);
	assert_int_equal(sums(s, 0, 0, 6).accepted, 72);
}

static void what_was_counted_before_is_not_of_this_hour(void **state)
{
	struct stand *s = *state;
	struct record *r = add_step(s, 1);

	r->begun = START - 100 * SEC;
	r->counter[COUNTER_ACCEPTED] = 1000;
	drain(s);
	assert_int_equal(sums(s, 0, 0, 1).accepted, 0);
	r->counter[COUNTER_ACCEPTED] = 1001;
	drain(s);
	assert_int_equal(sums(s, 0, 0, 2).accepted, 1);
}

static void a_step_that_ends_stays_with_all_it_did(void **state)
{
	struct stand *s = *state;
	struct record *r = add_step(s, 1);

	r->counter[COUNTER_ACCEPTED] = 1;
	drain(s);
	r->counter[COUNTER_ACCEPTED] = 4;
	r->dead = true;
	drain_at(s, s->now + 100 * MS);
	assert_int_equal(recorder_seconds(s->r), 2);
	assert_int_equal(sums(s, 0, 0, 2).accepted, 4);
	assert_int_equal(strip(s, 0)->ended, s->now);
	/* An hour later it is gone. */
	for (int i = 0; i < 3800; i++)
		drain(s);
	size_t count;

	recorder_strips(s->r, &count);
	assert_int_equal(count, 0);
}

/* Its last record is handed on while the drain is under way. */
static void a_step_that_ends_in_the_drain_of_a_minute_stays(void **state)
{
	struct stand *s = *state;
	struct record *r = add_step(s, 1);

	for (int i = 0; i < 59; i++)
		drain(s);
	s->read_ns = 5 * MS;
	r->counter[COUNTER_ACCEPTED] = 4;
	r->dead = true;
	drain(s);
	drain(s);
	assert_int_equal(sums(s, 0, 0, 61).accepted, 4);
}

static void an_hour_and_no_more(void **state)
{
	struct stand *s = *state;
	struct record *r = add_step(s, 1);

	for (int i = 0; i < 2 * 3600; i++) {
		r->counter[COUNTER_ACCEPTED] += 1;
		r->counter[COUNTER_SEND_TIME] += 500 * MS;
		drain(s);
	}
	uint64_t first = recorder_first_second(s->r), end = recorder_seconds(s->r);

	assert_int_equal(end, 7200);
	assert_in_range(end - first, 3600, 3660);
	assert_int_equal(sums(s, 0, first, end).accepted, end - first);
	assert_int_equal(sums(s, 0, 0, end).accepted, end - first);
	assert_int_equal(sums(s, 0, 0, end).refusing, (end - first) * 500000);
	assert_false(recorder_is_coarse(s->r, first));
}

static void memory_is_bounded_and_sums_stay(void **state)
{
	struct stand *s = *state;
	uint64_t first, end, all = 0;

	for (size_t i = 0; i < RECORDER_STEPS; i++)
		add_step(s, i + 1);
	for (int i = 0; i < 3500; i++) {
		for (size_t k = 0; k < s->count; k++) {
			s->records[k].counter[COUNTER_ACCEPTED] += k;
			s->records[k].counter[COUNTER_SEND_TIME] += MS * k;
		}
		drain(s);
		assert_true(recorder_bytes(s->r) < RECORDER_BYTES + (2u << 20));
	}
	first = recorder_first_second(s->r);
	end = recorder_seconds(s->r);
	assert_true(recorder_is_coarse(s->r, first));
	assert_false(recorder_is_coarse(s->r, end - 1));
	for (size_t k = 0; k < s->count; k++) {
		all += sums(s, k, first, end).accepted;
		assert_int_equal(sums(s, k, first, end).refusing, (end - first) * 1000 * k);
	}
	assert_int_equal(all, (uint64_t)RECORDER_STEPS * (RECORDER_STEPS - 1) / 2 * (end - first));
}

static void more_steps_than_there_is_room_for(void **state)
{
	struct stand *s = *state;

	for (size_t i = 0; i < RECORDER_STEPS + 3; i++)
		add_step(s, i + 1);
	drain(s);
	assert_int_equal(recorder_lost(s->r).steps, 3);
	/* Those that have ended give way. */
	s->records[0].dead = s->records[1].dead = true;
	drain(s);
	drain(s);
	assert_int_equal(recorder_lost(s->r).steps, 3);
	assert_int_equal(recorder_lost(s->r).dropped, 2);
}

static void durations_by_minute(void **state)
{
	struct stand *s = *state;
	struct hist found[2] = { { 0 } };
	struct record *r = add_step(s, 1);

	for (int i = 0; i < 90; i++) {
		r->counter[COUNTER_SEND_EPISODES] += 2;
		hist_add(&r->samples[0], i < 60 ? MS : 9 * MS, 2);
		drain(s);
		hist_free(&r->samples[0]);
		recorder_take_durations(s->r, s->m, s->now);
		model_next_interval(s->m);
	}
	assert_int_equal(recorder_add_durations(strip(s, 0), 0, 90, found), 0);
	assert_int_equal(found[0].count, 180);
	hist_clear(&found[0]);
	assert_int_equal(recorder_add_durations(strip(s, 0), 60, 90, found), 0);
	assert_int_equal(found[0].count, 60);
	assert_int_equal(found[0].values[0].ns, 9 * MS);
	assert_int_equal(found[1].count, 0);
	hist_free(&found[0]);
}

static void who_hands_on_to_whom(void **state)
{
	struct stand *s = *state;
	struct record *a = add_step(s, 1);

	hands_on(a, PLACE(2), 5);
	a->counter[COUNTER_RECEIVE] = 5;
	add_step(s, 2)->counter[COUNTER_SEND] = 5;
	drain(s);
	assert_int_equal(strip(s, 0)->next[0].instance, 2);
	assert_int_equal(strip(s, 0)->next[0].refusals, 5);
	assert_int_equal(strip(s, 0)->next[1].instance, 0);
	assert_int_equal(strip(s, 1)->level, 1);
	assert_int_equal(strip(s, 1)->consumer, 1);
}

/* That one passes over what rests; nothing of those that wake is lost. */
static void a_model_that_nobody_sees(void **state)
{
	struct seed seed = seed_new(__func__);
	struct stand *s = *state;
	uint64_t all[8] = { 0 };

	model_set_unseen(s->m);
	for (size_t i = 0; i < 8; i++)
		add_step(s, i + 1);
	for (int n = 0; n < 300; n++) {
		for (size_t i = 0; i < 8; i++) {
			uint64_t more = seed_chance(&seed, 20) ? seed_below(&seed, 100) : 0;

			s->records[i].counter[COUNTER_ACCEPTED] += more;
			s->records[i].same = n && !more;
			all[i] += more;
		}
		/* Early and late by more than what counts as in time. */
		drain_at(s, s->now + SEC - 300 * MS + seed_below(&seed, 600) * MS);
	}
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(sums(s, i, 0, recorder_seconds(s->r)).accepted, all[i]);
}

static void fill(struct stand *s, struct seed *seed)
{
	for (size_t i = 0; i < 5; i++)
		add_step(s, i + 1);
	for (int n = 0; n < 400; n++) {
		for (size_t i = 0; i < s->count; i++) {
			struct record *r = &s->records[i];

			r->counter[COUNTER_ACCEPTED] += seed_below(seed, 1000);
			r->counter[COUNTER_SEND_TIME] += seed_below(seed, SEC);
			r->counter[COUNTER_RECEIVE_EPISODES] += 1;
			hist_add(&r->samples[1], seed_log(seed, 40), 1);
		}
		drain(s);
		for (size_t i = 0; i < s->count; i++)
			hist_free(&s->records[i].samples[1]);
		recorder_take_durations(s->r, s->m, s->now);
		model_next_interval(s->m);
	}
}

/* The other process has the same. */
static void saved_and_loaded(void **state)
{
	struct seed seed = seed_new(__func__);
	struct stand *s = *state, other = { 0 };
	struct keep_writer w = { 0 };
	struct keep_reader k;

	fill(s, &seed);
	recorder_save(s->r, &w);
	assert_int_equal(keep_finish(&w), 0);
	assert_int_equal(keep_open(&k, w.data, w.size), 0);
	assert_int_equal(recorder_load(&other.r, &k), 0);
	assert_int_equal(recorder_seconds(other.r), 400);
	for (size_t i = 0; i < 5; i++) {
		struct hist a[2] = { { 0 } }, b[2] = { { 0 } };
		struct recorder_sums x = sums(s, i, 3, 399), y = sums(&other, i, 3, 399);

		assert_memory_equal(&x, &y, sizeof(x));
		assert_string_equal(strip(s, i)->name, strip(&other, i)->name);
		recorder_add_durations(strip(s, i), 0, 400, a);
		recorder_add_durations(strip(&other, i), 0, 400, b);
		assert_int_equal(a[1].count, 400);
		assert_int_equal(b[1].count, 400);
		assert_int_equal(hist_sum(&a[1]), hist_sum(&b[1]));
		hist_free(&a[1]);
		hist_free(&b[1]);
	}
	recorder_free(other.r);
	keep_free(&w);
}

/* Whatever it reads, it neither reads beyond it nor stores what it has no room for. */
static void spoilt_is_refused(void **state)
{
	struct seed seed = seed_new(__func__);
	struct stand *s = *state;
	struct keep_writer w = { 0 };

	fill(s, &seed);
	recorder_save(s->r, &w);
	assert_int_equal(keep_finish(&w), 0);
	for (int i = 0; i < 300; i++) {
		struct recorder *r;
		struct keep_reader k;
		size_t at = 32 + seed_below(&seed, i % 2 ? 600 : w.size - 32);
		unsigned char was = w.data[at];

		w.data[at] = (unsigned char)seed_next(&seed);
		assert_int_equal(keep_finish(&w), 0);
		assert_int_equal(keep_open(&k, w.data, w.size), 0);
		if (!recorder_load(&r, &k))
			recorder_free(r);
		w.data[at] = was;
	}
	keep_free(&w);
}

/* A whole as a stranger may write it: `seconds`, two durations of one minute, two strips. */
static int load_forged(uint64_t seconds, const uint64_t durations[2], const uint64_t instances[2])
{
	struct recorder_next next[PB_MAX_NEXT] = { { 0 } };
	char name[sizeof(((struct recorder_strip *)0)->name)] = "step";
	char process[sizeof(((struct recorder_strip *)0)->process)] = "process";
	struct keep_writer w = { 0 };
	struct keep_reader k;
	struct recorder *r;
	int err;

	keep_begin(&w, "recorder");
	keep_numbers(&w, (uint64_t[]){ 1, sizeof(struct recorder_cell) }, 2);
	keep_numbers(&w, (uint64_t[]){ START, START, seconds, 0, 0, 0, 0, 0 }, 8);
	keep_numbers(&w, (uint64_t[]){ 1, 7, 1, 0 }, 4); /* one series, id 7, of one minute: 0 */
	keep_numbers(&w, (uint64_t[]){ 2, durations[0], 1, durations[1], 1, 0 }, 6);
	keep_number(&w, 2);
	for (size_t i = 0; i < 2; i++) {
		struct pb_step_key key = { .process.tgid = 1, .instance = instances[i] };

		keep_bytes(&w, &key, sizeof(key));
		keep_text(&w, "");
		keep_bytes(&w, name, sizeof(name));
		keep_bytes(&w, process, sizeof(process));
		keep_numbers(&w, (uint64_t[]){ 1, START, 0, 0, 0, 0, 0, 0 }, 8);
		keep_bytes(&w, next, sizeof(next));
		keep_numbers(&w, (uint64_t[]){ 7, 0 }, 2);
	}
	keep_end(&w);
	assert_int_equal(keep_finish(&w), 0);
	assert_int_equal(keep_open(&k, w.data, w.size), 0);
	err = recorder_load(&r, &k);
	recorder_free(r);
	keep_free(&w);
	return err;
}

static void forged_is_refused(void **state)
{
	const uint64_t rising[] = { 5, 6 }, falling[] = { 6, 5 }, two[] = { 8, 9 },
		       alike[] = { 9, 9 };

	(void)state;
	assert_int_equal(load_forged(10, rising, two), 0);
	assert_int_equal(load_forged(UINT64_MAX / SEC, rising, two), 0);
	assert_int_equal(load_forged(UINT64_MAX / SEC + 1, rising, two), -EBADMSG);
	assert_int_equal(load_forged(UINT64_MAX, rising, two), -EBADMSG);
	assert_int_equal(load_forged(10, falling, two), -EBADMSG);
	assert_int_equal(load_forged(10, rising, alike), -EBADMSG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_second_has_its_own),
		TEST(drains_come_faster_or_late),
		TEST(what_was_counted_before_is_not_of_this_hour),
		TEST(a_step_that_ends_stays_with_all_it_did),
		TEST(a_step_that_ends_in_the_drain_of_a_minute_stays),
		TEST(an_hour_and_no_more),
		TEST(memory_is_bounded_and_sums_stay),
		TEST(more_steps_than_there_is_room_for),
		TEST(durations_by_minute),
		TEST(who_hands_on_to_whom),
		TEST(a_model_that_nobody_sees),
		TEST(saved_and_loaded),
		TEST(spoilt_is_refused),
		TEST(forged_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
