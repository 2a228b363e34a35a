/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kept.h"
#include "records.h"
#include "statsd_agent.h"
#include "statsd_series.h"

struct stand {
	struct model *m;
	struct statsd_table table;
	struct statsd_agent agent;
	struct statsd_outbox *out;
};

static struct stand stand_new(void)
{
	struct stand s = { .m = model_new(),
			   .table = { .max = 100, .global_tags = "env:old" },
			   .out = calloc(1, sizeof(*s.out)) };

	statsd_outbox_init(s.out, NULL, 1000);
	return s;
}

static void stand_free(struct stand *s)
{
	model_free(s->m);
	statsd_table_free(&s->table);
	free(s->out);
}

/* A step and its consumer; of the step `total` messages, `sent` of them handed over. */
static void tell(struct stand *s, uint64_t total, uint64_t sent)
{
	struct record r = record_of(1, 1, "sink");
	size_t count;
	const struct series *const *series;

	r.counter[COUNTER_ACCEPTED] = total;
	r.counter[COUNTER_SEND_EPISODES] = 9;
	r.counter[COUNTER_SEND_TIME] = total * MS + 1;
	model_begin(s->m, 10000 * SEC);
	model_record(s->m, &r, "");
	model_end(s->m);
	series = model_series(s->m, &count);
	statsd_table_update(&s->table, series, count);
	assert_int_equal(s->table.count, 2);
	s->table.at[0]->tally[COUNTER_ACCEPTED].sent = sent;
	s->table.at[0]->tally[COUNTER_ACCEPTED].told = sent != 0;
	s->table.at[0]->tally[COUNTER_SEND_TIME].sent = sent;
	s->table.at[0]->gauge[GAUGE_INSTANCES] = (struct statsd_told){ 1, 77 };
}

static void save(const struct stand *s, struct keep_writer *w)
{
	keep_begin(w, "test");
	statsd_table_save(&s->table, w);
	statsd_agent_save(&s->agent, s->out, w);
	keep_end(w);
}

/* As an agent with these global tags, whose model knows the series if the former one's did. */
static int load_into(struct stand *s, struct keep_reader *r)
{
	int err = statsd_table_load(&s->table, s->m, r);

	return err ? err : statsd_agent_load(&s->agent, s->out, r);
}

static void test_what_was_handed_over_is_not_due(void **state)
{
	struct stand before = stand_new(), after = stand_new();
	struct keep_writer w = { 0 };
	struct keep_reader r;
	struct statsd_series *s;

	(void)state;
	tell(&before, 10, 7);
	save(&before, &w);
	r = kept(&w);
	after.table.global_tags = "env:new";
	/* Series of the same numbers, as a loaded model has them. */
	tell(&after, 12, 0);
	statsd_table_free(&after.table);
	assert_int_equal(load_into(&after, &r), 0);
	assert_int_equal(r.at, r.size);
	s = after.table.at[0];
	assert_string_equal(s->tags, "step:sink,process:consumer,env:new");
	assert_int_equal(statsd_slot_due(s, COUNTER_ACCEPTED), 3);
	assert_int_equal(statsd_slot_due(s, COUNTER_SEND_TIME), 3);
	assert_true(s->tally[COUNTER_ACCEPTED].told);
	assert_int_equal(s->gauge[GAUGE_INSTANCES].value, 1);
	assert_int_equal(s->gauge[GAUGE_INSTANCES].at, 77);
	for (size_t i = 0, count; i < 1; i++) {
		const struct series *const *series = model_series(after.m, &count);

		statsd_table_update(&after.table, series, count);
	}
	assert_ptr_equal(after.table.at[0], s);
	assert_true(s->is_leader);
	assert_int_equal(statsd_slot_due(s, COUNTER_ACCEPTED), 5);
	keep_free(&w);
	stand_free(&before);
	stand_free(&after);
}

/* The former agent has sent durations as such. */
static void test_another_format(void **state)
{
	struct stand before = stand_new(), after = stand_new();
	struct keep_writer w = { 0 };
	struct keep_reader r;

	(void)state;
	tell(&before, 10, 7);
	save(&before, &w);
	r = kept(&w);
	tell(&after, 12, 0);
	statsd_table_free(&after.table);
	after.table.summary = true;
	assert_int_equal(load_into(&after, &r), 0);
	assert_int_equal(after.table.at[0]->tally[STATSD_SLOT_COUNT].total, 9);
	assert_int_equal(statsd_slot_due(after.table.at[0], STATSD_SLOT_COUNT), 0);
	assert_int_equal(statsd_slot_due(after.table.at[0], STATSD_SLOT_SUM), 0);
	keep_free(&w);
	stand_free(&before);
	stand_free(&after);
}

