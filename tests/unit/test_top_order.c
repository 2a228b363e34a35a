/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "top_made.h"
#include "top_order.h"

#define SEC 1000000000ull

static struct made made;
static struct top_order *order;

static int setup(void **state)
{
	(void)state;
	made_begin(&made);
	order = top_order_new();
	return order ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	top_order_free(order);
	return 0;
}

/* The rows in one line: "consumer:" and steps. */
static const char *rows_of(const struct top_view *view)
{
	static char text[4096];
	size_t count;
	const struct top_row *rows = top_order_rows(order, &made.s, view, &count);

	assert_non_null(rows);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		strcat(text, i ? " " : "");
		strcat(text, rows[i].step ? rows[i].step->name : rows[i].consumer->name);
		strcat(text, rows[i].step ? "" : ":");
	}
	return text;
}

static const struct top_row *row_named(const struct top_view *view, const char *step)
{
	size_t count;
	const struct top_row *rows = top_order_rows(order, &made.s, view, &count);

	for (size_t i = 0; i < count; i++)
		if (rows[i].step && !strcmp(rows[i].step->name, step))
			return &rows[i];
	fail_msg("no row %s", step);
	return NULL;
}

static void make_two(void)
{
	made_consumer(&made, 100, "alpha");
	made_step(&made, "decode");
	made_step(&made, "sink")->self = 0.9;
	made_consumer(&made, 200, "beta");
	made_step(&made, "decode")->self = 0.2;
	made_step(&made, "write");
}

static void test_pipeline(void **state)
{
	struct top_view view = { 0 };

	(void)state;
	assert_string_equal(rows_of(&view), "");
	make_two();
	assert_string_equal(rows_of(&view), "alpha: decode sink beta: decode write");
	assert_string_equal(top_sort_name(&view), "pipeline");
}

static void test_sorted(void **state)
{
	struct top_view view = { .sort = TOP_BY_SELF };

	(void)state;
	make_two();
	assert_string_equal(rows_of(&view), "sink decode decode write");
	view.sort = TOP_BY_NAME;
	assert_string_equal(rows_of(&view), "decode decode sink write");
}

/* Every order but the pipeline's and by name: the second step has more of it than the first. */
static void test_each_order(void **state)
{
	struct top_view view = { 0 };
	struct top_step *step;

	(void)state;
	made_consumer(&made, 1, "c");
	made_step(&made, "a");
	step = made_step(&made, "b");
	for (int s = TOP_BY_SELF; s < TOP_BY_NAME; s++) {
		for (int side = 0; side < 2; side++) {
			static const enum counter rejected[] = { COUNTER_SEND, COUNTER_RECEIVE };

			view.sort = (enum top_sort)s;
			view.side = side;
			assert_string_equal(rows_of(&view), "a b");
			step->self = s == TOP_BY_SELF;
			step->side[side].share = s == TOP_BY_SHARE;
			step->since_ns = s == TOP_BY_SPELL;
			step->rate[COUNTER_ACCEPTED] = s == TOP_BY_ACCEPTED;
			step->rate[rejected[side]] = s == TOP_BY_REJECTED;
			step->side[side].p99 = s == TOP_BY_P99;
			step->side[side].longest = s == TOP_BY_LONGEST;
			assert_string_equal(rows_of(&view), "b a");
			memset(step->side, 0, sizeof(step->side));
			memset(step->rate, 0, sizeof(step->rate));
			step->self = 0;
			step->since_ns = 0;
		}
	}
}

static void test_filter(void **state)
{
	struct top_view view = { .filter = "COD" };

	(void)state;
	make_two();
	assert_string_equal(rows_of(&view), "alpha: decode beta: decode");
	strcpy(view.filter, "bet");
	assert_string_equal(rows_of(&view), "beta: decode write");
	strcpy(view.filter, "100");
	assert_string_equal(rows_of(&view), "alpha: decode sink");
	strcpy(view.filter, "10");
	assert_string_equal(rows_of(&view), "");
	strcpy(view.filter, "nothing");
	assert_string_equal(rows_of(&view), "");
	strcpy(view.filter, "18446744073709551716"); /* 100, after an overflow */
	assert_string_equal(rows_of(&view), "");
}

