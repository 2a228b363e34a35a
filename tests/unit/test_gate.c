/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "gate.h"
#include "records.h"

#define START (10000 * SEC)
#define END   (START + 100 * SEC)

static int setup(void **state)
{
	*state = gate_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	gate_free(*state);
	return 0;
}

static void limit(struct gate *g, enum gate_kind kind, const char *text)
{
	char why[256] = "";

	assert_int_equal(gate_limit(g, kind, text, why, sizeof(why)), 0);
	assert_string_equal(why, "");
}

static void step(struct gate *g, uint32_t pid, uint64_t instance, const char *name, uint64_t self)
{
	struct record r = record_of(pid, instance, name);

	r.begun = START;
	r.counter[COUNTER_SEND_SELF_TIME] = self;
	r.counter[COUNTER_SEND_TIME] = 2 * self;
	r.counter[COUNTER_RECEIVE_TIME] = 3 * self;
	assert_int_equal(gate_step(g, &r, END), 0);
}

static void the_worst_of_those_that_are_meant(void **state)
{
	struct gate *g = *state;
	const struct gate_result *r;

	limit(g, GATE_SELF, "sink=20%");
	limit(g, GATE_REFUSING, "s*=60%");
	limit(g, GATE_BLOCKED, "parse=2.5%");
	step(g, 1, 1, "sink", 10 * SEC);
	step(g, 2, 1, "sink", 20 * SEC);
	step(g, 2, 2, "store", 30 * SEC);
	step(g, 2, 3, "parse", 1 * SEC);
	r = gate_judge(g, 0);
	assert_true(r->seen);
	assert_int_equal(r->pid, 2);
	assert_string_equal(r->step, "sink");
	assert_string_equal(r->process, "consumer");
	assert_int_equal(r->watched_ns, 100 * SEC);
	/* A limit is what is allowed. */
	assert_true(r->share == 0.2 && !r->broken);
	r = gate_judge(g, 1);
	assert_string_equal(r->step, "store");
	assert_true(r->share == 0.6 && !r->broken);
	r = gate_judge(g, 2);
	assert_string_equal(r->step, "parse");
	assert_true(r->share == 0.03 && r->broken);
	assert_null(gate_judge(g, 3));
}

static void instances_are_added_up(void **state)
{
	struct gate *g = *state;

	limit(g, GATE_SELF, "sink=50%");
	step(g, 1, 1, "sink", 90 * SEC);
	step(g, 1, 2, "sink", 0);
	assert_true(gate_judge(g, 0)->share == 0.45);
	assert_int_equal(gate_judge(g, 0)->watched_ns, 200 * SEC);
}

/* Told again it is the same one, unless it counts from another beginning, as who is watched in parts. */
static void parts_are_added_up(void **state)
{
	struct record r = record_of(1, 1, "sink");
	struct gate *g = *state;

	limit(g, GATE_SELF, "sink=50%");
	r.partly = true;
	r.begun = START;
	r.counter[COUNTER_SEND_SELF_TIME] = 1 * SEC;
	assert_int_equal(gate_step(g, &r, START + 2 * SEC), 0);
	r.counter[COUNTER_SEND_SELF_TIME] = 3 * SEC;
	assert_int_equal(gate_step(g, &r, START + 4 * SEC), 0);
	r.begun = START + 20 * SEC;
	r.counter[COUNTER_SEND_SELF_TIME] = 0;
	assert_int_equal(gate_step(g, &r, START + 22 * SEC), 0);
	assert_true(gate_judge(g, 0)->share == 0.5);
	assert_true(gate_judge(g, 0)->partly);
	assert_int_equal(gate_judge(g, 0)->watched_ns, 6 * SEC);
	/* A second judgement of the same is the same. */
	assert_true(gate_judge(g, 0)->share == 0.5);
}

static void what_is_not_there_is_not_seen(void **state)
{
	struct gate *g = *state;

	limit(g, GATE_SELF, "sinks=50%");
	limit(g, GATE_FULL, "50%");
	step(g, 1, 1, "sink", 90 * SEC);
	assert_false(gate_judge(g, 0)->seen);
	assert_false(gate_judge(g, 1)->seen);
	assert_false(gate_judge(g, 1)->broken);
}

static void a_consumer_is_as_it_was_told_last(void **state)
{
	struct record record = record_of(7, 3, "head");
	struct step_view view = { .record = &record };
	const struct step_view *views[] = { &view };
	struct consumer_view consumer = { .process = record.key.process,
					  .name = "ingest",
					  .steps = views,
					  .step_count = 1,
					  .full_ns = 90 * SEC };
	struct gate *g = *state;

	record.begun = START;
	record.partly = true;
	limit(g, GATE_FULL, "in*=10%");
	limit(g, GATE_FULL, "out=10%");
	assert_int_equal(gate_consumer(g, &consumer, END), 0);
	consumer.full_ns = 91 * SEC;
	assert_int_equal(gate_consumer(g, &consumer, END + SEC), 0);
	assert_int_equal(gate_judge(g, 0)->watched_ns, 101 * SEC);
	assert_true(gate_judge(g, 0)->share == 91.0 / 101);
	assert_true(gate_judge(g, 0)->broken && gate_judge(g, 0)->partly);
	assert_null(gate_judge(g, 0)->step);
	assert_false(gate_judge(g, 1)->seen);
}

static void what_is_no_limit(void **state)
{
	static const struct {
		enum gate_kind kind;
		const char *text, *why;
	} cases[] = {
		{ GATE_SELF, "20%", "--max-self '20%': give it as STEP=20%, a part of the time" },
		{ GATE_SELF, "=20%", "--max-self '=20%': give it as STEP=20%, a part of the time" },
		{ GATE_SELF, "a=20", "--max-self 'a=20': give it as STEP=20%, a part of the time" },
		{ GATE_SELF, "a=-1%",
		  "--max-self 'a=-1%': give it as STEP=20%, a part of the time" },
		{ GATE_FULL, "x",
		  "--max-full 'x': give it as 20% or CONSUMER=20%, a part of the time" },
		{ GATE_REFUSING, "a=100%",
		  "--max-refusing 'a=100%' can never be broken: give less than 100%" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char why[256] = "";

		assert_int_equal(gate_limit(*state, cases[i].kind, cases[i].text, why, sizeof(why)),
				 -EINVAL);
		assert_string_equal(why, cases[i].why);
	}
	assert_null(gate_judge(*state, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_worst_of_those_that_are_meant, setup, teardown),
		cmocka_unit_test_setup_teardown(instances_are_added_up, setup, teardown),
		cmocka_unit_test_setup_teardown(parts_are_added_up, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_not_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(a_consumer_is_as_it_was_told_last, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_limit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