/* The former agent had another sink. */
static void test_what_others_were_told(void **state)
{
	struct stand s = stand_new();

	(void)state;
	tell(&s, 10, 0);
	statsd_table_free(&s.table);
	statsd_table_begin(&s.table, s.m);
	assert_int_equal(s.table.count, 2);
	for (unsigned int slot = 0; slot < STATSD_SLOTS; slot++)
		assert_int_equal(statsd_slot_due(s.table.at[0], slot), 0);
	s.table.at[0]->tally[COUNTER_ACCEPTED].total++;
	assert_int_equal(statsd_slot_due(s.table.at[0], COUNTER_ACCEPTED), 1);
	stand_free(&s);
}

/* Its last differences are still to be handed over, under the tags that it had. */
static void test_a_series_that_the_model_has_forgotten(void **state)
{
	struct stand before = stand_new(), after = stand_new();
	struct keep_writer w = { 0 };
	struct keep_reader r;

	(void)state;
	tell(&before, 10, 7);
	save(&before, &w);
	r = kept(&w);
	assert_int_equal(load_into(&after, &r), 0);
	statsd_table_update(&after.table, NULL, 0);
	assert_int_equal(after.table.count, 2);
	assert_string_equal(after.table.at[0]->tags, "step:sink,process:consumer,env:old");
	assert_int_equal(statsd_slot_due(after.table.at[0], COUNTER_ACCEPTED), 3);
	keep_free(&w);
	stand_free(&before);
	stand_free(&after);
}

static void test_what_the_agent_has_lost(void **state)
{
	struct stand before = stand_new(), after = stand_new();
	struct keep_writer w = { 0 };
	struct keep_reader r;

	(void)state;
	strcpy(before.agent.lost[0].reason, "exit_unread");
	before.agent.lost[0].tally = (struct statsd_tally){ 5, 4, true };
	before.agent.lost_count = 1;
	before.agent.packets_sent = (struct statsd_tally){ 9, 8, true };
	before.out->stats = (struct statsd_sent){ .packets = 9, .durations_dropped = 2 };
	/* In the packet that grows: an agent that is killed now sends it no more. */
	before.out->items[0] = (struct statsd_item){ NULL, 40, STATSD_DURATION };
	before.out->items[1] = (struct statsd_item){ NULL, 50, STATSD_GAUGE };
	before.out->items_count = 2;
	save(&before, &w);
	r = kept(&w);
	assert_int_equal(load_into(&after, &r), 0);
	assert_int_equal(after.agent.lost_count, 1);
	assert_string_equal(after.agent.lost[0].reason, "exit_unread");
	assert_memory_equal(&after.agent.lost[0].tally, &before.agent.lost[0].tally,
			    sizeof(struct statsd_tally));
	assert_memory_equal(&after.agent.packets_sent, &before.agent.packets_sent,
			    sizeof(struct statsd_tally));
	assert_int_equal(after.out->stats.packets, 9);
	assert_int_equal(after.out->stats.durations_dropped, 42);
	keep_free(&w);
	stand_free(&before);
	stand_free(&after);
}

static void load(struct keep_reader *r, void *context)
{
	struct stand s = stand_new();
	size_t *refused = context;

	*refused += load_into(&s, r) != 0;
	stand_free(&s);
}

static void test_what_is_spoilt_does_no_harm(void **state)
{
	struct stand s = stand_new();
	struct keep_writer w = { 0 };
	struct keep_reader r;
	size_t refused = 0;

	(void)state;
	tell(&s, 10, 7);
	strcpy(s.agent.lost[0].reason, "a_reason_with_a_name_that_takes_all_of_its_room");
	s.agent.lost_count = 1;
	save(&s, &w);
	r = kept(&w);
	load_spoilt(&r, load, &refused);
	assert_in_range(refused, 1000, 1999);
	((unsigned char *)(uintptr_t)r.data)[0]++;
	assert_int_equal(load_into(&s, &r), -EPROTO);
	keep_free(&w);
	stand_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_handed_over_is_not_due),
		cmocka_unit_test(test_a_series_that_the_model_has_forgotten),
		cmocka_unit_test(test_another_format),
		cmocka_unit_test(test_what_others_were_told),
		cmocka_unit_test(test_what_the_agent_has_lost),
		cmocka_unit_test(test_what_is_spoilt_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
