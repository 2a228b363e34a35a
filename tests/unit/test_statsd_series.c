/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../userspace/statsd_series.h"

#define COUNT 8

struct fixture {
	struct series series[COUNT];
	char names[COUNT][16];
	const struct series *shown[COUNT];
	size_t shown_count;
	struct statsd_table table;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (unsigned int i = 0; f && i < COUNT; i++) {
		snprintf(f->names[i], sizeof(f->names[i]), "step%u", i);
		f->series[i] = (struct series){
			.id = 10 * (i + 1),
			.moved = true,
			.step = f->names[i],
			.process = "p",
			.tags = "",
		};
	}
	if (f)
		f->table = (struct statsd_table){ .max = 100, .global_tags = "" };
	*state = f;
	return !f;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	statsd_table_free(&f->table);
	free(f);
	return 0;
}

/* Which series the model shows: bit i for series i. */
static void update(struct fixture *f, unsigned int mask)
{
	f->shown_count = 0;
	for (unsigned int i = 0; i < COUNT; i++)
		if (mask & 1u << i)
			f->shown[f->shown_count++] = &f->series[i];
	statsd_table_update(&f->table, f->shown, f->shown_count);
}

/* As after a flush in which everything was handed over. */
static void hand_over(struct fixture *f)
{
	for (size_t i = 0; i < f->table.count; i++) {
		struct statsd_series *s = f->table.at[i];

		for (unsigned int slot = 0; slot < STATSD_SLOTS; slot++) {
			uint64_t due = statsd_slot_due(s, slot);

			s->tally[slot].sent += due;
			s->tally[slot].told = due != 0;
		}
	}
}