/* ---- Merging ---- */

static void test_merge_names(void **state)
{
	struct top_view view = { .merge = true };

	(void)state;
	made_consumer(&made, 100, "alpha");
	made_step(&made, "decode");
	made_step(&made, "sink");
	made_consumer(&made, 200, "beta");
	made_step(&made, "write");
	made_consumer(&made, 300, "alpha");
	made_step(&made, "decode");
	made_step(&made, "batch");
	made_step(&made, "sink");
	assert_string_equal(rows_of(&view), "alpha: decode batch sink beta: write");
	assert_int_equal(row_named(&view, "decode")->consumer->merged, 2);
	assert_int_equal(row_named(&view, "decode")->step->merged, 2);
	assert_int_equal(row_named(&view, "batch")->step->merged, 1);
	assert_int_equal(row_named(&view, "write")->consumer->merged, 1);
}

/* Whatever their order: that of a name's first one, and no consumer is left out. */
static void test_merge_many_names(void **state)
{
	struct top_view view = { .merge = true };
	char name[8];

	(void)state;
	for (unsigned int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "n%u", i * 37 % 50);
		made_consumer(&made, 100 + i, name);
		made_step(&made, name);
	}
	for (unsigned int i = 0; i < 50; i++) {
		const struct top_row *row;

		snprintf(name, sizeof(name), "n%u", i * 37 % 50);
		row = row_named(&view, name);
		assert_int_equal(row->consumer->merged, 4);
		assert_int_equal(row->consumer->process.tgid, 100 + i);
		assert_int_equal(row->step->merged, 4);
	}
}

static bool near(double a, double b)
{
	return a > b - 1e-9 && a < b + 1e-9;
}

static void test_merge_values(void **state)
{
	struct top_view view = { .merge = true };
	struct hist one = { 0 }, two = { 0 };
	const struct top_step *row;
	struct top_step *a, *b;

	(void)state;
	assert_int_equal(hist_add(&one, 10, 3), 0);
	assert_int_equal(hist_add(&two, 20, 97), 0);
	made_consumer(&made, 100, "c")->some[MODEL_AVG10] = 0.2;
	a = made_step(&made, "sink");
	made.consumers[0].some_share = made.consumers[0].full_share = 1;
	made_consumer(&made, 200, "c")->some[MODEL_AVG10] = 0.1;
	b = made_step(&made, "sink");
	a->rate[COUNTER_ACCEPTED] = 10;
	b->rate[COUNTER_ACCEPTED] = 5;
	a->counter[COUNTER_SEND] = 7;
	b->counter[COUNTER_SEND] = 8;
	a->side[PUSHBACK_SEND] =
		(struct top_side){ .spell_ns = 1, .share = 0.5, .longest = 10, .durations = &one };
	b->side[PUSHBACK_SEND] = (struct top_side){
		.spell_ns = 2, .share = 0.4, .longest = 40, .at_least = true, .durations = &two
	};
	a->at_fault = true;
	a->has_depth = b->has_depth = true;
	a->depth = 5, a->capacity = 100;
	b->depth = 2, b->capacity = 4;
	row = row_named(&view, "sink")->step;
	assert_true(row->rate[COUNTER_ACCEPTED] == 15);
	assert_int_equal(row->counter[COUNTER_SEND], 15);
	assert_int_equal(row->side[PUSHBACK_SEND].spell_ns, 2);
	assert_true(near(row->side[PUSHBACK_SEND].share, 0.45));
	assert_int_equal(row->side[PUSHBACK_SEND].p50, 20);
	assert_int_equal(row->side[PUSHBACK_SEND].longest, 40);
	assert_true(row->side[PUSHBACK_SEND].at_least);
	assert_true(row->at_fault);
	assert_int_equal(row->depth, 2);
	assert_int_equal(row->capacity, 4);
	assert_true(near(row_named(&view, "sink")->consumer->some[MODEL_AVG10], 0.15));
	assert_true(near(row_named(&view, "sink")->consumer->some_share, 0.5));
	assert_true(near(row_named(&view, "sink")->consumer->full_share, 0.5));
	hist_free(&one);
	hist_free(&two);
}

/* The mean of those of which something is known; and the state that follows from it. */
static void test_merge_shares(void **state)
{
	struct top_view view = { .merge = true };
	const struct top_step *row;
	struct top_step *step[4];

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		made_consumer(&made, 100 + i, "c");
		step[i] = made_step(&made, "sink");
		step[i]->marks = i < 2;
		step[i]->judged = i < 3;
	}
	for (int i = 0; i < 2; i++) {
		step[i]->self = step[i]->side[PUSHBACK_SEND].share = 0.9;
		step[i]->busy = 0.4;
		step[i]->split[MODEL_REFUSING] = 0.6;
		step[i]->split[MODEL_BUSY] = 0.4;
		step[i]->state = TOP_REFUSING;
		step[i]->since_ns = (i + 1) * SEC;
		step[i]->since_at_least = i;
	}
	step[2]->split[MODEL_IDLE] = 1;
	step[2]->since_ns = 9 * SEC;
	row = row_named(&view, "sink")->step;
	assert_true(near(row->self, 0.6));
	assert_true(near(row->side[PUSHBACK_SEND].share, 0.6));
	assert_true(near(row->busy, 0.4));
	assert_true(near(row->split[MODEL_REFUSING], 0.4));
	assert_true(near(row->split[MODEL_IDLE], 1 / 3.0));
	assert_int_equal(row->state, TOP_REFUSING);
	assert_int_equal(row->since_ns, 2 * SEC);
	assert_true(row->since_at_least);
	assert_true(row->judged);
	step[1]->self = 0;
	row = row_named(&view, "sink")->step;
	assert_int_equal(row->state, TOP_IDLE);
	assert_int_equal(row->since_ns, 0);
	step[3]->rate[COUNTER_ACCEPTED] = 1;
	assert_int_equal(row_named(&view, "sink")->step->state, TOP_FLOWING);
}

/* ---- What the verdict says of those that are merged ---- */

static struct top_consumer *judge(uint32_t pid, enum verdict_kind kind, size_t culprit, double self)
{
	struct top_consumer *c = made_consumer(&made, pid, "c");

	made_step(&made, "transform");
	made_step(&made, "sink");
	c->kind = kind;
	c->culprit = culprit;
	if (culprit < c->count)
		made.steps[c->first + culprit].self = self;
	return c;
}

static const char *verdict(void)
{
	static const struct top_view view = { .merge = true };

	return row_named(&view, "sink")->consumer->verdict;
}

static void test_merge_agrees(void **state)
{
	static const struct top_view view = { .merge = true };

	(void)state;
	snprintf(judge(1, VERDICT_BOTTLENECK, 0, 0.9)->verdict, TOP_VERDICT_SIZE, "its own");
	assert_string_equal(verdict(), "its own");
	judge(2, VERDICT_BOTTLENECK, 0, 1);
	assert_string_equal(verdict(), "in both transform is the bottleneck: 95 % self time");
	assert_true(near(row_named(&view, "transform")->step->self, 0.95));
	made_consumer(&made, 9, "other");
	made_step(&made, "x");
	assert_string_equal(verdict(), "in both transform is the bottleneck: 95 % self time");
}