static void check_ids(struct fixture *f, size_t count, const uint64_t *ids)
{
	assert_int_equal(f->table.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(f->table.at[i]->id, ids[i]);
}

/* Its field stands behind all tags, and series of two containers are two. */
static void an_origin_is_a_field(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *tags, *global, *want;
	} table[] = {
		{ "pushback_origin:ab12", "", "step:step0,process:p|c:ab12" },
		{ "pushback_origin:ab12,pid:7", "", "step:step0,process:p,pid:7|c:ab12" },
		{ "pushback_origin:ab12,pid:7", "env:x",
		  "step:step0,process:p,pid:7,env:x|c:ab12" },
		{ "pushback_origin:ab12", "env:x", "step:step0,process:p,env:x|c:ab12" },
		{ "pid:7", "env:x", "step:step0,process:p,pid:7,env:x" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		f->series[0].id++;
		f->series[0].tags = table[i].tags;
		f->table.global_tags = table[i].global;
		update(f, 1);
		assert_int_equal(f->table.count, 1);
		assert_string_equal(f->table.at[0]->tags, table[i].want);
	}
	f->series[0].id = 15;
	f->series[0].tags = "pushback_origin:aa";
	f->series[1].tags = "pushback_origin:bb";
	f->series[1].step = f->series[0].step;
	update(f, 3);
	assert_true(f->table.at[0]->is_leader && f->table.at[1]->is_leader);
}

static void states_follow_their_series_in_order(void **state)
{
	struct fixture *f = *state;

	update(f, 0x12);
	check_ids(f, 2, (uint64_t[]){ 20, 50 });

	struct statsd_series *second = f->table.at[0];

	/* New ones in between, at both ends, and one gone that had nothing. */
	update(f, 0xcf);
	check_ids(f, 6, (uint64_t[]){ 10, 20, 30, 40, 70, 80 });
	assert_ptr_equal(f->table.at[1], second);
	assert_ptr_equal(second->series, &f->series[1]);
	update(f, 0);
	check_ids(f, 0, NULL);
}

static void a_state_outlives_its_series_until_all_is_sent(void **state)
{
	struct fixture *f = *state;

	f->series[0].counter[COUNTER_SEND] = 5;
	update(f, 1);
	update(f, 0);
	check_ids(f, 1, (uint64_t[]){ 10 });
	assert_null(f->table.at[0]->series);
	assert_int_equal(statsd_slot_due(f->table.at[0], COUNTER_SEND), 5);
	hand_over(f);
	/* A last 0 is due. */
	update(f, 0);
	check_ids(f, 1, (uint64_t[]){ 10 });
	hand_over(f);
	update(f, 0);
	check_ids(f, 0, NULL);

	/* A gauge that the server still believes in. */
	update(f, 2);
	f->table.at[0]->gauge[GAUGE_INSTANCES].value = 1;
	update(f, 0);
	check_ids(f, 1, (uint64_t[]){ 20 });
	f->table.at[0]->gauge[GAUGE_INSTANCES].value = 0;
	update(f, 0);
	check_ids(f, 0, NULL);
	assert_int_equal(f->table.lost_series_full, 0);
}

static void times_are_due_in_whole_ms(void **state)
{
	struct fixture *f = *state;
	uint64_t sent = 0;

	for (unsigned int i = 1; i <= 10; i++) {
		f->series[0].counter[COUNTER_SEND_TIME] = i * 450000;
		update(f, 1);
		sent += statsd_slot_due(f->table.at[0], COUNTER_SEND_TIME);
		hand_over(f);
		assert_int_equal(sent, i * 450000 / 1000000);
	}
	assert_true(statsd_slot_is_time(STATSD_SLOT_SUM + 1));
	assert_false(statsd_slot_is_time(STATSD_SLOT_COUNT + 1));
	assert_false(statsd_slot_is_time(COUNTER_ACCEPTED));
	/* Never backwards. */
	f->series[0].counter[COUNTER_SEND_TIME] = 0;
	update(f, 1);
	assert_int_equal(statsd_slot_due(f->table.at[0], COUNTER_SEND_TIME), 0);
}

static void too_many_states_cost_the_oldest_dead_ones(void **state)
{
	struct fixture *f = *state;

	f->table.max = 4;
	for (unsigned int i = 0; i < COUNT; i++) {
		f->series[i].counter[COUNTER_SEND] = 1;
		f->series[i].counter[COUNTER_ACCEPTED] = 1;
	}
	update(f, 0x0f);
	update(f, 0x32);
	check_ids(f, 4, (uint64_t[]){ 20, 40, 50, 60 });
	assert_int_equal(f->table.lost_series_full, 4);
	/* Those that live are never given up. */
	update(f, 0xff);
	assert_int_equal(f->table.count, COUNT);
}

static void tags_are_made_of_all_that_is_known(void **state)
{
	struct fixture *f = *state;

	f->table.global_tags = "env:prod,url:a:b";
	f->series[0].step = "a|b,c:d";
	f->series[0].process = "";
	f->series[0].tags = "service:x:y";
	update(f, 3);
	assert_string_equal(f->table.at[0]->tags,
			    "step:a_b_c:d,process:unknown,service:x:y,env:prod,url:a:b");
	assert_string_equal(f->table.at[1]->tags, "step:step1,process:p,env:prod,url:a:b");
	update(f, 0);
	f->table.plain_values = true;
	update(f, 1);
	assert_string_equal(f->table.at[0]->tags,
			    "step:a_b_c_d,process:unknown,service:x_y,env:prod,url:a_b");
}

static void series_with_the_same_tags_are_a_group(void **state)
{
	struct fixture *f = *state;

	f->series[1].step = "x|";
	f->series[3].step = "x#";
	f->series[6].step = "x_";
	update(f, 0x4b);
	check_ids(f, 4, (uint64_t[]){ 10, 20, 40, 70 });

	struct statsd_series *const *at = f->table.at;

	assert_true(at[0]->is_leader);
	assert_null(at[0]->next);
	assert_true(at[1]->is_leader);
	assert_ptr_equal(at[1]->next, at[2]);
	assert_false(at[2]->is_leader);
	assert_ptr_equal(at[2]->next, at[3]);
	assert_false(at[3]->is_leader);
	assert_null(at[3]->next);

	/* The leader dies: the next one leads. */
	at[1]->gauge[0].value = 1;
	update(f, 0x48);
	check_ids(f, 3, (uint64_t[]){ 20, 40, 70 });
	at = f->table.at;
	assert_false(at[0]->is_leader);
	assert_null(at[0]->next);
	assert_true(at[1]->is_leader);
	assert_ptr_equal(at[1]->next, at[2]);
}

static void the_summary_counts_episodes_and_their_time(void **state)
{
	struct fixture *f = *state;
	struct series *s = &f->series[0];

	f->table.summary = true;
	s->counter[COUNTER_RECEIVE_EPISODES] = 3;
	assert_int_equal(hist_add(&s->durations[PUSHBACK_RECEIVE], 700000, 3), 0);
	update(f, 1);
	assert_int_equal(statsd_slot_due(f->table.at[0], STATSD_SLOT_COUNT + PUSHBACK_RECEIVE), 3);
	assert_int_equal(statsd_slot_due(f->table.at[0], STATSD_SLOT_SUM + PUSHBACK_RECEIVE), 2);
	hand_over(f);
	hist_clear(&s->durations[PUSHBACK_RECEIVE]);
	assert_int_equal(hist_add(&s->durations[PUSHBACK_RECEIVE], 900000, 1), 0);
	s->counter[COUNTER_RECEIVE_EPISODES] = 4;
	update(f, 1);
	assert_int_equal(statsd_slot_due(f->table.at[0], STATSD_SLOT_COUNT + PUSHBACK_RECEIVE), 1);
	assert_int_equal(statsd_slot_due(f->table.at[0], STATSD_SLOT_SUM + PUSHBACK_RECEIVE), 1);
	assert_int_equal(statsd_slot_due(f->table.at[0], STATSD_SLOT_COUNT + PUSHBACK_SEND), 0);
	hist_free(&s->durations[PUSHBACK_RECEIVE]);
}

/* Counters that go out for series 0, each of them 7 in the model. */
static unsigned int counters_due(struct fixture *f)
{
	unsigned int due = 0;

	for (int c = 0; c < COUNTERS; c++)
		f->series[0].counter[c] = c == COUNTER_SEND_TIME || c == COUNTER_RECEIVE_TIME ||
							  c == COUNTER_SEND_SELF_TIME ||
							  c >= COUNTER_BUSY_TIME
						  ? 7000000
						  : 7;
	update(f, 1);
	for (unsigned int c = 0; c < COUNTERS; c++) {
		uint64_t one = statsd_slot_due(f->table.at[0], c);

		assert_true(one == 0 || one == 7);
		due |= (one == 7) << c;
	}
	update(f, 0);
	hand_over(f);
	hand_over(f);
	update(f, 0);
	assert_int_equal(f->table.count, 0);
	return due;
}

static unsigned int gauges_of(const struct series *series)
{
	unsigned int has = 0;

	for (unsigned int g = 0; g < GAUGES; g++)
		has |= (unsigned int)statsd_has_gauge(series, g) << g;
	return has;
}

static void series_send_what_they_have(void **state)
{
	static const unsigned int pressure = 1u << COUNTER_SOME_TIME | 1u << COUNTER_FULL_TIME;
	static const unsigned int queue = 1u << GAUGE_QUEUE_DEPTH | 1u << GAUGE_QUEUE_CAPACITY;
	struct fixture *f = *state;
	struct series *s = &f->series[0];
	unsigned int all = (1u << COUNTERS) - 1, all_gauges = (1u << GAUGES) - 1;

	assert_int_equal(counters_due(f), all & ~pressure & ~(1u << COUNTER_BUSY_TIME));
	assert_int_equal(gauges_of(s), all_gauges & ~queue);
	s->has_marks = s->has_depth = true;
	assert_int_equal(counters_due(f), all & ~pressure);
	assert_int_equal(gauges_of(s), all_gauges);
	s->step = NULL;
	assert_int_equal(counters_due(f), pressure);
	assert_int_equal(gauges_of(s), 0);
}

static void a_consumer_has_no_step_tag(void **state)
{
	struct fixture *f = *state;

	f->table.global_tags = "env:prod";
	f->series[0].step = NULL;
	f->series[0].tags = "service:x";
	f->series[1].step = NULL;
	f->series[2].step = "";
	update(f, 7);
	assert_string_equal(f->table.at[0]->tags, "process:p,service:x,env:prod");
	assert_string_equal(f->table.at[1]->tags, "process:p,env:prod");
	assert_string_equal(f->table.at[2]->tags, "step:unknown,process:p,env:prod");
	for (int i = 0; i < 3; i++)
		assert_true(f->table.at[i]->is_leader && !f->table.at[i]->next);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_origin_is_a_field),
		TEST(states_follow_their_series_in_order),
		TEST(a_state_outlives_its_series_until_all_is_sent),
		TEST(times_are_due_in_whole_ms),
		TEST(too_many_states_cost_the_oldest_dead_ones),
		TEST(tags_are_made_of_all_that_is_known),
		TEST(series_with_the_same_tags_are_a_group),
		TEST(the_summary_counts_episodes_and_their_time),
		TEST(series_send_what_they_have),
		TEST(a_consumer_has_no_step_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