static void test_merge_differs(void **state)
{
	static const struct top_view view = { .merge = true };

	(void)state;
	judge(1, VERDICT_BOTTLENECK, 1, 0.9);
	judge(2, VERDICT_BOTTLENECK, 0, 1);
	judge(3, VERDICT_BOTTLENECK, 0, 0.8);
	assert_string_equal(verdict(),
			    "in 2 of 3 transform is the bottleneck, in 1 sink is the bottleneck");
	assert_true(near(row_named(&view, "transform")->step->self, 0.6));
	judge(4, VERDICT_UNCLEAR, 0, 0.5);
	judge(5, VERDICT_UNCLEAR, 1, 0.5);
	judge(6, VERDICT_STOPPED, 2, 0);
	for (uint32_t pid = 7; pid < 10; pid++)
		judge(pid, VERDICT_FLOWING, 0, 0);
	/* Of trouble first, however many are well. */
	assert_string_equal(verdict(),
			    "in 2 of 9 transform is the bottleneck, in 2 there is no "
			    "clear culprit, in 1 the process is stopped, in 4 otherwise");
}

static void test_merge_phrases(void **state)
{
	static const struct {
		enum verdict_kind kind;
		const char *text;
	} table[] = {
		{ VERDICT_MEASURING, "in both the first second is being measured" },
		{ VERDICT_NOTHING, "in both nothing is being submitted" },
		{ VERDICT_STOPPED, "in both the process is stopped" },
		{ VERDICT_FLOWING, "in both there is no bottleneck" },
		{ VERDICT_BUSIEST, "in both sink is busy most of the time" },
		{ VERDICT_UNCLEAR, "in both there is no clear culprit" },
		{ VERDICT_BEHIND, "in both sink is blocked by something that is not watched" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		made_begin(&made);
		judge(1, table[i].kind, 1, 0);
		judge(2, table[i].kind, 1, 0);
		assert_string_equal(verdict(), table[i].text);
	}
}

/* Instances of one name in one process share their durations: these count once. */
static void test_merge_one_series(void **state)
{
	struct top_view view = { .merge = true };
	struct hist h = { 0 };
	struct top_step *step;

	(void)state;
	assert_int_equal(hist_add(&h, 10, 3), 0);
	made_consumer(&made, 100, "c");
	for (int i = 0; i < 3; i++) {
		step = made_step(&made, "sink");
		step->series = 1;
		step->side[PUSHBACK_SEND].durations = &h;
	}
	assert_int_equal(row_named(&view, "sink")->step->side[PUSHBACK_SEND].durations->count, 3);
	assert_int_equal(row_named(&view, "sink")->step->merged, 3);
	hist_free(&h);
}

/* 2,000 steps in 200 processes, in each order, merged or not: every step is there once. */
static void test_many(void **state)
{
	(void)state;
	for (uint32_t p = 0; p < 200; p++) {
		made_consumer(&made, 1000 + p, p % 2 ? "odd" : "even");
		for (int i = 0; i < 10; i++) {
			char name[16];

			snprintf(name, sizeof(name), "step%d", i);
			made_step(&made, name)->self = (p * 10 + (uint32_t)i) % 97 / 97.0;
		}
	}
	for (int s = 0; s < TOP_SORTS; s++) {
		struct top_view view = { .sort = (enum top_sort)s };
		size_t count, headers = s == TOP_BY_PIPELINE;

		assert_non_null(top_order_rows(order, &made.s, &view, &count));
		assert_int_equal(count, 2000 + headers * 200);
		view.merge = true;
		assert_non_null(top_order_rows(order, &made.s, &view, &count));
		assert_int_equal(count, 20 + headers * 2);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pipeline),      TEST(test_sorted),           TEST(test_each_order),
		TEST(test_filter),        TEST(test_merge_names),      TEST(test_merge_values),
		TEST(test_merge_shares),  TEST(test_merge_agrees),     TEST(test_merge_differs),
		TEST(test_merge_phrases), TEST(test_merge_one_series), TEST(test_merge_many_names),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
